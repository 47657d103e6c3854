"""SQL of locks and limits; all times are the database's, so that workers need not agree on theirs."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from weyl.kit.db import Tx
from weyl.tasks.claims import Claim
from weyl.tasks.tables import task_buckets, task_locks

_WANTED = "unnest(CAST(:keys AS text[]), CAST(:modes AS text[]), CAST(:slots AS int[])) AS wanted (key, mode, slots)"
_IS_REFUSED = (
    "CASE wanted.mode "
    "WHEN 'write' THEN EXISTS (SELECT FROM task_locks l WHERE l.key = wanted.key AND l.expires_at > clock_timestamp()) "
    "WHEN 'read' THEN EXISTS (SELECT FROM task_locks l WHERE l.key = wanted.key AND l.mode = 'write'"
    " AND l.expires_at > clock_timestamp()) "
    "ELSE (SELECT count(*) FROM task_locks l WHERE l.key = wanted.key AND l.expires_at > clock_timestamp())"
    " >= wanted.slots END"
)
# Two that want the same key stand in line for the length of a transaction; keys in order, so that none deadlock.
_GATES = sa.text(
    "SELECT set_config('synchronous_commit', :commit, true),"
    " pg_advisory_xact_lock(hashtextextended('weyl task lock ' || key, 0)) "
    "FROM (SELECT DISTINCT key FROM unnest(CAST(:keys AS text[])) AS k (key) ORDER BY key) ordered"
)
_TAKE = sa.text(
    f"WITH expired AS (DELETE FROM task_locks WHERE key = ANY(:keys) AND expires_at <= clock_timestamp()) "
    "INSERT INTO task_locks (key, holder, mode, task, since, expires_at, fencing) "
    "SELECT key, :holder, mode, :task, clock_timestamp(), clock_timestamp() + CAST(:ttl AS float8) * interval '1 s',"
    f" nextval('task_fencing') FROM {_WANTED} "
    f"WHERE NOT EXISTS (SELECT FROM {_WANTED} WHERE {_IS_REFUSED}) RETURNING key, fencing"
)
_REFUSED = sa.text(f"SELECT wanted.key FROM {_WANTED} WHERE {_IS_REFUSED} ORDER BY key LIMIT 1")
_FILLED = (
    "LEAST(CAST(:tokens_max AS float8), b.tokens + CAST(:tokens_per_s AS float8)"
    " * GREATEST(extract(epoch FROM clock_timestamp() - b.filled_at), 0))"
)
_TOKEN = sa.text(
    "INSERT INTO task_buckets AS b (key, tokens, filled_at) "
    "VALUES (:key, CAST(:tokens_max AS float8) - 1, clock_timestamp()) "
    f"ON CONFLICT (key) DO UPDATE SET tokens = {_FILLED} - 1, filled_at = clock_timestamp() "
    f"WHERE {_FILLED} >= 1 RETURNING tokens"
)
_TOKEN_WAIT = sa.text(
    f"SELECT (1 - {_FILLED}) / GREATEST(CAST(:tokens_per_s AS float8), 1e-6) FROM task_buckets b WHERE key = :key"
)


def _wanted(claims: Sequence[Claim]) -> dict[str, Any]:
    return {
        "keys": [claim.key for claim in claims],
        "modes": [claim.mode for claim in claims],
        "slots": [claim.slots_max for claim in claims],
    }


async def enter_gates(tx: Tx, claims: Sequence[Claim], *, is_durable: bool) -> None:
    """Wait until no other transaction is taking one of these keys; the next statement sees what it did."""
    values = {"keys": [claim.key for claim in claims], "commit": "on" if is_durable else "off"}
    await tx.execute(_GATES.bindparams(sa.bindparam("keys", type_=ARRAY(sa.Text))), values)


async def take_locks(tx: Tx, claims: Sequence[Claim], *, holder: str, task: str, ttl_s: float) -> dict[str, int]:
    """Take all of these locks and places, or none; returns their fencing numbers by key."""
    values = {**_wanted(claims), "holder": holder, "task": task, "ttl": ttl_s}
    rows = await tx.execute(_TAKE, values)
    return {row.key: row.fencing for row in rows}


async def select_refused(tx: Tx, claims: Sequence[Claim]) -> str | None:
    """Return the first key that somebody else has."""
    refused: str | None = await tx.scalar(_REFUSED, _wanted(claims))
    return refused


async def take_token(tx: Tx, claim: Claim) -> float | None:
    """Take one start from a bucket; returns none if it was there, else the seconds until it is."""
    assert claim.limit is not None
    values = {
        "key": claim.key,
        "tokens_max": claim.limit.tokens_max,
        "tokens_per_s": claim.limit.tokens_per_s,
    }
    if await tx.scalar(_TOKEN, values) is not None:
        return None
    wait_s: float | None = await tx.scalar(_TOKEN_WAIT, values)
    return max(wait_s or 0, 0.01)


async def extend_locks(tx: Tx, holder: str, *, ttl_s: float) -> int:
    """Keep what is still ours; returns how many locks that are."""
    result = await tx.execute(
        sa.update(task_locks)
        .where(task_locks.c.holder == holder, task_locks.c.expires_at > sa.func.clock_timestamp())
        .values(expires_at=sa.func.clock_timestamp() + sa.func.make_interval(0, 0, 0, 0, 0, 0, ttl_s))
    )
    return int(result.rowcount)


async def release_locks(tx: Tx, holder: str) -> None:
    """Free what we hold."""
    await tx.execute(sa.delete(task_locks).where(task_locks.c.holder == holder))


async def select_locks(tx: Tx, *, limit: int) -> list[Mapping[str, Any]]:
    """Return the locks and places that are held now, the oldest first."""
    rows = await tx.execute(
        sa.select(
            *(task_locks.c[name] for name in ("key", "mode", "task", "since", "expires_at", "fencing")),
        )
        .where(task_locks.c.expires_at > sa.func.clock_timestamp())
        .order_by(task_locks.c.since, task_locks.c.key)
        .limit(limit)
    )
    return [dict(row) for row in rows.mappings()]


async def delete_left_over(tx: Tx) -> None:
    """Forget expired locks of keys that nobody asked for again, and buckets that have long been full."""
    day_ago = sa.func.clock_timestamp() - sa.text("interval '1 day'")
    await tx.execute(sa.delete(task_locks).where(task_locks.c.expires_at < day_ago))
    await tx.execute(sa.delete(task_buckets).where(task_buckets.c.filled_at < day_ago))
