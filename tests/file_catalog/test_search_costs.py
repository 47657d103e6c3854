"""What searches cost: recorded queries on a catalogue of some size, in buffers and in kinds of scans."""

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import event
from tests.file_catalog.plain_catalogue import declare, put_directories
from tests.file_catalog.test_planner import walk
from tests.infra.waiting import until

from weyl.file_catalog.fields import AppliesTo, DeclaredField, FieldType
from weyl.file_catalog.models.search import FileSearch
from weyl.file_catalog.names import Space
from weyl.file_catalog.permits import Member
from weyl.file_catalog.queries import sets
from weyl.file_catalog.service import search
from weyl.file_catalog.service.search import Searcher
from weyl.file_catalog.service.sets import resettle
from weyl.kit.db import Database, Tx, driver_connection
from weyl.kit.paging import Asked

RUNS, PER_RUN, PAGE = 200, 100, 100
FILES = RUNS * PER_RUN
BUFFERS_PER_ROW = 50
LARGE = ("files", "replicas", "directories", "file_metadata_int", "file_metadata_float", "file_metadata_text")

FIELDS = (
    DeclaredField(0, "Run", FieldType.INT, AppliesTo.FILE, is_indexed=True),
    DeclaredField(0, "Energy", FieldType.FLOAT, AppliesTo.FILE, is_indexed=True),
    DeclaredField(0, "Particle", FieldType.TEXT, AppliesTo.BOTH, is_indexed=True),
    DeclaredField(0, "DataType", FieldType.TEXT, AppliesTo.DIRECTORY),
    DeclaredField(0, "Note", FieldType.TEXT, AppliesTo.FILE),
)


def where(*conditions: tuple[str, str, Any]) -> list[dict[str, Any]]:
    """Return conditions: parameter, operator, value or values."""
    many = ("in", "not in", "between")
    return [
        {"parameter": name, "operator": operator, ("values" if operator in many else "value"): value}
        for name, operator, value in conditions
    ]


RECORDED: dict[str, dict[str, Any]] = {
    "all": {},
    "under a run": {"under": "/cost/mc/r0042"},
    "under the root, by name": {"under": "/cost/mc", "sort": [{"parameter": "LFN", "direction": "asc"}]},
    "by id": {"sort": [{"parameter": "FileID", "direction": "asc"}]},
    "the last": {"sort": [{"parameter": "FileID", "direction": "desc"}]},
    "one run": {"where": where(("Run", "eq", 42))},
    "some runs": {"where": where(("Run", "between", [42, 60]))},
    "most runs": {"where": where(("Run", "gte", 2))},
    "a run and a particle": {"where": where(("Run", "eq", 42), ("Particle", "in", ["gamma", "proton"]))},
    "a particle of half of all": {"where": where(("Particle", "eq", "gamma"))},
    "two large conditions": {"where": where(("Particle", "eq", "gamma"), ("Energy", "lt", 80.0))},
    "a rare energy": {"where": where(("Energy", "eq", 7.0))},
    "a type of directories": {"where": where(("DataType", "eq", "DST"))},
    "a type that is rare": {"where": where(("DataType", "eq", "RAW"))},
    "a type and a particle": {"where": where(("DataType", "eq", "DST"), ("Particle", "eq", "gamma"))},
    "a storage element": {"where": where(("SE", "eq", "SE-1"))},
    "a storage element and a run": {"where": where(("SE", "eq", "SE-1"), ("Run", "eq", 7))},
    "storage elements that most files have, and energies": {"where": where(
        ("SE", "in", ["SE-1", "SE-2", "SE-3"]), ("Energy", "lt", 80.0))},
    "names": {"where": where(("LFN", "in", [f"/cost/mc/r0001/f{number:06d}" for number in range(100, 200)]))},
    "a beginning of names": {"where": where(("LFN", "like", "/cost/mc/r0007/f%"))},
    "either": {"any": [where(("Run", "eq", 3)), where(("Run", "eq", 9), ("Particle", "eq", "gamma"))]},
    "a particle by its beginning": {"where": where(("Particle", "like", "gam%"))},
    "no index": {"under": "/cost/mc/r0042", "where": where(("Note", "neq", "x"))},
    "all parameters": {"where": where(("Run", "eq", 42)), "parameters": [
        "LFN", "Size", "Owner", "SE", "ReplicaCount", "Run", "Particle", "DataType", "Note"]},
}  # fmt: skip


