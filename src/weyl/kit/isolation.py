"""Works on many entries at once, and on ever smaller parts of them if that fails, so that a bad one fails alone."""

from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import structlog

from weyl.kit.db import is_behind, is_unavailable

Entry = TypeVar("Entry", bound=Hashable)

LOGGED_MAX = 20
"""Failures logged one by one; if every one of more entries fails, the error is raised."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Isolated(Generic[Entry]):
    """The sum of what the parts returned, and the entries that failed, each with its error."""

    done: int = 0
    failed: dict[Entry, Exception] = field(default_factory=dict)


async def isolate(
    entries: Sequence[Entry], work: Callable[[Sequence[Entry]], Awaitable[int]], *, event: str
) -> Isolated[Entry]:
    """Work on all entries; if that fails, on each half, down to the entries that fail alone, which are logged.

    `work` begins and commits its own transaction, and returns how much it did. A database that is away, or has an
    older schema, is no entry's fault and is raised; so is the last error if all of many entries fail.
    """
    outcome = Isolated[Entry]()
    parts = [entries] if entries else []
    while parts:
        part = parts.pop()
        try:
            outcome.done += await work(part)
        except Exception as error:
            if is_unavailable(error) or is_behind(error):
                raise
            if len(part) > 1:
                middle = len(part) // 2
                parts += [part[middle:], part[:middle]]
                continue
            outcome.failed[part[0]] = error
            if len(outcome.failed) <= LOGGED_MAX:
                log.exception(event, entry=part[0])
            if len(outcome.failed) == len(entries) > LOGGED_MAX:
                raise
    if len(outcome.failed) > LOGGED_MAX:
        log.error(event, entries=len(entries), failed=len(outcome.failed))
    return outcome
