"""Searches against looking at every file: random catalogues, random queries, all plans, page by page."""

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.file_catalog import random_catalogue
from tests.file_catalog.random_catalogue import Catalogue

from weyl.file_catalog import conditions, probes
from weyl.file_catalog.errors import BadFileOrder
from weyl.file_catalog.models.search import FileSearch, FileSummary
from weyl.file_catalog.names import Space
from weyl.file_catalog.permits import Member
from weyl.file_catalog.service import search
from weyl.file_catalog.service.search import Searcher
from weyl.kit.db import Tx
from weyl.kit.paging import Asked

EXAMPLES, QUERIES = 5, 14
SORTS: tuple[list[dict[str, str]], ...] = (
    [],
    [],
    [{"parameter": "FileID", "direction": "asc"}],
    [{"parameter": "FileID", "direction": "desc"}],
    [{"parameter": "LFN", "direction": "asc"}],
)


def searcher(catalogue: Catalogue, *, reader: str | None = None, budget_s: float = 60) -> Searcher:
    """Return for whom a search runs: a manager, or somebody of the group `user`."""
    member = Member(catalogue.vo, reader or "alice", "user", reader is None)
    space = Space(catalogue.vo, [catalogue.root], ".*", None, "directory")
    return Searcher(member, space, budget_s)


async def walk(tx: Tx, who: Searcher, asked: FileSearch, *, size: int) -> list[dict[str, Any]]:
    """Return the rows of all pages."""
    rows: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = await search.search(tx, who, asked, Asked(1, size, None, cursor))
        assert len(page.listed.rows) <= size
        rows += page.listed.rows
        if page.listed.following is None:
            return rows
        cursor = page.listed.following.text()


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
async def test_a_search_finds_what_looking_at_every_file_finds(
    tx: Tx, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance = random.Random(seed)
    catalogue = await random_catalogue.make(tx, chance, f"v{seed}")
    for query in random_catalogue.queries(chance, catalogue, QUERIES):
        asked = FileSearch(
            **query, parameters=["FileID", "LFN", "Run", "DataType", "Energy"], sort=chance.choice(SORTS)
        )
        terms = conditions.terms_of(asked, catalogue.declared)
        reader = chance.choice([None, "alice", "carol"])
        monkeypatch.setattr(probes, "PROBE_MAX", chance.choice([10_000, 12]))
        monkeypatch.setattr(probes, "SLICE_MIN", chance.choice([200, 5]))
        try:
            rows = await walk(tx, searcher(catalogue, reader=reader), asked, size=chance.choice([7, 50]))
        except BadFileOrder as refused:
            _check_refusal(refused)
            continue
        found = [row["FileID"] for row in rows]
        assert Counter(found) == Counter(catalogue.matching(asked, terms, reader=reader)), (seed, query)
        _check_rows(catalogue, rows)
        _check_order(asked, rows)


def _check_refusal(refused: BadFileOrder) -> None:
    assert "regular expression" in str(refused) or "condition on Status" in str(refused)


def _check_rows(catalogue: Catalogue, rows: list[dict[str, Any]]) -> None:
    files = {each.file_id: each for each in catalogue.files}
    for row in rows:
        right = {name: catalogue.value(files[row["FileID"]], name) for name in row}
        assert row == right


def _check_order(asked: FileSearch, rows: list[dict[str, Any]]) -> None:
    ids = [row["FileID"] for row in rows]
    names = [tuple(row["LFN"].rpartition("/")[::2]) for row in rows]
    orders = {"FileID": ids == sorted(ids, reverse=bool(asked.sort) and asked.sort[0].direction == "desc")}
    orders["LFN"] = names == sorted(names, key=lambda each: (each[0].encode(), each[1].encode()))
    assert orders[asked.sort[0].parameter] if asked.sort else any(orders.values())


@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
async def test_a_summary_adds_up_what_looking_at_every_file_adds_up(tx: Tx, seed: int) -> None:
    chance = random.Random(seed)
    catalogue = await random_catalogue.make(tx, chance, f"v{seed}")
    files = {each.file_id: each for each in catalogue.files}
    for query in random_catalogue.queries(chance, catalogue, QUERIES):
        asked = FileSummary(**query, grouping=chance.sample(["Particle", "DataType", "Owner", "Checked"], 2))
        terms = conditions.terms_of(asked, catalogue.declared)
        try:
            sums, told = await search.summarise(tx, searcher(catalogue), asked)
        except BadFileOrder as refused:
            _check_refusal(refused)
            continue
        right: dict[tuple[Any, ...], Counter[str]] = {}
        for file_id in catalogue.matching(asked, terms):
            file = files[file_id]
            sum_of = right.setdefault(tuple(catalogue.value(file, name) for name in asked.grouping), Counter())
            size = file.row["Size"]
            sum_of.update({"count": 1, "bytes": size, "replica_bytes": size * len(file.ses)})
        counted = ("count", "bytes", "replica_bytes")
        shown = {tuple(each[name] for name in asked.grouping): [int(each[name]) for name in counted] for each in sums}
        assert shown == {key: [each[name] for name in counted] for key, each in right.items()}
        assert not told.is_incomplete


async def test_all_files_of_a_query_are_given_in_batches(tx: Tx) -> None:
    catalogue = await random_catalogue.make(tx, random.Random(8), "batches")
    asked = FileSearch(where=[{"parameter": "Particle", "operator": "eq", "value": "gamma"}])  # type: ignore[list-item]
    found, after = [], 0
    while True:
        ids, last = await search.next_ids(tx, searcher(catalogue), asked, after=after, size=5)
        found += ids
        if last is None:
            break
        after = last
    assert found == sorted(catalogue.matching(asked, conditions.terms_of(asked, catalogue.declared)))


async def test_a_page_whose_time_is_over_is_short_and_loses_nothing(tx: Tx, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(5)
    catalogue = await random_catalogue.make(tx, chance, "slow")
    monkeypatch.setattr(probes, "SLICE_MIN", 7)
    asked = FileSearch(where=[{"parameter": "Comment", "operator": "eq", "value": "good"}])  # type: ignore[list-item]
    terms = conditions.terms_of(asked, catalogue.declared)
    who, cursor, pages, found = searcher(catalogue, budget_s=0), None, [], []
    while True:
        page = await search.search(tx, who, asked, Asked(1, 3, None, cursor))
        pages.append(page)
        found += [row["FileID"] for row in page.listed.rows]
        if page.listed.following is None:
            break
        assert page.told.is_incomplete == (len(page.listed.rows) < 3)
        cursor = page.listed.following.text()
    assert Counter(found) == Counter(catalogue.matching(asked, terms))
    assert any(page.told.is_incomplete for page in pages)
    assert pages[0].told.warnings == ["not indexed, so each file is looked at: Comment"]
