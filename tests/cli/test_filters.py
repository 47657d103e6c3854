"""The filter language: what it means, what it refuses, and that it reads back what it writes."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weyl.client.errors import UsageFault
from weyl.client.filters import (
    LISTS,
    SPELLINGS,
    Condition,
    Word,
    like_pattern,
    parse,
    parse_peer_condition,
    render,
    specs,
)

NOW = datetime(2026, 3, 10, 12, 0, 0, tzinfo=UTC)


def meaning(text: str) -> list[dict[str, object]]:
    return specs(parse(text), NOW)


def test_conditions_become_specs_of_the_api() -> None:
    assert meaning("Status not in (Done, Failed) and Site = LCG.* and LastUpdateTime > -2d") == [
        {"parameter": "Status", "operator": "not in", "values": ["Done", "Failed"]},
        {"parameter": "Site", "operator": "like", "value": "LCG.%"},
        {"parameter": "LastUpdateTime", "operator": "gt", "value": "2026-03-08T12:00:00"},
    ]


@pytest.mark.parametrize(
    ("text", "operator", "value"),
    [
        ("JobID = 5", "eq", "5"),
        ("JobID!=5", "neq", "5"),
        ("JobID > 5", "gt", "5"),
        ("JobID<5", "lt", "5"),
        ("JobName ~ ^a.*b$", "regex", "^a.*b$"),
        ("JobName like a%", "like", "a%"),
        ("JobName not like a%", "not like", "a%"),
        ("JobName not-like a%", "not like", "a%"),
        ("Site != LCG.*", "not like", "LCG.%"),
        ('Site = "LCG.*"', "eq", "LCG.*"),
        ("JobName = 'two words'", "eq", "two words"),
        ('JobName = "a \\"quoted\\" word"', "eq", 'a "quoted" word'),
        ('JobName = "-2d"', "eq", "-2d"),
        ("JobName = and", "eq", "and"),
        ("JobName = x=1", "eq", "x=1"),
        ("JobName = a_b*", "like", "a\\_b%"),
    ],
)
def test_each_operator_has_its_meaning(text: str, operator: str, value: str) -> None:
    spec = {"parameter": re.split("[^A-Za-z]", text, maxsplit=1)[0], "operator": operator, "value": value}
    assert meaning(text) == [spec]


@pytest.mark.parametrize(
    "text", ["Status in (Done)", "Status in(Done)", "Status not-in (Done , Failed)", "Status in ()"]
)
def test_lists_may_be_written_with_and_without_blanks(text: str) -> None:
    assert meaning(text)[0]["operator"] in LISTS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "Status",
        "Status =",
        "Status is Done",
        "Status in Done",
        "Status in (Done",
        "Status in (Done Failed)",
        "Status in (Done,)",
        "Status = Done or Site = X",
        "Status = Done and",
        "Status = Done Site = X",
        'Status = "Done',
        "= Done",
        "1Status = Done",
    ],
)
def test_what_is_not_a_filter_is_a_usage_fault_with_a_hint(text: str) -> None:
    with pytest.raises(UsageFault) as fault:
        parse(text)
    assert fault.value.exit_code == 2
    assert fault.value.hint


names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.]{0,12}", fullmatch=True)
words = st.one_of(
    st.builds(Word, st.text(max_size=20), st.just(True)),
    st.builds(Word, st.from_regex(r"[A-Za-z0-9_.*%:/=+-]{1,15}", fullmatch=True), st.just(False)),
)


@st.composite
def conditions(draw: st.DrawFn) -> Condition:
    operator = draw(st.sampled_from(sorted(SPELLINGS)))
    values = draw(st.lists(words, max_size=4) if operator in LISTS else st.lists(words, min_size=1, max_size=1))
    return Condition(draw(names), operator, tuple(values))


@given(st.lists(conditions(), min_size=1, max_size=4))
def test_what_is_written_is_read_back(given_conditions: list[Condition]) -> None:
    assert parse(render(given_conditions)) == tuple(given_conditions)


@given(st.text(max_size=60))
def test_any_text_is_a_filter_or_a_usage_fault(text: str) -> None:
    try:
        found = parse(text)
    except UsageFault:
        return
    assert parse(render(found)) == found


def test_a_star_is_the_only_wildcard() -> None:
    assert like_pattern("50%_a\\*") == "50\\%\\_a\\\\%"


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("Status eq Done", {"parameter": "Status", "operator": "eq", "value": "Done"}),
        ("JobName eq two words", {"parameter": "JobName", "operator": "eq", "value": "two words"}),
        ("JobName not like a%", {"parameter": "JobName", "operator": "not like", "value": "a%"}),
        ("JobName not-like a%", {"parameter": "JobName", "operator": "not like", "value": "a%"}),
        ('Status in ["Done", "Failed"]', {"parameter": "Status", "operator": "in", "values": ["Done", "Failed"]}),
        ('Status not in ["Done"]', {"parameter": "Status", "operator": "not in", "values": ["Done"]}),
        ('Status not-in ["Done"]', {"parameter": "Status", "operator": "not in", "values": ["Done"]}),
        ("JobID in [1, 2]", {"parameter": "JobID", "operator": "in", "values": ["1", "2"]}),
    ],
)
def test_conditions_of_the_peer_are_read(text: str, spec: dict[str, object]) -> None:
    assert parse_peer_condition(text) == spec


@pytest.mark.parametrize("text", ["", "Status", "Status eq", "Status is Done", "Status in Done", 'Status in {"a": 1}'])
def test_bad_conditions_of_the_peer_are_usage_faults(text: str) -> None:
    with pytest.raises(UsageFault):
        parse_peer_condition(text)
