"""What Kubernetes is told and what it says: the objects that a pilot is made of, and the meaning of their states. Pure.

A pilot is one Job. Its inputs are a ConfigMap that pilots with the same inputs share; its secrets are a Secret that
belongs to the Job and goes with it. A container that runs first puts both into the directory in which the pilot starts,
so that the pilot's own container, and payloads in it, never have the Secret mounted.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import Field

from weyl.config.section import Section
from weyl.pilots.compute_elements.driver import (
    STAMP_VARIABLE,
    CEState,
    CEStatus,
    Copy,
    DriverError,
    PilotSpec,
    job_name,
)

MANAGED, QUEUE, STAMP, CANCELLED = "app.kubernetes.io/managed-by", "weyl/queue", "weyl/stamp", "weyl/cancelled"
CONTAINER = "pilot"
WORK, INPUTS, SECRETS = "/weyl/work", "/weyl/inputs", "/weyl/secrets"
OBJECT_BYTES_MAX = 1_000_000
"""What fits into one ConfigMap or Secret."""
TERMINATION_S = 75
"""A pilot has a minute to end its payloads."""
KEPT_S = 7 * 86_400
"""When Kubernetes itself removes an ended Job, should we not have done so before."""
UNSCHEDULABLE_FOR = timedelta(hours=1)
# Words of the kubelet after which a pod that has not started never will.
HOPELESS = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError"}
)
_COPY = f'for place in {INPUTS} {SECRETS}; do [ ! -d "$place" ] || cp -L "$place"/* {WORK}/ || exit 1; done\n'
_HANDLE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)


class KubernetesOptions(Section):
    """`DriverOptions` of a cluster."""

    image: str
    """What pilots run in: an image with a POSIX shell, Python 3.9 or newer, and what payloads need."""
    namespace: str = "weyl"
    """Where Jobs, Secrets and ConfigMaps are made; the token must allow that there, and nothing anywhere else."""
    ca: Path | None = Field(None, alias="CA")
    """Certificate authority of the cluster: `certificate-authority` of a kubeconfig."""
    service_account: str | None = None
    """The account that pilots run under; its token is not given to them."""
    image_pull_secrets: tuple[str, ...] = ()
    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: tuple[dict[str, Any], ...] = ()
    priority_class: str | None = None
    run_as_user: int | None = Field(None, ge=0)
    """User id of the pilot; that of the image otherwise."""
    gpu_resource: str = Field("nvidia.com/gpu", alias="GPUResource")
    """The name under which nodes offer GPUs."""
    timeout: float = Field(300, gt=0)
    """Seconds for one operation, however many pilots it is about."""


def is_handle(handle: str) -> bool:
    """Tell whether a text can be the name of a Job."""
    return _HANDLE.fullmatch(handle) is not None


def config_map(spec: PilotSpec) -> dict[str, Any]:
    """Return what holds the inputs of a submission; the same inputs have the same name."""
    total = sum(map(len, spec.inputs.values()))
    if total > OBJECT_BYTES_MAX:
        raise DriverError(f"Kubernetes takes {OBJECT_BYTES_MAX} bytes of inputs, and these are {total}")
    digest = hashlib.sha256()
    for name, content in sorted(spec.inputs.items()):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": f"weyl-inputs-{digest.hexdigest()[:32]}", "labels": {MANAGED: "weyl"}},
        "immutable": True,
        "binaryData": {name: base64.b64encode(content).decode() for name, content in spec.inputs.items()},
    }


def job(spec: PilotSpec, copy: Copy, options: KubernetesOptions, *, inputs: str) -> dict[str, Any]:
    """Return the Job of a pilot."""
    name = job_name(copy.stamp, spec.name)
    labels = {MANAGED: "weyl", STAMP: copy.stamp}
    if spec.queue:
        labels[QUEUE] = re.sub(r"[^A-Za-z0-9_.-]", "-", spec.queue)[:63].strip("-_.")
    described: dict[str, Any] = {
        "backoffLimit": 0,
        "ttlSecondsAfterFinished": KEPT_S,
        "template": {"metadata": {"labels": labels}, "spec": _pod(spec, copy, options, inputs=inputs, secret=name)},
    }
    if spec.wall_s:
        described["activeDeadlineSeconds"] = spec.wall_s
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": labels},
        "spec": described,
    }


def secret(copy: Copy, *, name: str, job_uid: str) -> dict[str, Any]:
    """Return what holds the secrets of a pilot; it belongs to the pilot's Job, and goes with it."""
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": job_uid}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": {MANAGED: "weyl", STAMP: copy.stamp}, "ownerReferences": [owner]},
        "immutable": True,
        "type": "Opaque",
        "data": {file: base64.b64encode(content).decode() for file, content in copy.secrets.items()},
    }


