"""Reading a search page by page."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weyl.client.errors import UnexpectedAnswer
from weyl.client.paging import Head, Pager, Window, next_cursor, read_window
from weyl.kit.call import Call

SEARCH: Call[Any] = Call("POST", "/api/jobs/search", list, unit="jobs", query={"page": 1, "per_page": 10})


def walk(pager: Pager, total: int) -> tuple[list[int], int]:
    """Answers a pager as the server would, from rows numbered from 0; returns the rows and the number of calls."""
    found: list[int] = []
    calls = 0
    while (call := pager.next_call()) is not None:
        calls += 1
        page, size = int(str(call.query["page"])), int(str(call.query["per_page"]))
        first = (page - 1) * size
        rows = list(range(first, min(first + size, total)))
        if not rows and total:
            header = f"jobs */{total}"
        else:
            header = None if len(rows) == total else f"jobs {first}-{first + len(rows) - 1}/{total}"
        found += pager.accept(rows, header)
    return found, calls


@given(st.integers(0, 300), st.integers(0, 300), st.integers(1, 50))
def test_a_limit_is_reached_or_everything_is_read(total: int, limit: int, per_page: int) -> None:
    found, calls = walk(Pager(SEARCH, limit, per_page), total)
    assert found == list(range(min(limit or total, total)))
    assert calls <= total // min(per_page, limit or per_page) + 1


@given(st.integers(0, 100), st.integers(1, 5))
def test_without_a_limit_it_is_the_page_that_was_asked_for(total: int, page: int) -> None:
    pager = Pager(SEARCH.with_query(page=page))
    found, calls = walk(pager, total)
    assert calls == 1
    assert found == list(range((page - 1) * 10, min(page * 10, total)))
    assert pager.first == (page - 1) * 10 + 1
    assert pager.total() == total


def test_no_header_means_that_everything_is_there() -> None:
    assert read_window(None, rows=3) == Window(0, 2, 3)


def follow(pager: Pager, rows: list[int], *, change_after: int) -> list[int]:
    """Answers a pager as a server with cursors would, the highest first; meanwhile one row comes and one goes."""
    found: list[int] = []
    calls = 0
    while (call := pager.next_call()) is not None:
        assert call.headers["Prefer"] == "count=none"
        size, cursor = int(str(call.query["per_page"])), call.query.get("cursor")
        below = sorted((row for row in rows if cursor is None or row < int(str(cursor))), reverse=True)
        page, has_more = below[:size], len(below) > size
        first = len(found)
        bounds = f"jobs {first}-{first + len(page) - 1}/*" if first or has_more else None
        link = f'</api/jobs/search?cursor={page[-1]}>; rel="next"' if has_more else None
        found += pager.accept(page, bounds, link)
        calls += 1
        if calls == change_after:
            rows = [*(row for row in rows if row not in found[:1]), max(rows, default=0) + 1]
    return found


@given(st.integers(0, 100), st.integers(2, 20), st.integers(1, 5))
def test_with_cursors_no_row_is_missed_or_twice_though_others_come_and_go(
    total: int, per_page: int, change_after: int
) -> None:
    pager = Pager(SEARCH, 0, per_page)
    assert follow(pager, list(range(total)), change_after=change_after) == list(reversed(range(total)))
    assert (pager.has_more, pager.total()) == (False, total)
    part = Pager(SEARCH, per_page + 1, per_page)
    assert follow(part, list(range(total)), change_after=9) == list(reversed(range(total)))[: per_page + 1]
    assert part.has_more is (total > per_page + 1)
    assert part.total() == (None if part.has_more else total)


def test_the_next_page_is_where_the_link_leads() -> None:
    assert next_cursor('</api/files/search?per_page=2&cursor=a%2Bb>; rel="next"') == "a+b"
    assert next_cursor('</api/files/search?cursor=x>; rel="prev"') is None
    assert next_cursor(None) is None


@pytest.mark.parametrize(
    ("wanted", "there", "asked", "shown", "has_more"),
    [
        (3, 2, 4, 2, False),
        (3, 3, 4, 3, False),
        (3, 4, 4, 3, True),
        (0, 9, 10, 9, False),
        (0, 10, 10, 10, True),
        (50, 10, 10, 10, True),
    ],
)
def test_the_head_of_a_list_knows_whether_there_is_more(
    wanted: int, there: int, asked: int, shown: int, has_more: bool
) -> None:
    head = Head(wanted, 10)
    answer = list(range(min(there, head.asked)))
    assert (head.asked, len(head.rows(answer)), head.has_more(answer)) == (asked, shown, has_more)


def test_a_header_that_makes_no_sense_is_told() -> None:
    with pytest.raises(UnexpectedAnswer):
        read_window("bytes 0-1/many", rows=2)
