"""SQL of pilot submission: what there is, what was planned, what the computing elements said."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects import postgresql

from weyl.kit import json
from weyl.kit.db import Tx
from weyl.kit.json import Document
from weyl.kit.sql import Sql, fetch_as
from weyl.pilots.permits import PilotScope
from weyl.pilots.tables import LIVE_STATUSES, pilot_queues, pilot_secrets, pilots

_LIVE = f"({', '.join(map(repr, LIVE_STATUSES))})"


class Present(NamedTuple):
    """The live pilots of a queue; `used_cores` has the cores that jobs take of each that runs."""

    vo: str
    site: str
    ce: str
    queue: str
    total: int
    waiting: int
    orphans: int
    used_cores: list[int] | None


class Offered(NamedTuple):
    """What a pilot of a queue has offered."""

    vo: str
    site: str
    ce: str
    queue: str
    doc: Document


class Planned(NamedTuple):
    """The last plan of a queue."""

    vo: str
    site: str
    ce: str
    queue: str
    planned_at: datetime
    demand: float
    usable: float
    need: int
    waiting: int
    total: int
    reason: str | None
    failures: int
    skip_until: datetime | None


class Crowd(NamedTuple):
    """How many live pilots a queue has, how many of them wait, and how many its site has, of all VOs."""

    total: int
    waiting: int
    at_site: int


class Unchecked(NamedTuple):
    """A live pilot that its computing element is to be asked about."""

    pilot_stamp: str
    handle: str
    grid_site: str
    destination_site: str
    grid_type: str
    vo: str
    status: str
    spoke_at: datetime | None
    submission_time: datetime
    checked_at: datetime | None
    unknown_since: datetime | None
    revoked_at: datetime | None


class Uncleaned(NamedTuple):
    """An ended pilot of which something may be left."""

    pilot_stamp: str
    handle: str
    grid_site: str
    destination_site: str


_PRESENT = Sql(
    f"""
    SELECT p.vo, p.grid_site AS site, p.destination_site AS ce, p.queue,
        count(*) AS total,
        count(*) FILTER (WHERE p.status IN ('Submitted', 'Waiting')) AS waiting,
        count(*) FILTER (WHERE p.origin = 'submitted' AND p.handle IS NULL AND p.submission_time < :orphaned_before)
            AS orphans,
        -- a pilot that runs counts by the cores that its jobs leave free
        array_agg(COALESCE(u.cores, 0)) FILTER (WHERE p.status = 'Running') AS used_cores
    FROM pilots p
    LEFT JOIN (
        SELECT pilot_stamp, sum(COALESCE((allocated->>'cores')::int, 1)) AS cores FROM jobs
        WHERE job_is_active(status) AND pilot_stamp IS NOT NULL
        GROUP BY pilot_stamp
    ) u ON u.pilot_stamp = p.pilot_stamp
    WHERE p.status IN {_LIVE} AND p.origin IN ('submitted', 'vacuum') AND p.revoked_at IS NULL
    GROUP BY p.vo, p.grid_site, p.destination_site, p.queue
    """,
    Present,
)


async def select_present(tx: Tx, *, orphaned_before: datetime) -> list[Present]:
    """Count the live pilots of every queue: all, waiting, never recorded, and how full the running ones are."""
    return await _PRESENT.rows(tx, orphaned_before=orphaned_before)


_OFFERS = Sql(
    """
    SELECT vo, site, ce, queue, doc FROM (
        SELECT *, row_number() OVER (PARTITION BY vo, site, ce, queue ORDER BY last_seen DESC) AS age
        FROM offer WHERE vo = ANY(:vos) AND last_seen > :since
    ) o WHERE age <= :limit
    """,
    Offered,
)


async def select_offers(tx: Tx, vos: Sequence[str], *, since: datetime, limit: int) -> list[Offered]:
    """Return what the pilots of each queue last offered to the matcher."""
    return await _OFFERS.rows(tx, vos=vos, since=since, limit=limit)


async def select_plans(tx: Tx, scope: PilotScope) -> list[Planned]:
    """Return the last plan of every queue in scope."""
    columns = (pilot_queues.c[name] for name in Planned._fields)
    statement = select(*columns).order_by(*pilot_queues.primary_key.columns)
    return await fetch_as(
        tx, Planned, statement if scope.vo is None else statement.where(pilot_queues.c.vo == scope.vo)
    )


async def upsert_plans(tx: Tx, plans: Sequence[Mapping[str, object]]) -> None:
    """Write down what was planned for queues; how often they failed stays."""
    statement = postgresql.insert(pilot_queues).values([dict(plan) for plan in plans])
    keys = {column.name for column in pilot_queues.primary_key.columns}
    changed = {name: statement.excluded[name] for name in plans[0] if name not in keys}
    await tx.execute(statement.on_conflict_do_update(index_elements=sorted(keys), set_=changed))


async def delete_other_plans(tx: Tx, *, vos: Sequence[str], planned_at: datetime) -> None:
    """Forget the queues of VOs that their newest plan does not know any more."""
    is_old = pilot_queues.c.planned_at < planned_at
    await tx.execute(pilot_queues.delete().where(pilot_queues.c.vo.in_(vos), is_old))


async def select_failures(tx: Tx, key: Mapping[str, str]) -> int:
    """Return how often in a row submission to a queue has failed."""
    found = await tx.execute(select(pilot_queues.c.failures).filter_by(**key).with_for_update())
    return found.scalar_one_or_none() or 0


async def set_failures(
    tx: Tx, key: Mapping[str, str], *, failures: int, skip_until: datetime | None, reason: str | None
) -> None:
    """Note how often in a row submission to a queue has failed, why, and until when it is left alone."""
    values = {"failures": failures, "skip_until": skip_until, "reason": reason}
    await tx.execute(update(pilot_queues).filter_by(**key).values(values))


async def insert_pilots(tx: Tx, rows: Sequence[Mapping[str, object]], secrets: Sequence[Mapping[str, object]]) -> None:
    """Register pilots that are about to be submitted, with their secrets, if they have any yet."""
    await tx.execute(insert(pilots), [dict(row) for row in rows])
    if secrets:
        await tx.execute(insert(pilot_secrets), [dict(secret) for secret in secrets])


_RECORD = Sql(
    """
    UPDATE pilots p SET handle = v.handle, pilot_job_reference = left(v.handle, 255), last_update_time = :now
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS v(stamp text, handle text)
    WHERE p.pilot_stamp = v.stamp
    """
)


async def record_handles(tx: Tx, handles: Mapping[str, str], *, now: datetime) -> None:
    """Note the computing element's names for pilots."""
    if not handles:
        return
    rows = [{"stamp": stamp, "handle": handle} for stamp, handle in handles.items()]
    await _RECORD.run(tx, rows=json.dumps_text(rows), now=now)


