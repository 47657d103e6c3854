"""The order of service: groups and owners take turns, priorities count inside one owner, then the oldest job."""

from tests.matcher.factories import a_class, an_offer

from weyl.matcher.index import Index
from weyl.matcher.ranking import Order, Turns


def an_index(*people: tuple[str, str, int, int]) -> Index:
    index = Index()
    index.build(
        {
            class_id: a_class(group=group, owner=owner, user_priority=priority).document
            for class_id, (group, owner, priority, _) in enumerate(people, start=1)
        }
    )
    for entry, (_, _, _, head) in zip(index.entries(), people, strict=True):
        entry.head = head
    return index


def order(index: Index, turns: Turns) -> list[int]:
    mask = index.eligible(an_offer())
    return [entry.class_id for entry in Order(index, mask, vo="voa", turns=turns).candidates()]


def test_the_oldest_job_comes_first_inside_one_owner_and_priority() -> None:
    assert order(an_index(("g", "o", 1, 30), ("g", "o", 1, 10), ("g", "o", 2, 20)), Turns()) == [3, 2, 1]


def test_a_priority_gains_nothing_over_another_owner() -> None:
    index, turns = an_index(("g", "greedy", 10, 1), ("g", "modest", 0, 99)), Turns()
    served = []
    for _ in range(4):
        entry = index.get(order(index, turns)[0])
        assert entry is not None
        turns.take(entry)
        served.append(entry.needs.owner)
    assert served == ["greedy", "modest", "greedy", "modest"]


def test_a_small_group_is_served_at_its_next_turn_however_many_the_others_are() -> None:
    crowd = [("crowd", f"o{n}", 5, n) for n in range(50)]
    index, turns = an_index(*crowd, ("small", "o", 1, 9_999)), Turns()
    for _ in range(2):
        entry = index.get(order(index, turns)[0])
        assert entry is not None
        turns.take(entry)
    assert turns.of_group("voa", "small") == 2


def test_an_order_follows_the_turns_that_are_taken_while_it_is_used() -> None:
    people = [("g1", "a", 1, 1), ("g1", "a", 5, 2), ("g1", "b", 1, 3), ("g2", "c", 1, 4)]
    index, turns = an_index(*people), Turns()
    one_order = Order(index, index.eligible(an_offer()), vo="voa", turns=turns)
    for _ in range(12):
        expected = order(index, turns)
        candidates = one_order.candidates()
        assert list(candidates) == [index.get(class_id) for class_id in expected]
        first = index.get(expected[0])
        assert first is not None
        turns.take(first)