async def fill(db: Database) -> None:
    """Make runs with files, each with four values and two replicas."""
    paths = {"/cost": ("alice", "user", 0o755), "/cost/mc": ("alice", "user", 0o755)}
    paths |= {f"/cost/mc/r{run:04d}": ("alice", "user", 0o755) for run in range(RUNS)}
    async with db.transaction() as tx:
        connection = await driver_connection(tx)
        declared = await declare(tx, "cost", FIELDS)
        ids = await put_directories(tx, "cost", paths)
        runs = [ids[f"/cost/mc/r{run:04d}"] for run in range(RUNS)]
        await connection.execute(
            """
            INSERT INTO files (dir_id, name, size, owner_id, group_id, mode, status, created_at, modified_at)
            SELECT r.dir_id, 'f' || lpad(((r.place - 1) * 100 + n - 1)::text, 6, '0'), n, 1, 1, 420, 'Good', now(),
              now()
            FROM unnest($1::bigint[]) WITH ORDINALITY AS r (dir_id, place) CROSS JOIN generate_series(1, $2) n
            """,
            runs,
            PER_RUN,
        )
        await connection.execute(
            """
            INSERT INTO directories (dir_id, vo_id, path, path_hash, lineage, depth, owner_id, group_id, mode,
              created_at)
            SELECT i.dir_id, d.vo_id, '/cost/zz' || n, substring(sha256(convert_to('/cost/zz' || n, 'UTF8')) FOR 16),
              d.lineage || i.dir_id, 2, d.owner_id, d.group_id, d.mode, now()
            FROM directories d CROSS JOIN generate_series(1, 5000) n
              CROSS JOIN LATERAL (SELECT nextval('directories_dir_id_seq') + 0 * n AS dir_id) i
            WHERE d.path = '/cost'
            """
        )
        await connection.execute("INSERT INTO se_names (name) SELECT 'SE-' || n FROM generate_series(1, 10) n")
        await connection.execute(
            """
            INSERT INTO replicas (file_id, se_id, status, created_at)
            SELECT f.file_id, s.se_id, 'Good', now() FROM files f CROSS JOIN generate_series(0, 1) n
              JOIN se_names s ON s.name = 'SE-' || (1 + (f.file_id / 3 + n) % 10)
            """
        )
        number = {name: each.field_id for name, each in declared.items()}
        await connection.execute(
            f"""
            WITH f AS (SELECT file_id, substr(path, 11)::int AS run FROM files JOIN directories USING (dir_id)),
            ints AS (INSERT INTO file_metadata_int SELECT file_id, {number["Run"]}, run FROM f),
            floats AS (INSERT INTO file_metadata_float SELECT file_id, {number["Energy"]}, file_id % 100 FROM f),
            texts AS (
              INSERT INTO file_metadata_text
              SELECT file_id, {number["Particle"]}, CASE file_id % 2 WHEN 0 THEN 'gamma' ELSE 'proton' END FROM f
            )
            INSERT INTO file_metadata_doc
            SELECT file_id, jsonb_build_object('{number["Note"]}', 'note ' || file_id) FROM f
            """
        )
        types = [(ids["/cost/mc"], number["DataType"], '"DST"'), (runs[5], number["DataType"], '"RAW"')]
        await sets.set_own(tx, types)
        await resettle(tx, [ids["/cost/mc"]])
    async with db.read() as tx:
        connection = await driver_connection(tx)

        async def is_clean() -> bool:
            """Let all pages be known as visible to all: the first time their transaction may not be in the log yet."""
            await connection.execute("VACUUM ANALYZE")
            counted = "SELECT count(*) FROM pg_class WHERE relname = ANY($1) AND relallvisible < relpages"
            return await connection.fetchval(counted, LARGE) == 0

        await until(is_clean, "all pages visible to all")


def searcher() -> Searcher:
    """Return for whom the recorded queries run: a member of the group."""
    return Searcher(Member("cost", "bob", "user", False), Space("cost", ["/cost"], ".*", None, "directory"), 60)


