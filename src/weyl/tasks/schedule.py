"""When tasks are due: rules, their next times, and the schedules that tasks and configuration make together: pure."""

import re
from calendar import monthrange
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cronsim import CronSim, CronSimError
from dateutil.rrule import rrulestr

from weyl.kit.task import Task
from weyl.tasks.errors import InvalidRule
from weyl.tasks.options import Options

# Where a recurrence without DTSTART counts from: a Monday; rules by the hour or minute count from midnight.
EPOCH = datetime(2000, 1, 3, tzinfo=UTC)
FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY")
PARTS = {"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYMONTH", "BYMONTHDAY", "BYDAY", "BYHOUR", "BYMINUTE"}
# What the numbers of a part may be: a rule with others is due on no day, and all years until 9999 would be looked at.
RANGES = {"BYMONTH": range(1, 13), "BYMONTHDAY": range(1, 32), "BYHOUR": range(24), "BYMINUTE": range(60)}
TIMES_A_DAY_MAX = 96
EVERY_MAX_S = 10 * 366 * 86_400
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
    if found is None or not EVERY_MIN_S <= float(found[1]) <= EVERY_MAX_S:
        raise InvalidRule(f"Not an interval in seconds: {text!r}")
    return timedelta(seconds=float(found[1]))


def _next_recurrence(text: str, after: datetime) -> datetime | None:
    parts = _parts(text)
    is_short = parts.get("FREQ") in ("HOURLY", "MINUTELY")
    start = after.replace(hour=0, minute=0, second=0, microsecond=0) if is_short else EPOCH
    try:
        found: datetime | None = rrulestr(text, dtstart=start).after(after)
    except (ValueError, TypeError, AttributeError, KeyError, OverflowError) as error:
        raise InvalidRule(f"Not a recurrence rule (RFC 5545): {text!r} ({error})") from error
    return found


def _parts(text: str) -> dict[str, str]:
    """Return the parts of a rule; refuses those that would be walked through for seconds before they tell anything."""
    lines = text.upper().split("\n")
    parts = dict(part.partition("=")[::2] for part in lines[-1].removeprefix("RRULE:").split(";"))
    frequency = parts.get("FREQ", "")
    if frequency not in FREQUENCIES or not PARTS.issuperset(parts) or len(lines) > 2:
        raise InvalidRule(
            f"A rule has FREQ={'|'.join(FREQUENCIES)} and no more than {', '.join(sorted(PARTS))}: {text!r}"
        )
    if len(lines) == 2 and (frequency in ("HOURLY", "MINUTELY") or not lines[0].startswith("DTSTART")):
        raise InvalidRule(f"A line before the rule may be DTSTART, and not with hours or minutes: {text!r}")
    _check_numbers(text, parts)
    if re.match(r"DTSTART[^:]*:[01]\d{3}", lines[0]):
        raise InvalidRule(f"A rule begins in the year {EPOCH.year} at the earliest: {text!r}")
    days = {"BYDAY", "BYMONTH", "BYMONTHDAY"} & set(parts)
    if days and frequency in ("DAILY", "HOURLY", "MINUTELY") and parts.get("INTERVAL", "1") != "1":
        raise InvalidRule(f"INTERVAL with days, hours or minutes goes without {', '.join(sorted(days))}: {text!r}")
    if {"BYMONTH", "BYMONTHDAY"} <= days and not _has_day(parts["BYMONTH"], parts["BYMONTHDAY"]):
        raise InvalidRule(f"No year has such a day: {text!r}")
    return parts


def _check_numbers(text: str, parts: Mapping[str, str]) -> None:
    times = 1
    for name, allowed in RANGES.items():
        numbers = parts[name].split(",") if name in parts else []
        for number in numbers:
            # Only days may be counted from the end: -1 is the last of the month.
            digits = number.lstrip("+-") if name == "BYMONTHDAY" else number
            if not re.fullmatch(r"\d{1,2}", digits, re.ASCII) or int(digits) not in allowed:
                raise InvalidRule(f"{name} has numbers from {allowed[0]} to {allowed[-1]}: {text!r}")
        if name in ("BYHOUR", "BYMINUTE"):
            times *= len(numbers) or 1
    if times > TIMES_A_DAY_MAX and parts["FREQ"] not in ("HOURLY", "MINUTELY"):
        raise InvalidRule(f"More than {TIMES_A_DAY_MAX} times a day are a rule with FREQ=HOURLY or MINUTELY: {text!r}")


def _has_day(months: str, days: str) -> bool:
    try:
        longest = max(monthrange(2000, int(month))[1] for month in months.split(","))
        return min(abs(int(day)) for day in days.split(",")) <= longest
    except ValueError:  # IllegalMonthError is one
        return False


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
