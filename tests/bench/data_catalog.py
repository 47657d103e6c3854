"""The catalogue beside bare work of PostgreSQL: registration, replicas, metadata queries, listings, usage."""

import asyncio
import itertools
import random
import re
import time
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import asyncpg
import httpx2
from sqlalchemy import event

from tests.bench.data_load import BIG, TOP, load
from tests.bench.data_stack import DISK, GROUP, MANAGER, DataStack
from tests.bench.statements import log_no_statements, log_statements, statements
from tests.bench.verdicts import Report, alternate, count, figure, times
from weyl.config.lfns import PATTERN_DEFAULT
from weyl.file_catalog.models.search import FileSearch
from weyl.file_catalog.names import Space
from weyl.file_catalog.permits import Member
from weyl.file_catalog.service.search import Searcher, search
from weyl.kit.db import Database, libpq_dsn
from weyl.kit.paging import Asked

REGISTERED, DIRECTORIES, FEW, REPLICAS, PAGE = 10_000, 20, 1_000, 1_000, 100
REGISTER_STATEMENTS_MAX = 9
REGISTER_TIMES_MAX, REPLICAS_TIMES_MAX, QUERY_TIMES_MAX, LAST_PAGE_TIMES_MAX = 4.0, 2.5, 10.0, 1.3
BUFFERS_PER_ROW_MAX = 50
_BUFFERS = re.compile(r"Buffers: shared(?: hit=(\d+))?(?: read=(\d+))?")
_TWINS = """
    CREATE TABLE IF NOT EXISTS bench_files (LIKE files INCLUDING ALL);
    CREATE TABLE IF NOT EXISTS bench_replicas (LIKE replicas INCLUDING ALL);
    TRUNCATE bench_files, bench_replicas;
    INSERT INTO bench_files SELECT * FROM files;
    INSERT INTO bench_replicas SELECT * FROM replicas
"""


def _run(operator: str, *values: int) -> dict[str, Any]:
    return {"parameter": "Run", "operator": operator} | (
        {"values": list(values)} if len(values) > 1 else {"value": values[0]}
    )


def _particle(name: str) -> dict[str, Any]:
    return {"parameter": "Particle", "operator": "eq", "value": name}


QUERIES: Sequence[Mapping[str, Any]] = [
    {"where": [_run("eq", 99_000)]},
    {"where": [_run("eq", 0)]},
    {"where": [_run("eq", 5)]},
    {"where": [_run("between", 50_000, 50_500)]},
    {"where": [_run("between", 0, 100)]},
    {"where": [_run("gte", 99_900)]},
    {"where": [_run("lt", 3)]},
    {"where": [_particle("gamma")]},
    {"where": [_particle("muon"), _run("gt", 90_000)]},
    {"where": [_particle("proton"), _run("eq", 0)]},
    {"where": [_particle("electron"), _run("between", 10, 20_000)]},
    {"where": [{"parameter": "Particle", "operator": "in", "values": ["gamma", "muon"]}, _run("gte", 99_000)]},
    {"under": f"{TOP}/d0000001", "where": []},
    {"under": f"{TOP}/d0000002", "where": [_particle("gamma")]},
    {"under": BIG, "where": [_run("between", 40_000, 40_100)]},
    {"under": TOP, "where": [_run("eq", 77)]},
    {"under": TOP, "where": [{"parameter": "SE", "operator": "eq", "value": DISK}, _run("gt", 99_000)]},
    {"under": TOP, "where": [{"parameter": "Name", "operator": "like", "value": "f00000001%"}]},
    {"where": [_run("between", 60_000, 60_100)], "parameters": ["LFN", "Run", "Particle"]},
    {"where": [_particle("gamma"), _run("in", 11, 1_111, 11_111)]},
]
"""Twenty queries: rare and common values, both at once, ranges in the tail and the bulk, directories, elements."""


def prepare(report: Report, options: Namespace, stack: DataStack) -> None:
    """Fill the catalogue."""
    client, url = stack.client, stack.database_url
    register(client, 1, top=BIG)
    for field in ({"name": "Run", "type": "int"}, {"name": "Particle", "type": "text"}):
        answer = client.post("/api/files/fields", json={**field, "on": "file", "indexed": True})
        assert answer.status_code in (200, 201, 409), answer.text
    began = time.monotonic()
    asyncio.run(load(url, options.files, se=DISK))
    asyncio.run(_execute(url, _TWINS))
    report.say(f"{options.files:,} files, loaded in {time.monotonic() - began:.0f} s; server and PostgreSQL at rest")


