"""People who upload to an installation of faults, and who looks what of it is visible and what lies where."""

import hashlib
import json
import os
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from tests.faults.cwl import in_database
from tests.faults.installation import FaultyStack, Member, await_that, faulty_document
from tests.infra.directories import stack_directory
from tests.infra.stack import ConfiguredFiles
from weyl.config.administration import Document

DISK, BUCKET = "GRID-DISK", "GRID-S3"
BUCKET_NAME = "grid"
FILES = 4
HOME = "/hep/user/a/alice"
_AGAIN = {429, 502, 503, 504}


def with_storage(made: Document, directory: Path, stack: FaultyStack) -> Document:
    """Add a directory and a bucket to a configuration, and let background work come quickly."""
    disk = directory / "grid"
    disk.mkdir(exist_ok=True)
    key = directory / "credentials" / "grid" / "s3-key"
    key.parent.mkdir(parents=True, exist_ok=True)
    key.write_text(json.dumps({"access_key": stack.store.access_key, "secret_key": stack.store.secret_key}))
    key.chmod(0o600)
    door = {"Name": "s3", "Protocol": "s3", "URL": stack.store_link.url, "Bucket": BUCKET_NAME, "Credentials": "grid"}
    made["Resources"]["StorageElements"] = {
        DISK: {"Endpoints": [{"Name": "file", "Protocol": "file", "Path": str(disk)}]},
        BUCKET: {"Endpoints": [door]},
    }
    defaults = made["Operations"]["Defaults"]
    defaults["DataManagement"] = {"TrashDays": 0}
    schedules = {name: {"Every": 1} for name in ("storage.sweep", "storage.purge")}
    defaults["Tasks"] = {"Schedules": schedules}
    made["Registry"]["hep"]["Groups"]["user"]["Properties"] = ["NormalUser", "Operator"]
    return made


@contextmanager
def running_storage() -> Iterator[FaultyStack]:
    """Run an installation with storage elements for the length of the block."""
    with stack_directory("weyl-u-") as directory:
        stacks: list[FaultyStack] = []
        files = ConfiguredFiles(
            directory,
            first_document=lambda idp_url: with_storage(faulty_document(idp_url, directory), directory, stacks[0]),
        )
        settings = {"WEYL_CREDENTIALS_DIRECTORY": str(directory / "credentials")}
        stacks.append(FaultyStack(files, program_environment=lambda _: {}, settings=settings))
        with stacks[0] as stack:
            yield stack