def judge(job: Mapping[str, Any], pod: Mapping[str, Any] | None, *, now: datetime) -> CEStatus:
    """Return what a Job, and the pod that it has made, mean."""
    status = _mapping(job.get("status"))
    conditions = {
        entry.get("type"): entry for entry in _mappings(status.get("conditions")) if entry.get("status") == "True"
    }
    if "Complete" in conditions:
        return CEStatus(CEState.DONE, "exit code 0")
    if "Failed" in conditions:
        code = exit_code(pod)
        if code is not None:
            reason = str(_terminated(pod).get("reason") or "")
            killed = f" ({reason})" if reason not in ("", "Error", "Completed") else ""
            return CEStatus(CEState.FAILED, f"exit code {code}{killed}")
        words = [str(conditions["Failed"].get(key) or "") for key in ("reason", "message")]
        return CEStatus(CEState.FAILED, ": ".join(filter(None, words)) or "failed")
    if _mapping(_mapping(job.get("metadata")).get("annotations")).get(CANCELLED):
        return CEStatus(CEState.DELETED, "cancelled")
    return CEStatus(CEState.WAITING, "no pod yet") if pod is None else _judge_pod(pod, now=now)


def exit_code(pod: Mapping[str, Any] | None) -> int | None:
    """Return what the pilot ended with."""
    code = _terminated(pod).get("exitCode")
    return code if isinstance(code, int) else None


def name_of(item: Mapping[str, Any]) -> str:
    """Return the name of an object."""
    return str(_mapping(item.get("metadata")).get("name") or "")


def job_of(pod: Mapping[str, Any]) -> str:
    """Return the name of the Job that a pod belongs to."""
    owners = _mappings(_mapping(pod.get("metadata")).get("ownerReferences"))
    return next((str(owner.get("name")) for owner in owners if owner.get("kind") == "Job"), "")


def _pod(spec: PilotSpec, copy: Copy, options: KubernetesOptions, *, inputs: str, secret: str) -> dict[str, Any]:
    environment = {**spec.environment, **copy.environment, STAMP_VARIABLE: copy.stamp}
    executable = f"{WORK}/{spec.executable[2:]}" if spec.executable.startswith("./") else spec.executable
    image = spec.container or options.image
    start = f"{_COPY}chmod 600 {WORK}/*\n"
    if spec.executable.startswith("./"):
        start += f'chmod 700 "{executable}"\n'
    work = {"name": "work", "mountPath": WORK}
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": TERMINATION_S,
        "initContainers": [
            {
                "name": "inputs",
                "image": image,
                "command": ["/bin/sh", "-c", start],
                "volumeMounts": [
                    work,
                    {"name": "inputs", "mountPath": INPUTS, "readOnly": True},
                    *([{"name": "secrets", "mountPath": SECRETS, "readOnly": True}] if copy.secrets else []),
                ],
                "resources": _resources(spec, options),
            }
        ],
        "containers": [
            {
                "name": CONTAINER,
                "image": image,
                "command": [executable, *spec.arguments],
                "workingDir": WORK,
                # Kubernetes replaces $(NAME) in values, and takes $$ for a $.
                "env": [{"name": key, "value": value.replace("$", "$$")} for key, value in environment.items()],
                "volumeMounts": [work],
                "resources": _resources(spec, options),
            }
        ],
        "volumes": [
            {"name": "work", "emptyDir": {}},
            {"name": "inputs", "configMap": {"name": inputs}},
            *([{"name": "secrets", "secret": {"secretName": secret, "defaultMode": 0o440}}] if copy.secrets else []),
        ],
    }
    return pod | _placement(options)


