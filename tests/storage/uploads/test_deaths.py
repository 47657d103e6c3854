"""A process that dies at any step of an upload, a sweep or a purge: nothing half visible, dark or lost."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal

import pytest
from tests.storage.uploading import ALICE, BUCKET, DISK, World, order, wanted

from weyl.config.models import Config
from weyl.kit.clock import utcnow
from weyl.kit.db import Database, Tx
from weyl.storage.errors import UploadNotFound, UploadOver
from weyl.storage.queries.uploads import select_upload
from weyl.storage.service.commit import CommitOrder, commit, settle
from weyl.storage.service.purge import purge
from weyl.storage.service.reach import Reached, Storages
from weyl.storage.service.state import Uploads
from weyl.storage.service.sweep import sweep
from weyl.storage.service.uploads import open_upload
from weyl.storage.uploads import Landed

FILES = 3


class Died(Exception):
    """The process is gone: nothing of it runs on."""


@dataclass
class Fate:
    """Counts the points at which a process may die, and lets it die at one of them."""

    dies_at: int | None = None
    passed: int = 0

    def point(self) -> None:
        """Be at one point more; whoever has died once does nothing any more."""
        self.passed += 1
        if self.dies_at is not None and self.passed > self.dies_at:
            raise Died


class MortalDatabase:
    """A database whose client may die before and after each transaction."""

    def __init__(self, db: Database, fate: Fate) -> None:
        self._db = db
        self._fate = fate

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        async with self._db.transaction() as tx:
            yield tx
            self._fate.point()
        self._fate.point()

    def read(self) -> Any:
        return self._db.read()


class MortalDriver:
    """A driver whose process may die before and after each thing that it does."""

    def __init__(self, driver: Any, fate: Fate) -> None:
        self._driver = driver
        self._fate = fate

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._driver, name)
        if name == "read":
            return method

        async def do(*args: Any, **kwargs: Any) -> Any:
            self._fate.point()
            done = await method(*args, **kwargs)
            self._fate.point()
            return done

        return do


class MortalStorages:
    """Storage elements whose drivers may die."""

    def __init__(self, storages: Storages, fate: Fate) -> None:
        self._storages = storages
        self._fate = fate

    def open(self, config: Config, se: str, **more: Any) -> Reached:
        reached = self._storages.open(config, se, **more)
        return replace(reached, driver=MortalDriver(reached.driver, self._fate))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storages, name)


def mortal(world: World, fate: Fate) -> Uploads:
    """Return a process that may die."""
    live = world.uploads
    storages: Any = MortalStorages(live.storages, fate)
    database: Any = MortalDatabase(live.db, fate)
    return Uploads(database, storages, live.jobs)


Kind = Literal["open", "commit", "settle", "sweep", "purge"]


async def an_upload(world: World, uploads: Uploads, fate: Fate, *, dying: Kind) -> list[str]:
    """Upload files, and remove them again, with a process that may die during one of the steps; returns the names."""
    contents = {world.lfn(): f"content {number}".encode() for number in range(FILES)}
    files = [wanted(lfn, content) for lfn, content in contents.items()]
    meant = order(*files, ses=[DISK, BUCKET], is_atomic=True)

    def process(kind: Kind) -> Uploads:
        return uploads if kind == dying else world.uploads

    opened = await open_upload(process("open"), world.config, ALICE, meant, now=utcnow())
    # Tried there first, and given up: what lies there is swept.
    await world.write(opened, contents, target=1)
    landed = await world.write(opened, contents)
    await _commit(world, process("commit"), opened.upload_id, landed, is_settled_by_task=dying == "settle")
    if dying == "settle":
        await _settle(world, uploads, opened.upload_id)
    await sweep(process("sweep"), world.config, now=utcnow() + timedelta(hours=3))
    if dying == "purge":
        await _delete(world, list(contents)[:2])
        await purge(uploads, world.config, "voa", now=utcnow() + timedelta(days=30))
    return list(contents)


async def _commit(
    world: World, uploads: Uploads, upload_id: int, landed: dict[str, Landed], *, is_settled_by_task: bool
) -> None:
    meant = CommitOrder(upload_id, landed)
    await commit(uploads, world.config, ALICE, meant, now=utcnow(), wait_s=0 if is_settled_by_task else 20)


async def _settle(world: World, uploads: Uploads, upload_id: int) -> None:
    async with world.uploads.db.read() as tx:
        upload = await select_upload(tx, upload_id)
    assert upload is not None
    if upload.state == "verifying":
        await settle(uploads, world.config, upload)


async def _delete(world: World, lfns: Sequence[str]) -> None:
    body = {"lfns": list(lfns), "reason": "test"}
    answer = await world.application.client.post("/api/files/delete", json=body, headers=world.application.login())
    assert answer.json()["failed"] == {}, answer.text


async def recovered(world: World) -> None:
    """Do what tasks do after a death, until nothing is left to do."""
    for upload_id, state in (await world.states()).items():
        if state == "verifying":
            await _settle(world, world.uploads, upload_id)
    await purge(world.uploads, world.config, "voa", now=utcnow() + timedelta(days=30))
    await world.sweep()
    await world.sweep(timedelta(days=4))


@pytest.mark.parametrize("dying", ["open", "commit", "settle", "sweep", "purge"])
async def test_a_death_at_any_point_leaves_all_or_nothing_and_a_row_for_whatever_lies_somewhere(
    world: World, dying: Kind
) -> None:
    fate = Fate()
    lfns = await an_upload(world, mortal(world, fate), fate, dying=dying)
    points = fate.passed
    assert points > 1
    assert await world.visible(lfns) == (FILES - 2 if dying == "purge" else FILES)
    for point in range(points):
        before = await world.files()
        with pytest.raises((Died, UploadOver, UploadNotFound)):
            await an_upload(world, mortal(world, Fate(dies_at=point)), Fate(), dying=dying)
        # As the next process finds it: whatever lies there is explained, and nothing half visible.
        assert await world.findings() == [], point
        new = (await world.files()).keys() - before.keys()
        assert len(new) in ((FILES - 2, FILES) if dying == "purge" else (0, FILES)), point
        await recovered(world)
        assert await world.findings() == [], point
        assert await world.intents() == [], point
        assert not {"open", "verifying"} & set((await world.states()).values()), point
    assert {se for se, _ in await world.stored()} == {DISK}


@pytest.mark.long
async def test_clients_that_repeat_their_commit_after_each_death_have_their_files(world: World) -> None:
    counted = Fate()
    await an_upload(world, mortal(world, counted), counted, dying="commit")
    for point in range(counted.passed):
        content = f"content {point}".encode()
        lfn = world.lfn()
        upload = await open_upload(world.uploads, world.config, ALICE, order(wanted(lfn, content)), now=utcnow())
        landed = await world.write(upload, {lfn: content})
        meant = CommitOrder(upload.upload_id, landed)
        with pytest.raises(Died):
            await commit(mortal(world, Fate(dies_at=point)), world.config, ALICE, meant, now=utcnow())
        done = await commit(world.uploads, world.config, ALICE, meant, now=utcnow())
        assert done.state == "registered"
        assert await world.visible([lfn]) == 1
