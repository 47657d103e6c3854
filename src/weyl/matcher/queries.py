"""All SQL of the matcher.

This is the one place of the server where a statement spans rooms: a job leaves the queue, becomes Matched, and its
history and its pilot are written, all or nothing and in one round trip.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg
from sqlalchemy import bindparam, delete, select, text
from sqlalchemy.dialects.postgresql import JSONB

from weyl.kit.db import Tx, fetch_text
from weyl.matcher.errors import RequestRepeated
from weyl.matcher.tables import match_request, offer, pilot_question
from weyl.task_queues.health import SINGLE_BELOW, Health

# Rows popped are found again by their place (`ctid`, held by the lock), so that the plan cannot become a scan of a
# queue of ten million. Jobs are probed one by one: an array of them beside the join is sorted anew for each probe. The
# two conditions on the jobs row decide between processes, kills and alternatives; a queue row whose job has moved on
# is just dropped. The row of the edition is locked: nobody changes the rules until the claim is committed. What a
# question with an id got is kept for its repetition, by all rounds of a batch together, which began at one time; the
# null that comes of another time undoes the claim. The arrays stand in queries of their own, so that the planner does
# not see how long they are: it would make a new plan for each short batch, which is a fifth of what that costs. The
# description of a job comes along, unless it is that of the row before or the one that whoever asks has met last among
# the jobs of the class. A job with alternatives may be popped from two of its classes at once: one of them has it.
_CLAIM = (
    "WITH want AS (SELECT * FROM unnest((SELECT $1::integer[]), (SELECT $2::integer[]), (SELECT $3::bigint[]))"
    "   AS w(class_id, n, floor)"
    "   WHERE EXISTS (SELECT FROM match_epoch WHERE epoch = $14 FOR SHARE)),"
    " pick AS MATERIALIZED (SELECT q.place, q.class_id, q.job_id FROM want w CROSS JOIN LATERAL ("
    "   SELECT ctid AS place, class_id, job_id FROM queue WHERE class_id = w.class_id AND job_id >= w.floor"
    "   ORDER BY job_id LIMIT w.n FOR UPDATE SKIP LOCKED) q),"
    " gone AS (DELETE FROM queue WHERE ctid = ANY(ARRAY(SELECT place FROM pick)) RETURNING class_id, job_id),"
    " slot AS (SELECT * FROM unnest((SELECT $4::integer[]), (SELECT $5::integer[]), (SELECT $6::text[]),"
    "   (SELECT $7::text[]), (SELECT $8::text[]), (SELECT $9::text[]), (SELECT $10::text[]), (SELECT $11::text[]),"
    "   (SELECT $12::bigint[])) WITH ORDINALITY"
    "   AS s(class_id, rank, stamp, site, ce, allocated, request, kept, met, slot)),"
    " given AS MATERIALIZED (SELECT r.class_id, r.job_id, s.stamp, s.site, s.ce, s.allocated, s.met, s.slot FROM"
    "   (SELECT class_id, job_id, row_number() OVER (PARTITION BY class_id ORDER BY job_id) AS rank FROM gone) r"
    "   JOIN slot s ON s.class_id = r.class_id AND s.rank = r.rank),"
    " bound AS (UPDATE jobs j SET status = 'Matched', minor_status = 'Assigned', site = g.site, ce = g.ce,"
    "   pilot_stamp = g.stamp, allocated = CAST(g.allocated AS jsonb), last_update_time = $13 FROM given g"
    "   WHERE j.job_id = g.job_id AND j.status = 'Waiting' AND g.class_id = ANY(j.class_ids)"
    "   RETURNING g.slot, g.class_id, g.stamp, g.met, j.job_id, j.owner, j.owner_group, j.vo,"
    "   j.application_status, j.description_id, j.parameters),"
    " told AS (INSERT INTO job_history (job_id, at, status, minor_status, application_status, source)"
    "   SELECT job_id, $13, 'Matched', 'Assigned', application_status, 'Matcher' FROM bound),"
    " mapped AS (INSERT INTO job_pilots (job_id, pilot_stamp, at) SELECT job_id, stamp, $13 FROM bound"
    "   ON CONFLICT DO NOTHING),"
    " kept AS (INSERT INTO match_request AS m (pilot_stamp, request_id, at, jobs)"
    "   SELECT s.stamp, s.request, $15, jsonb_agg(CAST(s.kept AS jsonb) || jsonb_build_object('job_id', b.job_id))"
    "   FROM bound b JOIN slot s USING (slot) WHERE s.request IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2"
    "   ON CONFLICT (pilot_stamp, request_id) DO UPDATE"
    "   SET jobs = CASE WHEN m.at = excluded.at THEN m.jobs || excluded.jobs END),"
    " counted AS (INSERT INTO class_count (class_id, delta) SELECT class_id, -count(*) FROM gone GROUP BY class_id)"
    " SELECT p.class_id, p.job_id, b.slot, b.owner, b.owner_group, b.vo, b.description_id, b.parameters,"
    " CASE WHEN b.description_id <> b.met"
    "   AND b.description_id IS DISTINCT FROM lag(b.description_id) OVER (ORDER BY b.slot, p.job_id) THEN"
    "   (SELECT document FROM job_descriptions d WHERE d.description_id = b.description_id) END AS document"
    " FROM gone p LEFT JOIN bound b USING (class_id, job_id) ORDER BY b.slot, p.job_id"
)
CLAIM_WANT = ("class_ids", "counts", "floors")
CLAIM_SLOTS = ("slot_classes", "slot_ranks", "stamps", "sites", "ces", "allocations", "requests", "kept", "met")

_SELECT_REQUEST = select(match_request.c.jobs).where(
    match_request.c.pilot_stamp == bindparam("stamp"),
    match_request.c.request_id == bindparam("request"),
    match_request.c.at >= bindparam("since"),
)
_DELETE_REQUESTS = delete(match_request).where(match_request.c.at < bindparam("before"))

_SELECT_BOUND = text(
    "SELECT job_id, owner, owner_group, vo, status, description_id, parameters FROM jobs"
    " WHERE job_id = ANY(CAST(:job_ids AS bigint[])) AND pilot_stamp = :stamp ORDER BY job_id"
).columns(parameters=JSONB)

_RECORD_OFFERS = text(
    "INSERT INTO offer AS o (hash, vo, site, ce, queue, doc, last_seen, hits, misses)"
    " SELECT hash, vo, site, ce, queue, CAST(doc AS jsonb), :now, hits, misses FROM unnest(CAST(:hash AS bytea[]),"
    " CAST(:vo AS text[]), CAST(:site AS text[]), CAST(:ce AS text[]), CAST(:queue AS text[]), CAST(:doc AS text[]),"
    " CAST(:hits AS bigint[]), CAST(:misses AS bigint[])) AS seen(hash, vo, site, ce, queue, doc, hits, misses)"
    " ORDER BY hash, vo, site, ce, queue ON CONFLICT (hash, vo, site, ce, queue) DO UPDATE SET"
    " last_seen = CASE WHEN o.last_seen < excluded.last_seen - interval '1 minute' THEN excluded.last_seen"
    "  ELSE o.last_seen END,"
    " hits = o.hits + excluded.hits, misses = o.misses + excluded.misses"
)
_SELECT_WAITING_JOB = text(
    "SELECT vo, status, minor_status, site, class_ids, last_update_time FROM jobs WHERE job_id = :job_id"
)
_SELECT_OFFERS = (
    "SELECT offer_id, hits + misses AS questions FROM offer WHERE vo = $1 AND last_seen >= $2"
    " ORDER BY last_seen DESC LIMIT $3"
)
_SELECT_OFFER_DOCUMENTS = (
    "SELECT offer_id, vo, site, ce, queue, CAST(doc AS text) FROM offer WHERE offer_id = ANY($1::integer[])"
)
_SELECT_PLACE = text(
    "SELECT (SELECT count(*) FROM (SELECT FROM queue WHERE class_id = :class_id AND job_id < :job_id LIMIT 100000) f)"
    " AS ahead, (SELECT CAST(coalesce(sum(delta), 0) AS bigint) FROM class_count WHERE class_id = :class_id) AS jobs"
)
_COUNT_OFFERS = text(
    "UPDATE offer o SET"
    " last_seen = CASE WHEN o.last_seen < CAST(:now AS timestamptz) - interval '1 minute' THEN :now"
    "  ELSE o.last_seen END,"
    " hits = o.hits + seen.hits,"
    " misses = o.misses + seen.misses FROM (SELECT o.offer_id, s.hits, s.misses FROM unnest(CAST(:hash AS bytea[]),"
    "  CAST(:vo AS text[]), CAST(:site AS text[]), CAST(:ce AS text[]), CAST(:queue AS text[]),"
    "  CAST(:hits AS bigint[]), CAST(:misses AS bigint[])) AS s(hash, vo, site, ce, queue, hits, misses)"
    "  JOIN offer o USING (hash, vo, site, ce, queue) ORDER BY o.hash, o.vo, o.site, o.ce, o.queue FOR UPDATE OF o)"
    " AS seen WHERE o.offer_id = seen.offer_id"
)
_DELETE_OFFERS = delete(offer).where(offer.c.last_seen < bindparam("before"))
_RECORD_QUESTIONS = text(
    "INSERT INTO pilot_question AS q (pilot_stamp, doc, asked, hits, at, miss, miss_at)"
    " SELECT stamp, CAST(doc AS jsonb), asked, hits, at, miss, miss_at FROM unnest(CAST(:stamp AS text[]),"
    " CAST(:doc AS text[]), CAST(:asked AS bigint[]), CAST(:hits AS bigint[]), CAST(:at AS timestamptz[]),"
    " CAST(:miss AS text[]), CAST(:miss_at AS timestamptz[])) AS n(stamp, doc, asked, hits, at, miss, miss_at)"
    " ORDER BY stamp ON CONFLICT (pilot_stamp) DO UPDATE SET doc = coalesce(excluded.doc, q.doc),"
    " asked = q.asked + excluded.asked, hits = q.hits + excluded.hits, at = greatest(q.at, excluded.at),"
    " miss = coalesce(excluded.miss, q.miss), miss_at = coalesce(excluded.miss_at, q.miss_at)"
)
_SELECT_QUESTION = select(pilot_question).where(pilot_question.c.pilot_stamp == bindparam("stamp"))
_DELETE_QUESTIONS = delete(pilot_question).where(pilot_question.c.at < bindparam("before"))


async def claim(
    tx: Tx,
    *,
    want: Mapping[str, Sequence[object]],
    slots: Mapping[str, Sequence[object]],
    now: datetime,
    began: datetime,
    epoch: int,
) -> Sequence[Any]:
    """Pop jobs and bind them to pilots.

    `want` says by columns how many jobs of which class, from which id on; `slots` to whom the first, second, ... job of
    a class goes, for which request, what is kept for its repetition, and the description that is known already. Returns
    every popped row, those that were bound with the number of their slot, counted from 1, and with the document of
    their description unless it is known or stands in the row before; nothing if another edition of the limits holds
    than `epoch`. Raises `RequestRepeated`, and claims nothing, if a request got its answer from a batch that began at
    another time.
    """
    columns = [*(want[name] for name in CLAIM_WANT), *(slots[name] for name in CLAIM_SLOTS)]
    try:
        return await fetch_text(tx, _CLAIM, *columns, now, epoch, began)
    except asyncpg.NotNullViolationError as error:
        if error.table_name != match_request.name:
            raise
        raise RequestRepeated("A question with this request_id was answered already") from error


async def select_request(tx: Tx, *, stamp: str, request_id: str, since: datetime) -> list[dict[str, Any]] | None:
    """Return what an earlier question with this id got."""
    found = await tx.execute(_SELECT_REQUEST, {"stamp": stamp, "request": request_id, "since": since})
    jobs: list[dict[str, Any]] | None = found.scalar_one_or_none()
    return jobs


_HAS_REQUEST = "SELECT FROM match_request WHERE pilot_stamp = $1 AND request_id = $2"


async def has_request(tx: Tx, *, stamp: str, request_id: str) -> bool:
    """Say whether a question with this id was answered."""
    return bool(await fetch_text(tx, _HAS_REQUEST, stamp, request_id))


async def delete_requests(tx: Tx, before: datetime) -> None:
    """Forget answers that nobody will ask for again."""
    await tx.execute(_DELETE_REQUESTS, {"before": before})


async def select_bound(tx: Tx, *, stamp: str, job_ids: Sequence[int]) -> Sequence[Any]:
    """Return those of these jobs that are bound to the pilot now."""
    return (await tx.execute(_SELECT_BOUND, {"stamp": stamp, "job_ids": list(job_ids)})).all()


async def record_offers(tx: Tx, columns: Mapping[str, Sequence[object]], now: datetime) -> None:
    """Add hits and misses to offers, which are made when they are new."""
    await tx.execute(_RECORD_OFFERS, {**columns, "now": now})


async def count_offers(tx: Tx, columns: Mapping[str, Sequence[object]], now: datetime) -> int:
    """Add hits and misses to offers that are there; returns how many were."""
    values = {name: column for name, column in columns.items() if name != "doc"}
    return int((await tx.execute(_COUNT_OFFERS, {**values, "now": now})).rowcount)


async def delete_offers(tx: Tx, before: datetime) -> None:
    """Forget offers that no pilot has made for long."""
    await tx.execute(_DELETE_OFFERS, {"before": before})


async def record_questions(tx: Tx, columns: Mapping[str, Sequence[object]]) -> None:
    """Add what pilots asked to their rows; an offer that is null stays as it is."""
    await tx.execute(_RECORD_QUESTIONS, columns)


async def select_question(tx: Tx, stamp: str) -> Any | None:
    """Return what a pilot has asked, and its last offer; None if it never has."""
    return (await tx.execute(_SELECT_QUESTION, {"stamp": stamp})).first()


async def delete_questions(tx: Tx, before: datetime) -> None:
    """Forget what pilots asked that have not asked since."""
    await tx.execute(_DELETE_QUESTIONS, {"before": before})


async def select_waiting_job(tx: Tx, job_id: int) -> Mapping[str, Any] | None:
    """Return what decides whether a job waits, and in which classes."""
    row = (await tx.execute(_SELECT_WAITING_JOB, {"job_id": job_id})).mappings().first()
    return None if row is None else dict(row)


async def select_offers(tx: Tx, *, vo: str, since: datetime, limit: int) -> dict[int, int]:
    """Return the offers of a VO's pilots since a time, the latest first, with how often each was made."""
    rows = await fetch_text(tx, _SELECT_OFFERS, vo, since, limit)
    return {row["offer_id"]: row["questions"] for row in rows}