def _placement(options: KubernetesOptions) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "serviceAccountName": options.service_account,
        "imagePullSecrets": [{"name": name} for name in options.image_pull_secrets],
        "nodeSelector": options.node_selector,
        "tolerations": list(options.tolerations),
        "priorityClassName": options.priority_class,
    }
    if options.run_as_user is not None:
        # The group of the volumes, too: otherwise a user that is not root could read no Secret.
        user = options.run_as_user
        asked["securityContext"] = {"runAsUser": user, "runAsGroup": user, "fsGroup": user}
    return {key: value for key, value in asked.items() if value}


def _resources(spec: PilotSpec, options: KubernetesOptions) -> dict[str, Any]:
    asked: dict[str, str] = {"cpu": str(spec.cores)}
    if spec.memory_mb:
        asked["memory"] = f"{spec.memory_mb}Mi"
    if spec.scratch_mb:
        asked["ephemeral-storage"] = f"{spec.scratch_mb}Mi"
    if spec.gpus:
        asked[options.gpu_resource] = str(spec.gpus)
    # Cores are shared fairly by what is requested, and a limit would only throttle a pilot that finds some idle.
    limits = {name: amount for name, amount in asked.items() if name != "cpu"}
    return {"requests": asked, "limits": limits} if limits else {"requests": asked}


def _judge_pod(pod: Mapping[str, Any], *, now: datetime) -> CEStatus:
    status = _mapping(pod.get("status"))
    match status.get("phase"):
        case "Running" | "Succeeded" | "Failed":  # the Job says what an end means, in a moment
            return CEStatus(CEState.RUNNING, str(status.get("phase")))
        case "Pending":
            every = [*_mappings(status.get("initContainerStatuses")), *_mappings(status.get("containerStatuses"))]
            for entry in every:
                waiting = _mapping(_mapping(entry.get("state")).get("waiting"))
                if waiting.get("reason") in HOPELESS:
                    return CEStatus(CEState.ABORTED, f"{waiting['reason']}: {waiting.get('message') or ''}"[:500])
            return _judge_scheduling(status, now=now)
    return CEStatus(CEState.UNKNOWN, f"Kubernetes says {str(status.get('phase'))[:40]!r}")


def _judge_scheduling(status: Mapping[str, Any], *, now: datetime) -> CEStatus:
    for entry in _mappings(status.get("conditions")):
        if entry.get("type") == "PodScheduled" and entry.get("status") == "False":
            said = f"{entry.get('reason') or 'not scheduled'}: {entry.get('message') or ''}"[:500]
            since = _time(entry.get("lastTransitionTime"))
            is_over = entry.get("reason") == "Unschedulable" and since is not None and now - since > UNSCHEDULABLE_FOR
            return CEStatus(CEState.ABORTED if is_over else CEState.WAITING, said)
    return CEStatus(CEState.WAITING, "Pending")


def _terminated(pod: Mapping[str, Any] | None) -> Mapping[str, Any]:
    status = _mapping(pod.get("status")) if pod is not None else {}
    for entry in _mappings(status.get("containerStatuses")):
        if entry.get("name") == CONTAINER:
            return _mapping(_mapping(entry.get("state")).get("terminated"))
    return {}


def _time(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _mappings(value: object) -> list[Mapping[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
