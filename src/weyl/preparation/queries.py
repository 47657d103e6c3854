"""SQL of stage requests: sets of files that jobs want from tape, and the jobs that wait for them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from weyl.jobs.tables import job_holds
from weyl.kit.db import Tx
from weyl.kit.sql import Sql, fetch_as
from weyl.preparation.tables import stage_requests

Digest = tuple[str, bytes]
"""A set of files of a VO."""


class Wanted(NamedTuple):
    """A request that no stager has yet."""

    request_id: int
    vo: str
    files: list[tuple[str, str]]


class WaitingJob(NamedTuple):
    """A job that waits for a request, and how often it was held for one."""

    job_id: int
    request_id: int
    tries: int


_WANTED = """
    FROM unnest(CAST(:vos AS text[]), CAST(:digests AS bytea[]), CAST(:since AS timestamptz[]))
      AS wanted (vo, digest, since)
"""
_STAGED = Sql(
    f"""
    SELECT request.vo, request.digest {_WANTED} JOIN stage_requests AS request USING (vo, digest)
    WHERE state = 'staged' AND staged_at >= since
    """,
    tuple[str, bytes],
)
_DELETE_OLD = Sql(
    f"""
    DELETE FROM stage_requests AS request USING (SELECT * {_WANTED}) AS old
    WHERE old.vo = request.vo AND old.digest = request.digest AND state = 'staged' AND staged_at < since
    """
)
_JOIN = Sql(
    """
    INSERT INTO stage_requests (vo, digest, files, created_at)
    SELECT vo, digest, files, :now
    FROM unnest(CAST(:vos AS text[]), CAST(:digests AS bytea[]), CAST(:files AS jsonb[])) AS wanted (vo, digest, files)
    ORDER BY vo, digest
    -- the update changes nothing: it locks the row, so that whoever ends the request waits for the jobs that join it
    ON CONFLICT (vo, digest) DO UPDATE SET vo = excluded.vo RETURNING request_id, vo, digest, state
    """,
    tuple[int, str, bytes, str],
)
_ASKED = Sql("UPDATE stage_requests SET state = 'asked' WHERE request_id = ANY(:ids) AND state = 'wanted'")
_END = Sql(
    "UPDATE stage_requests SET state = 'staged', staged_at = :now WHERE request_id = ANY(:ids) AND state <> 'staged'"
)
_JOBS = Sql(
    """
    SELECT hold.job_id, hold.request_id, hold.tries FROM job_holds AS hold JOIN jobs USING (job_id)
    WHERE request_id = ANY(:ids) AND status = 'Staging' ORDER BY job_id
    """,
    WaitingJob,
)
_ANY = Sql("SELECT EXISTS (SELECT FROM job_holds) OR EXISTS (SELECT FROM stage_requests WHERE state = 'wanted')", bool)


async def has_waiting(tx: Tx) -> bool:
    """Tell whether a job is held, or a request has no stager yet."""
    return await _ANY.one(tx)


async def select_staged(tx: Tx, since: Mapping[Digest, datetime]) -> set[Digest]:
    """Return those sets of files that are on disk since the time given for each."""
    return set(await _STAGED.rows(tx, **_columns(since)))


async def join_requests(
    tx: Tx, files: Mapping[Digest, str], since: Mapping[Digest, datetime], now: datetime
) -> dict[Digest, tuple[int, str]]:
    """Make requests, or lock those that there are; returns their numbers and states. Files are JSON."""
    await _DELETE_OLD.run(tx, **_columns(since))
    order = sorted(files)
    found = await _JOIN.rows(
        tx,
        vos=[vo for vo, _ in order],
        digests=[digest for _, digest in order],
        files=[files[each] for each in order],
        now=now,
    )
    return {(vo, digest): (request_id, state) for request_id, vo, digest, state in found}


async def select_wanted(
    tx: Tx, *, request_ids: Sequence[int] | None = None, before: datetime | None = None, limit: int = 1000
) -> list[Wanted]:
    """Return requests that no stager has yet: these, or those that have been there for a while."""
    columns = (stage_requests.c[name] for name in Wanted._fields)
    statement = sa.select(*columns).where(stage_requests.c.state == "wanted")
    if request_ids is not None:
        statement = statement.where(stage_requests.c.request_id.in_(request_ids))
    if before is not None:
        statement = statement.where(stage_requests.c.created_at < before)
    return await fetch_as(tx, Wanted, statement.order_by(stage_requests.c.request_id).limit(limit))


async def mark_asked(tx: Tx, request_ids: Sequence[int]) -> None:
    """Note that a stager has taken requests."""
    await _ASKED.run(tx, ids=request_ids)


async def mark_staged(tx: Tx, request_ids: Sequence[int], now: datetime) -> None:
    """Note that the files of requests are on disk; nobody joins them until this transaction ends."""
    await _END.run(tx, ids=request_ids, now=now)


async def delete_requests(tx: Tx, request_ids: Sequence[int]) -> None:
    """Forget requests that came to nothing."""
    await tx.execute(sa.delete(stage_requests).where(stage_requests.c.request_id.in_(request_ids)))


async def select_jobs(tx: Tx, request_ids: Sequence[int]) -> list[WaitingJob]:
    """Return the jobs that wait for requests, with how often they were held for one."""
    return await _JOBS.rows(tx, ids=request_ids)


async def delete_old(tx: Tx, before: datetime) -> None:
    """Forget files that were staged long ago, and requests that no job waits for any more."""
    waited_for = sa.select(job_holds.c.request_id).where(job_holds.c.request_id == stage_requests.c.request_id)
    await tx.execute(
        sa.delete(stage_requests).where(
            sa.func.coalesce(stage_requests.c.staged_at, stage_requests.c.created_at) < before, ~waited_for.exists()
        )
    )


def _columns(since: Mapping[Digest, datetime]) -> dict[str, list[object]]:
    return {
        "vos": [vo for vo, _ in since],
        "digests": [digest for _, digest in since],
        "since": list(since.values()),
    }