async def select_offer_documents(tx: Tx, offer_ids: Sequence[int]) -> list[Any]:
    """Return offers with their places and documents, which are JSON text."""
    return await fetch_text(tx, _SELECT_OFFER_DOCUMENTS, list(offer_ids))


async def select_place(tx: Tx, class_id: int, job_id: int) -> Mapping[str, int]:
    """Return how many jobs of a class go before a job, counted up to 100,000, and how many the class has."""
    found = (await tx.execute(_SELECT_PLACE, {"class_id": class_id, "job_id": job_id})).mappings().one()
    return {"ahead": found["ahead"], "jobs": found["jobs"]}


# Ids rise with the time of submission, so that a search by halves finds the place: some forty probes of the key.
_LAST_SUBMITTED = (
    "WITH RECURSIVE step AS ("
    "  SELECT 0::bigint AS low, coalesce((SELECT max(job_id) FROM jobs), 0) AS high"
    "  UNION ALL"
    "  SELECT CASE WHEN p.is_old THEN m.middle ELSE s.low END, CASE WHEN p.is_old THEN s.high ELSE m.middle - 1 END"
    "  FROM step s CROSS JOIN LATERAL (SELECT s.low + (s.high - s.low + 1) / 2 AS middle) m"
    "  CROSS JOIN LATERAL (SELECT coalesce((SELECT submission_time <= $1 FROM jobs WHERE job_id >= m.middle"
    "    ORDER BY job_id LIMIT 1), false) AS is_old) p WHERE s.low < s.high)"
    " SELECT max(low) AS job_id FROM step"
)


