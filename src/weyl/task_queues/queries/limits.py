"""SQL of limits: the rules that hold, and the gates that count what runs behind them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from weyl.kit.db import Tx
from weyl.kit.sql import Sql
from weyl.task_queues.gates import DIMENSIONS, Rule

LIMITS_LOCK = 7_142_001
"""Advisory lock: shared by whatever moves jobs (the trigger takes it), exclusive for who changes or counts anew."""

# Who claims holds the row of the edition, who changes the rules wants it for himself, and whoever takes both locks
# takes the row first.
HOLD_LIMITS = f"""
    SELECT pg_advisory_xact_lock_shared({LIMITS_LOCK}), set_config('plan_cache_mode', 'force_generic_plan', true)
    FROM (SELECT FROM match_epoch FOR SHARE) AS edition
"""
"""What opens a transaction during which nobody changes the rules, and plans what comes once and for all."""


class Edition(NamedTuple):
    """The number of the rules that hold, and the time of the configuration that they come from."""

    epoch: int
    modified: datetime


class Gate(NamedTuple):
    """A gate: what runs behind it, and from when on the next job may start."""

    key: str
    rule: str
    used_jobs: int
    used_cores: int
    tat: datetime | None


class FoldedGate(NamedTuple):
    """A locked gate as it is, with the time of the database."""

    key: str
    used_jobs: int
    used_cores: int
    tat: datetime | None
    now: datetime


_STOP_LIMITS = Sql(f"SELECT pg_advisory_xact_lock({LIMITS_LOCK}) FROM (SELECT FROM match_epoch FOR UPDATE) AS edition")
_SELECT_EPOCH = Sql("SELECT epoch, greatest(modified, 'epoch') AS modified FROM match_epoch", Edition)
_SELECT_RULES = Sql(
    """
    SELECT vo, site, ce, job_type, owner_group, owner, max_jobs, max_cores, delay_s, burst FROM match_rule
    ORDER BY rule
    """,
    Rule,
)
_SELECT_GATES = Sql(
    """
    SELECT g.key, g.rule, g.used_jobs + coalesce(d.jobs, 0) AS used_jobs,
      g.used_cores + coalesce(d.cores, 0) AS used_cores, g.tat
    FROM match_gate g LEFT JOIN (
      SELECT key, sum(jobs)::bigint AS jobs, sum(cores)::bigint AS cores FROM match_gate_delta GROUP BY key
    ) d USING (key)
    """,
    Gate,
)
_ENSURE_GATES = Sql(
    """
    INSERT INTO match_gate (key, rule)
    SELECT w.key, w.rule FROM unnest(:keys::text[], :rules::text[]) AS w(key, rule)
    JOIN match_rule r USING (rule) ORDER BY w.key ON CONFLICT DO NOTHING
    """
)
_SELECT_LOCKED = "SELECT key FROM match_gate WHERE key = ANY(:keys) ORDER BY key FOR UPDATE"
_LOCK_GATES = Sql(_SELECT_LOCKED, str)
_LOCK_FREE_GATES = Sql(f"{_SELECT_LOCKED} SKIP LOCKED", str)
_FOLD_GATES = Sql(
    """
    -- a statement after the lock, so that it sees what those did who held the lock before
    WITH gone AS (
      DELETE FROM match_gate_delta WHERE key = ANY(:keys::text[]) RETURNING key, jobs, cores
    ), moved AS (
      SELECT key, sum(jobs)::bigint AS jobs, sum(cores)::bigint AS cores FROM gone GROUP BY key
    )
    UPDATE match_gate g SET used_jobs = g.used_jobs + coalesce(m.jobs, 0),
      used_cores = g.used_cores + coalesce(m.cores, 0)
    FROM unnest(:keys::text[]) AS w(key) LEFT JOIN moved m USING (key)
    WHERE g.key = w.key
    RETURNING g.key, g.used_jobs, g.used_cores, g.tat, clock_timestamp() AS now
    """,
    FoldedGate,
)
_DELAY_GATES = Sql(
    """
    UPDATE match_gate g SET tat = w.tat
    FROM unnest(:keys::text[], :times::timestamptz[]) AS w(key, tat) WHERE g.key = w.key
    """
)
_DROP_RULES = Sql("DELETE FROM match_rule")
_RULE_COLUMNS = ("vo", *DIMENSIONS, "max_jobs", "max_cores", "delay_s", "burst")
_INSERT_RULES = Sql(
    """
    INSERT INTO match_rule (rule, vo, site, ce, job_type, owner_group, owner, max_jobs, max_cores, delay_s, burst)
    SELECT * FROM unnest(:name::text[], :vo::text[], :site::text[], :ce::text[], :job_type::text[],
      :owner_group::text[], :owner::text[], :max_jobs::integer[], :max_cores::integer[], :delay_s::float8[],
      :burst::integer[])
    """
)
_NEXT_EPOCH = Sql("UPDATE match_epoch SET epoch = epoch + 1, modified = :modified RETURNING epoch", int)
_SAME_EPOCH = Sql("UPDATE match_epoch SET modified = :modified RETURNING epoch", int)
_DROP_GATES = Sql("DELETE FROM match_gate WHERE rule <> ALL(SELECT rule FROM match_rule)")
_IDLE_GATES = Sql(
    """
    SELECT key FROM match_gate WHERE key IN (SELECT key FROM match_gate_delta)
    ORDER BY key LIMIT 1000 FOR UPDATE SKIP LOCKED
    """,
    str,
)


async def stop_limits(tx: Tx) -> None:
    """Wait until nobody moves jobs in or out of a limit, and keep it so until `tx` ends."""
    await _STOP_LIMITS.run(tx)


async def select_epoch(tx: Tx) -> Edition:
    """Return the edition of the rules, and the time of the configuration that they come from."""
    return await _SELECT_EPOCH.one(tx)


async def select_rules(tx: Tx) -> list[Rule]:
    """Return the rules that hold."""
    return await _SELECT_RULES.rows(tx)


async def replace_rules(tx: Tx, rules: Iterable[Rule], modified: datetime) -> int:
    """Let these rules hold and no others; returns their edition. The limits must be stopped."""
    made = list(rules)
    await _DROP_RULES.run(tx)
    columns = {name: [getattr(rule, name) for rule in made] for name in ("name", *_RULE_COLUMNS)}
    await _INSERT_RULES.run(tx, **columns)
    await _DROP_GATES.run(tx)
    return await _NEXT_EPOCH.one(tx, modified=modified)


async def note_configuration(tx: Tx, modified: datetime) -> int:
    """Note that the rules are those of a newer configuration, too; returns their edition."""
    return await _SAME_EPOCH.one(tx, modified=modified)


async def select_gates(tx: Tx) -> list[Gate]:
    """Return all gates with what runs behind them."""
    return await _SELECT_GATES.rows(tx)


async def ensure_gates(tx: Tx, gates: Sequence[tuple[str, str]]) -> None:
    """Make gates that nobody has met yet: (key, rule)."""
    await _ENSURE_GATES.run(tx, keys=[key for key, _ in gates], rules=[rule for _, rule in gates])


async def lock_gates(tx: Tx, keys: Sequence[str], *, wait: bool) -> list[str]:
    """Lock gates in the order of their keys; without waiting those that somebody holds are left out."""
    return await (_LOCK_GATES if wait else _LOCK_FREE_GATES).rows(tx, keys=keys)


async def fold_gates(tx: Tx, keys: Sequence[str]) -> list[FoldedGate]:
    """Add to locked gates what has moved since, and return their state with the time of the database."""
    return await _FOLD_GATES.rows(tx, keys=keys)


async def delay_gates(tx: Tx, times: Mapping[str, datetime]) -> None:
    """Write from when on the next job may start."""
    await _DELAY_GATES.run(tx, keys=list(times), times=list(times.values()))


async def lock_idle_gates(tx: Tx) -> list[str]:
    """Lock gates whose journal waits to be folded, passing over those that somebody holds."""
    return await _IDLE_GATES.rows(tx)
