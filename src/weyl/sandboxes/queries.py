"""All SQL of the sandboxes room."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert

from weyl.kit.db import Tx, copy_rows
from weyl.kit.sql import Sql
from weyl.sandboxes.models import Owner
from weyl.sandboxes.permits import Announcer, ReadScope
from weyl.sandboxes.tables import sandbox_jobs, sandboxes

INPUT, OUTPUT = "Input", "Output"

SWEEP_TIME = timedelta(minutes=10)
"""After this long a deletion that was begun is thought to have been interrupted before it reached the object."""
LAST_ACCESS_PRECISION = timedelta(days=1)
"""How stale `last_access` may be: reads would otherwise all be writes."""
COPY_MIN = 200
"""From how many rows on COPY is cheaper than an INSERT of many rows."""

_s, _j = sandboxes.c, sandbox_jobs.c


class Announced(NamedTuple):
    """The state of a sandbox after it was announced."""

    is_verified: bool
    is_new: bool


class Readable(NamedTuple):
    """A sandbox that the caller may read."""

    sandbox_id: int
    last_access: datetime
    is_repacked: bool


class Known(NamedTuple):
    """What we know of a sandbox's content, to compare with what the store holds."""

    sandbox_id: int
    pfn: str
    size: int
    sha256: str


_ANNOUNCE = Sql(
    """
    INSERT INTO sandboxes AS known
      (pfn, vo, owner_group, owner, size, sha256, announced_at, last_access, uploader_job_id)
    VALUES (:pfn, :vo, :owner_group, :owner, :size, :sha256, :now, :now, :uploader_job_id)
    ON CONFLICT (pfn) DO UPDATE SET
      last_access = :now, released_at = NULL, broken_at = NULL, sweeping_at = NULL,
      size = CASE WHEN known.verified_at IS NULL THEN excluded.size ELSE known.size END,
      uploader_job_id = coalesce(excluded.uploader_job_id, known.uploader_job_id)
    -- where this fails, no row is returned
    WHERE known.sweeping_at IS NULL OR known.sweeping_at <= :swept_before
    RETURNING verified_at IS NOT NULL AS is_verified, xmax = 0 AS is_new
    """,
    Announced,
)


async def upsert_announced(
    tx: Tx, announcer: Announcer, *, pfn: str, size: int, sha256: bytes, now: datetime
) -> Announced | None:
    """Insert the sandbox, or note that it was announced again; a size is corrected as long as nobody checked it.

    Returns none, and changes nothing, while its old object is being removed.
    """
    return await _ANNOUNCE.first(
        tx,
        pfn=pfn,
        vo=announcer.owner.vo,
        owner_group=announcer.group,
        owner=announcer.owner.username,
        size=size,
        sha256=sha256,
        now=now,
        uploader_job_id=announcer.job_id,
        swept_before=now - SWEEP_TIME,
    )


async def select_readable(tx: Tx, scope: ReadScope, *, pfn: str) -> Readable | None:
    """Return the sandbox if it exists within the scope."""
    conditions = [_s.pfn == pfn, _s.vo == scope.vo, _s.sweeping_at.is_(None)]
    if scope.username is not None:
        conditions.append(_s.owner == scope.username)
    if scope.job_id is not None:
        assigned = sa.exists().where(_j.sandbox_id == _s.sandbox_id, _j.job_id == scope.job_id)
        conditions.append(assigned | (_s.uploader_job_id == scope.job_id))
    row = (await tx.execute(sa.select(_s.sandbox_id, _s.last_access, _s.repacked_at).where(*conditions))).one_or_none()
    return Readable(row.sandbox_id, row.last_access, row.repacked_at is not None) if row else None


async def update_last_access(tx: Tx, sandbox_id: int, *, now: datetime) -> None:
    """Note that the sandbox is in use."""
    await tx.execute(sa.update(sandboxes).where(_s.sandbox_id == sandbox_id).values(last_access=now))


async def lock_assignable(tx: Tx, pfns: Sequence[str], *, owner: Owner) -> dict[str, tuple[int, bool]]:
    """Return id and whether it is verified of those that are the owner's, kept from the cleaner until the commit."""
    statement = sa.select(_s.pfn, _s.sandbox_id, _s.verified_at.is_not(None)).where(
        _s.pfn == sa.any_(sa.literal(list(pfns), ARRAY(sa.String))),
        _s.vo == owner.vo,
        _s.owner == owner.username,
        _s.sweeping_at.is_(None),
    )
    rows = await tx.execute(statement.order_by(_s.sandbox_id).with_for_update(read=True))
    return {pfn: (sandbox_id, verified) for pfn, sandbox_id, verified in rows}


async def insert_assignments(tx: Tx, rows: Sequence[tuple[int, str, int]]) -> int:
    """Assign (job, kind, sandbox); returns how many were new."""
    columns = ("job_id", "kind", "sandbox_id")
    if len(rows) >= COPY_MIN:
        await copy_rows(tx, sandbox_jobs, columns, rows)
        return len(rows)
    values = [dict(zip(columns, row, strict=True)) for row in rows]
    result = await tx.execute(insert(sandbox_jobs).values(values).on_conflict_do_nothing())
    return result.rowcount


async def delete_assignments(tx: Tx, job_ids: Sequence[int]) -> None:
    """Drop what the jobs have, and note when their sandboxes were let go."""
    await _delete_assignments(tx, _j.job_id == sa.any_(_bigints(job_ids)))


async def delete_other_outputs(tx: Tx, job_id: int, *, kept: str) -> None:
    """Drop the output sandboxes of a job but one, and note when they were let go."""
    kept_id = sa.select(_s.sandbox_id).where(_s.pfn == kept).scalar_subquery()
    await _delete_assignments(tx, _j.job_id == job_id, _j.kind == OUTPUT, _j.sandbox_id != kept_id)


