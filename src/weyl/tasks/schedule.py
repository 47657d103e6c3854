"""When a task is due next: pure."""

from datetime import datetime, timedelta

from cronsim import CronSim

from weyl.tasks.models import Task


def next_run(task: Task, after: datetime) -> datetime:
    """Return the first time after `after` at which the task is due; runs missed meanwhile are not made up."""
    if task.every is not None:
        return after + task.every
    if task.cron is None:
        raise ValueError(f"Task {task.name} has no schedule")
    return next(CronSim(task.cron, after))


def first_run(task: Task, now: datetime) -> datetime:
    """Return when a newly declared task runs first: an interval at once, a cron rule at its next time."""
    return now if task.every is not None else next_run(task, now)


def retry_delay(task: Task, attempts: int) -> timedelta:
    """Return the pause before the next attempt: doubled each time, five minutes at most."""
    return timedelta(seconds=min(task.retry_delay_s * 2 ** min(attempts, 16), 300))
