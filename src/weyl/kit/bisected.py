"""What became of entries, and how a run with failures ends. It imports no database, since clients import it too."""

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

Entry = TypeVar("Entry", bound=Hashable)


class SomeFailed(Exception):
    """Some entries failed, which the log names; all that could be done is done, and the next run meets them again."""


@dataclass(slots=True)
class Bisected(Generic[Entry]):
    """The sum of what the parts returned, and the entries that failed, each with its error."""

    done: int = 0
    failed: dict[Entry, Exception] = field(default_factory=dict)
    is_given_up: bool = False
    """So many failed and none succeeded that the others were not tried."""


def note(outcome: Bisected[Any]) -> None:
    """Let the run that goes on, if any, know of an outcome."""
    if (run := _RUN.get()) is not None:
        run.append(outcome)


@contextmanager
def raising_failures() -> Iterator[None]:
    """Raise `SomeFailed` at the end of the block if any entry failed that was worked on in it."""
    outcomes: list[Bisected[Any]] = []
    before = _RUN.set(outcomes)
    try:
        yield
    finally:
        _RUN.reset(before)
    failed = [each for outcome in outcomes for each in outcome.failed.items()]
    if failed:
        entry, error = failed[0]
        done = sum(outcome.done for outcome in outcomes)
        raise SomeFailed(f"{len(failed)} failed, {done} done; {entry}: {error!r}") from error


_RUN: ContextVar[list[Bisected[Any]] | None] = ContextVar("weyl_bisected", default=None)
