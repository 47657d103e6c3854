"""All SQL of the waiting jobs and their classes."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Integer, any_, bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from weyl.kit.db import Tx, driver_connection, fetch_text
from weyl.task_queues.gates import DIMENSIONS, Rule
from weyl.task_queues.permits import QueueScope
from weyl.task_queues.tables import requirement_class

_LOCK_CLASSES_SHARED = text(
    "SELECT class_id, hash, active FROM requirement_class WHERE hash = ANY(CAST(:hashes AS bytea[]))"
    " ORDER BY class_id FOR SHARE"
)
_LOCK_CLASSES = text(
    "SELECT class_id, hash, active FROM requirement_class WHERE hash = ANY(CAST(:hashes AS bytea[]))"
    " ORDER BY class_id FOR NO KEY UPDATE"
)
_INSERT_CLASSES = text(
    "INSERT INTO requirement_class (hash, document, vo, owner_group, owner, job_type, user_priority)"
    " SELECT hash, CAST(document AS jsonb), vo, owner_group, owner, job_type, user_priority"
    " FROM unnest(CAST(:hash AS bytea[]), CAST(:document AS text[]), CAST(:vo AS text[]), CAST(:owner_group AS text[]),"
    " CAST(:owner AS text[]), CAST(:job_type AS text[]), CAST(:user_priority AS smallint[]))"
    " AS made(hash, document, vo, owner_group, owner, job_type, user_priority)"
    " ORDER BY hash ON CONFLICT (hash) DO NOTHING"
)
_ACTIVATE_CLASSES = text(
    "UPDATE requirement_class SET active = true WHERE class_id = ANY(CAST(:class_ids AS integer[])) AND NOT active"
)
_INSERT_JOBS = text(
    "WITH entered AS ("
    "  INSERT INTO queue (class_id, job_id)"
    "  SELECT class_id, job_id FROM unnest(CAST(:class_ids AS integer[]), CAST(:job_ids AS bigint[]))"
    "  AS added(class_id, job_id) ORDER BY class_id, job_id ON CONFLICT DO NOTHING RETURNING class_id),"
    " counted AS (INSERT INTO class_count (class_id, delta) SELECT class_id, count(*) FROM entered GROUP BY class_id)"
    " SELECT count(*) FROM entered"
)
# Sorted before they are locked: two kills of overlapping jobs wait for each other in one direction only.
_DELETE_JOBS = text(
    "WITH held AS ("
    "  SELECT class_id, job_id FROM queue WHERE job_id = ANY(CAST(:job_ids AS bigint[]))"
    "  ORDER BY class_id, job_id FOR UPDATE),"
    " gone AS ("
    "  DELETE FROM queue q USING held h WHERE q.class_id = h.class_id AND q.job_id = h.job_id RETURNING q.class_id),"
    " counted AS (INSERT INTO class_count (class_id, delta) SELECT class_id, -count(*) FROM gone GROUP BY class_id)"
    " SELECT count(*) FROM gone"
)
_SELECT_WAITING = text(
    "SELECT class_id, CAST(sum(delta) AS bigint) FROM class_count GROUP BY class_id HAVING sum(delta) > 0"
)
# A loose index scan: one probe of the key a class, whatever the depth of the queue.
_SELECT_HEADS = text(
    "WITH RECURSIVE head AS ("
    "  (SELECT class_id, job_id FROM queue ORDER BY class_id, job_id LIMIT 1)"
    "  UNION ALL"
    "  SELECT n.class_id, n.job_id FROM head h CROSS JOIN LATERAL ("
    "    SELECT q.class_id, q.job_id FROM queue q WHERE q.class_id > h.class_id"
    "    ORDER BY q.class_id, q.job_id LIMIT 1) n)"
    " SELECT class_id, job_id FROM head"
)
_SELECT_HEADS_OF = text(
    "SELECT c.class_id, q.job_id FROM unnest(CAST(:class_ids AS integer[])) AS c(class_id) CROSS JOIN LATERAL ("
    "  SELECT job_id FROM queue WHERE class_id = c.class_id ORDER BY job_id LIMIT 1) q"
)
_SELECT_CLASSES = select(requirement_class.c.class_id, requirement_class.c.document).where(
    requirement_class.c.class_id == any_(bindparam("class_ids", type_=ARRAY(Integer)))
)
_LOCK_DRAINED = text(
    "SELECT c.class_id FROM requirement_class c WHERE c.active"
    " AND NOT EXISTS (SELECT FROM queue q WHERE q.class_id = c.class_id)"
    " ORDER BY c.class_id LIMIT :limit FOR UPDATE OF c SKIP LOCKED"
)
_DEACTIVATE_CLASSES = text(
    "UPDATE requirement_class c SET active = false WHERE c.class_id = ANY(CAST(:class_ids AS integer[]))"
    " AND NOT EXISTS (SELECT FROM queue q WHERE q.class_id = c.class_id) RETURNING c.class_id"
)
_FOLD_COUNTS = text(
    "WITH many AS (SELECT class_id FROM class_count GROUP BY class_id HAVING count(*) > 1),"
    " gone AS (DELETE FROM class_count WHERE class_id IN (SELECT class_id FROM many) RETURNING class_id, delta)"
    " INSERT INTO class_count (class_id, delta)"
    " SELECT class_id, sum(delta) FROM gone GROUP BY class_id HAVING sum(delta) <> 0"
)
_TASK_QUEUES = (
    "SELECT c.class_id, c.vo, c.owner_group, c.owner, c.job_type, c.user_priority, c.document,"
    " coalesce(n.waiting, 0) AS waiting, h.job_id AS first_job_id,"
    " greatest(j.submission_time, j.reschedule_time) AS waiting_since FROM requirement_class c"
    " LEFT JOIN LATERAL (SELECT CAST(sum(delta) AS bigint) AS waiting FROM class_count k"
    "   WHERE k.class_id = c.class_id) n ON true LEFT JOIN LATERAL (SELECT q.job_id FROM queue q"
    "   WHERE q.class_id = c.class_id ORDER BY q.job_id LIMIT 1) h ON true LEFT JOIN jobs j ON j.job_id = h.job_id"
    " WHERE c.vo = :vo AND "
)
_SELECT_TASK_QUEUES = text(
    _TASK_QUEUES + "c.active AND n.waiting > 0 ORDER BY n.waiting DESC, c.class_id LIMIT :limit"
).columns(document=JSONB)
_SELECT_TASK_QUEUE = text(_TASK_QUEUES + "c.class_id = :class_id").columns(document=JSONB)
# In the order that is quickest for ten million rows: emptied, filled, then indexed. What waits, the jobs' rows say.
_EMPTY_QUEUE = (
    "SET LOCAL statement_timeout = 0; SET LOCAL work_mem = '128MB'; SET LOCAL maintenance_work_mem = '256MB';"
    " TRUNCATE queue, class_count; ALTER TABLE queue DROP CONSTRAINT pk_queue; DROP INDEX ix_queue_job_id"
)
_REFILL_QUEUE = (
    "INSERT INTO queue (class_id, job_id) SELECT c.class_id, j.job_id FROM jobs j CROSS JOIN LATERAL ("
    "  SELECT j.class_ids[1] AS class_id WHERE cardinality(j.class_ids) = 1 UNION ALL"
    "  SELECT DISTINCT unnest(j.class_ids) WHERE cardinality(j.class_ids) > 1) AS c"
    " WHERE j.status = 'Waiting' ORDER BY c.class_id, j.job_id;"
    " ALTER TABLE queue ADD CONSTRAINT pk_queue PRIMARY KEY (class_id, job_id);"
    " CREATE INDEX ix_queue_job_id ON queue (job_id);"
    " INSERT INTO class_count (class_id, delta) SELECT class_id, count(*) FROM queue GROUP BY class_id;"
    " UPDATE requirement_class SET active = true"
    "  WHERE class_id IN (SELECT class_id FROM class_count) AND NOT active"
)
REBUILD_TIMEOUT_S = 3_600.0

LIMITS_LOCK = 7_142_001
"""Advisory lock: shared by whatever moves jobs (the trigger takes it), exclusive for who changes or counts anew."""

# Who claims holds the row of the edition, who changes the rules wants it for himself, and whoever takes both locks
# takes the row first.
HOLD_LIMITS = (
    f"SELECT pg_advisory_xact_lock_shared({LIMITS_LOCK}), set_config('plan_cache_mode', 'force_generic_plan', true)"
    " FROM (SELECT FROM match_epoch FOR SHARE) AS edition"
)
"""What opens a transaction during which nobody changes the rules, and plans what comes once and for all."""
_STOP_LIMITS = f"SELECT pg_advisory_xact_lock({LIMITS_LOCK}) FROM (SELECT FROM match_epoch FOR UPDATE) AS edition"
_SELECT_EPOCH = "SELECT epoch, greatest(modified, 'epoch') AS modified FROM match_epoch"
_SELECT_RULES = (
    "SELECT vo, site, ce, job_type, owner_group, owner, max_jobs, max_cores, delay_s, burst FROM match_rule"
    " ORDER BY rule"
)
_SELECT_GATES = (
    "SELECT g.key, g.rule, g.used_jobs + coalesce(d.jobs, 0) AS used_jobs, g.used_cores + coalesce(d.cores, 0)"
    " AS used_cores, g.tat FROM match_gate g LEFT JOIN (SELECT key, sum(jobs)::bigint AS jobs,"
    " sum(cores)::bigint AS cores FROM match_gate_delta GROUP BY key) d USING (key)"
)
_ENSURE_GATES = (
    "INSERT INTO match_gate (key, rule) SELECT w.key, w.rule FROM unnest($1::text[], $2::text[]) AS w(key, rule)"
    " JOIN match_rule r USING (rule) ORDER BY w.key ON CONFLICT DO NOTHING"
)
_LOCK_GATES = "SELECT key FROM match_gate WHERE key = ANY($1::text[]) ORDER BY key FOR UPDATE"
# A second statement, so that it sees what those did who held the lock before.
_FOLD_GATES = (
    "WITH gone AS (DELETE FROM match_gate_delta WHERE key = ANY($1::text[]) RETURNING key, jobs, cores),"
    " moved AS (SELECT key, sum(jobs)::bigint AS jobs, sum(cores)::bigint AS cores FROM gone GROUP BY key)"
    " UPDATE match_gate g SET used_jobs = g.used_jobs + coalesce(m.jobs, 0),"
    " used_cores = g.used_cores + coalesce(m.cores, 0) FROM unnest($1::text[]) AS w(key) LEFT JOIN moved m USING (key)"
    " WHERE g.key = w.key RETURNING g.key, g.used_jobs, g.used_cores, g.tat, clock_timestamp() AS now"
)
_DELAY_GATES = (
    "UPDATE match_gate g SET tat = w.tat FROM unnest($1::text[], $2::timestamptz[]) AS w(key, tat) WHERE g.key = w.key"
)
_DROP_RULES = "DELETE FROM match_rule"
_INSERT_RULES = (
    "INSERT INTO match_rule (rule, vo, site, ce, job_type, owner_group, owner, max_jobs, max_cores, delay_s, burst)"
    " SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],"
    " $8::integer[], $9::integer[], $10::float8[], $11::integer[])"
)
_NEXT_EPOCH = "UPDATE match_epoch SET epoch = epoch + 1, modified = $1 RETURNING epoch"
_DROP_GATES = "DELETE FROM match_gate WHERE rule <> ALL(SELECT rule FROM match_rule)"
# What runs, by rule and values: names the jobs, which lie above, because they are the truth that is counted.
_COUNT_GATES = (
    "WITH counted AS (SELECT r.rule || CASE WHEN r.site = '*' THEN chr(31) || j.site ELSE '' END"
    " || CASE WHEN r.ce = '*' THEN chr(31) || j.ce ELSE '' END"
    " || CASE WHEN r.job_type = '*' THEN chr(31) || j.job_type ELSE '' END"
    " || CASE WHEN r.owner_group = '*' THEN chr(31) || j.owner_group ELSE '' END"
    " || CASE WHEN r.owner = '*' THEN chr(31) || j.owner ELSE '' END AS key, r.rule, sum(j.jobs)::bigint AS jobs,"
    " sum(j.cores)::bigint AS cores FROM (SELECT vo, site, coalesce(ce, '') AS ce, job_type, owner_group, owner,"
    " count(*) AS jobs, sum(coalesce((allocated ->> 'cores')::bigint, 1)) AS cores FROM jobs"
    " WHERE status IN ('Matched', 'Running', 'Completing', 'Stalled') GROUP BY 1, 2, 3, 4, 5, 6) j"
    " JOIN match_rule r ON r.vo = j.vo AND r.site IN ('', '*', j.site) AND r.ce IN ('', '*', j.ce)"
    " AND r.job_type IN ('', '*', j.job_type) AND r.owner_group IN ('', '*', j.owner_group)"
    " AND r.owner IN ('', '*', j.owner) GROUP BY 1, 2),"
    " gone AS (DELETE FROM match_gate_delta RETURNING key, jobs, cores),"
    " held AS (SELECT key, sum(jobs)::bigint AS jobs, sum(cores)::bigint AS cores FROM ("
    "  SELECT key, used_jobs AS jobs, used_cores AS cores FROM match_gate UNION ALL SELECT * FROM gone) h"
    "  GROUP BY key),"
    " written AS (INSERT INTO match_gate AS g (key, rule, used_jobs, used_cores)"
    "  SELECT coalesce(c.key, k.key), coalesce(c.rule, k.rule), coalesce(c.jobs, 0), coalesce(c.cores, 0)"
    "  FROM counted c FULL JOIN match_gate k USING (key)"
    "  ON CONFLICT (key) DO UPDATE SET used_jobs = excluded.used_jobs, used_cores = excluded.used_cores)"
    " SELECT coalesce(c.key, h.key) AS key, coalesce(h.jobs, 0) AS was, coalesce(c.jobs, 0) AS is FROM counted c"
    " FULL JOIN held h USING (key) WHERE coalesce(h.jobs, 0) <> coalesce(c.jobs, 0)"
    " OR coalesce(h.cores, 0) <> coalesce(c.cores, 0)"
)
_IDLE_GATES = (
    "SELECT key FROM match_gate WHERE key IN (SELECT key FROM match_gate_delta) ORDER BY key LIMIT 1000"
    " FOR UPDATE SKIP LOCKED"
)


async def lock_classes(tx: Tx, hashes: Sequence[bytes], *, exclusive: bool) -> list[dict[str, Any]]:
    """Lock the known ones of these classes in the order of their numbers, so that lockers cannot form a cycle."""
    statement = _LOCK_CLASSES if exclusive else _LOCK_CLASSES_SHARED
    rows = await tx.execute(statement, {"hashes": list(hashes)})
    return [dict(row) for row in rows.mappings()]


async def insert_classes(tx: Tx, columns: Mapping[str, Sequence[object]]) -> None:
    """Insert classes by columns, in the order of their hashes; those that exist stay as they are."""
    await tx.execute(_INSERT_CLASSES, dict(columns))


async def activate_classes(tx: Tx, class_ids: Sequence[int]) -> None:
    """Mark classes as having jobs; their rows must be locked."""
    await tx.execute(_ACTIVATE_CLASSES, {"class_ids": list(class_ids)})


async def insert_jobs(tx: Tx, pairs: Sequence[tuple[int, int]]) -> int:
    """Add waiting jobs as (class, job); returns how many were not there yet."""
    found = await tx.execute(
        _INSERT_JOBS, {"class_ids": [class_id for class_id, _ in pairs], "job_ids": [job_id for _, job_id in pairs]}
    )
    return int(found.scalar_one())


async def delete_jobs(tx: Tx, job_ids: Sequence[int]) -> int:
    """Take jobs out of every class; returns how many rows there were."""
    return int((await tx.execute(_DELETE_JOBS, {"job_ids": list(job_ids)})).scalar_one())


async def select_waiting(tx: Tx) -> dict[int, int]:
    """Return the number of waiting jobs of each class that has any."""
    return _pairs(await tx.execute(_SELECT_WAITING))


async def select_heads(tx: Tx) -> dict[int, int]:
    """Return the oldest waiting job of each class that has any; costs one index probe a class."""
    return _pairs(await tx.execute(_SELECT_HEADS))


async def select_heads_of(tx: Tx, class_ids: Sequence[int]) -> dict[int, int]:
    """Return the oldest waiting job of those of these classes that have any."""
    return _pairs(await tx.execute(_SELECT_HEADS_OF, {"class_ids": list(class_ids)}))


async def select_classes(tx: Tx, class_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Return the documents of classes."""
    return _pairs(await tx.execute(_SELECT_CLASSES, {"class_ids": list(class_ids)}))


