"""Runs the pods of `kubernetes_api.py` as processes of this machine, whose volumes are directories.

python kubelet.py DIRECTORY
"""

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

LOOK_EVERY_S = 0.1
GRACE_S = 2.0
NODE_MEMORY_MI = 100_000
NO_SUCH_PROGRAM = 128


class Pod:
    """A pod in its thread: volumes, then the containers that come first, then the pilot's."""

    def __init__(self, directory: Path, namespace: str, job: dict[str, Any]) -> None:
        self._job = job
        self._namespace = directory / namespace
        self._job_name = job["metadata"]["name"]
        self._name = f"{self._job_name}-{job['metadata']['uid'][:5]}"
        self._place = self._namespace / "volumes" / self._name
        self._process: subprocess.Popen[bytes] | None = None
        self._is_ended = False
        self._spec = job["spec"]["template"]["spec"]
        security = self._spec.get("securityContext", {})
        self._user, self._group = security.get("runAsUser", os.geteuid()), security.get("fsGroup", os.getegid())
        (self._namespace / "logs").mkdir(exist_ok=True)
        self._show("Pending")
        threading.Thread(target=self._live, daemon=True).start()

    def end(self) -> None:
        """Its Job was suspended or deleted: the pod goes."""
        self._is_ended = True
        for number in (signal.SIGTERM, signal.SIGKILL):
            process = self._process
            if process is not None and process.poll() is None:
                os.killpg(process.pid, number)
                try:
                    process.wait(GRACE_S)
                except subprocess.TimeoutExpired:
                    continue
        (self._namespace / "pods" / f"{self._name}.json").unlink(missing_ok=True)
        shutil.rmtree(self._place, ignore_errors=True)

    def _live(self) -> None:
        memory = self._spec["containers"][0]["resources"]["requests"].get("memory", "0Mi")
        image = self._spec["containers"][0]["image"]
        if int(memory.removesuffix("Mi")) > NODE_MEMORY_MI:
            since = datetime.now(UTC) - (timedelta(hours=2) if "long-ago" in image else timedelta())
            condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
            condition |= {"message": "0/1 nodes are available: 1 Insufficient memory.", "lastTransitionTime": _z(since)}
            self._show("Pending", conditions=[condition])
            return
        if "missing" in image:
            waiting = {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "{image}"'}
            self._show("Pending", initContainerStatuses=[{"name": "inputs", "state": {"waiting": waiting}}])
            return
        mounts = self._volumes()
        for container in [*self._spec.get("initContainers", []), *self._spec["containers"]]:
            is_main = container["name"] == "pilot"
            if self._is_ended:
                return
            code = self._run(container, mounts, is_main=is_main)
            if is_main or code != 0:
                self._over(container["name"], code)
                return

    def _volumes(self) -> dict[str, Path]:
        found = {}
        for volume in self._spec["volumes"]:
            place = self._place / volume["name"]
            place.mkdir(parents=True)
            os.chown(place, -1, self._group)
            place.chmod(0o2775)
            if "configMap" in volume:
                self._fill(place, "configmaps", volume["configMap"]["name"], "binaryData", 0o644)
            elif "secret" in volume:
                mode = volume["secret"]["defaultMode"]
                self._fill(place, "secrets", volume["secret"]["secretName"], "data", mode)
            found[volume["name"]] = place
        return found

    def _fill(self, place: Path, kind: str, name: str, key: str, mode: int) -> None:
        """Wait, as a kubelet does, until the object is there."""
        path = self._namespace / kind / f"{name}.json"
        while not path.exists() and not self._is_ended:
            time.sleep(LOOK_EVERY_S)
        for file, content in json.loads(path.read_text())[key].items():
            (place / file).write_bytes(base64.b64decode(content))
            os.chown(place / file, -1, self._group)
            (place / file).chmod(mode)

    def _run(self, container: dict[str, Any], mounts: dict[str, Path], *, is_main: bool) -> int:
        """Run a container: what it would see at its mount points is put into its words."""
        places = {mount["mountPath"]: str(mounts[mount["name"]]) for mount in container["volumeMounts"]}

        def seen(word: str) -> str:
            for inside, outside in places.items():
                word = word.replace(inside, outside)
            return word

        environment = {entry["name"]: entry["value"].replace("$$", "$") for entry in container.get("env", [])}
        with (self._namespace / "logs" / f"{self._name}-{container['name']}.log").open("wb") as log:
            try:
                self._process = subprocess.Popen(
                    [seen(word) for word in container["command"]],
                    cwd=seen(container.get("workingDir", "/")),
                    env={"PATH": os.environ["PATH"], **environment},
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                    user=self._user,
                    group=self._group,
                    extra_groups=[],
                )
            except OSError as error:
                log.write(str(error).encode())
                return NO_SUCH_PROGRAM
        if is_main:
            self._show("Running")
        code = self._process.wait()
        return code if code >= 0 else 128 - code

    def _over(self, container: str, code: int) -> None:
        if self._is_ended:
            return
        terminated = {"exitCode": code, "reason": "Completed" if code == 0 else "Error"}
        self._show(
            "Succeeded" if code == 0 else "Failed",
            containerStatuses=[{"name": container, "state": {"terminated": terminated}}],
        )
        kind, reason = ("Complete", "") if code == 0 else ("Failed", "BackoffLimitExceeded")
        condition = {"type": kind, "status": "True", "reason": reason, "message": ""}
        _write(self._namespace / "jobs-status" / f"{self._job_name}.json", {"conditions": [condition]})

    def _show(self, phase: str, **status: Any) -> None:
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": self._job_name, "uid": self._job["metadata"]["uid"]}
        metadata = {"name": self._name, "labels": self._job["spec"]["template"]["metadata"]["labels"]}
        metadata["ownerReferences"] = [owner]
        body = {"kind": "Pod", "metadata": metadata, "status": {"phase": phase, **status}}
        _write(self._namespace / "pods" / f"{self._name}.json", body)


def _z(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _write(path: Path, body: object) -> None:
    path.parent.mkdir(exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(body))
    new.replace(path)


def main(directory: str) -> None:
    """Look at the Jobs for ever."""
    pods: dict[Path, Pod] = {}
    while True:
        there: set[Path] = set()
        for path in Path(directory).glob("*/jobs/*.json"):
            try:
                job = json.loads(path.read_text())
            except FileNotFoundError:
                continue
            if not job["spec"].get("suspend"):
                there.add(path)
                if path not in pods:
                    pods[path] = Pod(Path(directory), path.parent.parent.name, job)
        for path in set(pods) - there:
            pods.pop(path).end()
        time.sleep(LOOK_EVERY_S)


if __name__ == "__main__":
    main(*sys.argv[1:])
