"""Works on many entries at once, and on ever smaller parts of them if that fails, so that a bad one fails alone."""

from collections.abc import Awaitable, Callable, Sequence

import structlog

from weyl.kit.bisected import Bisected, Entry, note
from weyl.kit.db import is_behind, is_gone

FAILURES_MAX = 20
"""Failures logged one by one; if none of so many entries can be done, the fault is not theirs."""

log = structlog.get_logger(__name__)


async def bisect(
    entries: Sequence[Entry], work: Callable[[Sequence[Entry]], Awaitable[int]], *, event: str
) -> Bisected[Entry]:
    """Work on all entries; if that fails, on each half, down to the entries that fail alone, which are logged.

    `work` begins and commits its own transaction, and returns how much it did. A database that is away, or has an
    older schema, is no entry's fault and is raised. The others are left if 20 entries failed and none succeeded. Within
    `raising_failures`, as in every background task, what failed is raised at the end.
    """
    outcome = Bisected[Entry]()
    parts = [entries] if entries else []
    has_success = False
    while parts:
        part = parts.pop()
        try:
            outcome.done += await work(part)
            has_success = True
        except Exception as error:
            if is_gone(error) or is_behind(error):
                raise
            if len(part) > 1:
                # Every second one: the first that are tried alone come from everywhere among the entries.
                parts += [part[1::2], part[::2]]
                continue
            outcome.failed[part[0]] = error
            if len(outcome.failed) <= FAILURES_MAX:
                log.exception(event, entry=part[0])
            if len(outcome.failed) == FAILURES_MAX and not has_success:
                outcome.is_given_up = True
                break
    if len(outcome.failed) >= FAILURES_MAX:
        log.error(event, entries=len(entries), failed=len(outcome.failed))
    note(outcome)
    return outcome
