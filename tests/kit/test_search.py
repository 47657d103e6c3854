"""Specs and periods: what a client may ask of a list, without a database."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from weyl.kit.errors import BadRequest
from weyl.kit.search import (
    ScalarSearchSpec,
    SearchParams,
    SearchSpec,
    SortSpec,
    SummaryParams,
    VectorSearchSpec,
    is_storable,
    parse_period,
)

SPEC: TypeAdapter[SearchSpec] = TypeAdapter(SearchSpec)


def utc(*parts: int) -> datetime:
    """Return a time in UTC."""
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026", utc(2026, 1, 1), utc(2027, 1, 1)),
        ("2026-02", utc(2026, 2, 1), utc(2026, 3, 1)),
        ("2026-12", utc(2026, 12, 1), utc(2027, 1, 1)),
        ("2024-02-29", utc(2024, 2, 29), utc(2024, 3, 1)),
        ("2026-02-28T10", utc(2026, 2, 28, 10), utc(2026, 2, 28, 11)),
        ("2026-02-28 10:59", utc(2026, 2, 28, 10, 59), utc(2026, 2, 28, 11)),
        ("2026-02-28 10:59:59", utc(2026, 2, 28, 10, 59, 59), utc(2026, 2, 28, 11)),
        ("2026-02-28T10:11:12.345", utc(2026, 2, 28, 10, 11, 12), utc(2026, 2, 28, 10, 11, 13)),
        ("2026-02-28T10:11:12.000Z", utc(2026, 2, 28, 10, 11, 12), utc(2026, 2, 28, 10, 11, 13)),
        ("2026-02-28T10:11:12Z", utc(2026, 2, 28, 10, 11, 12), utc(2026, 2, 28, 10, 11, 13)),
        ("2026-02-28T10Z", utc(2026, 2, 28, 10), utc(2026, 2, 28, 11)),
        ("2026-02-28T00:30+01:00", utc(2026, 2, 27, 23, 30), utc(2026, 2, 27, 23, 31)),
        ("2026-02-28T10-0330", utc(2026, 2, 28, 13, 30), utc(2026, 2, 28, 14, 30)),
    ],
)
def test_a_text_names_a_period(text: str, start: datetime, end: datetime) -> None:
    period = parse_period(text)
    assert (period.start, period.end) == (start, end)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "26",
        "2026-13",
        "2026-02-30",
        "2026-00",
        "2026-1-1",
        "0000",
        "2026-02-28T24",
        "2026-02-28T10:60",
        "2026-02-28T",
        "2026-02-28Z",
        "2026-02-28T10:11:12.",
        "2026-02-28T10:11:12.1234567",
        "2026-02-28T10:11:12+25:00",
        "0001-01-01T00+01:00",
        "9999-12-31T23-01:00",
        "yesterday",
        "2026\n",
        "٢٠٢٦",
    ],
)
def test_anything_else_is_not_a_time(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        parse_period(text)


@pytest.mark.parametrize("text", ["9999", "9999-12", "9999-12-31", "9999-12-31T23:59:59"])
def test_the_last_periods_of_the_calendar_have_no_end(text: str) -> None:
    assert parse_period(text).end is None


@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)))
def test_every_second_lies_in_the_periods_that_its_text_names(at: datetime) -> None:
    text, known = at.isoformat(timespec="microseconds"), at.replace(tzinfo=UTC)
    for length in (4, 7, 10, 13, 16, 19, 22, 26):
        period = parse_period(text[:length])
        assert period.start <= known
        assert period.end is None or known < period.end + timedelta(0)


def test_specs_are_read_by_their_operator() -> None:
    scalar = SPEC.validate_python({"parameter": "JobID", "operator": "eq", "value": "5"})
    vector = SPEC.validate_python({"parameter": "JobID", "operator": "not in", "values": [5, 6]})
    assert isinstance(scalar, ScalarSearchSpec)
    assert isinstance(vector, VectorSearchSpec)
    assert (scalar.value, vector.values) == ("5", [5, 6])


@pytest.mark.parametrize("operator", ["==", "", "EQ", "notlike"])
def test_an_unknown_operator_is_the_mistake_of_who_searches(operator: str) -> None:
    for value in ({"value": "5"}, {"values": ["5"]}):
        with pytest.raises(BadRequest, match="operator"):
            SPEC.validate_python({"parameter": "JobID", "operator": operator, **value})


def test_an_unknown_direction_is_the_mistake_of_who_searches() -> None:
    with pytest.raises(BadRequest, match="direction"):
        SortSpec.model_validate({"parameter": "JobID", "direction": "up"})


@pytest.mark.parametrize(
    "spec",
    [
        {"parameter": "JobID", "operator": "eq", "values": ["5"]},
        {"parameter": "JobID", "operator": "in", "value": "5"},
        {"parameter": "JobID", "operator": "eq", "value": None},
        {"parameter": "JobID", "operator": "eq", "value": 1.5},
        {"parameter": "JobID", "operator": "eq", "value": float("nan")},
        {"parameter": 5, "operator": "eq", "value": "5"},
        {"parameter": "JobID", "operator": 5, "value": "5"},
        {"operator": "eq", "value": "5"},
    ],
)
def test_a_spec_of_another_shape_is_malformed(spec: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SPEC.validate_python(spec)


def test_defaults_are_those_of_the_contract() -> None:
    assert SearchParams().model_dump() == {"parameters": None, "search": [], "sort": [], "distinct": False}
    assert SummaryParams(grouping=[]).model_dump() == {"grouping": [], "search": []}


def test_two_requests_do_not_share_their_defaults() -> None:
    SearchParams().search.append(ScalarSearchSpec(parameter="JobID", operator="eq", value=1))  # type: ignore[arg-type]
    assert SearchParams().search == []


@pytest.mark.parametrize(("text", "expected"), [("plain ü 漢", True), ("", True), ("a\x00b", False), ("\ud800", False)])
def test_some_texts_cannot_be_stored(text: str, expected: bool) -> None:
    assert is_storable(text) is expected
