"""Reading a search page by page."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weyl.client.errors import UnexpectedAnswer
from weyl.client.paging import Pager, Window, read_window
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


def test_a_header_that_makes_no_sense_is_told() -> None:
    with pytest.raises(UnexpectedAnswer):
        read_window("bytes 0-1/many", rows=2)
