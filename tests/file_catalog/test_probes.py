"""How searches run, for what the probes have found: pure."""

from typing import Any

import pytest

from weyl.file_catalog.conditions import Term, Terms, terms_of
from weyl.file_catalog.fields import AppliesTo, DeclaredField, FieldType
from weyl.file_catalog.models.search import FileQuery
from weyl.file_catalog.probes import (
    MERGED_MAX,
    SLICE_MAX,
    SLICE_MIN,
    Driver,
    Found,
    Order,
    Plan,
    drivable,
    first_size,
    is_range,
    large,
    next_size,
    plan,
    tree_of,
)

DECLARED = {
    "Run": DeclaredField(1, "Run", FieldType.INT, AppliesTo.FILE, is_indexed=True),
    "Both": DeclaredField(2, "Both", FieldType.INT, AppliesTo.BOTH, is_indexed=True),
    "Filling": DeclaredField(3, "Filling", FieldType.INT, AppliesTo.FILE, is_indexed=True, is_filled=False),
    "Plain": DeclaredField(4, "Plain", FieldType.INT, AppliesTo.FILE),
    "Type": DeclaredField(5, "Type", FieldType.TEXT, AppliesTo.DIRECTORY),
}


def terms(*conditions: tuple[str, str, Any], either: Any = ()) -> Terms:
    """Return the terms of a query."""

    def spelled(each: tuple[str, str, Any]) -> dict[str, Any]:
        name, operator, value = each
        many = operator in ("in", "not in", "between")
        alone = operator in ("exists", "missing")
        return {"parameter": name, "operator": operator, **({} if alone else {"values" if many else "value": value})}

    body = {"where": list(map(spelled, conditions)), "any": [list(map(spelled, each)) for each in either]}
    return terms_of(FileQuery(**body), DECLARED)  # type: ignore[arg-type]


def test_only_what_an_index_finds_may_drive() -> None:
    asked = terms(
        ("Run", "eq", 1), ("Run", "neq", 1), ("Run", "missing", None), ("Both", "eq", 1), ("Filling", "eq", 1),
        ("Plain", "eq", 1), ("Type", "eq", "x"), ("SE", "in", ["A", "B"]), ("SE", "like", "A%"), ("Size", "eq", 5),
        ("LFN", "eq", "/vo/a/b"), ("LFN", "like", "/vo/a%"), ("JobID", "eq", 7), ("Name", "eq", "x"),
    )  # fmt: skip
    both = asked.where[3]
    [group] = drivable(asked, {both: (5,)})
    assert [term.parameter for term in group] == ["Run", "SE", "LFN", "JobID"]
    [group] = drivable(asked, {both: ()})
    assert both in group
    [group] = drivable(asked, {both: None})
    assert both not in group


ONE, MANY = terms(("Run", "eq", 1)).where[0], terms(("Run", "between", [1, 9])).where[0]
OTHER = terms(("JobID", "eq", 7)).where[0]


def planned(*groups: tuple[Term, ...], sizes: dict[Term, int | None], tree: int | None = None, **how: Any) -> Plan:
    """Return the plan for what the probes have found."""
    asked = {"asked": None, "is_narrow": False, **how}
    return plan(groups, Found(sizes, tree), **asked)


def test_the_smallest_source_drives() -> None:
    found = planned((ONE, OTHER), sizes={ONE: 500, OTHER: 20})
    assert found == Plan(Driver.IDS, Order.FILE_ID, (OTHER,), filters=(ONE,), met=frozenset({ONE, OTHER}))
    assert planned((ONE,), sizes={ONE: 500}, asked=Order.PATH) == Plan(
        Driver.SORTED, Order.PATH, (ONE,), met=frozenset({ONE})
    )
    assert planned((ONE,), sizes={ONE: 500}, tree=10).driver is Driver.TREE
    assert planned((ONE,), sizes={ONE: 500}, tree=10, asked=Order.FILE_ID).driver is Driver.IDS


def test_where_all_are_large_an_index_or_the_tree_is_walked() -> None:
    large = {ONE: None, MANY: None}
    assert planned((MANY, ONE), sizes=large) == Plan(Driver.IDS, Order.FILE_ID, (ONE,), met=frozenset({ONE}))
    assert planned((ONE,), sizes=large, is_narrow=True) == Plan(Driver.TREE, Order.PATH)
    assert planned((ONE,), sizes=large, asked=Order.PATH) == Plan(Driver.TREE, Order.PATH)
    assert planned((MANY,), sizes=large) == Plan(Driver.VALUES, Order.VALUE, (MANY,), met=frozenset({MANY}))
    assert planned((MANY,), sizes=large, is_narrow=True) == Plan(Driver.TREE, Order.PATH)
    assert planned((MANY,), sizes=large, asked=Order.PATH) == Plan(Driver.TREE, Order.PATH)
    assert planned((MANY,), sizes=large, asked=Order.FILE_ID) == Plan(Driver.ALL, Order.FILE_ID)
    assert planned((), sizes={}, asked=Order.FILE_ID, is_descending=True).is_descending


def test_some_values_that_many_files_have_are_walked_together() -> None:
    several = terms(("Run", "in", [1, 2, 3])).where[0]
    walked = planned((MANY, several), sizes={MANY: None, several: None})
    assert walked == Plan(
        Driver.IDS, Order.FILE_ID, terms(*(("Run", "eq", run) for run in (1, 2, 3))).where, met=frozenset({several})
    )
    assert planned((several,), sizes={several: 500}).sources == (several,)
    very_many = terms(("Run", "in", list(range(MERGED_MAX + 1)))).where[0]
    assert planned((very_many,), sizes={very_many: None}).driver is Driver.TREE


