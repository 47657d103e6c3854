"""Upkeep of sandboxes: what was uploaded is checked, repacked where a node needs it, and removed when nobody does."""

import io
import tarfile
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from tests.infra.app import Application
from tests.sandboxes.conftest import Archive, Store, fetch

from weyl.kit.clock import utcnow
from weyl.kit.db import DATABASE, Database, Tx
from weyl.kit.s3 import STORE, ObjectStore
from weyl.sandboxes import contents, service
from weyl.sandboxes.contents import zstd
from weyl.sandboxes.names import object_key
from weyl.sandboxes.tables import sandbox_jobs, sandboxes
from weyl.sandboxes.tasks import tasks
from weyl.tasks.engine import Worker

ALICE = ("voa", "alice")


class Upkeep:
    """The worker's part: runs what is enqueued, and notes which jobs were said to need a broken sandbox."""

    def __init__(self, db: Database, store: ObjectStore) -> None:
        self.db, self.store = db, store
        self.broken: list[int] = []
        self.worker = Worker(db, tasks(db, store, unassigned_days=15, on_broken=self.on_broken))

    async def on_broken(self, tx: Tx, job_ids: Sequence[int]) -> None:
        """Take note."""
        self.broken.extend(job_ids)

    async def column(self, column: sa.ColumnElement[Any]) -> list[Any]:
        """Return one column of all rows."""
        async with self.db.read() as tx:
            return list((await tx.execute(sa.select(column))).scalars())

    async def run(self) -> None:
        """Run everything that is enqueued, retries included."""
        await self.worker.drain()

    async def enqueued(self, name: str) -> int:
        """Return how many runs of the task wait."""
        async with self.db.read() as tx:
            statement = sa.text("SELECT count(*) FROM pgqueuer WHERE entrypoint = :name")
            return int((await tx.execute(statement, {"name": name})).scalar_one())

    async def clean(self, **after: float) -> int:
        """Clean at a time that lies this much in the future; returns how many sandboxes were removed."""
        return await service.clean(self.db, self.store, unassigned_days=15, now=utcnow() + timedelta(**after))


@pytest.fixture
async def upkeep(application: Application) -> Upkeep:
    """The upkeep of the test."""
    store = application.services[STORE]
    await store.make_ready()
    return Upkeep(application.services[DATABASE], store)


async def test_a_good_sandbox_is_verified_once(stored: Store, upkeep: Upkeep) -> None:
    pfn = await stored()
    async with upkeep.db.transaction() as tx:
        await service.assign_inputs(tx, [(1, pfn), (2, pfn)], ALICE)
    assert await upkeep.enqueued("sandboxes.verify") == 1
    await upkeep.run()
    assert (await upkeep.column(sandboxes.c.verified_at)) != [None]
    assert upkeep.broken == []
    async with upkeep.db.transaction() as tx:
        await tx.execute(sa.text("DELETE FROM pgqueuer"))
        await service.assign_inputs(tx, [(3, pfn)], ALICE)
    assert await upkeep.enqueued("sandboxes.verify") == 0


@pytest.mark.parametrize("case", ["other content", "other length", "missing"])
async def test_a_wrong_object_is_deleted_and_its_jobs_are_told(
    application: Application, archive: Archive, stored: Store, case: str, upkeep: Upkeep
) -> None:
    content = {"other content": b"x" * len(archive.content), "other length": b"short", "missing": b""}[case]
    pfn = await stored(content=content)
    async with upkeep.db.transaction() as tx:
        await service.assign_inputs(tx, [(1, pfn), (2, pfn)], ALICE)
        await service.assign_output(tx, 3, pfn=pfn, owner=ALICE)
    await upkeep.run()
    assert upkeep.broken == [1, 2]
    assert await upkeep.store.head(object_key(pfn)) is None
    async with upkeep.db.read() as tx:
        assert (await service.job_sandboxes(tx, [3]))[3] == {"Input": [], "Output": []}
    # The owner may upload the right one after all.
    answer = await application.client.post("/api/jobs/sandbox", json=archive.info(), headers=application.login())
    assert answer.json()["url"]


async def test_without_a_checksum_from_the_store_the_object_is_read(
    archive: Archive, stored: Store, monkeypatch: pytest.MonkeyPatch, upkeep: Upkeep
) -> None:
    key = object_key(await stored())
    monkeypatch.setattr("weyl.kit.s3._sha256_hex", lambda _: None)
    assert await contents.is_intact(upkeep.store, key, size=len(archive.content), sha256=archive.sha256)
    assert not await contents.is_intact(upkeep.store, key, size=len(archive.content), sha256="0" * 64)


