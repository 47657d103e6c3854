"""Says as people do when a task runs: pure, and the same for pages and command line. What it has no words for stays."""

import re
from collections.abc import Sequence

_UNITS = ((86_400, "d", "day"), (3_600, "h", "hour"), (60, "min", "minute"), (1, "s", "second"))
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SHORT_DAYS = tuple(day[:2].upper() for day in _DAYS)
_TIMES_MAX = 4


def rule_in_words(rule: str | None) -> str | None:
    """Say what a stored rule means: `every 6 h`, `daily at 03:00 UTC`, `Mondays at 04:30 UTC`."""
    kind, _, text = (rule or "").partition(" ")
    told = {"every": _interval, "cron": _cron, "rrule": _recurrence}.get(kind)
    return (told(text) if told else None) or rule


def _interval(text: str) -> str | None:
    found = re.fullmatch(r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?) s", text)
    seconds = float(found[1]) if found else 0.0
    if not seconds.is_integer():
        return f"every {seconds:g} s"
    return _every(int(seconds)) if seconds else None


def _every(seconds: int) -> str:
    """Say a whole number of seconds by all units that it has; one of a unit has no number."""
    parts = []
    left = seconds
    for size, short, long in _UNITS:
        if seconds == size:
            return f"every {long}"
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {short}")
    return f"every {' '.join(parts)}"


def _cron(text: str) -> str | None:
    fields = text.split()
    if len(fields) != 5 or fields[3] != "*":
        return None
    minute, hour, day, _, weekday = fields
    if (day, weekday) == ("*", "*") and (often := _often(minute, hour)):
        return often
    times, days = _times(minute, hour), _weekdays(weekday)
    if times is None or (day != "*" and weekday != "*"):
        return None
    if day != "*":
        return f"on day {day} of the month at {times}" if day.isdecimal() else None
    return None if days is None else f"{days} at {times}"


def _often(minute: str, hour: str) -> str | None:
    """Say a rule of every so many minutes or hours that goes into the hour, or the day."""
    step = re.fullmatch(r"\*(?:/(\d{1,2}))?", minute)
    if step and hour == "*":
        minutes = int(step[1] or 1)
        return _every(minutes * 60) if minutes and 60 % minutes == 0 else None
    step = re.fullmatch(r"\*(?:/(\d{1,2}))?", hour)
    if not (step and minute.isdecimal()):
        return None
    hours = int(step[1] or 1)
    if hours == 1:
        return f"every hour at minute {int(minute)}"
    return f"{_every(hours * 3_600)} from 00:{int(minute):02} UTC" if hours and 24 % hours == 0 else None


def _weekdays(text: str) -> str | None:
    if text == "*":
        return "daily"
    words = text.split(",")
    if not all(re.fullmatch("[0-7]", word) for word in words):
        return None
    return _plural_days(sorted({(int(word) + 6) % 7 for word in words}))


def _recurrence(text: str) -> str | None:
    parts = dict(part.partition("=")[::2] for part in text.upper().removeprefix("RRULE:").split(";"))
    frequency, step = parts.pop("FREQ", ""), parts.pop("INTERVAL", "1")
    if frequency in ("MINUTELY", "HOURLY"):
        return _counted(step, frequency, parts)
    times = _times(parts.pop("BYMINUTE", "0"), parts.pop("BYHOUR", "0"))
    if step != "1" or times is None:
        return None
    if frequency == "WEEKLY":
        days = [_SHORT_DAYS.index(day) if day in _SHORT_DAYS else -1 for day in parts.pop("BYDAY", "MO").split(",")]
        return None if parts or -1 in days else f"{_plural_days(sorted(set(days)))} at {times}"
    if frequency == "MONTHLY":
        day = parts.pop("BYMONTHDAY", "")
        return f"on day {day} of the month at {times}" if day.isdecimal() and not parts else None
    return f"daily at {times}" if frequency == "DAILY" and not parts else None


def _counted(step: str, frequency: str, parts: dict[str, str]) -> str | None:
    """Say a recurrence by minutes or hours, which counts from midnight."""
    if frequency == "MINUTELY":
        return None if parts else _often(f"*/{step}", "*")
    minute = parts.pop("BYMINUTE", "0")
    return None if parts else _often(minute, f"*/{step}")


def _times(minute: str, hour: str) -> str | None:
    minutes, hours = minute.split(","), hour.split(",")
    if not all(word.isdecimal() for word in (*minutes, *hours)) or len(minutes) * len(hours) > _TIMES_MAX:
        return None
    return f"{_joined([f'{h:02}:{m:02}' for h in sorted(map(int, hours)) for m in sorted(map(int, minutes))])} UTC"


def _plural_days(days: Sequence[int]) -> str:
    return "daily" if len(days) == len(_DAYS) else _joined([f"{_DAYS[day]}s" for day in days])


def _joined(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
