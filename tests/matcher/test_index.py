"""The index must say what brute force says, however it came to its present content."""

import gc
import random
import weakref
from collections.abc import Iterable
from dataclasses import fields, replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.matcher.factories import a_class, an_offer, classes, offers

from weyl.matcher.bitsets import MemoMasks, PrefixMasks, bits_of, mask_of
from weyl.matcher.evaluation import CONDITIONS, allocate, first_failure, fit
from weyl.matcher.index import DEAD_BITS_MIN, KINDS_MAX, SHARED_MIN, Index
from weyl.matcher.offers import PilotOffer
from weyl.task_queues.requirements import RequirementClass

Classes = dict[int, RequirementClass]


def found(index: Index, offer: PilotOffer) -> set[int]:
    return {entry.class_id for entry in index.chosen(index.eligible(offer)) if fit(entry.needs, offer)}


def expected(known: Classes, offer: PilotOffer) -> set[int]:
    return {class_id for class_id, made in known.items() if allocate(made.document, offer)}


def documents(known: Classes) -> dict[int, dict[str, object]]:
    return {class_id: made.document for class_id, made in known.items()}


def assert_same(index: Index, known: Classes, asked: Iterable[PilotOffer]) -> None:
    for offer in asked:
        assert found(index, offer) == expected(known, offer)
        condition = index.first_empty(offer)
        assert (condition is None) == bool(index.eligible(offer))
        assert condition in (None, "queue", *CONDITIONS)


def of_its_kind(offer: PilotOffer) -> PilotOffer:
    """Return what another node of the kind offers; the index looks at the kind once."""
    amounts = {name: (getattr(offer, name) or 3_000) // 3 for name in ("wall_time_s", "ram_mb", "scratch_mb")}
    other = replace(offer, host="wn-other", power=offer.power / 7, **amounts)
    assert other.kind() == offer.kind()
    return other


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(classes(), min_size=1, max_size=30), st.lists(offers(), min_size=1, max_size=30))
def test_the_index_agrees_with_brute_force(made: list[RequirementClass], asked: list[PilotOffer]) -> None:
    known = dict(enumerate(made, start=1))
    built, grown = Index(), Index()
    built.build(documents(known))
    assert_same(built, known, [*asked, *map(of_its_kind, asked)])
    for class_id, each in known.items():
        grown.add({class_id: each.document})
        grown.eligible(asked[class_id % len(asked)])
    assert_same(grown, known, asked)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(classes(), min_size=4, max_size=20),
    st.lists(offers(), min_size=1, max_size=8),
    st.randoms(use_true_random=False),
)
def test_retired_bits_are_used_again_without_a_trace(
    made: list[RequirementClass], asked: list[PilotOffer], chance: random.Random
) -> None:
    index, known = Index(), dict(enumerate(made, start=1))
    index.build(documents(known))
    for class_id in range(100, 130):
        for offer in asked:
            index.eligible(offer)
        gone = chance.choice(list(known))
        index.retire(gone)
        del known[gone]
        known[class_id] = chance.choice(made)
        index.add({class_id: known[class_id].document})
    assert_same(index, known, asked)


def test_a_kind_of_nodes_is_all_that_an_offer_says_but_its_name_and_amounts() -> None:
    """What is added to offers is looked at for each kind, unless it is named here."""
    of_each = {"host", "power", "wall_time_s", "ram_mb", "scratch_mb", "at"}
    assert len(an_offer().kind()) == len(fields(PilotOffer)) - len(of_each)


def test_kinds_without_end_take_no_memory_without_end() -> None:
    index = Index()
    index.add({1: a_class().document})
    for number in range(KINDS_MAX + 10):
        index.eligible(replace(an_offer(), tags=frozenset({f"t{number}"})))
    assert index.kinds <= KINDS_MAX
    assert found(index, an_offer()) == {1}


def test_inactive_classes_are_left_out_until_they_are_active_again() -> None:
    index = Index()
    [entry] = index.add({7: a_class().document})
    index.deactivate(entry)
    assert not index.is_active(entry)
    assert index.first_empty(an_offer()) == "queue"
    index.activate(entry)
    assert found(index, an_offer()) == {7}
    assert index.add({7: a_class().document}) == []


def test_the_gaps_of_retired_classes_are_closed() -> None:
    index = Index()
    count = 2 * DEAD_BITS_MIN + 10
    index.build({class_id: a_class(owner=f"o{class_id}").document for class_id in range(count)})
    last = index.get(count - 1)
    assert last is not None
    index.deactivate(last)
    for class_id in range(count - 5):
        index.retire(class_id)
    assert len(index) == 5
    assert last.bit < DEAD_BITS_MIN + 10
    assert found(index, an_offer()) == set(range(count - 5, count - 1))


def test_classes_share_what_they_have_in_common_and_nothing_stays_of_those_that_are_gone() -> None:
    index = Index()
    made = [a_class(banned_sites=["S1", "S2"], user_priority=number).document for number in (1, 2)]
    first, second = index.add(dict(enumerate(made)))
    assert first.needs.owner is second.needs.owner
    shared = weakref.ref(first.needs.banned_sites)
    assert shared() is second.needs.banned_sites
    del first, second
    for number in range(SHARED_MIN + 100):
        index.retire(number)
        index.add({number + 2: {**a_class().document, "sites": [f"S{number}"]}})
    assert len(index) == 2
    gc.collect()
    assert shared() is None


def test_a_miss_names_the_first_condition_that_leaves_nothing() -> None:
    index = Index()
    index.build({1: a_class({"tags": "a"}).document, 2: a_class({"wall_time": 90_000}).document})
    assert index.first_empty(an_offer()) == "tags"
    assert index.first_empty(an_offer(cores=8, wall_time_s=10)) == "cpu_work"
    assert index.first_empty(an_offer(closed=True)) == "site_status"
    assert first_failure(index.entry(0).needs, an_offer()) == "tags"


@given(st.frozensets(st.integers(0, 500)))
def test_masks_and_numbers_are_two_forms_of_one_set(numbers: frozenset[int]) -> None:
    assert list(bits_of(mask_of(numbers, 501))) == sorted(numbers)


def test_prefixes_grow_with_the_amount() -> None:
    prefix = PrefixMasks()
    assert prefix.up_to(10**9) == 0
    prefix.add(0, 50)
    prefix.add(1, 20)
    prefix.add(2, 50)
    assert [prefix.up_to(amount) for amount in (19, 20, 49.9, 50, 1e18)] == [0, 0b10, 0b10, 0b111, 0b111]
    prefix.remove(1, 20)
    assert prefix.up_to(50) == 0b101


def test_each_pair_of_value_and_key_is_judged_once() -> None:
    judged: list[tuple[int, int]] = []

    def accepts(value: int, key: int) -> bool:
        judged.append((value, key))
        return value <= key

    memo: MemoMasks[int, int] = MemoMasks(accepts)
    memo.build({1: [0, 2], 2: [1]}, 3)
    assert memo.for_key(1) == memo.for_key(1) == 0b101
    assert sorted(judged) == [(1, 1), (2, 1)]
    memo.add(3, 1)
    memo.remove(0, 1)
    assert memo.for_key(1) == 0b1100
