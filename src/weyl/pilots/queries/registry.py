"""SQL of the registry: pilots are written, searched, counted, and ended."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Select, and_, func, literal_column, select, true
from sqlalchemy.dialects.postgresql import insert

from weyl.jobs.tables import job_pilots
from weyl.kit import json
from weyl.kit.db import Tx
from weyl.kit.paging import Part, full_order
from weyl.kit.search import SearchParams
from weyl.kit.search_sql import Columns, behind, order_by, pick
from weyl.kit.sql import Sql, WireRow, estimate, fetch_as, first_as
from weyl.pilots.permits import PilotScope
from weyl.pilots.tables import pilots

# Pilots of ours do not say which jobs they have: their jobs do. What others have said stands where no job does.
_JOB_NOW = """(
    SELECT max(jobs.job_id) FROM jobs
    WHERE jobs.pilot_stamp = pilots.pilot_stamp AND job_is_active(jobs.status)
)"""
_FIRST_JOB = "(SELECT job_id FROM job_pilots WHERE job_pilots.pilot_stamp = pilots.pilot_stamp ORDER BY at LIMIT 1)"

COLUMNS: Columns = {
    "PilotID": pilots.c.pilot_id,
    "InitialJobID": literal_column(f"COALESCE(NULLIF(pilots.initial_job_id, 0), {_FIRST_JOB}, 0)", BigInteger),
    "CurrentJobID": literal_column(f"COALESCE({_JOB_NOW}, pilots.current_job_id)", BigInteger),
    "PilotJobReference": pilots.c.pilot_job_reference,
    "PilotStamp": pilots.c.pilot_stamp,
    "DestinationSite": pilots.c.destination_site,
    "Queue": pilots.c.queue,
    "GridSite": pilots.c.grid_site,
    "VO": pilots.c.vo,
    "GridType": pilots.c.grid_type,
    "BenchMark": pilots.c.bench_mark,
    "SubmissionTime": pilots.c.submission_time,
    "LastUpdateTime": pilots.c.last_update_time,
    "Status": pilots.c.status,
    "StatusReason": pilots.c.status_reason,
    "AccountingSent": pilots.c.accounting_sent,
}
"""The columns of a pilot by their wire names, in the order of the wire."""


class Pilot(NamedTuple):
    """A pilot: where it is, and how it fares."""

    pilot_stamp: str
    vo: str
    grid_site: str
    destination_site: str
    queue: str
    status: str
    status_reason: str
    handle: str | None
    drain_at: datetime | None


_PILOT = [pilots.c[name] for name in Pilot._fields]

PILOT_ID = "PilotID"
COUNT_MAX = 100_000
"""Matches are counted exactly up to here."""

_FINAL = "('Done', 'Failed', 'Deleted', 'Aborted')"


async def insert_pilot(tx: Tx, values: Mapping[str, object]) -> bool:
    """Register a pilot; tells whether its stamp was free."""
    statement = insert(pilots).values(values).on_conflict_do_nothing(index_elements=["pilot_stamp"])
    return (await tx.execute(statement.returning(pilots.c.pilot_id))).first() is not None


async def lock_pilots(tx: Tx, stamps: Collection[str]) -> dict[str, Pilot]:
    """Lock pilots in one order and return what decisions about them need."""
    statement = select(*_PILOT).where(pilots.c.pilot_stamp.in_(sorted(stamps))).order_by(pilots.c.pilot_stamp)
    return {row.pilot_stamp: row for row in await fetch_as(tx, Pilot, statement.with_for_update())}


async def update_pilots(tx: Tx, changes: Mapping[str, Mapping[str, object]], *, now: datetime) -> None:
    """Write fields of many pilots by stamp; what is absent or null stays."""
    document = [{"stamp": stamp, **fields} for stamp, fields in changes.items()]
    await _UPDATE.run(tx, changes=json.dumps_text(document), now=now)


_UPDATE = Sql(
    f"""
    UPDATE pilots p SET
        status = COALESCE(v."Status", p.status),
        status_reason = COALESCE(v."StatusReason", p.status_reason),
        bench_mark = COALESCE(v."BenchMark", p.bench_mark),
        destination_site = COALESCE(v."DestinationSite", p.destination_site),
        queue = COALESCE(v."Queue", p.queue),
        grid_site = COALESCE(v."GridSite", p.grid_site),
        grid_type = COALESCE(v."GridType", p.grid_type),
        accounting_sent = COALESCE(v."AccountingSent", p.accounting_sent),
        current_job_id = COALESCE(v."CurrentJobID", p.current_job_id),
        initial_job_id = CASE WHEN p.initial_job_id = 0 THEN COALESCE(v."CurrentJobID", 0) ELSE p.initial_job_id END,
        ended_at = CASE WHEN COALESCE(v."Status", p.status) IN {_FINAL} THEN
            COALESCE(p.ended_at, CAST(:now AS timestamptz)) END,
        last_update_time = :now
    FROM jsonb_to_recordset(CAST(:changes AS jsonb)) AS v(
        stamp text, "Status" text, "StatusReason" text, "BenchMark" float8, "DestinationSite" text, "Queue" text,
        "GridSite" text, "GridType" text, "AccountingSent" bool, "CurrentJobID" bigint)
    WHERE p.pilot_stamp = v.stamp
    """
)


async def select_pilots(
    tx: Tx,
    clauses: Sequence[ColumnElement[bool]],
    *,
    names: Sequence[str],
    params: SearchParams,
    part: Part,
) -> list[WireRow]:
    """Return one page of pilots as they go over the wire, one row longer than asked for if there are more.

    To those who are told of cursors, with the keys of the order, of which cursors are made.
    """
    keys = [] if params.distinct or not part.is_told else [key.parameter for key in full_order(params.sort, PILOT_ID)]
    statement = _matching(clauses, [*names, *(name for name in keys if name not in names)], distinct=params.distinct)
    statement = statement.order_by(*order_by(params.sort, COLUMNS, last=None if params.distinct else PILOT_ID))
    statement = statement.offset(part.first) if part.cursor is None else statement.where(behind(part.cursor, COLUMNS))
    rows = await tx.execute(statement.limit(part.size + 1))
    return [dict(row) for row in rows.mappings()]


async def count_pilots(
    tx: Tx,
    clauses: Sequence[ColumnElement[bool]],
    *,
    names: Sequence[str],
    distinct: bool,
    limit: int | None = COUNT_MAX + 1,
) -> int:
    """Count matches, up to a limit."""
    matching = _matching(clauses, names, distinct=distinct).limit(limit).subquery()
    return (await tx.execute(select(func.count()).select_from(matching))).scalar_one()


async def estimate_pilots(tx: Tx, clauses: Sequence[ColumnElement[bool]]) -> int:
    """Return how many pilots PostgreSQL expects to match; it looks at none of them."""
    return await estimate(tx, select(pilots.c.pilot_id).where(and_(true(), *clauses)))


async def summarise_pilots(
    tx: Tx, clauses: Sequence[ColumnElement[bool]], *, grouping: Sequence[str], limit: int
) -> list[WireRow]:
    """Count pilots by columns."""
    columns = [pick(COLUMNS, name).label(name) for name in grouping]
    statement = select(*columns, func.count().label("count")).select_from(pilots).where(and_(true(), *clauses))
    rows = await tx.execute(statement.group_by(*(COLUMNS[name] for name in grouping)).limit(limit))
    return [dict(row) for row in rows.mappings()]


def in_vo(vo: str) -> ColumnElement[bool]:
    """Return the clause that keeps the pilots of one VO."""
    return pilots.c.vo == vo


def ran_jobs(job_ids: Sequence[int]) -> ColumnElement[bool]:
    """Return the clause that keeps the pilots on which any of these jobs ran."""
    return pilots.c.pilot_stamp.in_(select(job_pilots.c.pilot_stamp).where(job_pilots.c.job_id.in_(job_ids)))


def _matching(clauses: Sequence[ColumnElement[bool]], names: Sequence[str], *, distinct: bool) -> Select[Any]:
    columns = (pick(COLUMNS, name).label(name) for name in names)
    statement = select(*columns).select_from(pilots).where(and_(true(), *clauses))
    return statement.distinct() if distinct else statement


async def select_pilot(tx: Tx, scope: PilotScope, stamp: str) -> Pilot | None:
    """Return a pilot, if it is in scope."""
    statement = select(*_PILOT).where(pilots.c.pilot_stamp == stamp)
    return await first_as(tx, Pilot, statement if scope.vo is None else statement.where(in_vo(scope.vo)))


async def select_revoked_stamps(tx: Tx, *, since: datetime) -> set[str]:
    """Return the pilots that lost their right to speak since then."""
    rows = await tx.execute(select(pilots.c.pilot_stamp).where(pilots.c.revoked_at > since))
    return set(rows.scalars())
