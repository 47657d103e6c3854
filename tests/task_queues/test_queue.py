"""Waiting jobs on a real database: entering, leaving, counting and draining."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import text

from weyl.kit.db import Database, Listener, Tx
from weyl.kit.http import User
from weyl.task_queues import service
from weyl.task_queues.errors import TaskQueuesForbidden
from weyl.task_queues.policy import may_rebuild, may_see
from weyl.task_queues.queries import classes as queries
from weyl.task_queues.requirements import RequirementClass, make_class


def a_class(owner: str = "ada", work: int = 1000, **context: Any) -> RequirementClass:
    return make_class({"cpu_work_db12": work}, vo="lhcb", group="user", owner=owner, job_type="User", **context)


async def is_active(tx: Tx, class_id: int) -> bool:
    found = await tx.execute(text("SELECT active FROM requirement_class WHERE class_id = :id"), {"id": class_id})
    return bool(found.scalar_one())


async def _enter(tx: Tx, pairs: Sequence[tuple[int, RequirementClass]]) -> dict[int, int]:
    """Let jobs wait that have one class each; returns it."""
    return {job_id: class_id for job_id, [class_id] in (await service.enqueue_jobs(tx, pairs)).items()}


async def test_equal_jobs_share_one_class_and_keep_their_order(tx: Tx) -> None:
    placed = await _enter(tx, [(job_id, a_class()) for job_id in (3, 1, 2)] + [(9, a_class("bob"))])
    assert placed[1] == placed[2] == placed[3] != placed[9]
    assert await queries.select_waiting(tx) == {placed[1]: 3, placed[9]: 1}
    assert await queries.select_heads(tx) == {placed[1]: 1, placed[9]: 9}
    documents = await queries.select_classes(tx, [placed[1]])
    assert documents[placed[1]] == a_class().document


async def test_entering_twice_counts_once_and_leaving_is_complete(tx: Tx) -> None:
    placed = await _enter(tx, [(1, a_class()), (2, a_class())])
    assert await _enter(tx, [(1, a_class())]) == {1: placed[1]}
    assert await queries.select_waiting(tx) == {placed[1]: 2}
    assert await service.remove_jobs(tx, [1, 2, 77]) == 2
    assert await queries.select_waiting(tx) == {}
    assert await queries.select_heads(tx) == {}
    assert await _enter(tx, []) == {}


async def test_folding_changes_no_count(tx: Tx) -> None:
    placed = await _enter(tx, [(1, a_class())])
    await _enter(tx, [(2, a_class()), (3, a_class("bob"))])
    await service.remove_jobs(tx, [3])
    before = await queries.select_waiting(tx)
    await queries.fold_counts(tx)
    assert await queries.select_waiting(tx) == before == {placed[1]: 2}
    assert (await tx.execute(text("SELECT count(*) FROM class_count"))).scalar_one() == 1


async def test_a_drained_class_is_marked_and_wakes_up_again(tx: Tx) -> None:
    placed = await _enter(tx, [(1, a_class()), (2, a_class("bob"))])
    await service.remove_jobs(tx, [1])
    assert await service.deactivate_drained(tx) == [placed[1]]
    assert not await is_active(tx, placed[1])
    assert await _enter(tx, [(5, a_class())]) == {5: placed[1]}
    assert await is_active(tx, placed[1])


async def test_a_class_that_a_job_is_entering_is_not_declared_empty(db: Database) -> None:
    async with db.transaction() as tx:
        class_id = (await _enter(tx, [(1, a_class())]))[1]
        await service.remove_jobs(tx, [1])
    async with db.transaction() as entering:
        await _enter(entering, [(2, a_class())])
        async with db.transaction() as other:
            assert await service.deactivate_drained(other) == []
    async with db.transaction() as tx:
        assert await service.deactivate_drained(tx) == []
        assert await is_active(tx, class_id)


async def test_many_at_once_make_each_class_once_and_never_deadlock(db: Database) -> None:
    async def enter(number: int) -> dict[int, int]:
        owners = [f"owner{(number + step) % 5}" for step in range(5)]
        async with db.transaction() as tx:
            jobs = [(number * 10 + step, a_class(owner)) for step, owner in enumerate(owners)]
            placed = await _enter(tx, jobs)
            await service.remove_jobs(tx, [number * 10])
            return placed

    async def drain() -> dict[int, int]:
        async with db.transaction() as tx:
            await service.deactivate_drained(tx)
        return {}

    placed = await asyncio.gather(*(work for number in range(1, 9) for work in (enter(number), drain())))
    assert len({class_id for each in placed for class_id in each.values()}) == 5
    async with db.read() as tx:
        assert sum((await queries.select_waiting(tx)).values()) == 8 * 4


async def test_listeners_are_told_once_a_class(db: Database) -> None:
    heard: list[str] = []
    told = asyncio.Event()

    def hear(payload: str) -> None:
        heard.append(payload)
        told.set()

    listener = Listener(db, {service.CHANNEL: [hear]})
    await listener.start()
    try:
        async with db.transaction() as tx:
            placed = await _enter(tx, [(n, a_class("ada" if n % 2 else "bob")) for n in range(1, 100)])
        await asyncio.wait_for(told.wait(), 10)
    finally:
        await listener.stop()
    assert heard == [",".join(map(str, sorted(set(placed.values()))))]


def a_user(*properties: str, vo: str = "lhcb") -> User:
    return User("user", "s", vo, "ada", "user", frozenset(properties), "t", 0)


def test_only_administrators_look_and_rebuild() -> None:
    with pytest.raises(TaskQueuesForbidden):
        may_see(a_user("NormalUser"))
    with pytest.raises(TaskQueuesForbidden):
        may_rebuild(a_user("JobAdministrator"))
    assert may_see(a_user("JobAdministrator", vo="ska")).vo == "ska"
    assert may_rebuild(a_user("ServiceAdministrator"))
