"""SQL of locks and limits; all times are the database's, so that workers need not agree on theirs."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from weyl.kit.db import Tx
from weyl.tasks.needs import Need
from weyl.tasks.permits import TaskKeeper
from weyl.tasks.tables import task_buckets, task_locks

_TAKE = sa.text("SELECT * FROM task_take(:keys, :modes, :slots, :holder, :task, :ttl, :is_durable)")
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


async def take_locks(
    tx: Tx, needs: Sequence[Need], *, holder: str, task: str, ttl_s: float
) -> tuple[dict[str, int], str | None]:
    """Take all of these locks and places, or none; returns their fencing numbers by key, or who refused.

    Places need not outlive a crash of the database, and many ask for the same: they do not wait for the disk.
    """
    values = {
        "keys": [need.key for need in needs],
        "modes": [need.mode for need in needs],
        "slots": [need.slots_max for need in needs],
        "holder": holder,
        "task": task,
        "ttl": ttl_s,
        "is_durable": any(need.mode != "slot" for need in needs),
    }
    rows = (await tx.execute(_TAKE, values)).all()
    refused = next((row.taken_key for row in rows if row.is_refused), None)
    return {} if refused else {row.taken_key: row.taken_fencing for row in rows}, refused


async def take_token(tx: Tx, need: Need) -> float | None:
    """Take one start from a bucket; returns none if it was there, else the seconds until it is."""
    assert need.limit is not None
    values = {
        "key": need.key,
        "tokens_max": need.limit.tokens_max,
        "tokens_per_s": need.limit.tokens_per_s,
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


async def select_locks(tx: Tx, keeper: TaskKeeper, *, limit: int) -> list[Mapping[str, Any]]:
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
