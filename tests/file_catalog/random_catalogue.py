"""Random catalogues: in the database, and as plain values on which each query can be answered by looking at all."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from weyl.file_catalog import conditions, fields
from weyl.file_catalog.conditions import Terms, holds
from weyl.file_catalog.fields import AppliesTo, DeclaredField, FieldType
from weyl.file_catalog.names import path_hash
from weyl.file_catalog.queries import sets as set_queries
from weyl.file_catalog.queries.fields import insert_field, keep_vo, select_fields
from weyl.file_catalog.service.metadata import put_values
from weyl.file_catalog.service.sets import resettle
from weyl.kit import json
from weyl.kit.db import Tx, driver_connection

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
SES = ("DESY-DISK", "CERN-DISK", "CNAF-TAPE")
PEOPLE = ("alice", "bob", "carol")
GROUPS = ("user", "admin")

DECLARED = (
    DeclaredField(0, "Run", FieldType.INT, AppliesTo.FILE, is_indexed=True),
    DeclaredField(0, "Energy", FieldType.FLOAT, AppliesTo.BOTH, is_indexed=True),
    DeclaredField(0, "Particle", FieldType.TEXT, AppliesTo.BOTH, is_indexed=True),
    DeclaredField(0, "DataType", FieldType.TEXT, AppliesTo.DIRECTORY),
    DeclaredField(0, "Version", FieldType.INT, AppliesTo.DIRECTORY),
    DeclaredField(0, "Checked", FieldType.BOOL, AppliesTo.BOTH),
    DeclaredField(0, "Flag", FieldType.BOOL, AppliesTo.FILE, is_indexed=True),
    DeclaredField(0, "Night", FieldType.DATE, AppliesTo.FILE, is_indexed=True),
    DeclaredField(0, "Taken", FieldType.TIME, AppliesTo.BOTH),
    DeclaredField(0, "Comment", FieldType.TEXT, AppliesTo.FILE),
)
VALUES: Mapping[str, tuple[Any, ...]] = {
    "Run": tuple(range(1200, 1212)),
    "Energy": (0.5, 1.0, 2.5, 100.0),
    "Particle": ("gamma", "proton", "Proton", "π", "e_", "electron"),
    "DataType": ("DST", "RAW", "DL1"),
    "Version": (1, 2, 3),
    "Checked": (True, False),
    "Flag": (True, False),
    "Night": ("2026-01-31", "2026-02-01", "2026-11-27"),
    "Taken": ("2026-02-01T00:00:00Z", "2026-02-01T12:30:00.5Z", "2026-11-27T23:59:59Z"),
    "Comment": ("good", "bad weather", "50%", "a_b"),
}


@dataclass
class MadeDirectory:
    """A directory of a random catalogue."""

    dir_id: int
    path: str
    lineage: list[int]
    mode: int
    owner: str
    group: str
    own: dict[str, Any] = field(default_factory=dict)


@dataclass
class MadeFile:
    """A file of a random catalogue."""

    file_id: int
    directory: MadeDirectory
    name: str
    row: dict[str, Any]
    ses: tuple[str, ...] = ()
    own: dict[str, Any] = field(default_factory=dict)
    ancestors: tuple["MadeFile", ...] = ()

    @property
    def lfn(self) -> str:
        return f"{self.directory.path}/{self.name}"


@dataclass
class Catalogue:
    """A random catalogue of one VO."""

    vo: str
    vo_id: int
    declared: dict[str, DeclaredField]
    directories: dict[int, MadeDirectory] = field(default_factory=dict)
    files: list[MadeFile] = field(default_factory=list)

    @property
    def root(self) -> str:
        return f"/{self.vo}"

    def effective(self, directory: MadeDirectory) -> dict[str, Any]:
        """Return what holds in a directory, by looking at each above it."""
        found: dict[str, Any] = {}
        for dir_id in directory.lineage:
            found |= self.directories[dir_id].own
        return found

    def value(self, file: MadeFile, name: str) -> Any:
        """Return a parameter of a file as conditions compare it."""
        if name in self.declared:
            return {**self.effective(file.directory), **file.own}.get(name)
        built_in = {
            "FileID": file.file_id,
            "LFN": file.lfn,
            "Name": file.name,
            "Directory": file.directory.path,
            "SE": file.ses,
            "ReplicaCount": len(file.ses),
            "Ancestor": tuple(value for each in file.ancestors for value in (each.lfn, each.file_id)),
            **file.row,
        }
        return built_in[name]

    def matching(self, query: Any, terms: Terms, *, reader: str | None = None, group: str = "user") -> set[int]:
        """Return the ids of the files that a query is about, by looking at each."""
        return {each.file_id for each in self.files if self._meets(each, query, terms, reader, group)}

    def _meets(self, file: MadeFile, query: Any, terms: Terms, reader: str | None, group: str) -> bool:
        path, under = file.directory.path, query.under
        if under is not None:
            if path != under and not path.startswith(f"{under}/"):
                return False
            if query.depth is not None and path.count("/") - under.count("/") > query.depth:
                return False
        if reader is not None and not readable(file.directory, reader, group):
            return False
        if file.row["Status"] != "Good" and not any(term.parameter == "Status" for term in terms.every()):
            return False
        every = all(holds(term.check, self.value(file, term.parameter)) for term in terms.where)
        return every and (
            not terms.alternatives
            or any(all(holds(t.check, self.value(file, t.parameter)) for t in each) for each in terms.alternatives)
        )


def readable(directory: MadeDirectory, reader: str, group: str) -> bool:
    """Tell whether the mode of a directory lets somebody read it."""
    shift = 6 if directory.owner == reader else 3 if directory.group == group else 0
    return bool(directory.mode >> shift & 4)


async def make(tx: Tx, chance: random.Random, vo: str, *, directories: int = 25, files: int = 120) -> Catalogue:
    """Make a random catalogue of a VO of its own."""
    vo_id = await keep_vo(tx, vo)
    for each in DECLARED:
        await insert_field(tx, vo_id, each, author="alice", now=NOW, most=100)
    catalogue = Catalogue(vo, vo_id, await select_fields(tx, vo))
    numbers = await _names(tx)
    await _make_directories(tx, chance, catalogue, numbers, directories)
    await _make_files(tx, chance, catalogue, numbers, files)
    await put_values(
        tx, [(f.file_id, fields.values_of(catalogue.declared, f.own, on=AppliesTo.FILE)) for f in catalogue.files]
    )
    await set_on_directories(tx, catalogue, {each.dir_id: each.own for each in catalogue.directories.values()})
    return catalogue


async def set_on_directories(tx: Tx, catalogue: Catalogue, changes: Mapping[int, Mapping[str, Any]]) -> None:
    """Set values of directories as the service does."""
    rows = []
    for dir_id, values in changes.items():
        typed = fields.values_of(catalogue.declared, values, on=AppliesTo.DIRECTORY)
        rows += [(dir_id, name, None if value is None else json.dumps_text(value)) for name, value in typed.items()]
    await set_queries.hold_sets(tx, catalogue.vo_id)
    await set_queries.lock_tree(tx, list(changes))
    await set_queries.set_own(tx, rows)
    await resettle(tx, list(changes))


async def sets_of(tx: Tx, catalogue: Catalogue) -> dict[int, dict[str, Any]]:
    """Return what the set of each directory says, by the names of fields."""
    names = {field.field_id: name for name, field in catalogue.declared.items()}
    rows = await (await driver_connection(tx)).fetch(
        """
        SELECT dir_id, doc FROM directories d LEFT JOIN metadata_sets s USING (metadata_set_id) WHERE d.vo_id = $1
        """,
        catalogue.vo_id,
    )
    return {row["dir_id"]: {names[int(key)]: value for key, value in (row["doc"] or {}).items()} for row in rows}


def expected_sets(catalogue: Catalogue) -> dict[int, dict[str, Any]]:
    """Return the same by looking at each directory above."""
    return {dir_id: catalogue.effective(each) for dir_id, each in catalogue.directories.items()}


async def _names(tx: Tx) -> dict[str, int]:
    connection = await driver_connection(tx)
    found: dict[str, int] = {}
    for table, key, names in (("identities", "identity_id", (*PEOPLE, *GROUPS)), ("se_names", "se_id", SES)):
        for name in names:
            found[name] = await connection.fetchval(
                f"INSERT INTO {table} (name) VALUES ($1) ON CONFLICT (name) DO UPDATE SET name = $1 RETURNING {key}",
                name,
            )
    return found


async def _make_directories(
    tx: Tx, chance: random.Random, catalogue: Catalogue, numbers: Mapping[str, int], count: int
) -> None:
    connection = await driver_connection(tx)
    paths = [catalogue.root]
    for _ in range(count - 1):
        parent = chance.choice(paths)
        # `a-b` stands between `a` and what lies below it.
        name = chance.choice(["a", "a-b", "a.c", "mc", "run", "r+1", "x0"])
        if f"{parent}/{name}" not in paths:
            paths.append(f"{parent}/{name}")
    by_path: dict[str, MadeDirectory] = {}
    for path in paths:
        parent = by_path.get(path.rpartition("/")[0])
        dir_id = await connection.fetchval("SELECT nextval('directories_dir_id_seq')")
        made = MadeDirectory(
            dir_id,
            path,
            [*(parent.lineage if parent else ()), dir_id],
            chance.choice([0o755, 0o750, 0o700, 0o075, 0o005]),
            chance.choice(PEOPLE),
            chance.choice(GROUPS),
        )
        of_directories = [name for name, each in catalogue.declared.items() if each.is_of_directories]
        if chance.random() < 0.4:
            made.own = {name: chance.choice(VALUES[name]) for name in chance.sample(of_directories, 2)}
        by_path[path] = catalogue.directories[dir_id] = made
    await connection.executemany(
        """
        INSERT INTO directories (dir_id, parent_id, vo_id, path, path_hash, lineage, depth, owner_id, group_id, mode,
          created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        """,
        [
            (d.dir_id, d.lineage[-2] if len(d.lineage) > 1 else None, catalogue.vo_id, d.path, path_hash(d.path),
             d.lineage, d.path.count("/"), numbers[d.owner], numbers[d.group], d.mode, NOW)
            for d in catalogue.directories.values()
        ],
    )  # fmt: skip


async def _make_files(
    tx: Tx, chance: random.Random, catalogue: Catalogue, numbers: Mapping[str, int], count: int
) -> None:
    connection = await driver_connection(tx)
    of_files = [name for name, each in catalogue.declared.items() if each.is_of_files]
    places = chance.sample(list(catalogue.directories.values()), k=max(1, len(catalogue.directories) // 2))
    for number in range(count):
        file_id = await connection.fetchval("SELECT nextval('files_file_id_seq')")
        made = MadeFile(file_id, chance.choice(places), f"f{chance.randint(0, 9)}-{number}", _row(chance))
        made.own = {name: chance.choice(VALUES[name]) for name in chance.sample(of_files, chance.randint(0, 5))}
        made.ses = tuple(chance.sample(SES, chance.randint(0, 2)))
        if catalogue.files and chance.random() < 0.2:
            made.ancestors = tuple(chance.sample(catalogue.files, 1))
        catalogue.files.append(made)
    await connection.executemany(
        """
        INSERT INTO files (file_id, dir_id, name, size, adler32, guid, owner_id, group_id, mode, status, job_id,
          created_at, modified_at, trashed_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 420, $9, $10, $11, $11, $12)
        """,
        [
            (f.file_id, f.directory.dir_id, f.name, f.row["Size"], f.row["Size"] - 50, f.row["GUID"],
             numbers[f.row["Owner"]], numbers[f.row["Group"]], f.row["Status"], f.row["JobID"], f.row["CreationTime"],
             None if f.row["Status"] == "Good" else NOW)
            for f in catalogue.files
        ],
    )  # fmt: skip
    copies = [(f.file_id, numbers[se], NOW) for f in catalogue.files for se in f.ses]
    await connection.executemany(
        "INSERT INTO replicas (file_id, se_id, status, created_at) VALUES ($1, $2, 'Good', $3)", copies
    )
    edges = [(f.file_id, each.file_id) for f in catalogue.files for each in f.ancestors]
    await connection.executemany("INSERT INTO file_ancestors (file_id, ancestor_id) VALUES ($1, $2)", edges)


def _row(chance: random.Random) -> dict[str, Any]:
    at = NOW + timedelta(hours=chance.randint(0, 60))
    return {
        "Size": chance.randint(0, 100),
        "GUID": UUID(int=chance.getrandbits(128)) if chance.random() < 0.5 else None,
        "Owner": chance.choice(PEOPLE),
        "Group": chance.choice(GROUPS),
        "Status": "Trash" if chance.random() < 0.1 else "Good",
        "JobID": chance.choice([None, 7, 8, 9]),
        "CreationTime": at,
        "ModificationTime": at,
    }


def queries(chance: random.Random, catalogue: Catalogue, count: int) -> Iterator[dict[str, Any]]:
    """Yield random queries that match some files, often enough."""
    paths = [each.path for each in catalogue.directories.values()]
    for _ in range(count):
        query: dict[str, Any] = {"where": [_condition(chance, catalogue) for _ in range(chance.randint(0, 3))]}
        if chance.random() < 0.4:
            query["under"] = chance.choice([*paths, f"{catalogue.root}/none"])
            query["depth"] = chance.choice([None, None, 0, 1])
        if chance.random() < 0.3:
            some = chance.randint(1, 3)
            query["any"] = [[_condition(chance, catalogue) for _ in range(chance.randint(1, 2))] for _ in range(some)]
        yield query


SELECTIVE = ("Run", "Night", "Flag", "Particle", "SE", "JobID", "LFN", "FileID", "GUID", "Ancestor")


def _condition(chance: random.Random, catalogue: Catalogue) -> dict[str, Any]:
    if chance.random() < 0.4:
        name = chance.choice(SELECTIVE)
        values = list(VALUES.get(name) or _values(name, chance.choice(catalogue.files), catalogue))
        if chance.random() < 0.5:
            return {"parameter": name, "operator": "eq", "value": chance.choice(values)}
        return {"parameter": name, "operator": "in", "values": chance.sample(values, min(2, len(values)))}
    if chance.random() < 0.65:
        name = chance.choice(list(catalogue.declared))
        values = list(VALUES[name])
    else:
        name = chance.choice([name for name in conditions.BUILT_IN_TYPES if name != "Checksum"])
        values = _values(name, chance.choice(catalogue.files), catalogue)
    kind = conditions.parameter_type(name, catalogue.declared)
    operators = sorted(conditions.operators_of(kind))
    operator = chance.choice([*operators, "eq", "in"])
    if operator in ("exists", "missing"):
        return {"parameter": name, "operator": operator}
    if operator in ("in", "not in"):
        return {"parameter": name, "operator": operator, "values": chance.sample(values, min(2, len(values)))}
    if operator == "between":
        return {"parameter": name, "operator": operator, "values": [chance.choice(values), chance.choice(values)]}
    value = chance.choice(values)
    if operator in ("like", "not like"):
        value = chance.choice([f"{value[:3]}%", f"%{value[1:2]}%", f"{value[:1]}_%", value.replace("_", "\\_")])
    if operator == "regex":
        value = chance.choice(["^[a-g]", "a$", "o", "/a.*/f[0-4]"])
    return {"parameter": name, "operator": operator, "value": value}


def _values(name: str, file: MadeFile, catalogue: Catalogue) -> list[Any]:
    known: dict[str, list[Any]] = {
        "Size": [10, 50, 90],
        "JobID": [7, 8],
        "Owner": list(PEOPLE),
        "Group": list(GROUPS),
        "SE": list(SES),
        "Status": ["Good", "Trash"],
        "ReplicaCount": [0, 1, 2],
        "GUID": [str(file.row["GUID"] or UUID(int=1))],
        "Ancestor": [catalogue.files[0].lfn, catalogue.files[1].file_id],
        "CreationTime": ["2026-11", "2026-11-02", "2026-11-02 13", "2026"],
        "ModificationTime": ["2026-11-03", "2026-11-01T20:00:00Z"],
    }
    return known.get(name) or [catalogue.value(file, name), catalogue.value(catalogue.files[0], name)]
