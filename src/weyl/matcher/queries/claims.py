"""SQL of claims, and of what is kept of them for repeated questions.

This is the one place of the server where a statement spans rooms: a job leaves the queue, becomes Matched, and its
history and its pilot are written, all or nothing and in one round trip.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import asyncpg
import sqlalchemy as sa

from weyl.kit.db import Tx
from weyl.kit.json import Document
from weyl.kit.sql import Sql
from weyl.matcher.errors import RequestRepeated
from weyl.matcher.tables import match_request


class Claimed(NamedTuple):
    """A job that was popped, and, where it was bound, the number of its slot, whose it is and what it runs."""

    class_id: int
    job_id: int
    slot: int | None
    owner: str
    owner_group: str
    vo: str
    description_id: int
    parameters: Document | None
    document: Document | None


class BoundJob(NamedTuple):
    """A job that is bound to a pilot."""

    job_id: int
    owner: str
    owner_group: str
    vo: str
    status: str
    description_id: int
    parameters: Document | None


_CLAIM = Sql(
    """
    WITH want AS (
      -- The arrays stand in queries of their own, so that the planner does not see how long they are: it would make a
      -- new plan for each short batch, which is a fifth of what that costs. The row of the edition is locked: nobody
      -- changes the rules until the claim is committed.
      SELECT * FROM unnest((SELECT :class_ids::integer[]), (SELECT :counts::integer[]), (SELECT :floors::bigint[]))
        AS w(class_id, n, floor)
      WHERE EXISTS (SELECT FROM match_epoch WHERE epoch = :epoch FOR SHARE)
    ), pick AS MATERIALIZED (
      SELECT q.place, q.class_id, q.job_id FROM want w CROSS JOIN LATERAL (
        SELECT ctid AS place, class_id, job_id FROM queue WHERE class_id = w.class_id AND job_id >= w.floor
        ORDER BY job_id LIMIT w.n FOR UPDATE SKIP LOCKED
      ) q
    ), gone AS (
      -- Rows popped are found again by their place (`ctid`, held by the lock), so that the plan cannot become a scan of
      -- a queue of ten million.
      DELETE FROM queue WHERE ctid = ANY(ARRAY(SELECT place FROM pick)) RETURNING class_id, job_id
    ), slot AS (
      SELECT * FROM unnest((SELECT :slot_classes::integer[]), (SELECT :slot_ranks::integer[]),
        (SELECT :stamps::text[]), (SELECT :sites::text[]), (SELECT :ces::text[]), (SELECT :allocations::text[]),
        (SELECT :requests::text[]), (SELECT :kept::text[]), (SELECT :met::bigint[])) WITH ORDINALITY
        AS s(class_id, rank, stamp, site, ce, allocated, request, kept, met, slot)
    ), given AS MATERIALIZED (
      SELECT r.class_id, r.job_id, s.stamp, s.site, s.ce, s.allocated, s.met, s.slot FROM (
        SELECT class_id, job_id, row_number() OVER (PARTITION BY class_id ORDER BY job_id) AS rank FROM gone
      ) r JOIN slot s ON s.class_id = r.class_id AND s.rank = r.rank
    ), bound AS (
      -- Jobs are probed one by one: an array of them beside the join is sorted anew for each probe. The two conditions
      -- on the row decide between processes, kills and alternatives; a queue row whose job has moved on is just
      -- dropped. A job with alternatives may be popped from two of its classes at once: one of them has it.
      UPDATE jobs j SET status = 'Matched', minor_status = 'Assigned', site = g.site, ce = g.ce,
        pilot_stamp = g.stamp, allocated = CAST(g.allocated AS jsonb), last_update_time = :now
      FROM given g
      WHERE j.job_id = g.job_id AND j.status = 'Waiting' AND g.class_id = ANY(j.class_ids)
      RETURNING g.slot, g.class_id, g.stamp, g.met, j.job_id, j.owner, j.owner_group, j.vo,
        j.application_status, j.description_id, j.parameters
    ), told AS (
      INSERT INTO job_history (job_id, at, status, minor_status, application_status, source)
      SELECT job_id, :now, 'Matched', 'Assigned', application_status, 'Matcher' FROM bound
    ), mapped AS (
      INSERT INTO job_pilots (job_id, pilot_stamp, at) SELECT job_id, stamp, :now FROM bound ON CONFLICT DO NOTHING
    ), kept AS (
      -- What a question with an id got is kept for its repetition, by all rounds of a batch together, which began at
      -- one time; the null that comes of another time undoes the claim.
      INSERT INTO match_request AS m (pilot_stamp, request_id, at, jobs)
      SELECT s.stamp, s.request, :began,
        jsonb_agg(CAST(s.kept AS jsonb) || jsonb_build_object('job_id', b.job_id))
      FROM bound b JOIN slot s USING (slot) WHERE s.request IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2
      ON CONFLICT (pilot_stamp, request_id) DO UPDATE
      SET jobs = CASE WHEN m.at = excluded.at THEN m.jobs || excluded.jobs END
    ), counted AS (
      INSERT INTO class_count (class_id, delta) SELECT class_id, -count(*) FROM gone GROUP BY class_id
    )
    SELECT p.class_id, p.job_id, b.slot, b.owner, b.owner_group, b.vo, b.description_id, b.parameters,
      -- The description of a job comes along, unless it is that of the row before or the one that whoever asks has met
      -- last among the jobs of the class.
      CASE WHEN b.description_id <> b.met
          AND b.description_id IS DISTINCT FROM lag(b.description_id) OVER (ORDER BY b.slot, p.job_id) THEN
        (SELECT document FROM job_descriptions d WHERE d.description_id = b.description_id) END AS document
    FROM gone p LEFT JOIN bound b USING (class_id, job_id) ORDER BY b.slot, p.job_id
    """,
    Claimed,
)
CLAIM_SLOTS = ("slot_classes", "slot_ranks", "stamps", "sites", "ces", "allocations", "requests", "kept", "met")
_SELECT_REQUEST = Sql(
    "SELECT jobs FROM match_request WHERE pilot_stamp = :stamp AND request_id = :request AND at >= :since",
    list[Document],
)
_HAS_REQUEST = Sql(
    "SELECT EXISTS (SELECT FROM match_request WHERE pilot_stamp = :stamp AND request_id = :request)", bool
)
_SELECT_BOUND = Sql(
    """
    SELECT job_id, owner, owner_group, vo, status, description_id, parameters
    FROM jobs WHERE job_id = ANY(:job_ids) AND pilot_stamp = :stamp ORDER BY job_id
    """,
    BoundJob,
)


async def claim(
    tx: Tx,
    *,
    want: Mapping[str, Sequence[object]],
    slots: Mapping[str, Sequence[object]],
    now: datetime,
    began: datetime,
    epoch: int,
) -> list[Claimed]:
    """Pop jobs and bind them to pilots.

    `want` says by columns how many jobs of which class, from which id on; `slots` to whom the first, second, ... job of
    a class goes, for which request, what is kept for its repetition, and the description that is known already. Returns
    every popped row, those that were bound with the number of their slot, counted from 1, and with the document of
    their description unless it is known or stands in the row before; nothing if another edition of the limits holds
    than `epoch`. Raises `RequestRepeated`, and claims nothing, if a request got its answer from a batch that began at
    another time.
    """
    try:
        return await _CLAIM.rows(tx, **want, **slots, now=now, epoch=epoch, began=began)
    except asyncpg.NotNullViolationError as error:
        if error.table_name != match_request.name:
            raise
        raise RequestRepeated("A question with this request_id was answered already") from error


async def select_request(tx: Tx, *, stamp: str, request_id: str, since: datetime) -> list[Document] | None:
    """Return what an earlier question with this id got."""
    return await _SELECT_REQUEST.first(tx, stamp=stamp, request=request_id, since=since)


async def has_request(tx: Tx, *, stamp: str, request_id: str) -> bool:
    """Say whether a question with this id was answered."""
    return await _HAS_REQUEST.one(tx, stamp=stamp, request=request_id)


async def delete_requests(tx: Tx, before: datetime) -> None:
    """Forget answers that nobody will ask for again."""
    await tx.execute(sa.delete(match_request).where(match_request.c.at < before))


async def select_bound(tx: Tx, *, stamp: str, job_ids: Sequence[int]) -> list[BoundJob]:
    """Return those of these jobs that are bound to the pilot now."""
    return await _SELECT_BOUND.rows(tx, stamp=stamp, job_ids=job_ids)
