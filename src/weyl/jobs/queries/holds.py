"""SQL of holds: which jobs do not go on, what they wait for, and who is woken."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from weyl.kit import json
from weyl.kit.db import Tx
from weyl.kit.sql import Sql


class HoldRow(NamedTuple):
    """What holds a job."""

    reason: str
    text: str
    names: list[str]
    since: datetime
    hold_until: datetime | None
    tries: int
    woken_at: datetime | None


_TRIES = Sql("SELECT job_id, reason, tries FROM job_holds WHERE job_id = ANY(:job_ids)", tuple[int, str, int])
_PUT = Sql(
    """
    WITH kind AS (
      SELECT number, reason, text, ARRAY(SELECT jsonb_array_elements_text(names)) AS names
      FROM jsonb_to_recordset(CAST(:kinds AS jsonb)) AS kind (number integer, reason text, text text, names jsonb)
    )
    INSERT INTO job_holds (job_id, vo, reason, text, names, since, hold_until, tries, request_id)
    SELECT job.job_id, job.vo, reason, text, names, :now, CAST(:now AS timestamptz) + make_interval(secs => after_s),
      tries, request_id
    FROM unnest(CAST(:job_ids AS bigint[]), CAST(:vos AS text[]), CAST(:numbers AS integer[]),
        CAST(:after AS integer[]), CAST(:tries AS integer[]), CAST(:requests AS bigint[]))
      AS job (job_id, vo, number, after_s, tries, request_id)
    JOIN kind USING (number) ORDER BY job.job_id
    ON CONFLICT (job_id) DO UPDATE SET reason = excluded.reason, text = excluded.text, names = excluded.names,
      since = CASE WHEN job_holds.reason = excluded.reason THEN job_holds.since ELSE excluded.since END,
      hold_until = excluded.hold_until, tries = excluded.tries, request_id = excluded.request_id, woken_at = NULL
    """
)
_DELETE = Sql("DELETE FROM job_holds WHERE job_id = ANY(:job_ids)")
_NAMED = Sql(
    "SELECT DISTINCT vo, name FROM job_holds CROSS JOIN LATERAL unnest(names) AS name WHERE woken_at IS NULL",
    tuple[str, str],
)
_WAKE = Sql(
    """
    UPDATE job_holds SET woken_at = :now
    WHERE job_id IN (
      SELECT job_id FROM job_holds
      WHERE (woken_at IS NULL AND (hold_until <= :now OR EXISTS (
          SELECT FROM unnest(CAST(:vos AS text[]), CAST(:names AS text[])) AS open (vo, name)
          WHERE open.vo = job_holds.vo AND open.name = ANY(job_holds.names)))) OR woken_at < :lost
      ORDER BY job_id LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    RETURNING job_id
    """,
    int,
)
_WAKE_NAMED = Sql(
    """
    UPDATE job_holds SET woken_at = :now
    WHERE job_id IN (
      SELECT job_id FROM job_holds WHERE names && CAST(:names AS text[]) AND vo = :vo AND woken_at IS NULL
      ORDER BY job_id LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    RETURNING job_id
    """,
    int,
)
_FORGET = Sql(
    """
    DELETE FROM job_holds WHERE NOT EXISTS (
      SELECT FROM jobs WHERE jobs.job_id = job_holds.job_id AND status IN ('Received', 'Checking', 'Staging'))
    """
)
_ANY = Sql("SELECT EXISTS (SELECT FROM job_holds)", bool)
_SELECT = Sql(
    "SELECT reason, text, names, since, hold_until, tries, woken_at FROM job_holds WHERE job_id = :job_id", HoldRow
)


async def select_tries(tx: Tx, job_ids: Sequence[int]) -> dict[int, tuple[str, int]]:
    """Return for which reason jobs are held, and how often they were before."""
    return {job_id: (reason, tries) for job_id, reason, tries in await _TRIES.rows(tx, job_ids=job_ids)}


async def put_holds(
    tx: Tx, rows: Mapping[str, Sequence[Any]], kinds: Sequence[Mapping[str, Any]], now: datetime
) -> None:
    """Hold jobs: `kinds` are reasons, texts and names, `rows` say which of them each job has, and for how long."""
    await _PUT.run(tx, **rows, kinds=json.dumps_text(list(kinds)), now=now)


async def delete_holds(tx: Tx, job_ids: Sequence[int]) -> None:
    """Forget what held jobs that go on."""
    await _DELETE.run(tx, job_ids=job_ids)


async def has_holds(tx: Tx) -> bool:
    """Tell whether any job is held."""
    return await _ANY.one(tx)


async def select_named(tx: Tx) -> list[tuple[str, str]]:
    """Return what held jobs wait for, by VO."""
    return await _NAMED.rows(tx)


async def wake(tx: Tx, opened: Sequence[tuple[str, str]], *, now: datetime, lost: datetime, limit: int) -> list[int]:
    """Mark jobs whose time has come, or that wait for something that may be used now, and return them.

    Those that were marked before `lost` and are still held are marked once more: their check never came to an end.
    """
    vos, names = [vo for vo, _ in opened], [name for _, name in opened]
    return sorted(await _WAKE.rows(tx, vos=vos, names=names, now=now, lost=lost, limit=limit))


async def wake_named(tx: Tx, vo: str, names: Sequence[str], *, now: datetime, limit: int) -> list[int]:
    """Mark jobs of a VO that wait for one of these names, and return them."""
    return sorted(await _WAKE_NAMED.rows(tx, vo=vo, names=names, now=now, limit=limit))


async def delete_stale(tx: Tx) -> None:
    """Forget the holds of jobs that have left their checks by another door."""
    await _FORGET.run(tx)


async def select_hold(tx: Tx, job_id: int) -> HoldRow | None:
    """Return what holds a job."""
    return await _SELECT.first(tx, job_id=job_id)