def measure(report: Report, options: Namespace, stack: DataStack) -> None:
    """Measure each line in turn with its baseline."""
    _registration(report, options, stack)
    _replicas(report, options, stack)
    _queries(report, options, stack)
    _listing(report, options, stack)
    _usage(report, stack)


_numbers = itertools.count(time.time_ns())


def documents(
    number: int, *, top: str, directories: int = 1, metadata: bool = False, se: str = DISK
) -> list[dict[str, Any]]:
    """Return the descriptions of files that no call has named before."""
    batch = next(_numbers)
    values = {"metadata": {"Run": 1_200, "Particle": "gamma"}} if metadata else {}
    return [
        {
            "lfn": f"{top}/r{index % directories:02}/x{batch}.{index:05}",
            "size": 1_000 + index,
            "checksums": {"adler32": f"{index:08x}", "sha256": sha256(f"{batch}{index}".encode()).hexdigest()},
            "replicas": [{"se": se}],
            **values,
        }
        for index in range(number)
    ]


def register(client: httpx2.Client, number: int, *, top: str, directories: int = 1) -> None:
    """Register new files in one call."""
    answer = client.post("/api/files/register", json={"files": documents(number, top=top, directories=directories)})
    answer.raise_for_status()
    assert len(answer.json()["success"]) == number, answer.text[:500]


def _registration(report: Report, options: Namespace, stack: DataStack) -> None:
    top = f"{TOP}/registered"

    def ours() -> float:
        body = {"files": documents(REGISTERED, top=top, directories=DIRECTORIES)}
        return timed(lambda: stack.client.post("/api/files/register", json=body).raise_for_status())

    register(stack.client, REGISTERED, top=top, directories=DIRECTORIES)
    pairs = alternate(ours, lambda: asyncio.run(_copied(stack.database_url)), turns=options.alternations)
    name = f"register {REGISTERED:,} files in {DIRECTORIES} directories, wall"
    report.add(times(name, pairs, over="COPY into twins", of="s", at_most=REGISTER_TIMES_MAX))
    counted = _counted(stack, lambda: register(stack.client, REGISTERED, top=top, directories=DIRECTORIES))
    report.add(count("statements of it", counted, at_most=REGISTER_STATEMENTS_MAX))


async def _copied(url: str) -> float:
    """Return the seconds that COPY takes for the same rows, files and replicas, with the same indexes."""
    connection = await asyncpg.connect(libpq_dsn(url))
    try:
        first = next(_numbers)
        now = datetime.now(UTC)
        files = [
            (
                *(first + index, 1 + index % DIRECTORIES, f"x{first}.{index:05}", 1_000, index, None, None),
                *(sha256(f"{first}{index}".encode()).digest(), None, 1, 2, 420, "Good", None, None, now, now, None),
            )
            for index in range(REGISTERED)
        ]
        replicas = [(first + index, 1, "Good", None, now, None) for index in range(REGISTERED)]
        for _ in range(REGISTERED):
            next(_numbers)
        began = time.perf_counter()
        async with connection.transaction():
            await connection.copy_records_to_table("bench_files", records=files)
            await connection.copy_records_to_table("bench_replicas", records=replicas)
        return time.perf_counter() - began
    finally:
        await connection.close()