_SETTLE = Sql(
    f"""
    -- what a pilot has reported of its end itself stands; only live rows move
    UPDATE pilots p SET status = v.status, status_reason = left(v.reason, 255), last_update_time = :now,
        ended_at = CASE WHEN v.status NOT IN {_LIVE} THEN CAST(:now AS timestamptz) END
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS v(stamp text, status text, reason text)
    WHERE p.pilot_stamp = v.stamp AND p.status IN {_LIVE} AND p.status <> v.status
    RETURNING p.pilot_stamp
    """,
    str,
)


async def settle_pilots(tx: Tx, outcomes: Mapping[str, tuple[str, str]], *, now: datetime) -> set[str]:
    """Give live pilots a status and its reason; returns those that moved."""
    if not outcomes:
        return set()
    rows = [{"stamp": stamp, "status": status, "reason": reason} for stamp, (status, reason) in outcomes.items()]
    return set(await _SETTLE.rows(tx, rows=json.dumps_text(rows), now=now))


async def revoke_secrets_of(tx: Tx, stamps: Sequence[str], *, now: datetime) -> None:
    """Make the secrets of pilots that never started worthless."""
    if not stamps:
        return
    statement = update(pilot_secrets).where(pilot_secrets.c.pilot_stamp.in_(stamps))
    await tx.execute(statement.where(pilot_secrets.c.revoked_at.is_(None)).values(revoked_at=now))


async def select_orphans(tx: Tx, key: Mapping[str, str], *, before: datetime) -> dict[str, bool]:
    """Return the live pilots of a queue whose submission was never recorded, and whether each has spoken since."""
    rows = await tx.execute(
        select(pilots.c.pilot_stamp, pilots.c.spoke_at).where(
            pilots.c.grid_site == key["site"],
            pilots.c.destination_site == key["ce"],
            pilots.c.queue == key["queue"],
            pilots.c.vo == key["vo"],
            pilots.c.status.in_(LIVE_STATUSES),
            pilots.c.origin == "submitted",
            pilots.c.handle.is_(None),
            pilots.c.submission_time < before,
        )
    )
    return {row.pilot_stamp: row.spoke_at is not None for row in rows}


