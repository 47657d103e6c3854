"""The order of service, each level by itself and all of them against a slow and plain reading of the rules."""

import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.infra.app import config_document
from tests.matcher.factories import a_class, an_offer

from weyl.config.models import Config
from weyl.matcher import ranking
from weyl.matcher.entries import Entry
from weyl.matcher.index import Index
from weyl.matcher.ranking import Order
from weyl.matcher.shares import JobTypes, Ledger, Scheduling, drawn, scheduling_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
Class = tuple[str, str, int, int]


def a_ledger(**says: Any) -> Ledger:
    ledger = Ledger(NOW, random.Random(1))
    ledger.configure({"voa": Scheduling(**says)})
    ledger.tick(NOW)
    return ledger


def an_index(*people: Class, job_types: tuple[str, ...] = ()) -> Index:
    """Return an index of classes given as (group, owner, priority, oldest job)."""
    index = Index()
    index.build(
        {
            class_id: a_class(
                group=group,
                owner=owner,
                user_priority=priority,
                job_type=job_types[class_id - 1] if job_types else "User",
            ).document
            for class_id, (group, owner, priority, _) in enumerate(people, start=1)
        }
    )
    for entry, (_, _, _, head) in zip(list(index.entries()), people, strict=True):
        index.set_head(entry, head)
    return index


def an_order(index: Index, ledger: Ledger, near: int = 0) -> Order:
    return Order(index, index.eligible(an_offer()), vo="voa", ledger=ledger, near=near)


def order(index: Index, ledger: Ledger) -> list[int]:
    return [entry.class_id for entry in an_order(index, ledger).candidates()]


def serve(index: Index, ledger: Ledger, count: int, amount: float = 10.0) -> list[Entry]:
    """Serve as many jobs of the first class, one after the other."""
    served = []
    for _ in range(count):
        one_order = an_order(index, ledger)
        entry = one_order.first()
        assert entry is not None
        one_order.take(entry, amount)
        served.append(entry)
    return served


def test_the_oldest_job_comes_first_inside_one_owner_and_priority() -> None:
    assert order(an_index(("g", "o", 1, 30), ("g", "o", 1, 10), ("g", "o", 2, 20)), a_ledger()) == [3, 2, 1]


def test_a_priority_gains_nothing_over_another_owner() -> None:
    index = an_index(("g", "greedy", 10, 1), ("g", "modest", 0, 99))
    assert [entry.needs.owner for entry in serve(index, a_ledger(), 4)] == ["greedy", "modest", "greedy", "modest"]


def test_groups_get_what_their_shares_say() -> None:
    index = an_index(("large", "a", 1, 1), ("small", "b", 1, 2), ("tiny", "c", 1, 3))
    ledger = a_ledger(shares={"large": 700, "small": 200, "tiny": 100})
    assert Counter(entry.needs.group for entry in serve(index, ledger, 1_000)) == {
        "large": pytest.approx(700, abs=2),
        "small": pytest.approx(200, abs=2),
        "tiny": pytest.approx(100, abs=2),
    }


def test_a_small_group_is_served_at_its_next_turn_however_many_the_others_are() -> None:
    index = an_index(*[("crowd", f"o{n}", 5, n) for n in range(50)], ("small", "o", 1, 9_999))
    ledger = a_ledger()
    assert "small" in {entry.needs.group for entry in serve(index, ledger, 2)}


def test_the_jobs_of_a_group_that_shares_are_one_queue() -> None:
    index = an_index(("g", "a", 10, 30), ("g", "b", 0, 10), ("g", "a", 1, 20))
    assert order(index, a_ledger(one_queue=frozenset(["g"]))) == [2, 3, 1]


def test_an_earlier_tier_wins_and_types_that_none_names_come_last() -> None:
    index = an_index(*[("g", "o", 1, n) for n in range(1, 5)], job_types=("Other", "Merge", "User", "Test"))
    tiers = (JobTypes(("Test",)), JobTypes(("User", "Merge")))
    assert order(index, a_ledger(tiers=tiers)) == [4, 2, 3, 1]


