"""Relative times as people type them: `2d`, `-90m`."""

import re
from datetime import UTC, datetime, timedelta

from weyl.client.errors import UsageFault

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
SPAN = re.compile(r"-?(\d{1,18})([smhdw])", re.ASCII)
RELATIVE = re.compile(r"-\d+[smhdw]", re.ASCII)


def parse_span(text: str) -> timedelta:
    """Read a length of time, such as `90m`, `2d` or `-2d`."""
    match = SPAN.fullmatch(text.strip())
    if match is None:
        raise UsageFault(f"{text!r} is not a length of time.", hint="Write a number and s, m, h, d or w, such as 90m.")
    try:
        return timedelta(**{UNITS[match[2]]: int(match[1])})
    except OverflowError as error:
        raise UsageFault(f"{text!r} is too long a time.", hint="Use a smaller number.") from error


def is_relative(text: str) -> bool:
    """Say whether a word names a moment before now, such as `-2d`."""
    return RELATIVE.fullmatch(text) is not None


def before(now: datetime, text: str) -> str:
    """Return the moment that lies a length of time before `now`, as the API's filters write it."""
    try:
        moment = now.astimezone(UTC) - parse_span(text)
    except OverflowError as error:
        raise UsageFault(f"{text!r} lies before the calendar begins.", hint="Use a smaller number.") from error
    return moment.strftime("%Y-%m-%dT%H:%M:%S")