def _replicas(report: Report, options: Namespace, stack: DataStack) -> None:
    async def names() -> list[str]:
        connection = await asyncpg.connect(libpq_dsn(stack.database_url))
        highest = await connection.fetchval("SELECT max(file_id) FROM files")
        ids = [random.randrange(1, highest) for _ in range(2 * REPLICAS)]
        rows = await connection.fetch(
            "SELECT d.path || '/' || f.name FROM files f JOIN directories d USING (dir_id)"
            " WHERE file_id = ANY($1::bigint[]) LIMIT $2",
            ids,
            REPLICAS,
        )
        await connection.close()
        return [row[0] for row in rows]

    async def by_key() -> float:
        connection = await asyncpg.connect(libpq_dsn(stack.database_url))
        highest = await connection.fetchval("SELECT max(file_id) FROM files")
        ids = [random.randrange(1, highest) for _ in range(REPLICAS)]
        statement = await connection.prepare("SELECT * FROM files WHERE file_id = ANY($1::bigint[])")
        await statement.fetch(ids)
        began = time.perf_counter()
        await statement.fetch(ids)
        took = time.perf_counter() - began
        await connection.close()
        return took

    # Each twice, and the second counts: the pages of ten million files that are random come from the disk.
    def ours() -> float:
        body = {"lfns": asyncio.run(names())}
        stack.client.post("/api/files/replicas", json=body).raise_for_status()
        return timed(lambda: stack.client.post("/api/files/replicas", json=body).raise_for_status())

    ours()
    pairs = alternate(ours, lambda: asyncio.run(by_key()), turns=options.alternations)
    name = f"replicas of {REPLICAS:,} random names, wall of the request"
    report.add(times(name, pairs, over="= ANY on the key", of="s", at_most=REPLICAS_TIMES_MAX))
    body = {"lfns": asyncio.run(names())}
    counted = _counted(stack, lambda: stack.client.post("/api/files/replicas", json=body).raise_for_status())
    report.add(count("statements of it", counted, at_most=1))


def _queries(report: Report, options: Namespace, stack: DataStack) -> None:
    """Compare the queries twice like with like: what PostgreSQL is sent with a page of it, requests with requests.

    A request passes the log-in, the pool and JSON, which take several times as long as an index page alone.
    """
    sent = asyncio.run(recorded(stack.database_url))
    pairs = [asyncio.run(_in_database(stack.database_url, sent)) for _ in range(options.alternations)]
    name = f"{len(QUERIES)} metadata queries, a page of {PAGE}, their statements"
    report.add(times(name, pairs, over="an index page", of="s", at_most=QUERY_TIMES_MAX))

    def ours() -> float:
        return sum(_searched(stack.client, query)[0] for query in QUERIES) / len(QUERIES)

    ours()
    pages = _timed_page(stack.client, None)
    pairs = alternate(ours, pages, turns=options.alternations)
    name = f"{len(QUERIES)} metadata queries, a page of {PAGE}, wall each"
    report.add(times(name, pairs, over="a page of a directory", of="s", at_most=QUERY_TIMES_MAX))
    worst, where = 0.0, ""
    for query in QUERIES:
        _searched(stack.client, query)
        used, rows = _buffers(stack, query)
        if used / PAGE > worst:
            worst, where = used / PAGE, f"{used:,} for {rows} rows of {query}"
    report.say(f"most buffers per row of a page of {PAGE}: {where}")
    report.add(count("buffers per row, the worst of them", worst, at_most=BUFFERS_PER_ROW_MAX))


Sent = Sequence[tuple[str, Sequence[Any]]]
"""Statements with what they are given."""


async def recorded(url: str) -> list[Sent]:
    """Return what PostgreSQL is sent for each of the queries, questions to its planner among it."""
    database = Database(url, pool_size=1)
    space = Space("hep", ("/hep",), PATTERN_DEFAULT, None, "directory")
    searcher = Searcher(Member("hep", MANAGER, GROUP, True), space, budget_s=60)
    every: list[list[tuple[str, list[Any]]]] = []

    def note(_connection: object, _cursor: object, statement: str, arguments: Any, *_: object) -> None:
        every[-1].append((statement, list(arguments)))

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    async with database.read() as tx:
        for query in QUERIES:
            every.append([])
            await search(tx, searcher, FileSearch.model_validate(query), Asked(1, PAGE, None, None))
    await database.close()
    return list(every)


async def _in_database(url: str, sent: Sequence[Sent]) -> tuple[float, float]:
    """Return the seconds that the statements of a query take, and those that an index page takes, on one connection."""
    connection = await asyncpg.connect(libpq_dsn(url))
    try:
        dir_id = await connection.fetchval("SELECT dir_id FROM directories WHERE path = $1", BIG)
        page = "SELECT * FROM files WHERE dir_id = $1 AND status = 'Good' ORDER BY name LIMIT 100"
        ours = theirs = 0.0
        for statements_sent in sent:
            ours += await _took([(await connection.prepare(text), given) for text, given in statements_sent])
            theirs += await _took([(await connection.prepare(page), [dir_id])])
        return ours / len(sent), theirs / len(sent)
    finally:
        await connection.close()


async def _took(prepared: Sequence[tuple[Any, Sequence[Any]]]) -> float:
    for statement, given in prepared:
        await statement.fetch(*given)
    began = time.perf_counter()
    for statement, given in prepared:
        await statement.fetch(*given)
    return time.perf_counter() - began