def test_inside_a_tier_with_weights_each_type_comes_as_often_as_it_says() -> None:
    index = an_index(("g", "a", 1, 1), ("h", "b", 1, 2), job_types=("User", "Merge"))
    ledger = a_ledger(tiers=(JobTypes(("User", "Merge"), {"User": 3.0, "Merge": 1.0}),))
    served = Counter(entry.needs.job_type for entry in serve(index, ledger, 2_000))
    assert served["User"] == pytest.approx(1_500, abs=120)
    chance = random.Random(3)
    assert Counter(drawn({"a": 1.0, "b": 9.0}, chance)[0] for _ in range(1_000))["b"] == pytest.approx(900, abs=50)


def test_a_group_that_has_waited_gets_one_of_so_many_across_tiers() -> None:
    index = an_index(("first", "a", 1, 100), ("starved", "b", 1, 5), job_types=("Test", "User"))
    ledger = a_ledger(tiers=(JobTypes(("Test",)),), every=5)
    assert Counter(entry.needs.group for entry in serve(index, ledger, 50)) == {"first": 50}
    index.mark_old({"voa": 50})
    served = [entry.needs.group for entry in serve(index, ledger, 50)]
    assert served.count("starved") == 10
    assert served.index("starved") == 4


def test_usage_halves_and_a_group_that_comes_back_is_neither_master_nor_punished() -> None:
    ledger = a_ledger(half_life_s=3_600.0)
    ledger.see_active([("voa", "busy"), ("voa", "other")])
    for step in range(2_000):
        ledger.tick(NOW + timedelta(seconds=30 * step))
        ledger.charge("voa", "busy", "a", 300.0)
        ledger.charge("voa", "other", "c", 300.0)
    charged, _ = ledger.take_pending()
    steady = 10.0 * 3_600 / 0.6931
    assert charged["voa", "busy", "a"] == pytest.approx(steady, rel=0.02)
    ledger.see_active([("voa", "busy"), ("voa", "other"), ("voa", "back")])
    # an hour of the third of the farm that its share is: 20 DB12 a second for both, 3,600 s, a third
    behind = (ledger.of_group("voa", "busy") - ledger.of_group("voa", "back")) * 1_000 / 2.0 ** (59_970 / 3_600)
    assert behind == pytest.approx(20 * 3_600 / 3, rel=0.03)
    _, lifts = ledger.take_pending()
    assert lifts["voa", "back"] == pytest.approx(steady - behind, rel=0.05)


def test_what_others_charged_counts_and_what_could_not_be_written_is_kept() -> None:
    ledger = a_ledger()
    ledger.charge("voa", "g", "a", 100.0)
    charged, lifts = ledger.take_pending()
    ledger.put_back(charged, lifts)
    ledger.see_usage([(("voa", "g", "a"), 500.0, NOW), (("voa", "g", "b"), 50.0, NOW)])
    assert ledger.of_owner("voa", "g", "a") == 600.0
    assert ledger.of_group("voa", "g") == 650.0 / 1_000
    assert ledger.take_pending()[0] == {("voa", "g", "a"): 100.0}


def test_the_configuration_says_how() -> None:
    document = config_document()
    document["Registry"]["voa"]["Groups"]["user"]["JobShare"] = 0  # type: ignore[index]
    document["Registry"]["voa"]["Groups"]["admin"]["Properties"] = ["JobSharing"]  # type: ignore[index]
    document["Operations"]["voa"] = {  # type: ignore[index]
        "Matching": {"Tiers": ["Test", ["User", "Merge"], {"A": 1, "B": 2.5}], "HalfLife": 60, "Every": 7}
    }
    says = scheduling_of(Config.model_validate(document), "voa")
    assert says.share("user") == 0.001
    assert says.share("unknown") == 1_000
    assert says.one_queue == {"admin"}
    assert (says.half_life_s, says.max_age_s, says.every) == (60, 600, 7)
    assert [tier.weights for tier in says.tiers] == [None, None, {"A": 1, "B": 2.5}]


def test_data_where_the_pilot_is_come_before_age_and_after_priority_and_gain_nothing_over_others() -> None:
    index = an_index(("g", "o", 1, 10), ("g", "o", 1, 20), ("g", "o", 2, 30), ("g", "p", 1, 40))
    near = sum(1 << index.get(class_id).bit for class_id in (2, 4))  # type: ignore[union-attr]
    ledger = a_ledger()
    found = [entry.class_id for entry in an_order(index, ledger, near).candidates()]
    assert found == [3, 2, 1, 4]
    ledger.charge("voa", "g", "o", 1.0)
    assert next(an_order(index, ledger, near).candidates()).class_id == 4
    shared = a_ledger(one_queue=frozenset(["g"]))
    assert [entry.class_id for entry in an_order(index, shared, near).candidates()] == [2, 4, 1, 3]


