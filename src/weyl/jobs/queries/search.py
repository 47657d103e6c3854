"""SQL of searches: pages of jobs under their wire names, and how many there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from weyl.jobs.permits import JobScope
from weyl.jobs.tables import COUNTED, job_count_deltas, job_counts, job_input_sets, job_pilots, jobs
from weyl.kit import json
from weyl.kit.db import Tx
from weyl.kit.errors import BadRequest
from weyl.kit.paging import Part, full_order
from weyl.kit.search import (
    ScalarSearchOperator,
    ScalarSearchSpec,
    SearchSpec,
    SortSpec,
    VectorSearchOperator,
    is_storable,
)
from weyl.kit.search_sql import BooleanOrText, Columns, behind, order_by, pick, search_errors, where
from weyl.kit.sql import Sql, WireRow, estimate, fetch

COUNT_MAX = 100_000
"""Up to this many matches are counted one by one; beyond, a lower bound is told."""

JOB_ID = "JobID"
PILOT_STAMP = "PilotStamp"
INPUT_FILE = "InputFile"
"""A file that jobs read, as their checks have seen: only to be searched by."""
ACCOUNTED_FLAG = "AccountedFlag"
FAILURE_SIGNATURE = "FailureSignature"
WORKFLOW_ID = "WorkflowID"
RUN_TIME = "RunTime"
"""How long the last run has taken so far, or took, in seconds: asked for by name."""
WORKFLOW_PARAMS = "WorkflowParams"
"""The input object of a job that runs a workflow: shown to who asks for it, and nothing else."""
PARAMS_BYTES_MAX = 64 << 20
"""Of the input objects of one page; each may have its part, and a larger one is not shown."""
INDEXED_NAMES = frozenset(
    {JOB_ID, FAILURE_SIGNATURE, INPUT_FILE, PILOT_STAMP, WORKFLOW_ID, "JobGroup", "Owner", "Status"}
)
"""Columns by which jobs are found without looking at all of them."""

_NAMES = {
    JOB_ID: "job_id",
    "JobType": "job_type",
    "JobGroup": "job_group",
    "Site": "site",
    "JobName": "job_name",
    "Owner": "owner",
    "OwnerGroup": "owner_group",
    "VO": "vo",
    "SubmissionTime": "submission_time",
    "RescheduleTime": "reschedule_time",
    "LastUpdateTime": "last_update_time",
    "StartExecTime": "start_exec_time",
    "HeartBeatTime": "heart_beat_time",
    "EndExecTime": "end_exec_time",
    "Status": "status",
    "MinorStatus": "minor_status",
    "ApplicationStatus": "application_status",
    "UserPriority": "user_priority",
    "RescheduleCounter": "reschedule_counter",
    "VerifiedFlag": "verified_flag",
    ACCOUNTED_FLAG: "accounted_flag",
}


def _column(name: str) -> sa.ColumnElement[Any]:
    column = jobs.c[name]
    return sa.type_coerce(column, BooleanOrText()) if name == "accounted_flag" else column


SHOWN = tuple(_NAMES)
"""The columns that answers have where nobody chose: those of the wire contract, in its order."""

_ON_REQUEST = {FAILURE_SIGNATURE: "signature", WORKFLOW_ID: "workflow_id"}
_RUNS = jobs.c.status == sa.any_(sa.literal(["Running", "Stalled", "Completing"], ARRAY(sa.String)))
_UNTIL = sa.func.coalesce(jobs.c.end_exec_time, sa.case((_RUNS, sa.func.now())))
_RUN_TIME = sa.cast(sa.extract("epoch", _UNTIL - jobs.c.start_exec_time), sa.BigInteger)
COLUMNS: Columns = {
    **{wire_name: _column(name) for wire_name, name in {**_NAMES, **_ON_REQUEST}.items()},
    RUN_TIME: _RUN_TIME,
}
"""Every column of a job that may be asked for, in the order of answers."""

_LABELLED = {wire_name: column.label(wire_name) for wire_name, column in COLUMNS.items()}
_FOUND_BY_EQUALITY = frozenset({INPUT_FILE, PILOT_STAMP, WORKFLOW_ID})
_FOUND_ELSEWHERE = frozenset({INPUT_FILE, PILOT_STAMP})
_EQUALITY = (ScalarSearchOperator.EQUAL, VectorSearchOperator.IN)
_COUNTED_NAMES = {wire_name: name for wire_name, name in _NAMES.items() if name in COUNTED}


@dataclass(frozen=True, slots=True)
class Selection:
    """Which jobs, and as whom: the conditions of a request within the scope of its user."""

    scope: JobScope
    specs: Sequence[SearchSpec]

    def clauses(self) -> list[sa.ColumnElement[bool]]:
        """Return the conditions on rows of jobs."""
        plain = [spec for spec in self.specs if spec.parameter not in _FOUND_ELSEWHERE]
        stamps = [spec for spec in self.specs if spec.parameter == PILOT_STAMP]
        files = [spec for spec in self.specs if spec.parameter == INPUT_FILE]
        for spec in self.specs:
            if spec.parameter in _FOUND_BY_EQUALITY and spec.operator not in _EQUALITY:
                raise BadRequest(f"{spec.parameter} is searched with 'eq' or 'in', not with {spec.operator.value!r}")
        clauses = [*_scope_clauses(self.scope, jobs.c), *where(plain, COLUMNS)]
        if stamps:
            if any(spec.parameter == JOB_ID for spec in plain):
                raise BadRequest(f"A filter on {PILOT_STAMP} cannot be combined with one on {JOB_ID}")
            clauses.append(_ran_on(stamps))
        return [*clauses, *map(_reads, files)]

    def is_counted(self) -> bool:
        """Tell whether the counters know how many jobs these are."""
        return all(spec.parameter in _COUNTED_NAMES for spec in self.specs)


@dataclass(frozen=True, slots=True)
class Page:
    """What a page shows of the selected jobs, in which order, and where it begins."""

    names: Sequence[str]
    sort: Sequence[SortSpec]
    distinct: bool
    part: Part


def _scope_clauses(scope: JobScope, columns: ReadOnlyColumnCollection[str, Any]) -> list[sa.ColumnElement[bool]]:
    limits = {"vo": scope.vo, "owner": scope.owner}
    return [columns[name] == value for name, value in limits.items() if value is not None]


def _ran_on(specs: Sequence[SearchSpec]) -> sa.ColumnElement[bool]:
    """Several filters on pilots are united: jobs that ran on any of them."""
    stamps = [stamp for spec in specs for stamp in _values(spec)]
    known = sa.literal(stamps, ARRAY(sa.String))
    return jobs.c.job_id.in_(sa.select(job_pilots.c.job_id).where(job_pilots.c.pilot_stamp == sa.any_(known)))


def _reads(spec: SearchSpec) -> sa.ColumnElement[bool]:
    """Jobs that read any of these files; the sets are found by an index of their members."""
    lfns = [lfn[4:] if lfn[:4].lower() == "lfn:" else lfn for lfn in _values(spec)]
    known = sa.literal(lfns, ARRAY(sa.Text(collation="C")))
    sets = sa.select(job_input_sets.c.input_set_id).where(job_input_sets.c.lfns.overlap(known))
    return jobs.c.input_set_id.in_(sets)


def _values(spec: SearchSpec) -> list[str]:
    values = [spec.value] if isinstance(spec, ScalarSearchSpec) else spec.values
    return [text for text in map(str, values) if is_storable(text)]


def _sorted(statement: sa.Select[Any], page: Page) -> sa.Select[Any]:
    if not page.distinct:
        return statement.order_by(*order_by(page.sort, COLUMNS, last=JOB_ID))
    shown = {name: COLUMNS[name] for name in page.names}
    keys = {key.parameter for key in page.sort}
    for name in sorted(keys - shown.keys()):
        pick(COLUMNS, name)
        raise BadRequest(f"Distinct rows can only be sorted by what they show, and {name} is not among it")
    rest = [column for name, column in shown.items() if name not in keys]
    return statement.distinct().order_by(*order_by(page.sort, shown, last=None), *rest)


async def select_page(tx: Tx, selection: Selection, page: Page) -> list[WireRow]:
    """Return one page of jobs, one row longer than asked for if there are more."""
    # A cursor is made of the keys of the order, which need not be shown.
    keys = [] if page.distinct or not page.part.is_told else [key.parameter for key in full_order(page.sort, JOB_ID)]
    names = [*page.names, *(name for name in keys if name not in page.names)]
    shown = (_inputs(page.part.size) if name == WORKFLOW_PARAMS else _LABELLED[name] for name in names)
    statement = sa.select(*shown).where(*selection.clauses())
    cursor = page.part.cursor
    statement = statement.offset(page.part.first) if cursor is None else statement.where(behind(cursor, COLUMNS))
    async with search_errors():
        rows = await fetch(tx, _sorted(statement, page).limit(page.part.size + 1))
    answer = [dict(row) for row in rows]
    if WORKFLOW_PARAMS in page.names:
        for row in answer:
            text = row[WORKFLOW_PARAMS]
            row[WORKFLOW_PARAMS] = None if text is None else json.Written(text)
    return _with_flags(answer) if ACCOUNTED_FLAG in page.names else answer


def _inputs(jobs_max: int) -> sa.ColumnElement[Any]:
    text = sa.cast(jobs.c.inputs, sa.Text)
    is_small = sa.func.octet_length(text) <= PARAMS_BYTES_MAX // jobs_max
    return sa.case((is_small, text)).label(WORKFLOW_PARAMS)


def _with_flags(rows: list[WireRow]) -> list[WireRow]:
    """Turn the text of the accounted flag into the wire's form: true, false or the word `Failed`."""
    for row in rows:
        row[ACCOUNTED_FLAG] = {"true": True, "false": False}.get(row[ACCOUNTED_FLAG], row[ACCOUNTED_FLAG])
    return rows


