"""Entries are worked on together; one that fails does so alone."""

from collections.abc import Sequence

import pytest

from weyl.kit.bisected import SomeFailed, raising_failures
from weyl.kit.bisection import bisect


class Desk:
    """Takes numbers, all of a part or none, and refuses the bad ones."""

    def __init__(self, *bad: int, error: type[Exception] = ValueError) -> None:
        self.bad, self.error = set(bad), error
        self.taken: list[int] = []
        self.parts = 0

    async def work(self, numbers: Sequence[int]) -> int:
        self.parts += 1
        if self.bad.intersection(numbers):
            raise self.error("no")
        self.taken += numbers
        return len(numbers)


async def test_what_does_not_fail_is_one_part() -> None:
    desk = Desk()
    outcome = await bisect(range(1_000), desk.work, event="refused")
    assert (outcome.done, outcome.failed, desk.parts) == (1_000, {}, 1)
    assert (await bisect([], desk.work, event="refused")).done == 0
    assert desk.parts == 1


async def test_bad_entries_fail_alone_and_all_others_are_done() -> None:
    desk = Desk(3, 700)
    outcome = await bisect(range(1_000), desk.work, event="refused")
    assert (outcome.done, sorted(outcome.failed)) == (998, [3, 700])
    assert sorted(desk.taken) == [number for number in range(1_000) if number not in (3, 700)]
    assert desk.parts < 60


async def test_a_database_that_is_away_is_no_entrys_fault() -> None:
    desk = Desk(3, error=ConnectionResetError)
    with pytest.raises(ConnectionResetError):
        await bisect(range(1_000), desk.work, event="refused")
    assert desk.parts == 1


async def test_many_bad_entries_keep_no_good_one_waiting() -> None:
    desk = Desk(*range(500))
    outcome = await bisect(range(1_000), desk.work, event="refused")
    assert (outcome.done, len(outcome.failed)) == (500, 500)


async def test_a_fault_of_every_entry_costs_few_transactions_and_is_raised() -> None:
    desk = Desk(*range(10_000))
    with pytest.raises(SomeFailed, match=r"20 failed, 0 done; 0: ValueError\('no'\)") as raised, raising_failures():
        outcome = await bisect(range(10_000), desk.work, event="refused")
    assert (outcome.done, outcome.is_given_up, desk.parts < 120) == (0, True, True)
    assert isinstance(raised.value.__cause__, ValueError)


@pytest.mark.parametrize(("bad", "done"), [((0, 1, 2), 0), ((1,), 2)])
async def test_failures_of_a_few_entries_are_raised(bad: Sequence[int], done: int) -> None:
    with pytest.raises(SomeFailed, match=rf"{len(bad)} failed, {done} done; {bad[0]}: "), raising_failures():
        outcome = await bisect(range(3), Desk(*bad).work, event="refused")
    assert sorted(outcome.failed) == list(bad)
    with raising_failures():
        await bisect(range(3), Desk().work, event="refused")


class TooLong(Exception):
    """What PostgreSQL says of a statement that takes too long."""

    sqlstate = "57014"


class Locked(Exception):
    """What PostgreSQL says of a row that somebody holds."""

    sqlstate = "55P03"


@pytest.mark.parametrize("error", [TooLong, Locked])
async def test_an_entry_that_takes_too_long_keeps_no_other_waiting(error: type[Exception]) -> None:
    desk = Desk(3, error=error)
    outcome = await bisect(range(10), desk.work, event="refused")
    assert (outcome.done, list(outcome.failed)) == (9, [3])


async def test_a_run_works_on_to_its_end_and_then_raises_all_its_failures() -> None:
    first, second = Desk(1), Desk(7, 8)

    async def sweep() -> None:
        with raising_failures():
            await bisect(range(3), first.work, event="refused")
            await bisect(range(10), second.work, event="refused")

    with pytest.raises(SomeFailed, match="3 failed, 10 done"):
        await sweep()
    assert len(second.taken) == 8
    with pytest.raises(KeyError), raising_failures():
        await bisect([1], first.work, event="refused")
        raise KeyError
    await bisect([1], first.work, event="refused")