async def lock_drained_classes(tx: Tx, limit: int) -> list[int]:
    """Lock classes that look empty, passing over those whose rows somebody holds."""
    return list((await tx.execute(_LOCK_DRAINED, {"limit": limit})).scalars())


async def deactivate_classes(tx: Tx, class_ids: Sequence[int]) -> list[int]:
    """Mark those of these locked classes that are empty now; the look is newer than the lock, so no job can slip by."""
    return list((await tx.execute(_DEACTIVATE_CLASSES, {"class_ids": list(class_ids)})).scalars())


async def has_journal(tx: Tx) -> bool:
    """Tell whether a class has more than one row in the journal."""
    return bool(await tx.scalar(text("SELECT EXISTS (SELECT FROM class_count GROUP BY class_id HAVING count(*) > 1)")))


async def fold_counts(tx: Tx) -> None:
    """Replace the journal's rows of each class by their sum."""
    await tx.execute(_FOLD_COUNTS)


async def select_task_queues(tx: Tx, scope: QueueScope, *, limit: int) -> list[dict[str, Any]]:
    """Return the classes in scope that have waiting jobs, the longest first."""
    rows = await tx.execute(_SELECT_TASK_QUEUES, {"vo": scope.vo, "limit": limit})
    return [dict(row) for row in rows.mappings()]