async def count_rows(
    tx: Tx, selection: Selection, distinct: Sequence[str] = (), *, limit: int | None = COUNT_MAX + 1
) -> int:
    """Count the selected jobs, or the distinct rows of some columns; stops counting at a limit."""
    columns = [COLUMNS[name] for name in distinct] or [sa.literal(1)]
    found = sa.select(*columns).where(*selection.clauses())
    found = (found.distinct() if distinct else found).limit(limit)
    async with search_errors():
        [(total,)] = await fetch(tx, sa.select(sa.func.count()).select_from(found.subquery()))
    return int(total)


async def estimate_rows(tx: Tx, selection: Selection) -> int:
    """Return how many jobs PostgreSQL expects to be selected; it looks at none of them."""
    async with search_errors():
        return await estimate(tx, sa.select(sa.literal(1)).select_from(jobs).where(*selection.clauses()))


def _united_counters() -> sa.Subquery:
    folded = sa.select(*(job_counts.c[name] for name in COUNTED), job_counts.c.count.label("jobs"))
    fresh = sa.select(*(job_count_deltas.c[name] for name in COUNTED), job_count_deltas.c.delta.label("jobs"))
    return sa.union_all(folded, fresh).subquery("counters")


COUNTERS = _united_counters()
"""The counters with what is not folded into them yet; to build such a union takes half a millisecond."""
_COUNTER_COLUMNS: Columns = {wire_name: COUNTERS.c[name] for wire_name, name in _COUNTED_NAMES.items()}
_COUNTED_JOBS = sa.cast(sa.func.sum(COUNTERS.c.jobs), sa.BigInteger)
_TOTAL = sa.select(sa.func.coalesce(_COUNTED_JOBS, 0))


