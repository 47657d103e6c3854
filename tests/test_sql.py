"""Whose tables SQL names: a room's own, and those of rooms below it where a pair is listed with its reason."""

import ast
import importlib
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import sqlalchemy as sa

from weyl.kit.db import metadata

ROOT = Path(__file__).resolve().parent.parent
WEYL = ROOT / "src" / "weyl"

# Who names whose tables in SQL, and why one statement, or one trigger, has to span the two rooms. The lower room never
# names the higher one's.
PAIRS: Mapping[tuple[str, str], str] = {
    ("jobs", "task_queues"): (
        "jobs that move change what runs behind a gate, and those that end the health of their host; both are counted"
        " anew, and the queue is made anew, from the rows of jobs"
    ),
    ("preparation", "jobs"): "a request for files is kept as long as a held job waits for it",
    ("failures", "jobs"): (
        "sums are folded from what the trigger on jobs wrote of each failure; why a job has failed is one look at it,"
        " at what its wrapper told, and at its earlier runs"
    ),
    ("failures", "task_queues"): "the same look takes in the health of the host on which it failed",
    ("matcher", "task_queues"): "the claim pops from the queue; limits, shares and health of hosts decide what it pops",
    ("matcher", "jobs"): "the claim binds jobs in the statement that pops them; those that waited too long are found",
    ("pilots", "task_queues"): "the health of hosts is kept by the jobs that end there and shown with the pilots",
    ("pilots", "jobs"): "a search for pilots shows their jobs, and a plan counts the cores that jobs leave free",
    ("pilots", "matcher"): "a plan asks what the pilots of a queue have offered",
    ("cwl", "jobs"): (
        "a bundle is kept as long as a description names it, and what a job runs is read with how far its steps are"
    ),
    (
        "accounting",
        "jobs",
    ): "the trigger on jobs keeps a record of each run that ends, with its heartbeats; samples count them",
    ("accounting", "pilots"): "the trigger on pilots keeps a record of each that ends; samples count them",
}

# The tables of the engine belong to the room that runs it.
ENGINE = dict.fromkeys(("pgqueuer", "pgqueuer_log", "pgqueuer_schedules", "pgqueuer_statistics"), "tasks")

_NAME = r"(?:ONLY\s+|TABLE\s+)*([a-z_]+)"
_TABLE = re.compile(rf"\b(?:FROM|JOIN|INTO|UPDATE|TABLE|TRUNCATE|USING|LOCK)\s+{_NAME}\b")
_MORE = re.compile(rf"\b(?:FROM|USING|TRUNCATE)\s+{_NAME}(?:\s+(?:AS\s+)?[a-z]\w*)?\s*,\s*([a-z_]+)\b")
_OPEN = re.compile(r"\b(?:FROM|JOIN|INTO|UPDATE|TABLE|TRUNCATE|USING)\s+\?")
_WRITTEN = re.compile(rf"\b(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM)\s+{_NAME}\b")
_FUNCTION = re.compile(r"CREATE OR REPLACE FUNCTION (\w+)\((.*?)\$\$(.*?)\$\$", re.DOTALL)
_TRIGGER = re.compile(r"CREATE OR REPLACE TRIGGER (\w+).*?\sON (\w+)\s.*?EXECUTE FUNCTION (\w+)\(\);", re.DOTALL)


@dataclass(frozen=True)
class Named:
    """A table, or a function of the database, that SQL of a room names."""

    room: str
    name: str
    place: str


