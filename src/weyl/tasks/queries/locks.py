"""SQL of locks and limits; all times are the database's, so that workers need not agree on theirs."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, TypedDict

import sqlalchemy as sa

from weyl.kit.db import Tx
from weyl.kit.sql import Sql, fetch_as
from weyl.tasks.needs import Need
from weyl.tasks.permits import TaskKeeper
from weyl.tasks.tables import task_buckets, task_locks


class Taken(NamedTuple):
    """A lock that was taken, or the first that was refused."""

    key: str
    fencing: int
    is_refused: bool


class Lock(TypedDict):
    """A lock, or a place under a limit, as it goes over the wire."""

    key: str
    mode: str
    task: str
    since: datetime
    expires_at: datetime
    fencing: int


_TAKE = Sql(
    """
    SELECT taken_key AS key, taken_fencing AS fencing, is_refused
    FROM task_take(:keys, :modes, :slots, :holder, :task, :ttl_s, :is_durable)
    """,
    Taken,
)
_FILLED = """
  LEAST(CAST(:tokens_max AS float8), b.tokens + CAST(:tokens_per_s AS float8)
    * GREATEST(extract(epoch FROM clock_timestamp() - b.filled_at), 0))
"""
_TOKEN = Sql(
    f"""
    INSERT INTO task_buckets AS b (key, tokens, filled_at)
    VALUES (:key, CAST(:tokens_max AS float8) - 1, clock_timestamp())
    ON CONFLICT (key) DO UPDATE SET tokens = {_FILLED} - 1, filled_at = clock_timestamp()
    WHERE {_FILLED} >= 1
    RETURNING tokens
    """,
    float,
)
_TOKEN_WAIT = Sql(
    f"""
    SELECT (1 - {_FILLED}) / GREATEST(CAST(:tokens_per_s AS float8), 1e-6) AS wait_s
    FROM task_buckets b WHERE key = :key
    """,
    float,
)


async def take_locks(
    tx: Tx, needs: Sequence[Need], *, holder: str, task: str, ttl_s: float
) -> tuple[dict[str, int], str | None]:
    """Take all of these locks and places, or none; returns their fencing numbers by key, or who refused.

    Places need not outlive a crash of the database, and many ask for the same: they do not wait for the disk.
    """
    rows = await _TAKE.rows(
        tx,
        keys=[need.key for need in needs],
        modes=[need.mode for need in needs],
        slots=[need.slots_max for need in needs],
        holder=holder,
        task=task,
        ttl_s=ttl_s,
        is_durable=any(need.mode != "slot" for need in needs),
    )
    refused = next((row.key for row in rows if row.is_refused), None)
    return {} if refused else {row.key: row.fencing for row in rows}, refused


async def take_token(tx: Tx, need: Need) -> float | None:
    """Take one start from a bucket; returns none if it was there, else the seconds until it is."""
    assert need.limit is not None
    limit = {"tokens_max": need.limit.tokens_max, "tokens_per_s": need.limit.tokens_per_s}
    if await _TOKEN.first(tx, key=need.key, **limit) is not None:
        return None
    wait_s = await _TOKEN_WAIT.first(tx, key=need.key, **limit)
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


async def select_locks(tx: Tx, keeper: TaskKeeper, *, limit: int) -> list[Lock]:
    """Return the locks and places that are held now, the oldest first."""
    statement = (
        sa.select(*(task_locks.c[name] for name in Lock.__annotations__))
        .where(task_locks.c.expires_at > sa.func.clock_timestamp())
        .order_by(task_locks.c.since, task_locks.c.key)
        .limit(limit)
    )
    return await fetch_as(tx, Lock, statement)


async def delete_left_over(tx: Tx) -> None:
    """Forget expired locks of keys that nobody asked for again, and buckets that have long been full."""
    day_ago = sa.func.clock_timestamp() - sa.text("interval '1 day'")
    await tx.execute(sa.delete(task_locks).where(task_locks.c.expires_at < day_ago))
    await tx.execute(sa.delete(task_buckets).where(task_buckets.c.filled_at < day_ago))
