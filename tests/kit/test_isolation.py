"""Entries are worked on together; one that fails does so alone."""

from collections.abc import Sequence

import pytest

from weyl.kit.isolation import isolate


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
    outcome = await isolate(range(1_000), desk.work, event="refused")
    assert (outcome.done, outcome.failed, desk.parts) == (1_000, {}, 1)
    assert (await isolate([], desk.work, event="refused")).done == 0
    assert desk.parts == 1


async def test_bad_entries_fail_alone_and_the_others_are_done_in_order() -> None:
    desk = Desk(3, 700)
    outcome = await isolate(range(1_000), desk.work, event="refused")
    assert (outcome.done, sorted(outcome.failed)) == (998, [3, 700])
    assert desk.taken == [number for number in range(1_000) if number not in (3, 700)]
    assert desk.parts < 60


async def test_a_database_that_is_away_is_no_entrys_fault() -> None:
    desk = Desk(3, error=ConnectionResetError)
    with pytest.raises(ConnectionResetError):
        await isolate(range(1_000), desk.work, event="refused")
    assert desk.parts == 1


async def test_many_bad_entries_keep_no_good_one_waiting() -> None:
    desk = Desk(*range(500))
    outcome = await isolate(range(1_000), desk.work, event="refused")
    assert (outcome.done, len(outcome.failed)) == (500, 500)


async def test_a_fault_of_every_entry_is_raised() -> None:
    desk = Desk(*range(100))
    with pytest.raises(ValueError, match="no"):
        await isolate(range(100), desk.work, event="refused")
    outcome = await isolate(range(3), desk.work, event="refused")
    assert sorted(outcome.failed) == [0, 1, 2]
