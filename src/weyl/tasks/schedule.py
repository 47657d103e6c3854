"""When tasks are due: rules, their next times, and the schedules that tasks and configuration make together: pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cronsim import CronSim, CronSimError
from dateutil.rrule import rrulestr

from weyl.tasks.errors import InvalidRule
from weyl.tasks.models import Task
from weyl.tasks.options import Options

# Where a recurrence without DTSTART counts from: a Monday; rules by the hour or minute count from midnight.
EPOCH = datetime(2000, 1, 3, tzinfo=UTC)
HORIZON = timedelta(days=3660)
EVERY_MIN_S = 0.1


@dataclass(frozen=True, slots=True)
class Planned:
    """One row of the schedule: a task for the installation (no VO) or for one VO."""

    task: str
    vo: str
    rule: str
    enabled: bool = True
    arguments: Mapping[str, Any] | None = None

    @property
    def payload(self) -> dict[str, Any] | None:
        """Return what its runs get."""
        return (
            {"vo": self.vo, **(self.arguments or {})} if self.vo else dict(self.arguments) if self.arguments else None
        )


def next_run(rule: str, after: datetime) -> datetime | None:
    """Return the first time after `after` at which a rule is due, none if never again; missed runs are not made up."""
    kind, _, text = rule.partition(" ")
    if kind == "every":
        return after + _interval(text)
    if kind == "cron":
        try:
            return next(CronSim(text, after), None)
        except CronSimError as error:
            raise InvalidRule(f"Not five fields of cron: {text!r} ({error})") from error
    if kind == "rrule":
        return _next_recurrence(text, after)
    raise InvalidRule(f"A rule begins with every, cron or rrule: {rule!r}")


def first_run(rule: str, now: datetime) -> datetime | None:
    """Return when a newly declared schedule runs first: an interval at once, another rule at its next time."""
    return now if rule.startswith("every ") else next_run(rule, now)


def _interval(text: str) -> timedelta:
    found = re.fullmatch(r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?) s", text)
    if found is None or not EVERY_MIN_S <= float(found[1]) <= HORIZON.total_seconds():
        raise InvalidRule(f"Not an interval in seconds: {text!r}")
    return timedelta(seconds=float(found[1]))


def _next_recurrence(text: str, after: datetime) -> datetime | None:
    upper = text.upper()
    daily = re.search(r"FREQ=(SECONDLY|MINUTELY|HOURLY)", upper)
    if daily is not None and (daily[1] == "SECONDLY" or "DTSTART" in upper):
        # Such a rule is walked through from its start, second by second.
        raise InvalidRule(f"Use `Every` for seconds, and no DTSTART with hours or minutes: {text!r}")
    start = after.replace(hour=0, minute=0, second=0, microsecond=0) if daily is not None else EPOCH
    try:
        recurrence = rrulestr(text, dtstart=start)
        if recurrence._until is None:
            # A rule that fits no day at all would be looked for until the year 9999.
            recurrence = recurrence.replace(until=after + HORIZON)
        found: datetime | None = recurrence.after(after)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise InvalidRule(f"Not a recurrence rule (RFC 5545): {text!r} ({error})") from error
    return found


def plan(tasks: Iterable[Task], options: Options) -> list[Planned]:
    """Return the schedules of these tasks: as declared, or as the configuration has it."""
    rows = []
    for task in tasks:
        for vo in options.vos if task.per_vo else [""]:
            override = options.override(task.name, vo)
            rule = override.rule or task.rule
            if rule is not None:
                rows.append(Planned(task.name, vo, rule, override.enabled, override.arguments))
    return rows
