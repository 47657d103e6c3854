"""A world for tests of uploads: a directory and a bucket as storage elements, a client that writes, and who looks."""

import asyncio
import hashlib
import io
import itertools
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
from tests.infra.app import Application, Installation, config_document
from yarl import URL

from weyl.config.models import Config
from weyl.config.service import CONFIG
from weyl.demo.seaweedfs import RunningStore
from weyl.file_catalog.checksums import Checksums
from weyl.file_catalog.permits import Member
from weyl.kit.clock import utcnow
from weyl.kit.db import Tx
from weyl.kit.s3 import ObjectStore
from weyl.kit.sql import Sql
from weyl.storage.additions import JOB_UPLOADS, RunUpload
from weyl.storage.errors import UploadOver
from weyl.storage.models.check import CheckRequest, FindingShown
from weyl.storage.models.uploads import Committed, Opened
from weyl.storage.permits import Prober
from weyl.storage.service.check import check
from weyl.storage.service.commit import CommitOrder, commit
from weyl.storage.service.state import UPLOADS, UploadOrder, Uploads, Who
from weyl.storage.service.sweep import sweep
from weyl.storage.service.uploads import open_upload
from weyl.storage.uploads import Landed, Wanted

DISK, BUCKET = "ALPHA-DISK", "BETA-S3"
PROTOCOLS = ("file", "s3")
ALICE = Member("voa", "alice", "user", False)
BOB = Member("voa", "bob", "user", False)
MANAGER = Member("voa", "alice", "admin", True)
CONTENT = b"some events"
LONG_AFTER = timedelta(days=3)

_numbers = itertools.count()
_FILES = Sql(
    """
    SELECT d.path || '/' || f.name AS lfn, f.size, f.status, s.name AS se,
      coalesce(r.pfn, coalesce(d.origin, d.path) || '/' || f.name) AS path
    FROM files AS f JOIN directories AS d USING (dir_id)
    LEFT JOIN replicas AS r USING (file_id) LEFT JOIN se_names AS s USING (se_id)
    ORDER BY lfn, se
    """,
    tuple[str, int, str, str, str],
)
_INTENTS = Sql("SELECT se, path, state FROM intents ORDER BY se, path", tuple[str, str, str])
_STATES = Sql("SELECT upload_id, state FROM uploads ORDER BY upload_id", tuple[int, str])


def checksums_of(content: bytes) -> Checksums:
    """Return what clients say of bytes."""
    return Checksums(adler32=f"{zlib.adler32(content):08x}", sha256=hashlib.sha256(content).hexdigest())


def wanted(lfn: str, content: bytes, **more: Any) -> Wanted:
    """Return a file with this content, as it is announced."""
    return Wanted(**{"name": lfn, "lfn": lfn, "size": len(content), "checksums": checksums_of(content), **more})


@dataclass
class Jobs:
    """Stands in for the room of jobs, which is above: notes what it is told, and knows which runs are over."""

    over: set[int] = field(default_factory=set)
    told: list[tuple[str, int, str]] = field(default_factory=list)

    async def admit(self, tx: Tx, upload: RunUpload, *, now: datetime) -> None:
        if upload.job_id in self.over:
            raise UploadOver("The run is over")

    async def registered(self, tx: Tx, upload: RunUpload, *, now: datetime) -> None:
        self.told.append(("registered", upload.job_id, ""))

    async def failed(self, tx: Tx, upload: RunUpload, reason: str, *, now: datetime) -> None:
        self.told.append(("failed", upload.job_id, reason))


@dataclass
class World:
    """An application with two storage elements, and what lies there."""

    application: Application
    disk: Path
    store: ObjectStore
    jobs: Jobs = field(default_factory=Jobs)

    @property
    def uploads(self) -> Uploads:
        """What the process has for uploads."""
        return self.application.services[UPLOADS]

    @property
    def config(self) -> Config:
        """The configuration."""
        return self.application.services[CONFIG].current().config

    def lfn(self, name: str = "f") -> str:
        """Return a name below alice's home that nobody has."""
        return f"/voa/user/a/alice/{name}-{next(_numbers)}"

    async def write(self, opened: Opened, contents: Mapping[str, bytes], *, target: int = 0) -> dict[str, Landed]:
        """Write files with the requests of an upload, and return what a commit says of them."""
        landed: dict[str, Landed] = {}
        async with aiohttp.ClientSession() as session:
            for name, content in contents.items():
                chosen = opened.files[name].targets[target]
                etags = await send(session, chosen.request, content)
                landed[name] = Landed(chosen.se, etags)
        return landed

    async def files(self) -> dict[str, str]:
        """Return the files of the catalogue with their status, by name."""
        async with self.uploads.db.read() as tx:
            return {lfn: status for lfn, _, status, _, _ in await _FILES.rows(tx)}

    async def replicas(self) -> set[tuple[str, str, str]]:
        """Return the replicas of good files: name, storage element, storage path."""
        async with self.uploads.db.read() as tx:
            return {(lfn, se, path) for lfn, _, status, se, path in await _FILES.rows(tx) if status == "Good" and se}

    async def visible(self, lfns: Iterable[str]) -> int:
        """Return how many of these names the catalogue has."""
        files = await self.files()
        return sum(files.get(lfn) == "Good" for lfn in lfns)

    async def intents(self) -> list[tuple[str, str, str]]:
        """Return the places where uploads may be writing: storage element, path, state."""
        async with self.uploads.db.read() as tx:
            return await _INTENTS.rows(tx)

    async def states(self) -> dict[int, str]:
        """Return the states of all uploads."""
        async with self.uploads.db.read() as tx:
            return dict(await _STATES.rows(tx))

    async def sweep(self, after: timedelta = LONG_AFTER) -> None:
        """Sweep as at a later time."""
        await sweep(self.uploads, self.config, now=utcnow() + after)

    async def findings(self, *ses: str, checksums: bool = True) -> list[FindingShown]:
        """Return what the comparison finds at these storage elements, or at both."""
        found: list[FindingShown] = []
        for se in ses or (DISK, BUCKET):
            cursor: str | None = None
            while True:
                order = CheckRequest(se=se, cursor=cursor, checksums=checksums)
                page = await check(self.uploads, self.config, Prober("voa"), order)
                found += page.findings
                cursor = page.cursor
                if cursor is None:
                    break
        return found

    async def stored(self) -> set[tuple[str, str]]:
        """Return what lies at the two storage elements: element and storage path."""
        found: set[tuple[str, str]] = set()
        for se in (DISK, BUCKET):
            door = self.uploads.storages.open(self.config, se, vo="voa", access="check")
            prefix = door.path("/voa").removesuffix("/voa")
            for entry in await door.driver.list(door.path("/voa"), limit=100_000):
                found.add((se, entry.path.removeprefix(prefix)))
        return found