async def select_task_queue(tx: Tx, scope: QueueScope, class_id: int) -> dict[str, Any] | None:
    """Return one class, if it is in scope."""
    row = (await tx.execute(_SELECT_TASK_QUEUE, {"vo": scope.vo, "class_id": class_id})).mappings().one_or_none()
    return None if row is None else dict(row)


async def refill_queue(tx: Tx) -> dict[int, int]:
    """Make the queue anew from the waiting jobs; returns their number by class.

    The lock that this takes first stops matching and submitting until `tx` ends.
    """
    connection = await driver_connection(tx)
    for statements in (_EMPTY_QUEUE, _REFILL_QUEUE):
        await connection.execute(statements, timeout=REBUILD_TIMEOUT_S)
    return await select_waiting(tx)


def _pairs(rows: Iterable[Any]) -> dict[int, Any]:
    return {row[0]: row[1] for row in rows}


async def stop_limits(tx: Tx) -> None:
    """Wait until nobody moves jobs in or out of a limit, and keep it so until `tx` ends."""
    await fetch_text(tx, _STOP_LIMITS)


async def select_epoch(tx: Tx) -> tuple[int, datetime]:
    """Return the edition of the rules, and the time of the configuration that they come from."""
    [row] = await fetch_text(tx, _SELECT_EPOCH)
    return row["epoch"], row["modified"]


