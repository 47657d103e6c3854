"""A line must be what a sorted list is, however its blocks were split and emptied."""

import random

import pytest
from tests.matcher.factories import a_class

from weyl.matcher import lines
from weyl.matcher.bitsets import mask_of
from weyl.matcher.entries import Entry, EntryMaker
from weyl.matcher.lines import BLOCK, Chosen, Line, Turn, turn_of


def entries(count: int, chance: random.Random) -> list[Entry]:
    """Make classes with any bits, priorities and oldest jobs, some of which are equal."""
    documents = [{**a_class().document, "user_priority": priority} for priority in range(3)]
    maker, bits = EntryMaker(), chance.sample(range(3 * count), count)
    found = [maker.entry(number, chance.choice(documents), bit) for number, bit in enumerate(bits, start=1)]
    for entry in found:
        entry.head = chance.randrange(count)
    return found


def assert_same(line: Line, expected: list[Turn], chance: random.Random) -> None:
    expected.sort()
    assert len(line) == len(expected)
    assert list(line.of(Chosen((1 << 10_000) - 1))) == expected
    wanted = {turn[-1].bit for turn in expected if chance.random() < 0.1}
    found = line.of(Chosen(mask_of(wanted, 10_000)))
    assert list(found) == [turn for turn in expected if turn[-1].bit in wanted]
    assert line.may_have(mask_of(wanted, 10_000)) >= bool(wanted)
    if len(expected) > 2 * BLOCK:
        assert not line.may_have(mask_of(set(range(10_000)) - {turn[-1].bit for turn in expected}, 10_000))


@pytest.mark.parametrize("start", [0, 1, BLOCK, BLOCK + 1, 10 * BLOCK])
@pytest.mark.parametrize("masked_max", [10, 10_000], ids=["many classes", "few classes"])
def test_a_line_is_a_sorted_list(monkeypatch: pytest.MonkeyPatch, masked_max: int, start: int) -> None:
    monkeypatch.setattr(lines, "MASKED_BITS_MAX", masked_max)
    chance = random.Random(start)
    known = entries(12 * BLOCK, chance)
    inside = known[:start]
    line = Line(map(turn_of, inside))
    outside = known[start:]
    for growth in (0.9, 0.1, 0.6):
        for _ in range(10 * BLOCK):
            if outside and (not inside or chance.random() < growth):
                inside.append(outside.pop(chance.randrange(len(outside))))
                line.add(turn_of(inside[-1]))
            else:
                leaving = inside.pop(chance.randrange(len(inside)))
                line.remove(turn_of(leaving))
                outside.append(leaving)
        assert_same(line, list(map(turn_of, inside)), chance)
    for entry in inside:
        line.remove(turn_of(entry))
    assert_same(line, [], chance)


def test_what_nobody_can_run_at_the_front_is_passed_in_blocks() -> None:
    known = entries(100 * BLOCK, random.Random(1))
    line = Line(map(turn_of, known))
    last = max(known, key=turn_of)
    looked_at = 0

    class Watched(bytes):
        def __getitem__(self, place: object) -> int:  # type: ignore[override]
            nonlocal looked_at
            looked_at += 1
            return super().__getitem__(place)  # type: ignore[call-overload, no-any-return]

    chosen = Chosen(1 << last.bit)
    chosen.held = Watched(chosen.held)
    assert [turn[-1] for turn in line.of(chosen)] == [last]
    assert 0 < looked_at <= 2 * BLOCK


def test_among_many_classes_a_short_line_takes_no_room_for_a_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MASKED_BITS_MAX", 1_000)
    early, late, last = entries(3, random.Random(2))
    early.bit, late.bit, last.bit = 5, 2_000, 7
    line = Line([turn_of(early)])
    assert not line.may_have(1 << 2_000)
    for entry in (late, last):
        line.add(turn_of(entry))
        assert line.may_have(1 << 3_000), "it says no more than that it may"
    assert [turn[-1] for turn in line.of(Chosen(1 << 2_000))] == [late]