async def send(session: aiohttp.ClientSession, request: Mapping[str, Any], content: bytes) -> list[str]:
    """Send what a request asks for, as clients do, and return what the storage said of the parts."""
    if request["protocol"] == "file":
        path, temporary = Path(request["path"]), Path(request["temporary"])
        await asyncio.to_thread(temporary.write_bytes, content)
        await asyncio.to_thread(temporary.rename, path)
        return []
    parts: Sequence[Mapping[str, Any]] = request.get("parts") or []
    if not parts:
        async with session.request(
            request["method"], URL(request["url"], encoded=True), headers=request["headers"], data=io.BytesIO(content)
        ) as answer:
            assert answer.status in (200, 201, 204), await answer.text()
        return []
    etags = []
    for part in parts:
        body = content[part["offset"] : part["offset"] + part["size"]]
        async with session.put(
            URL(part["url"], encoded=True), headers=part["headers"], data=io.BytesIO(body)
        ) as answer:
            assert answer.status == 200, await answer.text()
            etags.append(answer.headers["ETag"])
    return etags


def order(*files: Wanted, ses: Sequence[str] | None = None, **more: Any) -> UploadOrder:
    """Return what is to be uploaded, by default to the directory and then to the bucket."""
    return UploadOrder(files, **{"ses": ses or (DISK, BUCKET), "protocols": PROTOCOLS, **more})


def storage_document(disk: Path, store: RunningStore, bucket: str) -> dict[str, Any]:
    """Return a configuration with a directory and a bucket."""
    document: dict[str, Any] = json.loads(json.dumps(config_document()))
    document["Resources"]["StorageElements"] = {
        DISK: {
            "Sites": ["LCG.Alpha.org"],
            "Endpoints": [{"Name": "file", "Protocol": "file", "Path": str(disk)}],
        },
        BUCKET: {
            "Sites": ["LCG.Beta.org"],
            "Endpoints": [
                {
                    "Name": "s3",
                    "Protocol": "s3",
                    "URL": store.endpoint_url,
                    "Bucket": bucket,
                    "Credentials": "store",
                }
            ],
        },
    }
    document["Operations"]["Defaults"]["InputData"] = {"Catalog": "weyl"}
    document["Registry"]["voa"]["Groups"]["admin"]["Properties"].append("FileCatalogManagement")
    return document


def make_world(directory: Path, store: RunningStore) -> tuple[Installation, Path, str]:
    """Return an installation with two storage elements of its own, the directory of one and the bucket of the other."""
    disk, bucket = directory / "disk", f"uploads-{uuid4().hex}"
    disk.mkdir(parents=True)
    key = directory / "credentials" / "store" / "s3-key"
    key.parent.mkdir(parents=True)
    key.write_text(json.dumps({"access_key": store.access_key, "secret_key": store.secret_key}))
    key.chmod(0o600)
    installation = Installation.create(directory / "installation")
    installation.commit_config(storage_document(disk, store, bucket), "Storage elements")
    return installation, disk, bucket


def hold_jobs(application: Application, jobs: Jobs) -> None:
    """Let the process tell these jobs of uploads."""
    application.put(JOB_UPLOADS, jobs)


async def opened(world: World, meant: UploadOrder, *, member: Member = ALICE) -> Opened:
    """Open an upload."""
    return await open_upload(world.uploads, world.config, member, meant, now=utcnow())


async def committed(
    world: World, upload: Opened, landed: dict[str, Landed], *, who: Who = ALICE, wait_s: float = 20
) -> Committed:
    """Commit an upload."""
    meant = CommitOrder(upload.upload_id, landed)
    return await commit(world.uploads, world.config, who, meant, now=utcnow(), wait_s=wait_s)


async def put(world: World, lfn: str, content: bytes = CONTENT, *, target: int = 0) -> Committed:
    """Upload a file to one of its targets."""
    upload = await opened(world, order(wanted(lfn, content)))
    return await committed(world, upload, await world.write(upload, {lfn: content}, target=target))
