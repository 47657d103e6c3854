"""What the tests of sandboxes need: an application with a bucket of its own, archives, and jobs."""

import hashlib
import io
import itertools
import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from uuid import uuid4

import aiohttp
import pytest
import sqlalchemy as sa
from tests.infra.app import Application, Installation, running_application

from weyl.demo.seaweedfs import RunningStore
from weyl.jobs.tables import jobs
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.kit.s3 import STORE, ObjectStore

_numbers = itertools.count()


@dataclass(frozen=True)
class Archive:
    """A packed sandbox and what is announced about it."""

    content: bytes
    format: str = "tar.bz2"

    @property
    def sha256(self) -> str:
        """The digest of the content."""
        return hashlib.sha256(self.content).hexdigest()

    def info(self, **changes: object) -> dict[str, object]:
        """Return the body that announces it."""
        return {
            "checksum_algorithm": "sha256",
            "checksum": self.sha256,
            "size": len(self.content),
            "format": self.format,
            **changes,
        }


@pytest.fixture
def archive() -> Archive:
    """A small archive with content of its own."""
    stream = io.BytesIO()
    content = f"number {next(_numbers)}".encode()
    with tarfile.open(fileobj=stream, mode="w:bz2") as tar:
        member = tarfile.TarInfo("input.txt")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return Archive(stream.getvalue())


@pytest.fixture
async def application(
    database_url: str, installation: Installation, object_store: RunningStore
) -> AsyncIterator[Application]:
    """An application with a bucket of its own."""
    bucket = f"sandboxes-{uuid4().hex}"
    async with running_application(installation, database_url, object_store, s3_bucket=bucket) as application:
        yield application


@pytest.fixture
def store(application: Application) -> ObjectStore:
    """The store of the application."""
    held: ObjectStore = application.services[STORE]
    return held


async def upload(answer: dict[str, object], content: bytes) -> int:
    """Send the form of an answer as clients do, and return the store's status."""
    fields = answer["fields"]
    assert isinstance(fields, dict)
    parts = aiohttp.FormData()
    for name, value in fields.items():
        parts.add_field(name, value)
    parts.add_field("file", content, filename="file")
    async with aiohttp.ClientSession() as session, session.post(str(answer["url"]), data=parts) as response:
        return response.status


async def fetch(url: str) -> tuple[int, bytes]:
    """Read a URL without any token."""
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.read()


Store = Callable[..., Awaitable[str]]
MakeJob = Callable[..., Awaitable[int]]


@pytest.fixture
def stored(application: Application, archive: Archive) -> Store:
    """Announce and upload an archive; returns its name without prefix."""

    async def store_archive(headers: dict[str, str] | None = None, *, content: bytes | None = None) -> str:
        caller = headers or application.login()
        response = await application.client.post("/api/jobs/sandbox", json=archive.info(), headers=caller)
        assert response.status_code == 200, response.text
        answer = response.json()
        if content is None:
            assert await upload(answer, archive.content) in {200, 201, 204}
        elif content:
            held: ObjectStore = application.services[STORE]
            await held.put(answer["pfn"].split("/", 3)[3], content)
        name: str = answer["pfn"].partition("|")[2]
        return name

    return store_archive


@pytest.fixture
def make_job(db: Database) -> MakeJob:
    """Insert a job and return its id."""

    async def insert(*, vo: str = "voa", owner: str = "alice", stamp: str | None = None) -> int:
        now = utcnow()
        values = {"vo": vo, "owner": owner, "owner_group": "user", "pilot_stamp": stamp, "description_id": 1}
        async with db.transaction() as tx:
            result = await tx.execute(
                sa.insert(jobs).values(submission_time=now, last_update_time=now, **values).returning(jobs.c.job_id)
            )
            return result.scalar_one()

    return insert