def jobs_of_counters(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    """Return the number of jobs of those counters that meet a condition."""
    return sa.cast(sa.func.coalesce(sa.func.sum(COUNTERS.c.jobs).filter(condition), 0), sa.BigInteger)


def on_counters(selection: Selection) -> list[sa.ColumnElement[bool]]:
    """The selection as conditions on the counters."""
    return [*_scope_clauses(selection.scope, COUNTERS.c), *where(selection.specs, _COUNTER_COLUMNS)]


async def count_from_counters(tx: Tx, selection: Selection) -> int:
    """Count jobs whose conditions the counters know."""
    async with search_errors():
        [(total,)] = await fetch(tx, _TOTAL.where(*on_counters(selection)))
    return int(total)


async def select_counts_from_counters(tx: Tx, selection: Selection, grouping: Sequence[str]) -> list[WireRow]:
    """Count jobs by columns that the counters know."""
    keys = [_COUNTER_COLUMNS[name] for name in grouping]
    statement = sa.select(*keys, _COUNTED_JOBS).where(*on_counters(selection)).group_by(*keys)
    async with search_errors():
        rows = await fetch(tx, statement.having(_COUNTED_JOBS > 0))
    return [dict(zip([*grouping, "count"], row, strict=True)) for row in rows]


async def select_counts(tx: Tx, selection: Selection, grouping: Sequence[str], *, limit: int | None) -> list[WireRow]:
    """Count jobs by any columns, from the rows themselves; returns at most `limit` groups."""
    keys = [COLUMNS[name] for name in grouping]
    statement = sa.select(*keys, sa.func.count()).where(*selection.clauses()).group_by(*keys).limit(limit)
    async with search_errors():
        rows = await fetch(tx, statement)
    counts = [dict(zip([*grouping, "count"], row, strict=True)) for row in rows]
    return _with_flags(counts) if ACCOUNTED_FLAG in grouping else counts


def counts_know(grouping: Sequence[str]) -> bool:
    """Tell whether the counters are kept by all of these columns."""
    return all(name in _COUNTED_NAMES for name in grouping)


_KEYS = ", ".join(COUNTED)
_FOLD = Sql(
    f"""
    WITH fresh AS (
      DELETE FROM job_count_deltas RETURNING *
    ), folded AS (
      SELECT {_KEYS}, sum(delta) AS delta FROM fresh GROUP BY {_KEYS} HAVING sum(delta) <> 0
    )
    INSERT INTO job_counts ({_KEYS}, count) SELECT * FROM folded
    ON CONFLICT ({_KEYS}) DO UPDATE SET count = job_counts.count + excluded.count
    """
)
_SWEEP = Sql("DELETE FROM job_counts WHERE count = 0")
_HAS_CHANGES = Sql("SELECT EXISTS (SELECT FROM job_count_deltas)", bool)


async def has_changes(tx: Tx) -> bool:
    """Tell whether anything changed since the counters were folded."""
    return await _HAS_CHANGES.one(tx)


async def fold_counts(tx: Tx) -> None:
    """Add to the counters what changed since the last time; readers see one sum before, during and after."""
    await _FOLD.run(tx)
    await _SWEEP.run(tx)