class Recorder:
    """Keeps the statements that are sent, with what they are given."""

    def __init__(self, tx: Tx) -> None:
        self._engine = tx.sync_engine
        self.sent: list[tuple[str, list[object]]] = []

    def _record(self, _conn: object, _cursor: object, statement: str, arguments: Any, *_: object) -> None:
        if not statement.startswith("EXPLAIN"):
            self.sent.append((statement, list(arguments)))

    def __enter__(self) -> "Recorder":
        event.listen(self._engine, "before_cursor_execute", self._record)
        return self

    def __exit__(self, *_: object) -> None:
        event.remove(self._engine, "before_cursor_execute", self._record)


async def plan_of(tx: Tx, statement: str, arguments: list[object]) -> dict[str, Any]:
    """Run a statement again and return how it was done."""
    connection = await driver_connection(tx)
    told = await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", *arguments)
    [document] = json.loads(told) if isinstance(told, str) else told
    return dict(document["Plan"])


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Return a plan and all that is below it."""
    yield plan
    for each in plan.get("Plans", ()):
        yield from nodes(each)


async def test_a_page_reads_few_buffers_and_scans_no_table(db: Database) -> None:
    await fill(db)
    read: dict[str, tuple[int, int]] = {}
    async with db.read() as tx:
        for name, query in RECORDED.items():
            with Recorder(tx) as recorder:
                page = await search.search(tx, searcher(), FileSearch(**query), Asked(1, PAGE, None, None))
            rows = page.listed.rows
            assert len(rows) == PAGE if name not in ("a run and a particle", "a storage element and a run") else rows
            buffers = 0
            for statement, arguments in recorder.sent:
                plan = await plan_of(tx, statement, arguments)
                buffers += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
                scans = {node["Relation Name"] for node in nodes(plan) if node["Node Type"] == "Seq Scan"}
                assert not scans & set(LARGE), (name, statement)
            read[name] = (buffers, len(recorder.sent))
    assert {name: each for name, each in read.items() if each[0] > BUFFERS_PER_ROW * PAGE} == {}
    assert max(statements for _, statements in read.values()) <= 4


async def test_a_walk_returns_each_file_once_while_others_insert(db: Database) -> None:
    async with db.transaction() as tx:
        await declare(tx, "cost", FIELDS)
        ids = await put_directories(tx, "cost", {"/cost": ("alice", "user", 0o755)})
        connection = await driver_connection(tx)
        await connection.execute("INSERT INTO identities (name) VALUES ('x') ON CONFLICT DO NOTHING")
        await _insert(connection, ids["/cost"], range(0, 300, 3))
    async with db.read() as tx:
        connection = await driver_connection(tx)
        for sort in ([], [{"parameter": "FileID", "direction": "asc"}]):
            cursor, found, step = None, [], 1 if sort else 2
            while True:
                asked = FileSearch(sort=sort)
                page = await search.search(tx, searcher(), asked, Asked(1, 7, None, cursor))
                found += [row["LFN"] for row in page.listed.rows]
                if page.listed.following is None:
                    break
                cursor = page.listed.following.text()
                if len(found) < 100:
                    # names before, at and behind the place of the cursor
                    await _insert(connection, ids["/cost"], range(len(found) * 3 + step, len(found) * 3 + step + 6, 3))
            assert len(found) == len(set(found))
            assert {f"/cost/f{number:03d}" for number in range(0, 300, 3)} <= set(found)
    assert len(await walk_all(db)) > 120


async def walk_all(db: Database) -> list[dict[str, Any]]:
    """Return every file."""
    async with db.read() as tx:
        return await walk(tx, searcher(), FileSearch(), size=100)


async def _insert(connection: Any, dir_id: int, numbers: range) -> None:
    await connection.execute(
        """
        INSERT INTO files (dir_id, name, size, owner_id, group_id, mode, status, created_at, modified_at)
        SELECT $1, 'f' || lpad(n::text, 3, '0'), 1, 1, 1, 420, 'Good', now(), now() FROM unnest($2::int[]) n
        ON CONFLICT DO NOTHING
        """,
        dir_id,
        list(numbers),
    )
