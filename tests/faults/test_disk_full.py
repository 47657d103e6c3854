"""Disks that are full: requests say so and lose nothing, and go on once there is room."""

import hashlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest

from tests.admin.machine import await_that
from tests.infra.app import Application, Installation, running_application
from tests.infra.disk import full, small_disk
from weyl.demo.postgres import RunningPostgres, start_postgres
from weyl.demo.seaweedfs import RunningStore, start_seaweedfs
from weyl.kit.db import Database
from weyl.kit.s3 import STORE, StoreUnavailable
from weyl.migrations import migrate

pytestmark = [pytest.mark.xdist_group("fault-kills"), pytest.mark.timeout(400)]

# One description is larger than what PostgreSQL has set aside in its files.
JDL = '[JobName = "large"; Executable = "/bin/true"; Arguments = "%s";]' % ("x" * 20_000)
SUBMISSIONS_MAX = 2_000


class Disk:
    """PostgreSQL on a small disk of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.postgres: RunningPostgres

    def start(self) -> None:
        self.postgres = start_postgres(self.directory)


@pytest.fixture
def disk(run_directory: Path) -> Iterator[Disk]:
    # Prepared first: what the database needs for its own programs and first files is not what is to run out.
    directory = run_directory / "small-pg"
    with small_disk(directory, size_mb=320):
        disk = Disk(directory)
        disk.start()
        yield disk
        disk.postgres.stop()


@pytest.fixture
async def application_on(
    disk: Disk, installation: Installation, object_store: RunningStore
) -> AsyncIterator[Application]:
    db = Database(disk.postgres.url, pool_size=1)
    await migrate.upgrade(db)
    await db.close()
    async with running_application(installation, disk.postgres.url, object_store) as application:
        yield application


async def test_postgresql_without_room_refuses_what_is_new_and_keeps_what_it_has(
    disk: Disk, application_on: Application
) -> None:
    client, headers = application_on.client, application_on.login()

    async def submit() -> httpx2.Response:
        return await client.post("/api/jobs/jdl", json=[JDL], headers=headers)

    async def known() -> set[int]:
        body = {"parameters": ["JobID"], "search": []}
        answer = await client.post("/api/jobs/search", params={"per_page": 10_000}, json=body, headers=headers)
        return {row["JobID"] for row in answer.json()} if answer.status_code in (200, 206) else set()

    acknowledged = set()
    with full(disk.directory):
        for _ in range(SUBMISSIONS_MAX):
            answer = await submit()
            if answer.status_code != 201:
                break
            acknowledged.add(answer.json()[0]["JobID"])
        assert answer.status_code == 503, answer.text
        assert answer.headers["retry-after"]
        assert (await client.get("/api/health/live")).status_code == 200
        if disk.postgres.process.poll() is None:
            assert "disk" in answer.json()["detail"]
            assert await known() == acknowledged
    if disk.postgres.process.poll() is not None:
        disk.start()
    answer = await submit()
    assert answer.status_code == 201, answer.text
    assert await known() == acknowledged | {answer.json()[0]["JobID"]}


@pytest.fixture
def small_store(run_directory: Path) -> Iterator[RunningStore]:
    directory = run_directory / "small-s3"
    with small_disk(directory, size_mb=64), start_seaweedfs(directory) as running:
        yield running


async def test_an_object_store_without_room_says_so_and_takes_objects_again(
    small_store: RunningStore, database_url: str, installation: Installation
) -> None:
    content = b"x" * 300_000
    async with running_application(installation, database_url, small_store) as application:
        store, client, headers = application.services[STORE], application.client, application.login()
        await store.make_ready()
        await store.put("before", b"kept")
        with full(small_store.dir):
            # What is small may still fit into what the store has set aside.
            with pytest.raises(StoreUnavailable, match="object store"):
                for number in range(300):
                    await store.put(f"while-{number}", content)
            info = {
                "checksum_algorithm": "sha256",
                "checksum": hashlib.sha256(content).hexdigest(),
                "size": len(content),
                "format": "tar.bz2",
            }
            form = (await client.post("/api/jobs/sandbox", json=info, headers=headers)).json()
            await_that(lambda: upload(form, content).status_code >= 500, "an upload that the store refuses")
            assert (await client.get("/api/health/ready")).status_code == 200
        await_that(lambda: upload(form, content).status_code in (200, 201, 204), "an upload that works")
        again = (await client.post("/api/jobs/sandbox", json=info, headers=headers)).json()
        assert again["url"] is None
        assert (await store.head("before")).size == 4


def upload(form: dict, content: bytes) -> httpx2.Response:
    return httpx2.post(form["url"], data=form["fields"], files={"file": content}, timeout=60)