async def select_rules(tx: Tx) -> list[Rule]:
    """Return the rules that hold."""
    return [Rule(**dict(row)) for row in await fetch_text(tx, _SELECT_RULES)]


async def replace_rules(tx: Tx, rules: Iterable[Rule], modified: datetime) -> int:
    """Let these rules hold and no others; returns their edition. The limits must be stopped."""
    made = list(rules)
    await fetch_text(tx, _DROP_RULES)
    columns = [[getattr(rule, name) for rule in made] for name in ("name", *_RULE_COLUMNS)]
    await fetch_text(tx, _INSERT_RULES, *columns)
    await fetch_text(tx, _DROP_GATES)
    [row] = await fetch_text(tx, _NEXT_EPOCH, modified)
    return int(row["epoch"])


_RULE_COLUMNS = ("vo", *DIMENSIONS, "max_jobs", "max_cores", "delay_s", "burst")


async def note_configuration(tx: Tx, modified: datetime) -> int:
    """Note that the rules are those of a newer configuration, too; returns their edition."""
    [row] = await fetch_text(tx, "UPDATE match_epoch SET modified = $1 RETURNING epoch", modified)
    return int(row["epoch"])


async def count_gates(tx: Tx) -> list[Any]:
    """Count what runs behind each gate anew; returns those that were wrong. The limits must be stopped."""
    return await fetch_text(tx, _COUNT_GATES)


