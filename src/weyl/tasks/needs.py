"""What a run needs before it may start, and how long it waits if it cannot: pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from weyl.kit.task import Task
from weyl.tasks.options import Limit, Options

DEFER_FIRST_S = 0.25
DEFER_MAX_S = 10.0


@dataclass(frozen=True, slots=True)
class Need:
    """A lock (`read`, `write`), one of so many places (`slot`), or a start from a bucket (`token`)."""

    key: str
    mode: Literal["read", "write", "slot", "token"] = "write"
    limit: Limit | None = None

    @property
    def slots_max(self) -> int:
        """Return how many places there are; 0 where that is not the question."""
        return (self.limit.concurrent or 0) if self.limit is not None else 0


def limit_keys(task: Task, payload: Any, vo: str | None) -> list[str]:
    """Return the keys whose limits hold for a run."""
    keys = [f"task:{task.name}"]
    if vo:
        keys += [f"vo:{vo}", f"task:{task.name}@{vo}"]
    return [*keys, *(task.limits(payload) if task.limits is not None else ())]


def needs_of(task: Task, payload: Any, *, vo: str | None, options: Options) -> list[Need]:
    """Return all that a run needs; nothing for most tasks."""
    needs = [Need(task.lock)] if task.lock is not None else []
    if task.locks is not None:
        needs += _strongest([Need(lock.key, lock.mode) for lock in task.locks(payload)])
    if not options.limits:
        return needs
    for key in dict.fromkeys(limit_keys(task, payload, vo)):
        limit = options.limit(key)
        if limit is not None and limit.concurrent is not None:
            needs.append(Need(f"limit {key}", "slot", limit))
        if limit is not None and limit.rate is not None:
            needs.append(Need(f"limit {key}", "token", limit))
    return needs


def _strongest(needs: Sequence[Need]) -> list[Need]:
    """Keep one need a key, the write where both are asked for."""
    kept: dict[str, Need] = {}
    for need in needs:
        if need.key not in kept or need.mode == "write":
            kept[need.key] = need
    return list(kept.values())


def retry_delay(task: Task, attempts: int) -> timedelta:
    """Return the pause before the next attempt: longer each time, up to the task's maximum."""
    exponent = min(attempts, 64)
    return timedelta(seconds=min(task.retry_delay_s * task.retry_factor**exponent, task.retry_delay_max_s))


def defer_delay(deferrals: int, *, wait_s: float, chance: float) -> timedelta:
    """Return when a run that lacked a lock or a place looks again; `chance` (0 to 1) spreads those that wait."""
    pause_s = max(wait_s, min(DEFER_FIRST_S * 2 ** min(deferrals, 16), DEFER_MAX_S))
    return timedelta(seconds=pause_s * (0.75 + chance / 2))