@dataclass
class Uploader:
    """Somebody who uploads some files, all or none, and does not give up while parts of the installation die."""

    member: Member
    name: str
    se: str
    contents: dict[str, bytes] = field(init=False)
    trouble: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.contents = {f"{HOME}/{self.name}/{number}": os.urandom(1_000 + number) for number in range(FILES)}

    def files(self) -> list[dict[str, Any]]:
        """Return what is announced."""
        return [
            {
                "lfn": lfn,
                "size": len(content),
                "checksums": {
                    "adler32": f"{zlib.adler32(content):08x}",
                    "sha256": hashlib.sha256(content).hexdigest(),
                },
            }
            for lfn, content in self.contents.items()
        ]

    def opened(self) -> dict[str, Any]:
        """Open an upload."""
        answer = self._insist(
            "POST", "/api/storage/uploads", files=self.files(), ses=[self.se], protocols=["file", "s3"], atomic=True
        )
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def written(self, upload: dict[str, Any]) -> dict[str, Any]:
        """Write what is wanted, and return what a commit says of it."""
        landed: dict[str, Any] = {}
        for lfn, file in upload["files"].items():
            if file["state"] == "registered":
                continue
            [target] = file["targets"] or [None]
            while target is None:  # the storage was away when requests were made
                upload = self._insist("GET", f"/api/storage/uploads/{upload['upload_id']}").json()
                [target] = upload["files"][lfn]["targets"] or [None]
            self._put(target["request"], self.contents[lfn])
            landed[lfn] = {"se": target["se"]}
        return landed

    def committed(self, upload: dict[str, Any], landed: dict[str, Any]) -> dict[str, Any]:
        """Commit, as often as it takes; a conflict means that it was abandoned."""
        path = f"/api/storage/uploads/{upload['upload_id']}"
        answer = self._insist("POST", f"{path}/commit", landed=landed)
        while answer.status_code == 202 or (answer.status_code == 200 and answer.json()["state"] == "verifying"):
            time.sleep(0.2)
            answer = self._insist("GET", path)
        assert answer.status_code in (200, 409), answer.text
        return dict(answer.json()) if answer.status_code == 200 else {"state": "abandoned"}

    def upload(self) -> str:
        """Upload everything; returns the state in the end."""
        upload = self.opened()
        if upload["state"] != "open":
            return str(upload["state"])
        return str(self.committed(upload, self.written(upload))["state"])

    def _insist(self, method: str, path: str, **body: Any) -> httpx2.Response:
        def ask() -> httpx2.Response | None:
            try:
                answer = self.member.http.request(method, path, json=body or None)
            except httpx2.TransportError as error:
                self.trouble[type(error).__name__] += 1
                return None
            self.trouble[str(answer.status_code)] += 1
            return None if answer.status_code in _AGAIN else answer

        found = await_that(ask, f"an answer to {method} {path}", explain=lambda: self.trouble)
        assert found is not None
        return found

    def _put(self, request: dict[str, Any], content: bytes) -> None:
        if request["protocol"] == "file":
            temporary = Path(request["temporary"])
            temporary.write_bytes(content)
            temporary.rename(request["path"])
            return

        def put() -> bool:
            try:
                answer = httpx2.put(request["url"], headers=request["headers"], content=content, timeout=20)
            except httpx2.TransportError:
                return False
            return answer.status_code == 200

        await_that(put, "an object stored")


class Lookout:
    """Looks again and again how many files of each upload are visible; meanwhile anything may die."""

    def __init__(self, member: Member, uploaders: Sequence[Uploader]) -> None:
        self._member = member
        self._lfns = [lfn for uploader in uploaders for lfn in uploader.contents]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.counts: set[int] = set()
        """How many files of an upload were seen at once, where there were any."""

    def _look(self) -> None:
        body = {"lfns": self._lfns, "parameters": ["size"]}
        while not self._ended.wait(0.05):
            try:
                answer = self._member.http.post("/api/files/lookup", json=body)
            except httpx2.TransportError:
                continue
            if answer.status_code == 200:
                directories = Counter(lfn.rpartition("/")[0] for lfn in answer.json()["success"])
                self.counts |= set(directories.values())

    def __enter__(self) -> "Lookout":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def findings(member: Member) -> list[dict[str, Any]]:
    """Return what the comparison finds at both storage elements, checksums included."""
    found: list[dict[str, Any]] = []
    for se in (DISK, BUCKET):
        cursor = None
        while True:
            body = {"se": se, "checksums": True} | ({"cursor": cursor} if cursor else {})
            answer = member.http.post("/api/storage/check", json=body)
            assert answer.status_code == 200, answer.text
            found += [{"se": se, **finding} for finding in answer.json()["findings"]]
            cursor = answer.json()["cursor"]
            if cursor is None:
                break
    return found


_REPLICAS = """
    SELECT d.path || '/' || f.name AS lfn,
      e.name || ':' || coalesce(r.pfn, coalesce(d.origin, d.path) || '/' || f.name) AS place
    FROM files f JOIN directories d USING (dir_id) JOIN replicas r USING (file_id) JOIN se_names e USING (se_id)
    WHERE f.status = 'Good'
"""


def registered(stack: FaultyStack) -> dict[str, str]:
    """Return where each file lies that the catalogue has, by name."""
    return {row["lfn"]: row["place"] for row in in_database(stack, lambda connection: connection.fetch(_REPLICAS))}