@cache
def order() -> list[str]:
    """Return the rooms, the highest first, as the import contract has them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [layers] = [contract["layers"] for contract in contracts if contract.get("exhaustive")]
    return [room.strip() for layer in layers for room in layer.split("|")]


@cache
def tables() -> Mapping[str, str]:
    """Return the room of each table: the lowest one whose `tables` has it, because the others import it."""
    found: dict[str, str] = dict(ENGINE)
    for room in order():
        paths = sorted([*WEYL.glob(f"{room}/tables.py"), *WEYL.glob(f"{room}/tables/*.py")])
        for path in paths:
            module = importlib.import_module(".".join(path.relative_to(WEYL.parent).with_suffix("").parts))
            found |= {value.name: room for value in vars(module).values() if isinstance(value, sa.Table)}
    return found


@cache
def owners() -> Mapping[str, str]:
    """Return the room of each table and of each function that rooms have put into the database."""
    functions = {
        match[1]: path.parent.name for path in trigger_files() for match in _FUNCTION.finditer(path.read_text())
    }
    return {**tables(), **functions}


def trigger_files() -> list[Path]:
    return sorted(WEYL.glob("*/triggers.sql"))


def names_of(sql: str) -> set[str]:
    """Return the tables and functions of rooms that a text of SQL names; keywords are in capitals, as in all of it."""
    said = {match[1] for match in _TABLE.finditer(sql)} | {match[2] for match in _MORE.finditer(sql)}
    called = {name for name in owners().keys() - tables().keys() if re.search(rf"\b{name}\(", sql)}
    return (said & tables().keys()) | called


def texts(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Return the strings of a module with their lines; what stands in braces in them is a question mark."""
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield (
                "".join(str(part.value) if isinstance(part, ast.Constant) else "?" for part in node.values),
                node.lineno,
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.value, node.lineno


def named_in_module(path: Path) -> Iterator[Named]:
    """Return what the SQL texts of a module name, and the tables that its Core statements import."""
    room, place = path.relative_to(WEYL).parts[0], str(path.relative_to(WEYL.parent))
    tree = ast.parse(path.read_text())
    strings = list(texts(tree))
    for text, line in strings:
        yield from (Named(room, name, f"{place}:{line}") for name in names_of(text))
    if any(_OPEN.search(text) for text, _ in strings):
        # A name is put in later: each string that is the name of a table may be the one.
        yield from (Named(room, text, f"{place}:{line}") for text, line in strings if text in tables())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and re.fullmatch(r"weyl\.\w+\.tables(\.\w+)?", node.module or ""):
            module = importlib.import_module(str(node.module))
            for alias in node.names:
                if isinstance(value := getattr(module, alias.name), sa.Table):
                    yield Named(room, value.name, f"{place}:{node.lineno}")


def named_in_triggers(path: Path) -> Iterator[Named]:
    """Return what the functions of a room name, and the tables that its triggers are on."""
    room, place = path.parent.name, str(path.relative_to(WEYL.parent))
    sql = re.sub(r"--.*", "", path.read_text())
    for name in names_of(sql) | {match[2] for match in _TRIGGER.finditer(sql)}:
        yield Named(room, name, place)


@cache
def pairs() -> Mapping[tuple[str, str], list[str]]:
    """Return who names whose tables, with the places."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    modules = [path for path in sorted(WEYL.glob("*/**/*.py")) if "versions" not in path.parts]
    for path in modules:
        for each in named_in_module(path):
            found[each.room, owners()[each.name]].append(f"{each.place} names {each.name}")
    for path in trigger_files():
        for each in named_in_triggers(path):
            found[each.room, owners()[each.name]].append(f"{each.place} names {each.name}")
    return {pair: sorted(set(places)) for pair, places in found.items() if pair[0] != pair[1]}


def test_every_table_has_a_room() -> None:
    assert metadata.tables.keys() - tables().keys() == set()


def test_no_statement_or_trigger_names_a_table_of_a_room_above() -> None:
    ranks = {room: rank for rank, room in enumerate(order())}
    upwards = [place for (room, owner), places in pairs().items() if ranks[room] > ranks[owner] for place in places]
    assert upwards == [], "move the statement to the higher room, or let that room hand the rows down"


def test_each_pair_of_rooms_in_one_statement_has_its_reason() -> None:
    unreasoned = {pair: places for pair, places in pairs().items() if pair not in PAIRS}
    assert unreasoned == {}, "add the pair to PAIRS with its reason"
    assert PAIRS.keys() - pairs().keys() == set(), "no statement spans these any longer"


def test_a_trigger_belongs_to_the_room_whose_rows_it_writes_or_whose_table_it_watches() -> None:
    seen = set()
    for path in trigger_files():
        sql = path.read_text()
        bodies = {match[1]: match[3] for match in _FUNCTION.finditer(sql)}
        for name, table, function in (match.groups() for match in _TRIGGER.finditer(sql)):
            seen.add(name)
            written = {match[1] for match in _WRITTEN.finditer(bodies[function])}
            assert path.parent.name in {owners()[each] for each in {table, *written}}, name
    assert {"jobs_count_insert", "jobs_gate_update", "jobs_sign_update", "jobs_account", "task_count_death"} <= seen


def test_a_file_of_triggers_may_run_again_at_any_time() -> None:
    for path in trigger_files():
        outside = re.sub(r"\$\$.*?\$\$", "", re.sub(r"--.*", "", path.read_text()), flags=re.DOTALL)
        statements = [statement.split() for statement in outside.split(";") if statement.strip()]
        made = {" ".join(words[:4]) for words in statements}
        assert {"CREATE OR REPLACE FUNCTION"} <= made <= {"CREATE OR REPLACE FUNCTION", "CREATE OR REPLACE TRIGGER"}, (
            path
        )


def test_what_is_read_out_of_a_statement_is_what_it_names() -> None:
    """The reading itself: were it blind, the other tests would agree with everything."""
    assert names_of("WITH a AS (DELETE FROM queue q USING jobs j) INSERT INTO ONLY pilots SELECT jobs FROM a") == {
        "queue",
        "jobs",
        "pilots",
    }
    assert names_of("SELECT * FROM a JOIN pgqueuer p ON true, job_history h") == {"pgqueuer"}
    assert names_of("TRUNCATE queue, class_count") == {"queue", "class_count"}
    assert names_of("jobs of pilots that come from jobs") == set()
    tree = ast.parse('a = f"SELECT FROM {b} JOIN jobs USING (c)"')
    [(text, _)] = texts(tree)
    assert (names_of(text), bool(_OPEN.search(text))) == ({"jobs"}, True)