async def select_last_submitted(tx: Tx, before: datetime) -> int:
    """Return the id of the last job that was submitted before a time."""
    [row] = await fetch_text(tx, _LAST_SUBMITTED, before)
    return int(row["job_id"])


# Bounded by the key: who has waited for so long was submitted before, and the young ones are not looked at.
_EXPIRED = (
    "SELECT job_id FROM jobs WHERE vo = $1 AND status = 'Waiting' AND job_id <= $2 AND last_update_time <= $3"
    " ORDER BY job_id LIMIT $4"
)


async def select_expired(tx: Tx, vo: str, *, before: datetime, limit: int) -> list[int]:
    """Return jobs of a VO that have been waiting since a time, the oldest first."""
    last = await select_last_submitted(tx, before)
    return [row["job_id"] for row in await fetch_text(tx, _EXPIRED, vo, last, before, limit)]


_SELECT_UNHEALTHY = "SELECT site, host, score, at FROM host_health WHERE score < $1"
_COUNT_ON_HOST = (
    "SELECT count(*) AS jobs FROM jobs WHERE status IN ('Matched', 'Running', 'Completing', 'Stalled')"
    " AND allocated ->> 'host' = $2 AND site = $1"
)


async def select_unhealthy(tx: Tx) -> dict[tuple[str, str], Health]:
    """Return the hosts, by site and name, that were unhealthy when something last ended there."""
    rows = await fetch_text(tx, _SELECT_UNHEALTHY, SINGLE_BELOW)
    return {(row["site"], row["host"]): Health(row["score"], row["at"]) for row in rows}


