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
from weyl.kit.db import Database, Tx
from weyl.kit.s3 import ObjectStore
from weyl.sandboxes import contents, service
from weyl.sandboxes.contents import zstd
from weyl.sandboxes.names import object_key
from weyl.sandboxes.tables import sandbox_jobs, sandboxes
from weyl.sandboxes.tasks import tasks

ALICE = ("voa", "alice")


class Worker:
    """Does by hand what the worker does: runs tasks, and notes which jobs were said to need a broken sandbox."""

    def __init__(self, db: Database, store: ObjectStore) -> None:
        self.db, self.store = db, store
        self.broken: list[int] = []
        self.tasks = {task.task.name: task for task in tasks(db, store, unassigned_days=15, on_broken=self.on_broken)}

    async def on_broken(self, tx: Tx, job_ids: Sequence[int]) -> None:
        """Take note."""
        self.broken.extend(job_ids)

    async def column(self, column: sa.ColumnElement[Any]) -> list[Any]:
        """Return one column of all rows."""
        async with self.db.read() as tx:
            return list((await tx.execute(sa.select(column))).scalars())

    async def run(self, name: str) -> None:
        """Run the task for every sandbox that there is."""
        for sandbox_id in await self.column(sandboxes.c.sandbox_id):
            await self.tasks[name].handler(sandbox_id)

    async def enqueued(self, name: str) -> int:
        """Return how many runs of the task wait."""
        async with self.db.read() as tx:
            statement = sa.text("SELECT count(*) FROM pgqueuer WHERE entrypoint = :name")
            return int((await tx.execute(statement, {"name": name})).scalar_one())

    async def clean(self, **after: float) -> int:
        """Clean at a time that lies this much in the future; returns how many sandboxes were removed."""
        return await service.clean(self.db, self.store, unassigned_days=15, now=utcnow() + timedelta(**after))


@pytest.fixture
async def worker(application: Application) -> Worker:
    """The worker of the test."""
    held = application.app.state
    await held.store.make_ready()
    return Worker(held.db, held.store)


async def test_a_good_sandbox_is_verified_once(stored: Store, worker: Worker) -> None:
    pfn = await stored()
    async with worker.db.transaction() as tx:
        await service.assign_inputs(tx, [(1, pfn), (2, pfn)], ALICE)
    assert await worker.enqueued("sandboxes.verify") == 1
    await worker.run("sandboxes.verify")
    assert (await worker.column(sandboxes.c.verified_at)) != [None]
    assert worker.broken == []
    async with worker.db.transaction() as tx:
        await tx.execute(sa.text("DELETE FROM pgqueuer"))
        await service.assign_inputs(tx, [(3, pfn)], ALICE)
    assert await worker.enqueued("sandboxes.verify") == 0


@pytest.mark.parametrize("case", ["other content", "other length", "missing"])
async def test_a_wrong_object_is_deleted_and_its_jobs_are_told(
    application: Application, archive: Archive, stored: Store, case: str, worker: Worker
) -> None:
    content = {"other content": b"x" * len(archive.content), "other length": b"short", "missing": b""}[case]
    pfn = await stored(content=content)
    async with worker.db.transaction() as tx:
        await service.assign_inputs(tx, [(1, pfn), (2, pfn)], ALICE)
        await service.assign_output(tx, 3, pfn=pfn, owner=ALICE)
    await worker.run("sandboxes.verify")
    assert worker.broken == [1, 2]
    assert await worker.store.head(object_key(pfn)) is None
    async with worker.db.read() as tx:
        assert (await service.job_sandboxes(tx, [3]))[3] == {"Input": [], "Output": []}
    # The owner may upload the right one after all.
    answer = await application.client.post("/api/jobs/sandbox", json=archive.info(), headers=application.login())
    assert answer.json()["url"]