async def select_gates(tx: Tx) -> list[Any]:
    """Return all gates with what runs behind them."""
    return await fetch_text(tx, _SELECT_GATES)


async def ensure_gates(tx: Tx, gates: Sequence[tuple[str, str]]) -> None:
    """Make gates that nobody has met yet: (key, rule)."""
    await fetch_text(tx, _ENSURE_GATES, [key for key, _ in gates], [rule for _, rule in gates])


async def lock_gates(tx: Tx, keys: Sequence[str], *, wait: bool) -> list[str]:
    """Lock gates in the order of their keys; without waiting those that somebody holds are left out."""
    rows = await fetch_text(tx, _LOCK_GATES if wait else f"{_LOCK_GATES} SKIP LOCKED", list(keys))
    return [row["key"] for row in rows]


async def fold_gates(tx: Tx, keys: Sequence[str]) -> list[Any]:
    """Add to locked gates what has moved since, and return their state with the time of the database."""
    return await fetch_text(tx, _FOLD_GATES, list(keys))


async def delay_gates(tx: Tx, times: Mapping[str, datetime]) -> None:
    """Write from when on the next job may start."""
    await fetch_text(tx, _DELAY_GATES, list(times), list(times.values()))


async def lock_idle_gates(tx: Tx) -> list[str]:
    """Lock gates whose journal waits to be folded, passing over those that somebody holds."""
    return [row["key"] for row in await fetch_text(tx, _IDLE_GATES)]