def test_of_large_sources_the_one_that_is_expected_to_be_smaller_is_walked() -> None:
    sizes: dict[Term, int | None] = {ONE: None, OTHER: None}
    assert large([(ONE, OTHER)], sizes) == [ONE, OTHER]
    assert large([(ONE, MANY)], {ONE: None, MANY: None}) == [ONE, MANY]
    assert large([(ONE, MANY)], {ONE: None, MANY: None}, asked=Order.FILE_ID) == []
    assert large([(MANY,)], {MANY: None}) == []
    assert large([(MANY,)], {MANY: None}, is_part=True) == [MANY]
    assert large([(ONE, OTHER)], {ONE: 5, OTHER: None}) == []
    found = Found(sizes, None, {ONE: 90_000, OTHER: 20_000})
    assert plan([(ONE, OTHER)], found, asked=None, is_narrow=False).sources == (OTHER,)


def test_of_a_part_of_the_tree_and_a_term_the_one_with_fewer_files_is_walked() -> None:
    for estimate, driver in ((20_000, Driver.VALUES), (900_000, Driver.TREE)):
        found = Found({MANY: None}, None, {MANY: estimate}, tree_estimate=50_000)
        assert plan([(MANY,)], found, asked=None, is_narrow=False).driver is driver
        assert plan([(MANY,)], found, asked=Order.PATH, is_narrow=False).driver is Driver.TREE


@pytest.mark.parametrize(
    ("condition", "is_walked"),
    [
        (("Run", "gt", 5), True),
        (("Run", "between", [1, 9]), True),
        (("Run", "in", [1, 9]), False),
        (("Run", "neq", 1), False),
        (("Plain", "gt", 5), False),
        (("Type", "like", "a%"), True),
        (("Type", "like", "a%b%"), False),
        (("Type", "like", "a_"), False),
        (("FileID", "gt", 5), False),
    ],
)
def test_values_are_walked_where_no_gap_is_between_them(condition: tuple[str, str, Any], is_walked: bool) -> None:
    assert is_range(terms(condition).where[0]) is is_walked


def test_a_cursor_of_values_names_their_field() -> None:
    walked = planned((MANY,), sizes={MANY: None})
    assert [(key.parameter, key.direction) for key in walked.keys] == [("Run", "asc"), ("FileID", "asc")]


def test_alternatives_drive_together_where_each_has_a_source() -> None:
    assert planned((), (ONE,), (OTHER,), sizes={ONE: 5, OTHER: 6}).sources == (ONE, OTHER)
    assert planned((), (ONE,), (), sizes={ONE: 5}).driver is Driver.TREE
    assert planned((), (ONE,), (OTHER,), sizes={ONE: 6_000, OTHER: 6_000}).sources == (ONE, OTHER)
    assert planned((MANY,), (ONE,), (OTHER,), sizes={MANY: 3, ONE: 5, OTHER: 6}).sources == (MANY,)
    assert planned((), (MANY,), (ONE,), sizes={MANY: None, ONE: 5}).driver is Driver.TREE


@pytest.mark.parametrize(
    ("under", "depth", "conditions", "wanted"),
    [
        (None, None, [], ("/vo", None)),
        ("/vo/a", 2, [], ("/vo/a", 2)),
        ("/other", None, [], None),
        ("/vob", None, [], None),
        (None, None, [("LFN", "like", "/vo/a/b%")], ("/vo/a", None)),
        ("/vo/a", 3, [("LFN", "like", "/vo/a/b/c/%")], ("/vo/a/b/c", 1)),
        ("/vo/a", 1, [("LFN", "like", "/vo/a/b/c/%")], None),
        ("/vo/a", None, [("LFN", "like", "/vo/x/%")], ("/vo/a", None)),
        (None, None, [("Directory", "eq", "/vo/a")], ("/vo/a", None)),
        (None, None, [("LFN", "not like", "/vo/a/%")], ("/vo", None)),
        (None, None, [("LFN", "like", "/other/%")], ("/vo", None)),
    ],
)
def test_names_that_are_written_out_narrow_the_tree(under: Any, depth: Any, conditions: Any, wanted: Any) -> None:
    tree = tree_of(["/vo"], under, depth, terms(*conditions))
    assert (None if tree is None else (tree.top, tree.depth)) == wanted


def test_several_roots_are_one_range() -> None:
    tree = tree_of(["/b", "/a"], None, None, Terms(()))
    assert tree is not None
    assert (tree.top, tree.start, tree.end) == (None, "/a", "/b0")


def test_slices_grow_while_they_are_quick() -> None:
    assert first_size(101) == 202
    assert first_size(5) == SLICE_MIN
    assert first_size(10**6) == SLICE_MAX
    assert next_size(200, took_s=0.001, budget_s=2) == 800
    assert next_size(200, took_s=1.0, budget_s=2) == 100
    assert next_size(200, took_s=10_000, budget_s=2) == 1
    assert next_size(200, took_s=0.001, budget_s=2, matched=50, wanted=50) == 261
    assert next_size(200, took_s=0.001, budget_s=2, matched=1, wanted=50) == 800
    assert next_size(SLICE_MAX, took_s=0, budget_s=2) == SLICE_MAX
