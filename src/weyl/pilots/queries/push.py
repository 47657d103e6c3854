"""SQL of push mode: the pilots that the worker plays, and the jobs that it sends and brings back."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import insert, select, update

from weyl.kit import json
from weyl.kit.db import Tx
from weyl.kit.json import Document
from weyl.kit.sql import Sql, fetch_as
from weyl.pilots.queries.submission import Present
from weyl.pilots.tables import LIVE_STATUSES, pushed_jobs

PUSHED = "pushed"
"""The origin of pilots that the worker plays."""

_LIVE = ", ".join(map(repr, LIVE_STATUSES))
_OPEN = pushed_jobs.c.closed_at.is_(None)


class Played(NamedTuple):
    """A pilot that the worker plays, and how many jobs it has been given."""

    pilot_stamp: str
    revoked_at: datetime | None
    jobs: int


class PushedJob(NamedTuple):
    """A job that is under way, with the status of its row and whose that is now."""

    stamp: str
    pilot_stamp: str
    number: int
    job_id: int
    job: Document
    created_at: datetime
    sent_at: datetime | None
    handle: str | None
    checked_at: datetime | None
    started_at: datetime | None
    told_at: datetime | None
    unknown_since: datetime | None
    cancelled_at: datetime | None
    lines_told: int
    told_until: datetime | None
    shift_s: float | None
    job_status: str | None
    job_pilot: str | None

    @property
    def sent_as(self) -> str:
        """Return what the computing element calls it, which has taken it."""
        assert self.handle is not None, "one that was sent"
        return self.handle


class SentJob(NamedTuple):
    """A job that is over, and what its computing element calls it."""

    stamp: str
    handle: str
    site: str
    ce: str


_PRESENT = Sql(
    """
    -- as the pilots of other queues are counted; what is sent has its job, so that none has room for more
    SELECT vo, site, ce, queue, count(*) AS total, count(*) FILTER (WHERE started_at IS NULL) AS waiting,
        0 AS orphans, CAST(NULL AS bigint[]) AS used_cores
    FROM pushed_jobs WHERE closed_at IS NULL GROUP BY vo, site, ce, queue
    """,
    Present,
)


async def select_present(tx: Tx) -> list[Present]:
    """Count what is under way in every queue: all, and those that have not started."""
    return await _PRESENT.rows(tx)


_BUSY = Sql(
    f"""
    SELECT DISTINCT vo, site, ce, queue FROM pushed_jobs WHERE closed_at IS NULL
    UNION
    SELECT DISTINCT vo, grid_site, destination_site, queue FROM pilots
    WHERE origin = '{PUSHED}' AND status IN ({_LIVE})
    """,
    tuple[str, str, str, str],
)


async def select_busy_queues(tx: Tx) -> list[tuple[str, str, str, str]]:
    """Return the queues (VO, site, CE, queue) in which anything of push mode is under way."""
    return await _BUSY.rows(tx)


_PILOTS = Sql(
    f"""
    SELECT p.pilot_stamp, p.revoked_at,
        (SELECT count(*) FROM pushed_jobs j WHERE j.pilot_stamp = p.pilot_stamp) AS jobs
    FROM pilots p
    WHERE p.origin = '{PUSHED}' AND p.status IN ({_LIVE}) AND p.vo = :vo AND p.grid_site = :site
        AND p.destination_site = :ce AND p.queue = :queue
    """,
    Played,
)


async def select_pilots(tx: Tx, key: Mapping[str, str]) -> dict[str, Played]:
    """Return the living pilots that the worker plays for a queue, and how many jobs each has been given."""
    return {row.pilot_stamp: row for row in await _PILOTS.rows(tx, **key)}


async def insert_jobs(tx: Tx, rows: Sequence[Mapping[str, object]]) -> None:
    """Note what was matched and is to be sent."""
    await tx.execute(insert(pushed_jobs), [dict(row) for row in rows])


_OF_QUEUE = Sql(
    """
    SELECT p.stamp, p.pilot_stamp, p.number, p.job_id, p.job, p.created_at, p.sent_at, p.handle, p.checked_at,
        p.started_at, p.told_at, p.unknown_since, p.cancelled_at, p.lines_told, p.told_until, p.shift_s,
        j.status AS job_status, j.pilot_stamp AS job_pilot
    FROM pushed_jobs p LEFT JOIN jobs j ON j.job_id = p.job_id
    WHERE p.closed_at IS NULL AND p.site = :site AND p.ce = :ce AND p.queue = :queue AND p.vo = :vo
    ORDER BY p.created_at, p.number
    """,
    PushedJob,
)


async def select_open(tx: Tx, key: Mapping[str, str]) -> list[PushedJob]:
    """Return what is under way in a queue, each with the status of its job and whose that is now."""
    return await _OF_QUEUE.rows(tx, **key)


async def mark_sent(tx: Tx, stamps: Collection[str], *, now: datetime) -> None:
    """Note that the submission of jobs begins."""
    await tx.execute(update(pushed_jobs).where(pushed_jobs.c.stamp.in_(stamps)).values(sent_at=now))


_CHANGE = Sql(
    """
    UPDATE pushed_jobs p SET
        handle = COALESCE(v.handle, p.handle),
        checked_at = COALESCE(v.checked_at, p.checked_at),
        started_at = COALESCE(p.started_at, v.started_at),
        told_at = COALESCE(v.told_at, p.told_at),
        cancelled_at = COALESCE(p.cancelled_at, v.cancelled_at),
        lines_told = COALESCE(v.lines_told, p.lines_told),
        told_until = COALESCE(v.told_until, p.told_until),
        shift_s = COALESCE(p.shift_s, v.shift_s),
        unknown_since = CASE WHEN v.is_unknown THEN COALESCE(p.unknown_since, v.checked_at)
            WHEN v.is_unknown IS NULL THEN p.unknown_since END,
        closed_at = COALESCE(p.closed_at, v.closed_at),
        reason = COALESCE(left(v.reason, 500), p.reason),
        cleaned_at = COALESCE(p.cleaned_at, v.cleaned_at)
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS v(
        stamp text, handle text, checked_at timestamptz, started_at timestamptz, told_at timestamptz,
        cancelled_at timestamptz, lines_told int, told_until timestamptz,
        shift_s float8, is_unknown bool, closed_at timestamptz, reason text,
        cleaned_at timestamptz)
    WHERE p.stamp = v.stamp
    """
)


async def change_jobs(tx: Tx, changes: Mapping[str, Mapping[str, object]]) -> None:
    """Write what was learned of jobs under way, by stamp; what is absent stays."""
    if changes:
        rows = [{"stamp": stamp, **fields} for stamp, fields in changes.items()]
        await _CHANGE.run(tx, rows=json.dumps_text(rows))


async def select_uncleaned(tx: Tx, *, limit: int) -> list[SentJob]:
    """Return jobs that are over and of which something may be left on their computing elements."""
    columns = pushed_jobs.c
    statement = select(*(columns[name] for name in SentJob._fields)).where(
        columns.closed_at.is_not(None), columns.handle.is_not(None), columns.cleaned_at.is_(None)
    )
    return await fetch_as(tx, SentJob, statement.order_by(columns.closed_at).limit(limit))


async def delete_closed(tx: Tx, *, before: datetime) -> None:
    """Forget jobs that have been over for long."""
    await tx.execute(pushed_jobs.delete().where(pushed_jobs.c.closed_at < before))
