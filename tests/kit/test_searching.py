"""Places for slow searches: in the order of asking, nobody gets more than half, none is ever lost."""

import asyncio

import pytest
from sqlalchemy import text

from weyl.kit.db import Database
from weyl.kit.errors import BadRequest, Unavailable
from weyl.kit.search import ScalarSearchSpec, SearchSpec, SortSpec, VectorSearchSpec, may_scan
from weyl.kit.searching import WAITING_MAX, Places, SearchDesk

INDEXED = {"JobID", "Status"}
_RUNNING = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND state = 'active' AND pid <> pg_backend_pid()"
)


async def _hold(places: Places, who: str, entered: asyncio.Event, leave: asyncio.Event, wait_s: float = 60) -> None:
    async with places.place(who, wait_s=wait_s):
        entered.set()
        await leave.wait()


async def test_nobody_gets_more_than_half_and_others_get_the_rest() -> None:
    places, leave = Places(4), asyncio.Event()
    entered = {who: [asyncio.Event() for _ in range(3)] for who in ("a", "b")}
    tasks = [
        asyncio.create_task(_hold(places, who, event, leave)) for who, events in entered.items() for event in events
    ]
    await asyncio.gather(*(event.wait() for events in entered.values() for event in events[:2]))
    assert [event.is_set() for who in entered for event in entered[who]] == [True, True, False] * 2
    leave.set()
    await asyncio.gather(*tasks)
    assert all(event.is_set() for events in entered.values() for event in events)


async def test_who_waits_too_long_is_told_when_to_come_back() -> None:
    places, entered, leave = Places(1), asyncio.Event(), asyncio.Event()
    holder = asyncio.create_task(_hold(places, "a", entered, leave))
    await entered.wait()
    with pytest.raises(Unavailable) as caught:
        async with places.place("b", wait_s=0.01):
            raise AssertionError("there was no place")
    assert caught.value.headers["Retry-After"]
    leave.set()
    await holder
    async with places.place("b", wait_s=0.01):
        pass


async def test_a_crowd_is_sent_away_at_once() -> None:
    places, entered, leave = Places(1), asyncio.Event(), asyncio.Event()
    holders = [asyncio.create_task(_hold(places, "a", entered, leave)) for _ in range(WAITING_MAX + 1)]
    await entered.wait()
    with pytest.raises(Unavailable):
        async with places.place("b"):
            raise AssertionError("there was no place")
    leave.set()
    await asyncio.gather(*holders)


async def test_a_place_is_not_lost_when_who_waits_is_cancelled() -> None:
    places, entered, leave = Places(1), asyncio.Event(), asyncio.Event()
    holder = asyncio.create_task(_hold(places, "a", entered, leave))
    await entered.wait()
    waiting = [asyncio.create_task(_hold(places, str(n), asyncio.Event(), leave)) for n in range(5)]
    await asyncio.sleep(0)
    leave.set()
    await holder
    for task in waiting[:3]:  # one of them has just been given the place
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert not any(task.cancelled() for task in waiting[3:])
    async with places.place("z", wait_s=0.01):
        pass


async def test_a_search_that_takes_too_long_is_cancelled_in_the_database(db: Database) -> None:
    desk = SearchDesk(db, timeout_s=0.2, scans_max=1)
    for _ in range(3):
        with pytest.raises(BadRequest, match="took too long"):
            async with desk.connection("a", is_scan=True) as tx:
                await tx.exec_driver_sql("SELECT pg_sleep(60)")
    async with db.read() as tx:
        assert await tx.scalar(text(_RUNNING)) == 0
    patient = SearchDesk(db, timeout_s=30, scans_max=1)
    async with patient.connection("a", is_scan=True) as tx:
        assert (await tx.exec_driver_sql("SELECT 1")).scalar() == 1


@pytest.mark.parametrize(
    ("search", "sort", "expected"),
    [
        ([], [], False),
        ([], ["JobID"], False),
        ([], ["Site"], True),
        ([ScalarSearchSpec(parameter="JobID", operator="eq", value=1)], ["JobID"], False),
        ([ScalarSearchSpec(parameter="Site", operator="eq", value="x")], [], True),
        ([ScalarSearchSpec(parameter="Status", operator="neq", value="x")], [], True),
        ([VectorSearchSpec(parameter="Status", operator="in", values=["x"])], [], False),
        ([VectorSearchSpec(parameter="Status", operator="not in", values=["x"])], [], True),
        ([ScalarSearchSpec(parameter="Status", operator="like", value="x%")], [], True),
    ],
)
def test_what_may_have_to_look_at_every_row(search: list[SearchSpec], sort: list[str], expected: bool) -> None:
    keys = [SortSpec(parameter=name, direction="desc") for name in sort]
    assert may_scan(search, keys, indexed=INDEXED, order="JobID") is expected


def test_a_pattern_beside_an_id_is_still_a_pattern() -> None:
    search: list[SearchSpec] = [
        ScalarSearchSpec(parameter="JobID", operator="eq", value=1),
        ScalarSearchSpec(parameter="Owner", operator="regex", value="(a*)*b"),
    ]
    assert may_scan(search, [], indexed=INDEXED, order="JobID")
