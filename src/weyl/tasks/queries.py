"""SQL of schedules and locks."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from weyl.kit.db import Tx
from weyl.tasks.tables import task_locks, task_schedules


async def upsert_schedules(tx: Tx, schedules: Sequence[Mapping[str, object]]) -> None:
    """Store the declared schedules; one whose rule changed is planned anew, the others keep their time."""
    statement = insert(task_schedules)
    await tx.execute(
        statement.on_conflict_do_update(
            index_elements=["name"],
            set_={"rule": statement.excluded.rule, "next_at": statement.excluded.next_at},
            where=task_schedules.c.rule != statement.excluded.rule,
        ),
        list(schedules),
    )


async def select_due(tx: Tx, names: Sequence[str], now: datetime) -> list[str]:
    """Lock and return the due schedules among `names` that no other worker is handling."""
    rows = await tx.execute(
        sa.select(task_schedules.c.name)
        .where(task_schedules.c.name.in_(names), task_schedules.c.next_at <= now)
        .with_for_update(skip_locked=True)
    )
    return [name for (name,) in rows]


async def update_next_runs(tx: Tx, next_runs: Mapping[str, datetime]) -> None:
    """Store when each of these schedules is due next."""
    await tx.execute(
        sa.update(task_schedules)
        .where(task_schedules.c.name == sa.bindparam("schedule"))
        .values(next_at=sa.bindparam("at")),
        [{"schedule": name, "at": at} for name, at in next_runs.items()],
    )


async def select_next_due(tx: Tx, names: Sequence[str]) -> datetime | None:
    """Return the earliest time at which one of `names` is due."""
    statement = sa.select(sa.func.min(task_schedules.c.next_at)).where(task_schedules.c.name.in_(names))
    earliest: datetime | None = await tx.scalar(statement)
    return earliest


async def take_lock(tx: Tx, key: str, holder: str, *, now: datetime, ttl: timedelta) -> int | None:
    """Take a lock that is free or expired; returns its fencing number, none if somebody holds it."""
    statement = insert(task_locks).values(key=key, holder=holder, expires_at=now + ttl, fencing=1)
    fencing: int | None = await tx.scalar(
        statement.on_conflict_do_update(
            index_elements=["key"],
            set_={"holder": holder, "expires_at": now + ttl, "fencing": task_locks.c.fencing + 1},
            where=task_locks.c.expires_at < now,
        ).returning(task_locks.c.fencing)
    )
    return fencing


async def extend_lock(tx: Tx, key: str, holder: str, *, expires_at: datetime) -> bool:
    """Keep a lock that is still ours; false if it was lost."""
    result = await tx.execute(
        sa.update(task_locks)
        .where(task_locks.c.key == key, task_locks.c.holder == holder)
        .values(expires_at=expires_at)
    )
    return result.rowcount == 1


async def release_lock(tx: Tx, key: str, holder: str, *, now: datetime) -> None:
    """Free a lock of ours; its fencing number goes on counting."""
    await tx.execute(
        sa.update(task_locks)
        .where(task_locks.c.key == key, task_locks.c.holder == holder)
        .values(expires_at=now - timedelta(microseconds=1))
    )