def _searched(client: httpx2.Client, query: Mapping[str, Any]) -> tuple[float, int]:
    began = time.perf_counter()
    answer = client.post("/api/files/search", json=query, params={"per_page": PAGE})
    took = time.perf_counter() - began
    answer.raise_for_status()
    return took, len(answer.json())


def _buffers(stack: DataStack, query: Mapping[str, Any]) -> tuple[int, int]:
    """Return the buffers that all statements of a query hit or read, and its rows: PostgreSQL logs each plan."""
    with stack.explained():
        before = stack.database_log.stat().st_size
        _, rows = _searched(stack.client, query)
    said = stack.database_log.read_bytes()[before:].decode(errors="replace")
    plans = said.split("Query Text:")[1:]
    used = 0
    for plan in plans:
        if (found := _BUFFERS.search(plan)) is not None and "registration_outbox" not in plan:
            used += sum(int(each or 0) for each in found.groups())
    return used, rows


def _listing(report: Report, options: Namespace, stack: DataStack) -> None:
    first = _page(stack.client, None)
    last = _last_cursor(stack, options.files // 2)
    ours = _timed_page(stack.client, last)
    theirs = _timed_page(stack.client, None)
    assert first["files"]
    pairs = alternate(ours, theirs, turns=max(options.alternations, 9))
    name = f"last page of a directory of {options.files // 2:,} files, wall"
    report.add(times(name, pairs, over="its first page", of="s", at_most=LAST_PAGE_TIMES_MAX))


def _page(client: httpx2.Client, cursor: str | None) -> dict[str, Any]:
    body = {"path": BIG, "limit": PAGE} | ({"cursor": cursor} if cursor else {})
    answer = client.post("/api/files/list", json=body)
    answer.raise_for_status()
    return dict(answer.json())


def _timed_page(client: httpx2.Client, cursor: str | None) -> Callable[[], float]:
    return lambda: timed(lambda: [_page(client, cursor) for _ in range(10)]) / 10


def _last_cursor(stack: DataStack, entries: int) -> str | None:
    """Walk the directory in long pages; returns the cursor of one near its end."""
    cursor, reached = None, 0
    while True:
        body = {"path": BIG, "limit": 10_000 if reached + 10_000 < entries else PAGE}
        answer = stack.client.post("/api/files/list", json=body | ({"cursor": cursor} if cursor else {}))
        answer.raise_for_status()
        page = answer.json()
        reached += len(page["files"])
        if page["cursor"] is None or reached + 2 * PAGE >= entries:
            return cursor if page["cursor"] is None else str(page["cursor"])
        cursor = page["cursor"]


def _usage(report: Report, stack: DataStack) -> None:
    answer = stack.client.post("/api/files/usage", json={"paths": ["/hep"]})
    answer.raise_for_status()
    [told] = answer.json()["success"].values()
    report.add(figure("files below the root of the VO", told["files"], "files"))
    deltas, elements = asyncio.run(_unfolded(stack.database_url))
    with stack.explained():
        before = stack.database_log.stat().st_size
        stack.client.post("/api/files/usage", json={"paths": ["/hep"]}).raise_for_status()
    said = stack.database_log.read_bytes()[before:].decode(errors="replace")
    report.say(f"usage of a root: {elements} totals and {deltas:,} deltas that are not folded yet")
    read = max((int(float(each)) for each in re.findall(r"Seq Scan on files.*?rows=([\d.]+)", said)), default=0)
    report.add(count("rows of files that the usage of a root reads", read, at_most=0))


async def _unfolded(url: str) -> tuple[int, int]:
    connection = await asyncpg.connect(libpq_dsn(url))
    deltas = await connection.fetchval("SELECT count(*) FROM file_usage_deltas")
    elements = await connection.fetchval(
        "SELECT count(*) FROM file_usage JOIN directories USING (dir_id) WHERE path = '/hep'"
    )
    await connection.close()
    return deltas, elements


def _counted(stack: DataStack, act: Callable[[], object]) -> int:
    asyncio.run(log_statements(stack.database_url))
    try:
        return statements(stack.database_log, act)
    finally:
        asyncio.run(log_no_statements(stack.database_url))


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(libpq_dsn(url))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def timed(act: Callable[[], object]) -> float:
    """Return the seconds that something takes."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began
