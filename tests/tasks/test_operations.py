"""Operations: who sees them, batch after batch, cancelled before and in the middle, failed for good and replayed."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from tests.infra.app import Application
from tests.web.streams import page

from weyl.kit.clock import utcnow
from weyl.kit.db import Database, Tx
from weyl.kit.ids import uuid7
from weyl.kit.task import Task
from weyl.tasks import tasks as tasks_of_the_room
from weyl.tasks.engine import Worker
from weyl.tasks.errors import TooManyOperations
from weyl.tasks.operations import BATCH, LIVE_MAX, Batch, BatchOutcome, Order, begin, in_batches

COUNT = Task("o.count", attempts_max=1)
ADMINISTRATORS = frozenset({"JobAdministrator"})


def order(count: int = 3, *, operation_id: UUID | None = None, **changes: Any) -> Order:
    """Return an order of alice about so many numbers."""
    values: dict[str, Any] = {
        "operation_id": operation_id or uuid7(),
        "kind": "o.count",
        "vo": "voa",
        "subject": "voa:alice-sub",
        "created_by": "alice",
        "arguments": {"upto": count},
        "total": count,
        "items": list(range(1, count + 1)),
        "administrators": ADMINISTRATORS,
    }
    return Order(**values | changes)


async def take(db: Database, ordered: Order, *, undo_s: float = 0) -> str:
    """Take an order; returns its id."""
    async with db.transaction() as tx:
        started = await begin(tx, COUNT, ordered, undo_s=undo_s, now=utcnow())
    return str(started.operation_id)


async def work(db: Database, handler: Any) -> None:
    """Do what there is to do now."""
    await Worker(db, [COUNT.bind_run(in_batches(db, handler))]).drain()


async def get(application: Application, operation_id: str, **login: Any) -> Any:
    """Ask how far an operation has come, as alice unless told otherwise."""
    answer = await application.client.get(f"/api/operations/{operation_id}", headers=application.login(**login))
    return answer.json() if answer.status_code == 200 else answer.status_code


async def cancel(application: Application, operation_id: str, **login: Any) -> tuple[int, Any]:
    """Cancel an operation."""
    answer = await application.client.delete(f"/api/operations/{operation_id}", headers=application.login(**login))
    return answer.status_code, answer.json()


class Counter:
    """A handler that keeps what it was given, and refuses what it is told to."""

    def __init__(self, refused: Sequence[int] = ()) -> None:
        self.batches: list[Batch] = []
        self.refused = set(refused)

    async def __call__(self, tx: Tx, batch: Batch) -> BatchOutcome:
        self.batches.append(batch)
        items = batch.items
        if items is None:
            upto = batch.arguments["upto"]
            items = range(batch.after + 1, min(batch.after + batch.size, upto) + 1)
        failed = {each: "odd" for each in items if each in self.refused}
        is_more = batch.items is None and len(items) == batch.size
        return BatchOutcome(len(items) - len(failed), failed, items[-1] if is_more else None)


async def test_others_know_nothing_of_an_operation_and_administrators_of_the_vo_see_it(
    application: Application, db: Database
) -> None:
    operation_id = await take(db, order(), undo_s=60)
    client = application.client
    assert (await client.get(f"/api/operations/{operation_id}")).status_code == 401
    assert (await client.get("/api/operations", headers=application.pilot("a" * 32))).status_code == 403
    for login in ({"user": "bob"}, {"vo": "vob"}, {"vo": "vob", "group": "admin"}, {"user": "bob", "group": "service"}):
        assert await get(application, operation_id, **login) == 404
        assert (await cancel(application, operation_id, **login))[0] == 404
        for query in ({}, {"everybody": "true"}):
            found = await client.get("/api/operations", params=query, headers=application.login(**login))
            assert found.json() == []
    admin = {"user": "bob", "group": "admin"}
    assert (await get(application, operation_id, **admin))["created_by"] == "alice"
    own = await client.get("/api/operations", headers=application.login(**admin))
    every = await client.get("/api/operations", params={"everybody": "true"}, headers=application.login(**admin))
    assert (own.json(), [each["operation_id"] for each in every.json()]) == ([], [operation_id])
    assert (await cancel(application, operation_id, **admin))[0] == 200


async def test_who_ordered_is_told_how_far_it_is_and_nobody_else(
    start_application: Callable[..., Awaitable[Application]], db: Database
) -> None:
    quick = await start_application(events_every_s=0.05)
    assert (await quick.client.get("/api/events?topic=operations")).status_code == 401
    alice, bob = quick.login(), quick.login("bob", group="admin")
    async with page(quick, alice, "topic=operations") as hers, page(quick, bob, "topic=operations") as his:
        await hers.next("ready")
        await his.next("ready")
        operation_id = await take(db, order())
        assert (await hers.next())["changed"] == [operation_id]
        await work(db, Counter())
        assert (await hers.next())["counters"] == {"done": 1}
        own = await take(db, order(subject="voa:bob-sub"))
        assert (await his.next())["changed"] == [own]


async def test_named_things_are_done_in_batches_and_the_first_ten_refusals_told(
    application: Application, db: Database
) -> None:
    counter = Counter(refused=range(5, 20))
    operation_id = await take(db, order(2 * BATCH + 1))
    before = await get(application, operation_id)
    assert (before["state"], before["done"], before["total"], before["ended_at"]) == ("waiting", 0, 2 * BATCH + 1, None)
    await work(db, counter)
    after = await get(application, operation_id)
    assert [len(batch.items or ()) for batch in counter.batches] == [BATCH, BATCH, 1]
    assert (after["state"], after["done"], after["failed"]) == ("done", 2 * BATCH + 1 - 15, 15)
    assert (before["progress"], after["progress"]) == (0, 100)
    assert after["errors"] == [{"id": each, "reason": "odd"} for each in range(5, 15)]
    assert after["ended_at"] is not None


async def test_things_that_are_found_go_on_behind_the_last_and_the_total_adds_up_in_the_end(
    application: Application, db: Database
) -> None:
    counter = Counter()
    operation_id = await take(db, order(BATCH + 7, items=None, total=BATCH + 100))
    await work(db, counter)
    after = await get(application, operation_id)
    assert [batch.after for batch in counter.batches] == [0, BATCH]
    assert (after["state"], after["done"], after["total"]) == ("done", BATCH + 7, BATCH + 7)


async def test_cancelled_before_it_starts_nothing_is_done(application: Application, db: Database) -> None:
    counter = Counter()
    operation_id = await take(db, order(), undo_s=60)
    status, body = await cancel(application, operation_id)
    assert (status, body["state"]) == (200, "cancelled")
    assert body["detail"] == "Cancelled before it began: nothing was changed"
    assert (await cancel(application, operation_id))[0] == 200
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE pgqueuer SET execute_after = now()"))
    await work(db, counter)
    assert counter.batches == []
    assert (await get(application, operation_id))["state"] == "cancelled"


async def test_cancelled_in_the_middle_it_stops_after_the_batch_that_is_under_way(
    application: Application, db: Database
) -> None:
    counter = Counter()
    operation_id = await take(db, order(3 * BATCH))

    async def stop_in_the_second(tx: Tx, batch: Batch) -> BatchOutcome:
        outcome = await counter(tx, batch)
        if len(counter.batches) == 2:
            # As the route would, but in the batch's own transaction: the route waits for its end.
            await tx.execute(text("UPDATE operations SET kind = 'o.count'"))
            raise RuntimeError("the machine stops here")
        return outcome

    await work(db, stop_in_the_second)
    running = await get(application, operation_id)
    assert (running["state"], running["done"]) == ("running", BATCH)
    status, body = await cancel(application, operation_id)
    assert (status, body["state"]) == (200, "cancelled")
    assert body["detail"] == "Stopped after 1,000 of 3,000; what was done stays done"
    await work(db, counter)
    assert len(counter.batches) == 2
    assert (await get(application, operation_id))["done"] == BATCH


async def test_what_has_ended_cannot_be_cancelled(application: Application, db: Database) -> None:
    operation_id = await take(db, order())
    await work(db, Counter())
    status, body = await cancel(application, operation_id)
    assert status == 409
    assert "cannot be undone" in body["detail"]


async def test_an_order_that_is_taken_twice_is_one(db: Database) -> None:
    counter, operation_id = Counter(), uuid7()
    for _ in range(2):
        await take(db, order(operation_id=operation_id))
    await work(db, counter)
    assert len(counter.batches) == 1
    await take(db, order(operation_id=operation_id))
    await work(db, counter)
    assert len(counter.batches) == 1


async def test_one_user_has_a_bounded_number_under_way(db: Database) -> None:
    for _ in range(LIVE_MAX):
        await take(db, order(), undo_s=60)
    with pytest.raises(TooManyOperations):
        await take(db, order())
    await take(db, order(subject="voa:bob-sub"))


async def test_a_task_that_fails_for_good_ends_its_operation_and_a_replay_goes_on_where_it_stopped(
    application: Application, db: Database
) -> None:
    operation_id = await take(db, order(2 * BATCH))
    counter = Counter()

    async def fail_in_the_second(tx: Tx, batch: Batch) -> BatchOutcome:
        if counter.batches:
            raise RuntimeError("no room left")
        return await counter(tx, batch)

    await work(db, fail_in_the_second)
    [letter] = (await application.client.get("/api/tasks/dead", headers=application.login(group="service"))).json()
    await Worker(db, tasks_of_the_room.tasks(db)).run_now("tasks.failed_operations")
    failed = await get(application, operation_id)
    assert (failed["state"], failed["done"]) == ("failed", BATCH)
    assert "no room left" in failed["detail"]
    assert str(letter["id"]) in failed["detail"]
    path = f"/api/tasks/dead/{letter['id']}/replay"
    assert (await application.client.post(path, headers=application.login(group="service"))).status_code == 200
    await work(db, counter)
    ended = await get(application, operation_id)
    assert (ended["state"], ended["done"], ended["detail"]) == ("done", 2 * BATCH, None)
    assert [batch.items[0] for batch in counter.batches if batch.items] == [1, BATCH + 1]


async def test_operations_that_ended_long_ago_are_forgotten(application: Application, db: Database) -> None:
    old, new = await take(db, order()), await take(db, order())
    await work(db, Counter())
    async with db.transaction() as tx:
        await tx.execute(
            text("UPDATE operations SET ended_at = now() - interval '31 days' WHERE operation_id = :id"), {"id": old}
        )
    await Worker(db, tasks_of_the_room.tasks(db)).run_now("tasks.housekeeping")
    assert await get(application, old) == 404
    assert (await get(application, new))["state"] == "done"
