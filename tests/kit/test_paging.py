"""What clients want of counts, and cursors: what they hold, and what is none."""

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weyl.kit.errors import BadRequest
from weyl.kit.paging import Asked, Count, Cursor, full_order, read_cursor, wanted_count
from weyl.kit.search import SortDirection, SortSpec

UP, DOWN = SortDirection.ASC, SortDirection.DESC


def key(name: str, direction: SortDirection = UP) -> SortSpec:
    return SortSpec(parameter=name, direction=direction)


@pytest.mark.parametrize(
    ("header", "count"),
    [
        (None, None),
        ("", None),
        ("count=none", Count.NONE),
        ("respond-async, Count = Estimated", Count.ESTIMATED),
        ('count="exact"; x=1', Count.EXACT),
        ("count=maybe", None),
        ("return=minimal", None),
    ],
)
def test_a_preference_is_read_and_others_are_left_alone(header: str | None, count: Count | None) -> None:
    assert wanted_count(header) == count


def test_an_order_ends_with_the_key_that_no_two_share() -> None:
    assert full_order([], "ID") == [key("ID")]
    assert full_order([key("A", DOWN), key("A"), key("ID", DOWN), key("B")], "ID") == [key("A", DOWN), key("ID", DOWN)]


def test_a_cursor_comes_back_as_it_was() -> None:
    keys = [key("A", DOWN), key("B"), key("C"), key("D"), key("ID")]
    values = (datetime(2026, 11, 25, 1, 2, 3, 4, UTC), None, "x'\"é", 1.5, 2**62)
    cursor = Cursor(tuple(keys), values, 7)
    assert read_cursor(cursor.text(), keys) == cursor
    with pytest.raises(BadRequest, match="another order"):
        read_cursor(cursor.text(), [key("A"), *keys[1:]])
    with pytest.raises(BadRequest, match="Distinct"):
        Asked(1, 10, None, cursor.text()).part(keys, distinct=True)


@given(st.text(max_size=50) | st.binary(max_size=50).map(lambda raw: raw.hex()))
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        read_cursor(text, [key("ID")])


@pytest.mark.parametrize("values", ['[{"t":"x"}]', '["\\u0000"]', "[[1]]", "[1,2]", '{"a":1}', "7"])
def test_values_that_no_column_holds_are_refused(values: str) -> None:
    made = base64.urlsafe_b64encode(f'[[["ID","asc"]],{values},1]'.encode()).decode()
    with pytest.raises(BadRequest):
        read_cursor(made, [key("ID")])
