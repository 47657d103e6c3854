"""SQL of stage requests: sets of files that jobs want from tape, and the jobs that wait for them."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA

from weyl.jobs.tables import job_holds
from weyl.kit.db import Timestamp, Tx
from weyl.preparation.tables import stage_requests

_NOW = sa.bindparam("now", type_=Timestamp)
Digest = tuple[str, bytes]
"""A set of files of a VO."""

_WANTED = (
    "FROM unnest(CAST(:vos AS text[]), CAST(:digests AS bytea[]), CAST(:since AS timestamptz[]))"
    " AS wanted (vo, digest, since)"
)
_STAGED = sa.text(
    f"SELECT request.vo, request.digest {_WANTED} JOIN stage_requests AS request USING (vo, digest)"
    " WHERE state = 'staged' AND staged_at >= since"
).columns(digest=BYTEA)
_DELETE_OLD = sa.text(
    f"DELETE FROM stage_requests AS request USING (SELECT * {_WANTED}) AS old"
    " WHERE old.vo = request.vo AND old.digest = request.digest AND state = 'staged' AND staged_at < since"
)
# The update changes nothing: it locks the row, so that whoever ends the request waits for the jobs that join it.
_JOIN = sa.text(
    "INSERT INTO stage_requests (vo, digest, files, created_at)"
    " SELECT vo, digest, files, :now FROM unnest(CAST(:vos AS text[]), CAST(:digests AS bytea[]),"
    "  CAST(:files AS jsonb[])) AS wanted (vo, digest, files) ORDER BY vo, digest"
    " ON CONFLICT (vo, digest) DO UPDATE SET vo = excluded.vo RETURNING request_id, vo, digest, state"
).bindparams(_NOW)
_ASKED = sa.text(
    "UPDATE stage_requests SET state = 'asked' WHERE request_id = ANY(CAST(:ids AS bigint[])) AND state = 'wanted'"
)
_END = sa.text(
    "UPDATE stage_requests SET state = 'staged', staged_at = :now"
    " WHERE request_id = ANY(CAST(:ids AS bigint[])) AND state <> 'staged'"
).bindparams(_NOW)
_JOBS = sa.text(
    "SELECT hold.job_id, hold.request_id, hold.tries FROM job_holds AS hold JOIN jobs USING (job_id)"
    " WHERE request_id = ANY(CAST(:ids AS bigint[])) AND status = 'Staging' ORDER BY job_id"
)

_ANY = sa.text("SELECT EXISTS (SELECT FROM job_holds) OR EXISTS (SELECT FROM stage_requests WHERE state = 'wanted')")


async def has_waiting(tx: Tx) -> bool:
    """Tell whether a job is held, or a request has no stager yet."""
    return bool((await tx.execute(_ANY)).scalar_one())


async def select_staged(tx: Tx, since: Mapping[Digest, datetime]) -> set[Digest]:
    """Return those sets of files that are on disk since the time given for each."""
    return {(row.vo, bytes(row.digest)) for row in await tx.execute(_STAGED, _columns(since))}


async def join_requests(
    tx: Tx, files: Mapping[Digest, str], since: Mapping[Digest, datetime], now: datetime
) -> dict[Digest, tuple[int, str]]:
    """Make requests, or lock those that there are; returns their numbers and states. Files are JSON."""
    await tx.execute(_DELETE_OLD, _columns(since))
    order = sorted(files)
    parameters = {
        "vos": [vo for vo, _ in order],
        "digests": [digest for _, digest in order],
        "files": [files[each] for each in order],
        "now": now,
    }
    found = await tx.execute(_JOIN, parameters)
    return {(row.vo, bytes(row.digest)): (row.request_id, row.state) for row in found}


async def select_wanted(
    tx: Tx, *, request_ids: Sequence[int] | None = None, before: datetime | None = None, limit: int = 1000
) -> list[sa.RowMapping]:
    """Return requests that no stager has yet: these, or those that have been there for a while."""
    statement = sa.select(stage_requests).where(stage_requests.c.state == "wanted")
    if request_ids is not None:
        statement = statement.where(stage_requests.c.request_id.in_(request_ids))
    if before is not None:
        statement = statement.where(stage_requests.c.created_at < before)
    return list((await tx.execute(statement.order_by(stage_requests.c.request_id).limit(limit))).mappings())


async def mark_asked(tx: Tx, request_ids: Sequence[int]) -> None:
    """Note that a stager has taken requests."""
    await tx.execute(_ASKED, {"ids": list(request_ids)})


async def mark_staged(tx: Tx, request_ids: Sequence[int], now: datetime) -> None:
    """Note that the files of requests are on disk; nobody joins them until this transaction ends."""
    await tx.execute(_END, {"ids": list(request_ids), "now": now})


async def delete_requests(tx: Tx, request_ids: Sequence[int]) -> None:
    """Forget requests that came to nothing."""
    await tx.execute(sa.delete(stage_requests).where(stage_requests.c.request_id.in_(request_ids)))


async def select_jobs(tx: Tx, request_ids: Sequence[int]) -> list[sa.RowMapping]:
    """Return the jobs that wait for requests, with how often they were held for one."""
    return list((await tx.execute(_JOBS, {"ids": list(request_ids)})).mappings())


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