async def count_on_host(tx: Tx, site: str, host: str) -> int:
    """Return how many jobs a host has."""
    [row] = await fetch_text(tx, _COUNT_ON_HOST, site, host)
    return int(row["jobs"])


_SELECT_LIMITS = (
    "SELECT r.vo, r.site, r.ce, r.job_type, r.owner_group, r.owner, r.max_jobs, r.max_cores, r.delay_s, r.burst,"
    " coalesce(g.key, r.rule) AS key, coalesce(g.used_jobs, 0) + coalesce(d.jobs, 0) AS used_jobs,"
    " coalesce(g.used_cores, 0) + coalesce(d.cores, 0) AS used_cores, g.tat"
    " FROM match_rule r LEFT JOIN match_gate g USING (rule) LEFT JOIN (SELECT key, CAST(sum(jobs) AS bigint) AS jobs,"
    " CAST(sum(cores) AS bigint) AS cores FROM match_gate_delta GROUP BY key) d ON d.key = g.key"
    " WHERE r.vo = $1 ORDER BY r.rule, g.key LIMIT $2"
)
_SELECT_GROUP_USAGE = "SELECT owner_group, owner, usage, at FROM share_usage WHERE vo = $1"
_COUNT_WAITING_BY_GROUP = (
    "SELECT c.owner_group, CAST(sum(k.delta) AS bigint) AS waiting FROM class_count k"
    " JOIN requirement_class c USING (class_id) WHERE c.vo = $1 GROUP BY c.owner_group"
)


async def select_limits(tx: Tx, vo: str, *, limit: int) -> list[Any]:
    """Return the rules of a VO with their gates, and what runs behind these."""
    return await fetch_text(tx, _SELECT_LIMITS, vo, limit)


async def select_group_usage(tx: Tx, vo: str) -> list[Any]:
    """Return what the owners of each group of a VO have used, as it was when it was written."""
    return await fetch_text(tx, _SELECT_GROUP_USAGE, vo)


async def count_waiting_by_group(tx: Tx, vo: str) -> dict[str, int]:
    """Return the number of waiting jobs of each group; one that waits in several classes counts in each."""
    return {row["owner_group"]: row["waiting"] for row in await fetch_text(tx, _COUNT_WAITING_BY_GROUP, vo)}
