"""Queries for files as text: the command line reads what the page reads."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from weyl.client.errors import UsageFault
from weyl.client.filters import FileQuery, parse_query, render_query

CASES = json.loads((Path(__file__).resolve().parents[2] / "web/src/kit/queries.cases.json").read_text())
NOW = datetime.fromisoformat(CASES["now"])


@pytest.mark.parametrize("case", CASES["meanings"], ids=lambda case: case["text"])
def test_a_query_means_the_body_of_a_search(case: dict[str, Any]) -> None:
    assert parse_query(case["text"]).body(NOW) == case["query"]


@pytest.mark.parametrize("case", CASES["meanings"], ids=lambda case: case["text"])
def test_a_query_that_is_written_is_read_back(case: dict[str, Any]) -> None:
    query = parse_query(case["text"])
    assert parse_query(render_query(query)) == query


@pytest.mark.parametrize("path", ["/vo/a:", "/vo/a b", "/vo/it's", "/vo/depth", "/vo/\\n"])
def test_any_directory_can_be_written(path: str) -> None:
    query = FileQuery(path, 3, ())
    assert parse_query(render_query(query)) == query


@pytest.mark.parametrize("case", CASES["refused"], ids=lambda case: case["text"])
def test_what_is_wrong_with_a_query_is_pointed_at(case: dict[str, Any]) -> None:
    with pytest.raises(UsageFault, match="Cannot read the query") as caught:
        parse_query(case["text"])
    assert case["expected"] in str(caught.value)