def slowly(index: Index, ledger: Ledger, passed: Counter[str], near: int) -> Iterator[Entry]:
    """Read the rules as they stand: sort everything by everything."""
    says = ledger.scheduling("voa")
    entries = list(index.entries())

    def tier(entry: Entry) -> int:
        found = [number for number, each in enumerate(says.tiers) if entry.needs.job_type in each.names]
        return found[0] if found else len(says.tiers)

    def key(entry: Entry) -> tuple[object, ...]:
        needs = entry.needs
        inside: tuple[object, ...] = (not near >> entry.bit & 1, entry.head, entry.class_id)
        if needs.group not in says.one_queue:
            inside = (ledger.of_owner("voa", needs.group, needs.owner), needs.owner, -needs.user_priority, *inside)
        return (ledger.of_group("voa", needs.group), needs.group, *inside)

    waited = {entry.needs.group for entry in entries if index.old >> entry.bit & 1}
    due = sorted((g for g in waited if passed[g] >= says.every - 1), key=lambda group: (-passed[group], group))
    for group in due:
        yield from sorted((entry for entry in entries if entry.needs.group == group), key=key)
    yield from sorted(entries, key=lambda entry: (tier(entry), key(entry)))


CLASSES = st.lists(
    st.tuples(
        st.sampled_from(["g", "h", "shared"]),
        st.sampled_from(["a", "b", "c", "d"]),
        st.integers(0, 3),
        st.integers(1, 60),
    ),
    min_size=1,
    max_size=25,
)


@pytest.mark.parametrize(("few", "per_owner"), [(0, 1), (1_000, 1_000)], ids=["walking the owners", "one by one"])
@settings(max_examples=60, deadline=None)
@given(CLASSES, st.integers(0, 60), st.integers(1, 6), st.randoms(use_true_random=False))
def test_the_order_is_that_of_the_rules(
    few: int, per_owner: int, people: list[Class], oldest_young: int, every: int, chance: random.Random
) -> None:
    types = tuple(chance.choice(["Test", "User", "Merge", "Other"]) for _ in people)
    index = an_index(*people, job_types=types)
    tiers = (JobTypes(("Test",)), JobTypes(("User", "Merge")))
    ledger = a_ledger(tiers=tiers, every=every, one_queue=frozenset(["shared"]), shares={"h": 300})
    index.mark_old({"voa": oldest_young})
    passed: Counter[str] = Counter()
    near = chance.choice([0, chance.getrandbits(len(people)), index.eligible(an_offer())])
    kept = ranking.FEW, ranking.CLASSES_PER_OWNER_LOOKED_AT
    ranking.FEW, ranking.CLASSES_PER_OWNER_LOOKED_AT = few, per_owner
    try:
        # one order for several rounds, as in a batch: it follows what is charged
        one_order = an_order(index, ledger, near)
        for _ in range(12):
            expected = list(dict.fromkeys(slowly(index, ledger, passed, near)))
            assert list(dict.fromkeys(one_order.candidates())) == expected
            first = one_order.first()
            assert first is expected[0]
            one_order.take(first, chance.choice([1.0, 10.0, 25.0]))
            waited = {entry.needs.group for entry in index.entries() if index.old >> entry.bit & 1}
            for group in waited:
                passed[group] = 0 if group == first.needs.group else passed[group] + 1
    finally:
        ranking.FEW, ranking.CLASSES_PER_OWNER_LOOKED_AT = kept


def test_the_queue_of_owners_follows_whatever_changes_their_usage() -> None:
    chance, ledger, names = random.Random(5), a_ledger(), [f"o{number}" for number in range(20)]
    queue = ledger.owners("voa", "g", names, edition=1)
    for _ in range(300):
        owner = chance.choice([*names, "nobody"])
        if chance.random() < 0.2:
            ledger.see_usage([(("voa", "g", owner), chance.choice([0.0, 5.0, 50.0]), NOW)])
        else:
            ledger.charge("voa", "g", owner, chance.choice([-10.0, 1.0, 10.0]))
        assert list(queue) == ledger.in_order("voa", "g", names)
    assert ledger.owners("voa", "g", names, edition=1) is queue
    assert list(ledger.owners("voa", "g", names[:3], edition=2)) == ledger.in_order("voa", "g", names[:3])
