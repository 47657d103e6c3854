"""SQL of failures that are alike: sums by hour and day, what each signature stands for, and notes on them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from weyl.failures.clusters import Asked, Daily, Tally, Window, tallies_of
from weyl.failures.tables import failure_notes
from weyl.jobs.permits import JobScope
from weyl.kit.db import Tx
from weyl.kit.json import Document
from weyl.kit.sql import Sql

PLACES = ("site", "owner")
"""By what the buckets of a signature can be told apart."""


class Said(NamedTuple):
    """What a signature stands for, when it was first seen, and the note on it; nothing if there is none of it."""

    vo: str
    signature: str
    text: str | None
    example: str | None
    job_id: int | None
    first_seen: datetime | None
    note: str | None
    link: str | None
    author: str | None
    at: datetime | None


class FailedJob(NamedTuple):
    """What is known of the failure of a job, and of the health of its host."""

    vo: str
    signature: str
    text: str
    site: str
    job_type: str
    minor_status: str
    application_status: str
    is_workflow: bool
    overrides: Document | None
    reschedule_counter: int
    host: str | None
    ram_mb: int | None
    exit_code: Any
    error_class: Any
    score: float | None
    at: datetime | None
    reason: str | None
    reruns: int
    earlier: list[Document] | None


# Sums of the most frequent signatures: all of it, by bucket, by site, by owner, and by place and bucket.
_TALLIES = {
    place: Sql(
        f"""
        WITH seen AS (
          SELECT vo, signature, hour, site, owner, count, first_at, last_at FROM failure_hours
          WHERE hour >= :before AND (:vo::text IS NULL OR vo = :vo) AND (:owner::text IS NULL OR owner = :owner)
            AND (:signature::text IS NULL OR signature = :signature)
          UNION ALL
          SELECT vo, signature, date_trunc('hour', at, 'UTC'), site, owner, delta, at, at FROM failure_deltas
          WHERE at >= :before AND (:vo::text IS NULL OR vo = :vo) AND (:owner::text IS NULL OR owner = :owner)
            AND (:signature::text IS NULL OR signature = :signature)
        ), most AS (
          SELECT vo, signature, sum(count) FILTER (WHERE hour >= :start) AS jobs,
            coalesce(sum(count) FILTER (WHERE hour < :start), 0) AS before
          FROM seen GROUP BY vo, signature HAVING sum(count) FILTER (WHERE hour >= :start) > 0
            AND (NOT :only_new::boolean OR coalesce(sum(count) FILTER (WHERE hour < :start), 0) = 0)
          ORDER BY jobs DESC, signature LIMIT :limit
        ), placed AS (
          SELECT s.*, m.before, CAST(floor(
            (date_part('epoch', s.hour) - date_part('epoch', :start::timestamptz)) / :bucket_s::float8
          ) AS integer) AS bucket
          FROM seen s JOIN most m USING (vo, signature) WHERE s.hour >= :start
        )
        SELECT vo, signature, CAST(sum(count) AS bigint) AS count, bucket, site, owner,
          CAST(max(before) AS bigint) AS before, min(first_at) AS first, max(last_at) AS last
        FROM placed GROUP BY GROUPING SETS (
          (vo, signature), (vo, signature, bucket), (vo, signature, site), (vo, signature, owner),
          (vo, signature, {place}, bucket))
        HAVING sum(count) > 0
        """,
        Tally,
    )
    for place in PLACES
}


async def select_tallies(tx: Tx, scope: JobScope, window: Window, asked: Asked) -> list[Tally]:
    """Count the failures of the most frequent signatures, or of one; those of all owners over weeks from the days."""
    chosen = {"vo": scope.vo, "signature": asked.signature, "only_new": asked.only_new, "limit": asked.limit}
    span = {"before": window.before, "start": window.start}
    if window.is_daily and scope.owner is None:
        return tallies_of(await _DAILY.rows(tx, **chosen, **span), window, by=asked.by)
    bucket_s = window.bucket.total_seconds()
    return await _TALLIES[asked.by].rows(tx, **chosen, **span, owner=scope.owner, bucket_s=bucket_s)


_DAILY = Sql(
    """
    -- the days of the most frequent signatures, and what is not folded yet as days of one failure or some
    WITH seen AS (
      SELECT vo, signature, day, count, sites, owners, first_at, last_at FROM failure_days
      WHERE day >= :before AND (:vo::text IS NULL OR vo = :vo)
        AND (:signature::text IS NULL OR signature = :signature)
      UNION ALL
      SELECT vo, signature, date_trunc('day', at, 'UTC'), sum(delta), jsonb_build_object(site, sum(delta)),
        jsonb_build_object(owner, sum(delta)), min(at), max(at) FROM failure_deltas
      WHERE at >= :before AND (:vo::text IS NULL OR vo = :vo)
        AND (:signature::text IS NULL OR signature = :signature)
      GROUP BY 1, 2, 3, site, owner
    ), most AS (
      SELECT vo, signature, sum(count) FILTER (WHERE day >= :start) AS jobs,
        CAST(coalesce(sum(count) FILTER (WHERE day < :start), 0) AS bigint) AS before
      FROM seen GROUP BY vo, signature HAVING sum(count) FILTER (WHERE day >= :start) > 0
        AND (NOT :only_new::boolean OR coalesce(sum(count) FILTER (WHERE day < :start), 0) = 0)
      ORDER BY jobs DESC, signature LIMIT :limit
    )
    SELECT vo, signature, day, sites, owners, before, first_at AS first, last_at AS last
    FROM seen JOIN most USING (vo, signature) WHERE day >= :start
    """,
    Daily,
)
_SAID = Sql(
    """
    SELECT k.vo, k.signature, coalesce(s.text, d.text) AS text, coalesce(s.example, d.example) AS example,
      coalesce(s.job_id, d.job_id) AS job_id, coalesce(s.first_seen, d.at) AS first_seen,
      n.note, n.link, n.author, n.at
    FROM unnest(:vos::text[], :signatures::text[]) AS k (vo, signature)
    LEFT JOIN failure_signatures s USING (vo, signature)
    LEFT JOIN LATERAL (
      SELECT f.text, f.example, f.job_id, f.at FROM failure_deltas f
      WHERE s.signature IS NULL AND f.vo = k.vo AND f.signature = k.signature AND f.delta > 0 ORDER BY f.at LIMIT 1
    ) d ON true
    LEFT JOIN failure_notes n USING (vo, signature)
    """,
    Said,
)


async def select_said(tx: Tx, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Said]:
    """Return what signatures stand for, by VO and signature: text, example, when it was first seen, and the note."""
    rows = await _SAID.rows(tx, vos=[vo for vo, _ in keys], signatures=[name for _, name in keys])
    return {(row.vo, row.signature): row for row in rows}


_FAILED = Sql(
    """
    SELECT j.vo, coalesce(j.signature, f.signature) AS signature, f.said AS text, j.site, j.job_type, j.minor_status,
      j.application_status, j.workflow_id IS NOT NULL AS is_workflow, j.overrides, j.reschedule_counter,
      j.allocated ->> 'host' AS host,
      CAST(j.allocated ->> 'ram_mb' AS integer) AS ram_mb, c.value AS exit_code, e.value AS error_class,
      h.score, h.at, h.reason, (SELECT count(*) FROM job_attempts a WHERE a.job_id = j.job_id) AS reruns,
      (SELECT jsonb_agg(r) FROM (
        SELECT attempt AS number, site, host, error_class, minor_status, application_status, ended_at
        FROM job_attempts a WHERE a.job_id = j.job_id ORDER BY attempt DESC LIMIT 5
      ) r) AS earlier
    FROM jobs j CROSS JOIN LATERAL job_failure(j.minor_status, j.application_status, j.owner) f
    LEFT JOIN job_parameters c ON c.job_id = j.job_id AND c.name = 'PayloadExitCode'
    LEFT JOIN job_parameters e ON e.job_id = j.job_id AND e.name = 'ErrorClass'
    LEFT JOIN host_health h ON h.site = j.site AND h.host = j.allocated ->> 'host'
    WHERE j.job_id = :job_id AND j.status = 'Failed'
    """,
    FailedJob,
)


async def select_failed_job(tx: Tx, job_id: int) -> FailedJob | None:
    """Return what is known of the failure of one job, and of the health of its host; None if it has not failed."""
    return await _FAILED.first(tx, job_id=job_id)


_ONE = Sql(
    """
    SELECT site, owner, CAST(sum(count) AS bigint) AS count FROM (
      SELECT site, owner, count FROM failure_hours
      WHERE vo = :vo AND hour >= :since AND signature = :signature AND (:owner::text IS NULL OR owner = :owner)
      UNION ALL SELECT site, owner, delta FROM failure_deltas
      WHERE vo = :vo AND at >= :since AND signature = :signature AND (:owner::text IS NULL OR owner = :owner)
    ) seen GROUP BY site, owner HAVING sum(count) > 0
    """,
    tuple[str, str, int],
)


async def select_places(
    tx: Tx, vo: str, signature: str, *, since: datetime, owner: str | None
) -> list[tuple[str, str, int]]:
    """Count the failures of one kind since a time by site and owner."""
    return await _ONE.rows(tx, vo=vo, signature=signature, since=since, owner=owner)


async def upsert_note(tx: Tx, values: dict[str, Any]) -> None:
    """Keep a note on a signature in place of the one before."""
    statement = insert(failure_notes).values(values)
    keys = ("vo", "signature")
    changed = {name: statement.excluded[name] for name in values if name not in keys}
    await tx.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed))


async def delete_note(tx: Tx, vo: str, signature: str) -> None:
    """Drop the note on a signature."""
    notes = failure_notes.c
    await tx.execute(sa.delete(failure_notes).where(notes.vo == vo, notes.signature == signature))


_FOLD = Sql(
    """
    WITH fresh AS (
      DELETE FROM failure_deltas RETURNING *
    ), signed AS (
      INSERT INTO failure_signatures (vo, signature, text, example, job_id, first_seen, last_seen)
      SELECT DISTINCT ON (vo, signature) vo, signature, text, example, job_id, at,
        max(at) OVER (PARTITION BY vo, signature)
      FROM fresh WHERE delta > 0 ORDER BY vo, signature, at
      ON CONFLICT (vo, signature) DO UPDATE
      SET first_seen = least(failure_signatures.first_seen, excluded.first_seen),
        last_seen = greatest(failure_signatures.last_seen, excluded.last_seen)
    ), cells AS (
      SELECT vo, date_trunc('day', at, 'UTC') AS day, signature, site, owner, sum(delta) AS count,
        min(at) AS first_at, max(at) AS last_at
      FROM fresh GROUP BY 1, 2, 3, 4, 5
    ), daily AS (
      INSERT INTO failure_days (vo, day, signature, count, sites, owners, first_at, last_at)
      SELECT vo, day, signature, s.count, s.sites, o.owners, s.first_at, s.last_at
      FROM (
        SELECT vo, day, signature, sum(count) AS count, jsonb_object_agg(site, count) AS sites,
          min(first_at) AS first_at, max(last_at) AS last_at
        FROM (
          SELECT vo, day, signature, site, sum(count) AS count, min(first_at) AS first_at, max(last_at) AS last_at
          FROM cells GROUP BY 1, 2, 3, 4
        ) one GROUP BY 1, 2, 3
      ) s
      JOIN (
        SELECT vo, day, signature, jsonb_object_agg(owner, count) AS owners
        FROM (
          SELECT vo, day, signature, owner, sum(count) AS count FROM cells GROUP BY 1, 2, 3, 4
        ) one GROUP BY 1, 2, 3
      ) o USING (vo, day, signature)
      ON CONFLICT (vo, day, signature) DO UPDATE
      SET count = failure_days.count + excluded.count,
        sites = failure_counts_sum(failure_days.sites, excluded.sites),
        owners = failure_counts_sum(failure_days.owners, excluded.owners),
        first_at = least(failure_days.first_at, excluded.first_at),
        last_at = greatest(failure_days.last_at, excluded.last_at)
    )
    INSERT INTO failure_hours (vo, hour, signature, site, owner, count, first_at, last_at)
    SELECT vo, date_trunc('hour', at, 'UTC'), signature, site, owner, sum(delta), min(at), max(at)
    FROM fresh GROUP BY 1, 2, 3, 4, 5
    ON CONFLICT (vo, hour, signature, site, owner) DO UPDATE
    SET count = failure_hours.count + excluded.count,
      first_at = least(failure_hours.first_at, excluded.first_at),
      last_at = greatest(failure_hours.last_at, excluded.last_at)
    """
)
_HAS_FAILURES = Sql("SELECT EXISTS (SELECT FROM failure_deltas)", bool)
_FORGET = (
    Sql("DELETE FROM failure_hours WHERE hour < :before"),
    Sql("DELETE FROM failure_days WHERE day < :before"),
    Sql(
        """
        DELETE FROM failure_signatures WHERE last_seen < :before AND NOT EXISTS (
          SELECT FROM failure_notes
          WHERE failure_notes.vo = failure_signatures.vo AND failure_notes.signature = failure_signatures.signature)
        """
    ),
)


async def has_failures(tx: Tx) -> bool:
    """Tell whether anything failed since the hours were folded."""
    return await _HAS_FAILURES.one(tx)


async def fold_failures(tx: Tx) -> None:
    """Add to the hours and the days what failed since the last time; readers see one sum before, during and after."""
    await _FOLD.run(tx)


async def delete_failures(tx: Tx, *, before: datetime) -> None:
    """Forget hours and days before a time, and signatures not seen since that nobody has written about."""
    for statement in _FORGET:
        await statement.run(tx, before=before)