async def test_only_what_nobody_needs_is_removed_object_and_row(stored: Store, upkeep: Upkeep) -> None:
    pfn = await stored()
    assert await upkeep.clean(days=14) == 0
    async with upkeep.db.transaction() as tx:
        await service.assign_inputs(tx, [(1, pfn)], ALICE)
    assert await upkeep.clean(days=400) == 0
    async with upkeep.db.transaction() as tx:
        await service.unassign(tx, [1])
    assert await upkeep.clean(hours=23) == 0
    assert await upkeep.store.head(object_key(pfn)) is not None
    assert await upkeep.clean(hours=25) == 1
    assert await upkeep.store.head(object_key(pfn)) is None
    assert await upkeep.column(sandboxes.c.sandbox_id) == []


async def test_never_assigned_and_unused_is_removed_after_its_days(stored: Store, upkeep: Upkeep) -> None:
    await stored()
    assert await upkeep.clean(days=15, minutes=1) == 1


async def test_a_sandbox_that_is_being_removed_is_neither_assigned_nor_announced(
    application: Application, archive: Archive, stored: Store, upkeep: Upkeep
) -> None:
    pfn = await stored()
    async with upkeep.db.transaction() as tx:
        await tx.execute(sa.update(sandboxes).values(sweeping_at=utcnow(), verified_at=None))
    answer = await application.client.post("/api/jobs/sandbox", json=archive.info(), headers=application.login())
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    with pytest.raises(service.SandboxUnknown):
        async with upkeep.db.transaction() as tx:
            await service.assign_inputs(tx, [(1, pfn)], ALICE)
    # A cleaner that was killed there does not block the name for ever.
    async with upkeep.db.transaction() as tx:
        await tx.execute(sa.update(sandboxes).values(sweeping_at=utcnow() - timedelta(minutes=11)))
    answer = await application.client.post("/api/jobs/sandbox", json=archive.info(), headers=application.login())
    assert answer.status_code == 200


async def test_a_job_that_comes_while_the_cleaner_looks_keeps_its_sandbox(stored: Store, upkeep: Upkeep) -> None:
    pfn = await stored()
    async with upkeep.db.transaction() as tx:
        await service.assign_inputs(tx, [(1, pfn)], ALICE)
        # The submission has not committed: the cleaner must leave the locked row alone instead of waiting for it.
        assert await upkeep.clean(days=30) == 0
    assert await upkeep.column(sandbox_jobs.c.job_id) == [1]


async def test_lost_checks_are_enqueued_again(stored: Store, upkeep: Upkeep) -> None:
    pfn = await stored()
    async with upkeep.db.transaction() as tx:
        await service.assign_inputs(tx, [(1, pfn)], ALICE)
        await tx.execute(sa.text("DELETE FROM pgqueuer"))
    await upkeep.clean(hours=2)
    assert await upkeep.enqueued("sandboxes.verify") == 1


async def test_a_copy_as_bzip2_is_packed_for_who_asks(application: Application, upkeep: Upkeep) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("empty"))
    archive, headers, client = (
        Archive(zstd.compress(stream.getvalue()), "tar.zst"),
        application.login(),
        application.client,
    )
    answer = (await client.post("/api/jobs/sandbox", json=archive.info(), headers=headers)).json()
    await upkeep.store.put(object_key(answer["pfn"]), archive.content)

    params = {"pfn": answer["pfn"], "format": "tar.bz2"}
    response = await client.get("/api/jobs/sandbox", params=params, headers=headers)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "2")
    assert await upkeep.enqueued("sandboxes.repack") == 1
    assert (await client.get("/api/jobs/sandbox", params=params, headers=application.login("bob"))).status_code == 403
    await upkeep.run()

    response = await client.get("/api/jobs/sandbox", params=params, headers=headers)
    status, content = await fetch(response.json()["url"])
    assert status == 200
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:bz2") as tar:
        assert tar.getnames() == ["empty"]


@pytest.mark.parametrize(
    "content", [zstd.compress(b"0" * 3000), b"no archive", zstd.compress(b"0" * 500)[:-4]], ids=["bomb", "other", "cut"]
)
async def test_a_bomb_or_a_broken_archive_is_not_repacked(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "UNPACKED_BYTES_MAX", 2000)
    monkeypatch.setattr(contents, "PIECE_BYTES", 100)
    assert await contents.repack_as_bz2(content) is None