async def hold_site(tx: Tx, site: str) -> None:
    """Let nobody else register pilots of a site until `tx` ends: they would be counted too late for its limits."""
    await _HOLD_SITE.run(tx, site=site)


_HOLD_SITE = Sql("SELECT pg_advisory_xact_lock(hashtextextended('pilots/' || CAST(:site AS text), 0))")


_COUNT = Sql(
    f"""
    -- of queues in push mode the jobs count, not the pilots that are played for them
    SELECT count(*) FILTER (WHERE ce = :ce AND queue = :queue) AS total,
        count(*) FILTER (WHERE ce = :ce AND queue = :queue AND waits) AS waiting,
        count(*) AS at_site
    FROM (
        SELECT destination_site AS ce, queue, status IN ('Submitted', 'Waiting') AS waits FROM pilots
        WHERE grid_site = :site AND status IN {_LIVE} AND origin <> 'pushed'
        UNION ALL
        SELECT ce, queue, started_at IS NULL FROM pushed_jobs WHERE site = :site AND closed_at IS NULL
    ) p
    """,
    Crowd,
)


async def count_present(tx: Tx, key: Mapping[str, str]) -> Crowd:
    """Return how many live pilots a queue has, how many of them wait, and how many its site has, of all VOs."""
    return await _COUNT.one(tx, site=key["site"], ce=key["ce"], queue=key["queue"])


async def select_unchecked(
    tx: Tx, *, before: datetime, limit: int, element: tuple[str, str] | None = None
) -> list[Unchecked]:
    """Return live pilots with a handle, of one site and computing element or of all, that nobody has asked about since
    then, longest first.
    """
    columns = pilots.c
    statement = (
        select(*(columns[name] for name in Unchecked._fields))
        .where(
            columns.status.in_(LIVE_STATUSES),
            columns.handle.is_not(None),
            func.coalesce(columns.checked_at, columns.submission_time) < before,
        )
        .order_by(columns.checked_at.nulls_first(), columns.pilot_id)
        .limit(limit)
    )
    if element is not None:
        statement = statement.where(columns.grid_site == element[0], columns.destination_site == element[1])
    return await fetch_as(tx, Unchecked, statement)


async def mark_checked(tx: Tx, stamps: Sequence[str], *, unknown: Sequence[str], now: datetime) -> None:
    """Note when pilots were asked about, and since when a computing element does not know some of them."""
    await _CHECKED.run(tx, stamps=stamps, unknown=unknown, now=now)


_CHECKED = Sql(
    """
    UPDATE pilots SET checked_at = :now,
        unknown_since = CASE WHEN pilot_stamp = ANY(:unknown)
            THEN COALESCE(unknown_since, CAST(:now AS timestamptz)) END
    WHERE pilot_stamp = ANY(:stamps)
    """
)


async def select_overdue(tx: Tx, *, now: datetime, limit: int) -> list[str]:
    """Return pilots that are thought to run though their time is over and that no computing element answers for."""
    rows = await tx.execute(
        select(pilots.c.pilot_stamp)
        .where(
            pilots.c.status == "Running",
            pilots.c.handle.is_(None),
            pilots.c.not_after < now,
            pilots.c.origin != "pushed",  # the worker itself speaks for them, for as long as they have jobs
        )
        .limit(limit)
    )
    return list(rows.scalars())


async def select_uncleaned(tx: Tx, *, before: datetime, limit: int) -> list[Uncleaned]:
    """Return ended pilots of which something may be left on their computing elements."""
    columns = pilots.c
    statement = (
        select(*(columns[name] for name in Uncleaned._fields))
        .where(columns.ended_at < before, columns.handle.is_not(None), columns.cleaned_at.is_(None))
        .order_by(columns.ended_at)
        .limit(limit)
    )
    return await fetch_as(tx, Uncleaned, statement)


async def mark_cleaned(tx: Tx, stamps: Sequence[str], *, now: datetime) -> None:
    """Note that nothing is left of pilots."""
    await tx.execute(update(pilots).where(pilots.c.pilot_stamp.in_(stamps)).values(cleaned_at=now))