async def _delete_assignments(tx: Tx, *conditions: sa.ColumnElement[bool]) -> None:
    dropped_cte = sa.delete(sandbox_jobs).where(*conditions).returning(_j.sandbox_id).cte("dropped")
    # In one order, so that two calls which share sandboxes wait for each other instead of deadlocking.
    locked = (
        sa.select(_s.sandbox_id)
        .where(_s.sandbox_id.in_(sa.select(dropped_cte.c.sandbox_id)))
        .order_by(_s.sandbox_id)
        .with_for_update(key_share=True)
        .cte("locked")
    )
    await tx.execute(
        sa.update(sandboxes).where(_s.sandbox_id.in_(sa.select(locked.c.sandbox_id))).values(released_at=sa.func.now())
    )


async def select_assigned(tx: Tx, job_ids: Sequence[int]) -> list[tuple[int, str, str]]:
    """Return (job, kind, name) of everything that the jobs have."""
    statement = (
        sa.select(_j.job_id, _j.kind, _s.pfn)
        .join(sandboxes, _s.sandbox_id == _j.sandbox_id)
        .where(_j.job_id == sa.any_(_bigints(job_ids)))
        .order_by(_j.job_id, _j.kind, _s.sandbox_id)
    )
    return [(job_id, kind, pfn) for job_id, kind, pfn in await tx.execute(statement)]


async def select_known(tx: Tx, sandbox_id: int) -> Known | None:
    """Return what is to be checked, or None if it was removed or checked meanwhile."""
    statement = sa.select(_s.sandbox_id, _s.pfn, _s.size, _s.sha256).where(
        _s.sandbox_id == sandbox_id, _s.verified_at.is_(None), _s.sweeping_at.is_(None)
    )
    row = (await tx.execute(statement)).one_or_none()
    return Known(row.sandbox_id, row.pfn, row.size, row.sha256.hex()) if row else None


async def select_unverified(tx: Tx, *, before: datetime, limit: int) -> list[int]:
    """Return assigned sandboxes that were announced before a time and are still not checked."""
    assigned = sa.exists().where(_j.sandbox_id == _s.sandbox_id)
    statement = sa.select(_s.sandbox_id).where(
        _s.verified_at.is_(None), _s.broken_at.is_(None), _s.last_access < before, assigned
    )
    return list((await tx.execute(statement.order_by(_s.sandbox_id).limit(limit))).scalars())


async def update_verified(tx: Tx, sandbox_id: int, *, now: datetime) -> None:
    """Note that the store holds what was announced."""
    await tx.execute(sa.update(sandboxes).where(_s.sandbox_id == sandbox_id).values(verified_at=now, broken_at=None))


async def release_broken(tx: Tx, sandbox_id: int, *, now: datetime) -> list[int]:
    """Take a sandbox that is not what was announced from the jobs that left it; returns those that need it."""
    await tx.execute(sa.update(sandboxes).where(_s.sandbox_id == sandbox_id).values(broken_at=now))
    await tx.execute(sa.delete(sandbox_jobs).where(_j.sandbox_id == sandbox_id, _j.kind == OUTPUT))
    needing = sa.select(_j.job_id).where(_j.sandbox_id == sandbox_id, _j.kind == INPUT).order_by(_j.job_id)
    return list((await tx.execute(needing)).scalars())


async def lock_unused(tx: Tx, *, idle_since: datetime, released_before: datetime, limit: int) -> list[int]:
    """Lock sandboxes that no job has: idle ones that none ever had, and ones that were let go."""
    unused = sa.or_(
        sa.and_(_s.released_at.is_(None), _s.last_access < idle_since),
        sa.and_(_s.released_at.is_not(None), _s.released_at < released_before),
    )
    statement = (
        sa.select(_s.sandbox_id)
        .where(unused, ~sa.exists().where(_j.sandbox_id == _s.sandbox_id))
        .order_by(_s.sandbox_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return list((await tx.execute(statement)).scalars())


async def mark_sweeping(tx: Tx, sandbox_ids: Sequence[int], *, now: datetime) -> dict[int, str]:
    """Mark locked sandboxes as about to be deleted; a statement of its own, to see jobs that came before the lock."""
    statement = (
        sa.update(sandboxes)
        .where(
            _s.sandbox_id == sa.any_(_bigints(sandbox_ids)),
            ~sa.exists().where(_j.sandbox_id == _s.sandbox_id),
        )
        .values(sweeping_at=now, verified_at=None)
        .returning(_s.sandbox_id, _s.pfn)
    )
    return {row.sandbox_id: row.pfn for row in await tx.execute(statement)}


async def delete_swept(tx: Tx, sandbox_ids: Sequence[int]) -> None:
    """Delete the rows of objects that are gone, unless somebody announced them again."""
    await tx.execute(
        sa.delete(sandboxes).where(_s.sandbox_id == sa.any_(_bigints(sandbox_ids)), _s.sweeping_at.is_not(None))
    )


async def select_pfn(tx: Tx, sandbox_id: int) -> str | None:
    """Return the name of a sandbox."""
    return (await tx.execute(sa.select(_s.pfn).where(_s.sandbox_id == sandbox_id))).scalar()


async def update_repacked(tx: Tx, sandbox_id: int, *, now: datetime) -> None:
    """Note that the copy for nodes without Zstandard exists."""
    await tx.execute(sa.update(sandboxes).where(_s.sandbox_id == sandbox_id).values(repacked_at=now))


def _bigints(values: Sequence[int]) -> sa.ColumnElement[Any]:
    # One parameter for the whole list: 100,000 ids are no statement of 100,000 parameters.
    return sa.literal(list(values), ARRAY(sa.BigInteger))