# After so many half-lives usage counts for nothing, and PostgreSQL refuses powers that are too small for a double.
_DECAYED = (
    "least(s.usage, 1e30) * power(0.5, least(200, greatest(extract(epoch FROM excluded.at - s.at), 0)"
    " / (SELECT half_life FROM unnest($6::text[], $7::float8[]) AS h(vo, half_life) WHERE h.vo = s.vo LIMIT 1)))"
)
_WRITE_USAGE = (
    "INSERT INTO share_usage AS s (vo, owner_group, owner, usage, at)"
    " SELECT vo, owner_group, owner, least(usage, 1e30), $5"
    " FROM unnest($1::text[], $2::text[], $3::text[], $4::float8[])"
    " AS u(vo, owner_group, owner, usage) ORDER BY vo, owner_group, owner"
    " ON CONFLICT (vo, owner_group, owner) DO UPDATE SET at = greatest(s.at, excluded.at), usage = "
)
_ADD_USAGE = f"{_WRITE_USAGE} greatest({_DECAYED} + excluded.usage, 0)"
_RAISE_USAGE = f"{_WRITE_USAGE} greatest({_DECAYED}, excluded.usage)"
_SELECT_USAGE = "SELECT vo, owner_group, owner, usage, at FROM share_usage WHERE $1::timestamptz IS NULL OR at >= $1"


async def add_usage(
    tx: Tx, charged: Mapping[tuple[str, str, str], float], *, half_lives: Mapping[str, float], now: datetime
) -> None:
    """Add to the usage of (VO, group, owner); what is there has decayed until now."""
    await fetch_text(tx, _ADD_USAGE, *_usage_columns(charged), now, list(half_lives), list(half_lives.values()))


async def raise_usage(
    tx: Tx, totals: Mapping[tuple[str, str, str], float], *, half_lives: Mapping[str, float], now: datetime
) -> None:
    """Let usage be no less than these totals: processes that say the same do not add up."""
    await fetch_text(tx, _RAISE_USAGE, *_usage_columns(totals), now, list(half_lives), list(half_lives.values()))


async def select_usage(tx: Tx, *, since: datetime | None) -> list[Any]:
    """Return usage, of those only to whom something was added since a time if one is given."""
    return await fetch_text(tx, _SELECT_USAGE, since)


def _usage_columns(usage: Mapping[tuple[str, str, str], float]) -> list[list[Any]]:
    return [[key[place] for key in usage] for place in range(3)] + [list(usage.values())]