async def test_without_a_checksum_from_the_store_the_object_is_read(
    archive: Archive, stored: Store, monkeypatch: pytest.MonkeyPatch, worker: Worker
) -> None:
    key = object_key(await stored())
    monkeypatch.setattr("weyl.kit.s3._sha256_hex", lambda _: None)
    assert await contents.is_intact(worker.store, key, size=len(archive.content), sha256=archive.sha256)
    assert not await contents.is_intact(worker.store, key, size=len(archive.content), sha256="0" * 64)


async def test_only_what_nobody_needs_is_removed_object_and_row(stored: Store, worker: Worker) -> None:
    pfn = await stored()
    assert await worker.clean(days=14) == 0
    async with worker.db.transaction() as tx:
        await service.assign_inputs(tx, [(1, pfn)], ALICE)
    assert await worker.clean(days=400) == 0
    async with worker.db.transaction() as tx:
        await service.unassign(tx, [1])
    assert await worker.clean(hours=23) == 0
    assert await worker.store.head(object_key(pfn)) is not None
    assert await worker.clean(hours=25) == 1
    assert await worker.store.head(object_key(pfn)) is None
    assert await worker.column(sandboxes.c.sandbox_id) == []


async def test_never_assigned_and_unused_is_removed_after_its_days(stored: Store, worker: Worker) -> None:
    await stored()
    assert await worker.clean(days=15, minutes=1) == 1


async def test_a_sandbox_that_is_being_removed_is_neither_assigned_nor_announced(
    application: Application, archive: Archive, stored: Store, worker: Worker
) -> None:
    pfn = await stored()
    async with worker.db.transaction() as tx:
        await tx.execute(sa.update(sandboxes).values(sweeping_at=utcnow(), verified_at=None))
    answer = await application.client.post("/api/jobs/sandbox", json=archive.info(), headers=application.login())
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    with pytest.raises(service.SandboxUnknown):
        async with worker.db.transaction() as tx:
            await service.assign_inputs(tx, [(1, pfn)], ALICE)
    # A cleaner that was killed there does not block the name for ever.
    async with worker.db.transaction() as tx:
        await tx.execute(sa.update(sandboxes).values(sweeping_at=utcnow() - timedelta(minutes=11)))
    answer = await application.client.post("/api/jobs/sandbox", json=archive.info(), headers=application.login())
    assert answer.status_code == 200


async def test_a_job_that_comes_while_the_cleaner_looks_keeps_its_sandbox(stored: Store, worker: Worker) -> None:
    pfn = await stored()
    async with worker.db.transaction() as tx:
        await service.assign_inputs(tx, [(1, pfn)], ALICE)
        # The submission has not committed: the cleaner must leave the locked row alone instead of waiting for it.
        assert await worker.clean(days=30) == 0
    assert await worker.column(sandbox_jobs.c.job_id) == [1]


async def test_lost_checks_are_enqueued_again(stored: Store, worker: Worker) -> None:
    pfn = await stored()
    async with worker.db.transaction() as tx:
        await service.assign_inputs(tx, [(1, pfn)], ALICE)
        await tx.execute(sa.text("DELETE FROM pgqueuer"))
    await worker.clean(hours=2)
    assert await worker.enqueued("sandboxes.verify") == 1


async def test_a_copy_as_bzip2_is_packed_for_who_asks(application: Application, worker: Worker) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("empty"))
    archive, headers, client = (
        Archive(zstd.compress(stream.getvalue()), "tar.zst"),
        application.login(),
        application.client,
    )
    answer = (await client.post("/api/jobs/sandbox", json=archive.info(), headers=headers)).json()
    await worker.store.put(object_key(answer["pfn"]), archive.content)

    params = {"pfn": answer["pfn"], "format": "tar.bz2"}
    response = await client.get("/api/jobs/sandbox", params=params, headers=headers)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "2")
    assert await worker.enqueued("sandboxes.repack") == 1
    assert (await client.get("/api/jobs/sandbox", params=params, headers=application.login("bob"))).status_code == 403
    await worker.run("sandboxes.repack")

    response = await client.get("/api/jobs/sandbox", params=params, headers=headers)
    status, content = await fetch(response.json()["url"])
    assert status == 200
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:bz2") as tar:
        assert tar.getnames() == ["empty"]
