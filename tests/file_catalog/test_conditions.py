"""Conditions: what each means for its type, and what is refused before anything is looked at."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from weyl.file_catalog import conditions
from weyl.file_catalog.conditions import Shape, holds, literal_prefix, terms_of
from weyl.file_catalog.fields import AppliesTo, BadValue, DeclaredField, FieldType
from weyl.file_catalog.models.search import FileQuery, conditions_of
from weyl.kit.errors import BadRequest

DECLARED = {
    name: DeclaredField(number, name, kind, AppliesTo.FILE, is_indexed=name != "Note")
    for number, (name, kind) in enumerate(
        {
            "Run": FieldType.INT,
            "Energy": FieldType.FLOAT,
            "Particle": FieldType.TEXT,
            "Note": FieldType.TEXT,
            "Flag": FieldType.BOOL,
            "Night": FieldType.DATE,
            "Taken": FieldType.TIME,
        }.items(),
        1,
    )
}


def check(parameter: str, operator: str, *given: Any) -> Any:
    """Return what a condition asks of a value."""
    many = operator in ("in", "not in", "between")
    said = {"values": list(given)} if many else {"value": given[0]} if given else {}
    query = FileQuery(where=[{"parameter": parameter, "operator": operator, **said}])  # type: ignore[list-item]
    return terms_of(query, DECLARED).where[0].check


@pytest.mark.parametrize(
    ("condition", "yes", "no"),
    [
        (("Run", "eq", 5), [5], [6, None]),
        (("Run", "eq", "5"), [5], [6]),
        (("Run", "neq", 5), [6], [5, None]),
        (("Run", "in", 5, "7"), [5, 7], [6, None]),
        (("Run", "not in", 5, 7), [6], [5, 7, None]),
        (("Run", "in"), [], [5, None]),
        (("Run", "not in"), [5], [None]),
        (("Run", "between", 5, 7), [5, 6, 7], [4, 8, None]),
        (("Run", "between", 7, 5), [], [5, 6, 7]),
        (("Run", "gt", 5), [6], [5, None]),
        (("Run", "gte", 5), [5, 6], [4]),
        (("Run", "lt", 5), [4], [5]),
        (("Run", "lte", 5), [5], [6]),
        (("Run", "exists"), [0], [None]),
        (("Run", "missing"), [None], [0]),
        (("Energy", "gte", "2.5"), [2.5, 3.0], [2.4]),
        (("Flag", "eq", "true"), [True], [False, None]),
        (("Particle", "like", "e\\_%"), ["e_", "e_x"], ["ex", None]),
        (("Particle", "not like", "%a"), ["b"], ["gamma", None]),
        (("Particle", "regex", "^g.*a$"), ["gamma"], ["Gamma", None]),
        (("Night", "eq", "2026-02"), ["2026-02-01", "2026-02-28"], ["2026-03-01", None]),
        (("Night", "gt", "2026-02"), ["2026-03-01"], ["2026-02-28"]),
        (("Night", "lte", "2026-02"), ["2026-02-28"], ["2026-03-01"]),
        (("Night", "between", "2026-01", "2026-02"), ["2026-01-01", "2026-02-28"], ["2025-12-31", "2026-03-01"]),
        (("Night", "between", "2026-02", "2026-01"), [], ["2026-01-01", "2026-02-01"]),
        (("Night", "in", "2026-01", "2026-03-05"), ["2026-01-31", "2026-03-05"], ["2026-02-01", "2026-03-06"]),
        (("Night", "neq", "2026-02"), ["2026-01-31"], ["2026-02-01", None]),
        (("Night", "lt", "2026"), ["2025-12-31"], ["2026-01-01"]),
        (("Night", "gte", "9999"), ["9999-01-01"], ["9998-12-31"]),
        (("Night", "gt", "9999"), [], ["9999-12-31"]),
        (("Night", "lte", "9999"), ["9999-12-31"], [None]),
        (("Taken", "eq", "2026-02-01T10:00:00Z"), ["2026-02-01T10:00:00.5Z"], ["2026-02-01T10:00:01Z"]),
        (
            ("CreationTime", "gte", "2026-02-01"),
            [datetime(2026, 2, 1, tzinfo=UTC)],
            [datetime(2026, 1, 31, tzinfo=UTC)],
        ),
        (("SE", "eq", "A"), [("A", "B")], [("B",), ()]),
        (("SE", "neq", "A"), [("B",)], [("A", "B"), ()]),
        (("SE", "missing"), [()], [("A",)]),
        (("SE", "exists"), [("A",)], [()]),
    ],
)
def test_a_condition_holds_for_values_of_its_type(condition: Any, yes: list[Any], no: list[Any]) -> None:
    found = check(*condition)
    assert [holds(found, value) for value in (*yes, *no)] == [True] * len(yes) + [False] * len(no)


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        (("Rum", "eq", 5), "did you mean Run?"),
        (("Size", "eq", "big"), "not a whole number"),
        (("Run", "eq", 1.5), "not a whole number"),
        (("Run", "like", "1%"), "'like' does not apply to it"),
        (("Flag", "gt", True), "does not apply"),
        (("GUID", "eq", "x"), "is not a GUID"),
        (("Checksum", "eq", "xyz"), "is not a checksum"),
        (("Checksum", "neq", "0a1b2c3d"), "does not apply"),
        (("Night", "eq", "2026-13"), "is not a time"),
        (("Particle", "like", "a\\"), "escape character"),
        (("Particle", "regex", "x" * 257), "at most 256"),
        (("Particle", "regex", r"(a)\1"), "may not refer back"),
        (("Particle", "regex", "a\x00"), "a pattern is a text"),
    ],
)
def test_a_condition_that_makes_no_sense_is_refused(condition: Any, said: str) -> None:
    with pytest.raises(BadValue, match=said.replace("?", r"\?")):
        check(*condition)


@pytest.mark.parametrize(
    "body",
    [
        {"where": [{"parameter": "Run", "operator": "eq"}]},
        {"where": [{"parameter": "Run", "operator": "eq", "values": [1]}]},
        {"where": [{"parameter": "Run", "operator": "in", "value": 1}]},
        {"where": [{"parameter": "Run", "operator": "between", "values": [1]}]},
        {"where": [{"parameter": "Run", "operator": "missing", "value": 1}]},
        {"where": [{"parameter": "Run", "operator": "exists"}] * 101},
        {"where": [{"parameter": "Run", "operator": "in", "values": [1] * 10_001}]},
        {"where": [{"parameter": "Run", "operator": "in", "values": [1] * 6_000}] * 2},
        {"any": [[]] * 9},
        {"depth": 1},
        {"under": "/voa", "depth": 65},
        {"where": {"Run": {">=": [1]}}},
    ],
)
def test_a_malformed_query_is_refused(body: Any) -> None:
    with pytest.raises(ValidationError):
        FileQuery(**body)


def test_an_operator_that_does_not_exist_is_a_mistake_of_the_one_who_searches() -> None:
    with pytest.raises(BadRequest, match="There is no operator 'nearly'"):
        FileQuery(where=[{"parameter": "Run", "operator": "nearly", "value": 1}])  # type: ignore[list-item]


def test_dictionaries_of_the_legacy_catalogue_are_conditions() -> None:
    legacy = {
        "Run": {">=": 1200, "<": 1300},
        "Particle": ["gamma", "proton"],
        "DataType": "DST",
        "Version": {"nin": [1], "!=": [2, 3]},
        "Energy": {"in": [1.5]},
    }
    assert conditions_of(legacy) == [
        {"parameter": "Run", "operator": "gte", "value": 1200},
        {"parameter": "Run", "operator": "lt", "value": 1300},
        {"parameter": "Particle", "operator": "in", "values": ["gamma", "proton"]},
        {"parameter": "DataType", "operator": "eq", "value": "DST"},
        {"parameter": "Version", "operator": "not in", "values": [1]},
        {"parameter": "Version", "operator": "not in", "values": [2, 3]},
        {"parameter": "Energy", "operator": "in", "values": [1.5]},
    ]
    with pytest.raises(BadRequest, match="no operator '~'"):
        conditions_of({"Run": {"~": 1}})


@pytest.mark.parametrize(("pattern", "prefix"), [("abc%", "abc"), ("a\\_b_c", "a_b"), ("%a", ""), ("abc", "abc")])
def test_a_pattern_begins_with_a_literal(pattern: str, prefix: str) -> None:
    assert literal_prefix(pattern) == prefix


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("adler32:1", ("adler32", "00000001")),
        ("0A1B2C3D", ("adler32", "0a1b2c3d")),
        ("md5:" + "a" * 32, ("md5", "a" * 32)),
        ("b" * 64, ("sha256", "b" * 64)),
    ],
)
def test_a_checksum_may_be_written_with_its_kind(given: str, kept: tuple[str, str]) -> None:
    assert conditions.checksum_of("Checksum", given) == kept


def test_a_regular_expression_needs_something_that_an_index_serves() -> None:
    regex = {"parameter": "Note", "operator": "regex", "value": "a"}
    run = {"parameter": "Run", "operator": "eq", "value": 5}

    def ask(**body: Any) -> None:
        query = FileQuery(**body)
        conditions.check_patterns(query, terms_of(query, DECLARED))

    ask(where=[regex, run])
    ask(where=[regex], under="/voa/mc")
    ask(any=[[regex, run], [run]])
    for body in ({"where": [regex]}, {"any": [[regex], [run]]}, {"where": [regex], "any": [[run], [regex]]}):
        with pytest.raises(BadValue, match="needs `under`"):
            ask(**body)


def test_conditions_without_an_index_are_told() -> None:
    note = {"parameter": "Note", "operator": "exists"}
    query = FileQuery(where=[note], any=[[{"parameter": "Run", "operator": "exists"}]])  # type: ignore[list-item]
    assert conditions.warnings_of(terms_of(query, DECLARED)) == ["not indexed, so each file is looked at: Note"]
    filling = {"Run": DeclaredField(1, "Run", FieldType.INT, AppliesTo.FILE, is_indexed=True, is_filled=False)}
    query = FileQuery(where=[{"parameter": "Run", "operator": "exists"}])  # type: ignore[list-item]
    assert conditions.warnings_of(terms_of(query, filling)) == ["the index is being filled: Run"]


def test_equal_values_are_looked_for_once() -> None:
    assert check("Run", "in", 5, "5", 5).values == (5,)
    assert check("Run", "eq", 5).shape is Shape.AMONG
