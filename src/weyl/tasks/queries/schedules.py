"""SQL of declared tasks and their schedules."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypedDict

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from weyl.kit.db import Tx
from weyl.kit.sql import fetch_as, first_as
from weyl.kit.task import Task
from weyl.tasks.permits import TaskKeeper
from weyl.tasks.schedule import Planned
from weyl.tasks.tables import queue, task_dead_letters, task_kinds, task_schedules

_kinds, _schedules = task_kinds.c, task_schedules.c


class Scheduled(TypedDict):
    """When a task runs by itself, as it goes over the wire but for the rule in words."""

    task: str
    vo: str | None
    rule: str
    enabled: bool
    next_at: datetime | None
    last_at: datetime | None
    arguments: Any


class Kind(TypedDict):
    """A task that workers know and how many of it there are, as it goes over the wire but for the rule in words."""

    name: str
    size: str
    priority: int
    attempts_max: int
    rule: str | None
    per_vo: bool
    waiting: int
    running: int
    dead: int
    seen_at: datetime


class Declared(NamedTuple):
    """What running a task by hand depends on."""

    priority: int
    per_vo: bool


async def upsert_kinds(tx: Tx, tasks: Sequence[Task], now: datetime) -> None:
    """Store what this worker knows of its tasks; what is there already is only touched when it is old or differs."""
    statement = insert(task_kinds)
    new = statement.excluded
    compared = ("size", "priority", "attempts_max", "rule", "per_vo")
    differs = [_kinds[name].is_distinct_from(new[name]) for name in compared]
    await tx.execute(
        statement.on_conflict_do_update(
            index_elements=["name"],
            set_={name: new[name] for name in (*compared, "seen_at")},
            where=sa.or_(*differs, _kinds.seen_at < new.seen_at - sa.text("interval '10 minutes'")),
        ),
        [
            {
                "name": task.name,
                "size": task.size,
                "priority": task.priority,
                "attempts_max": task.attempts_max,
                "rule": task.rule,
                "per_vo": task.per_vo,
                "seen_at": now,
            }
            for task in sorted(tasks, key=lambda task: task.name)
        ],
    )


async def upsert_schedules(tx: Tx, rows: Sequence[tuple[Planned, datetime | None, datetime | None]]) -> None:
    """Store schedules, each with its first run and the latest time at which the next one may be.

    A schedule that changed, or was enabled again, is planned anew. A run that is planned too far ahead, because the
    clock was wrong for a while, is brought forward.
    """
    statement = insert(task_schedules).values(
        task=sa.bindparam("task"),
        vo=sa.bindparam("vo"),
        rule=sa.bindparam("rule"),
        enabled=sa.bindparam("enabled"),
        arguments=sa.bindparam("arguments"),
        next_at=sa.bindparam("first_at"),
    )
    new, latest_at = statement.excluded, sa.bindparam("latest_at", type_=_schedules.next_at.type)
    is_changed = sa.or_(_schedules.rule != new.rule, sa.and_(new.enabled, sa.not_(_schedules.enabled)))
    await tx.execute(
        statement.on_conflict_do_update(
            index_elements=["task", "vo"],
            set_={
                "rule": new.rule,
                "enabled": new.enabled,
                "arguments": new.arguments,
                "next_at": sa.case((is_changed, new.next_at), else_=sa.func.least(_schedules.next_at, latest_at)),
            },
            where=sa.or_(
                is_changed,
                _schedules.enabled != new.enabled,
                _schedules.arguments.is_distinct_from(new.arguments),
                _schedules.next_at > latest_at,
            ),
        ),
        [
            {
                "task": row.task,
                "vo": row.vo,
                "rule": row.rule,
                "enabled": row.enabled,
                "arguments": None if row.arguments is None else dict(row.arguments),
                "first_at": first_at,
                "latest_at": latest_at_,
            }
            for row, first_at, latest_at_ in sorted(rows, key=lambda entry: (entry[0].task, entry[0].vo))
        ],
    )


async def delete_schedules_except(tx: Tx, names: Sequence[str], kept: Sequence[tuple[str, str]]) -> None:
    """Remove schedules of these tasks that nobody plans any more: of VOs that are gone, of rules that were dropped."""
    await tx.execute(
        sa.delete(task_schedules).where(
            _schedules.task.in_(names), sa.tuple_(_schedules.task, _schedules.vo).not_in(list(kept) or [("", "")])
        )
    )


async def select_due(tx: Tx, names: Sequence[str], now: datetime) -> list[Planned]:
    """Lock and return the due schedules of these tasks that no other worker is handling."""
    rows = await tx.execute(
        sa.select(_schedules.task, _schedules.vo, _schedules.rule, _schedules.enabled, _schedules.arguments)
        .where(_schedules.task.in_(names), _schedules.enabled, _schedules.next_at <= now)
        .with_for_update(skip_locked=True)
    )
    return [Planned(*row) for row in rows]


async def update_next_runs(tx: Tx, runs: Sequence[tuple[Planned, datetime | None]], now: datetime) -> None:
    """Store that these schedules ran, and when each is due next."""
    await tx.execute(
        sa.update(task_schedules)
        .where(_schedules.task == sa.bindparam("t"), _schedules.vo == sa.bindparam("v"))
        .values(next_at=sa.bindparam("at"), last_at=now),
        [{"t": row.task, "v": row.vo, "at": at} for row, at in runs],
    )


async def select_next_due(tx: Tx, names: Sequence[str]) -> datetime | None:
    """Return the earliest time at which one of these tasks is due."""
    statement = sa.select(sa.func.min(_schedules.next_at)).where(_schedules.task.in_(names), _schedules.enabled)
    earliest: datetime | None = await tx.scalar(statement)
    return earliest


async def select_schedules(tx: Tx, keeper: TaskKeeper, *, limit: int) -> list[Scheduled]:
    """Return all schedules by task and VO."""
    statement = (
        sa.select(
            _schedules.task,
            sa.func.nullif(_schedules.vo, "").label("vo"),
            *(_schedules[name] for name in ("rule", "enabled", "next_at", "last_at", "arguments")),
        )
        .order_by(_schedules.task, _schedules.vo)
        .limit(limit)
    )
    return await fetch_as(tx, Scheduled, statement)


async def select_kinds(tx: Tx, keeper: TaskKeeper) -> list[Kind]:
    """Return the declared tasks with how many of each wait, run and are dead."""
    status = sa.cast(queue.c.status, sa.Text)
    waiting = (
        sa.select(
            queue.c.entrypoint,
            sa.func.count().filter(status == "queued").label("waiting"),
            sa.func.count().filter(status == "picked").label("running"),
        )
        .group_by(queue.c.entrypoint)
        .subquery()
    )
    dead = (
        sa.select(task_dead_letters.c.task, sa.func.count().label("dead")).group_by(task_dead_letters.c.task).subquery()
    )
    statement = (
        sa.select(
            *(_kinds[name] for name in ("name", "size", "priority", "attempts_max", "rule", "per_vo")),
            sa.func.coalesce(waiting.c.waiting, 0).label("waiting"),
            sa.func.coalesce(waiting.c.running, 0).label("running"),
            sa.func.coalesce(dead.c.dead, 0).label("dead"),
            _kinds.seen_at,
        )
        .outerjoin(waiting, waiting.c.entrypoint == _kinds.name)
        .outerjoin(dead, dead.c.task == _kinds.name)
        .order_by(_kinds.name)
    )
    return await fetch_as(tx, Kind, statement)


async def select_kind(tx: Tx, name: str) -> Declared | None:
    """Return what is known of one task."""
    statement = sa.select(*(_kinds[each] for each in Declared._fields)).where(_kinds.name == name)
    return await first_as(tx, Declared, statement)
