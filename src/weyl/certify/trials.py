"""What a trial of an installation is: something that a user does, and what comes of it."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex

from weyl.client.command import Session


class TrialFailed(Exception):
    """The installation did not do what it should; says what was seen, and what an administrator looks at first."""

    def __init__(self, finding: str, advice: str) -> None:
        super().__init__(finding)
        self.advice = advice


class NotTried(Exception):
    """There is nothing here on which this could be tried; says why."""


@dataclass
class Bench:
    """What trials share: a login, where jobs may run, for how long one is waited for, and what is to be cleaned up."""

    session: Session
    sites: Sequence[str]
    timeout_s: float
    directory: Path
    mark: str = field(default_factory=lambda: f"certify-{token_hex(4)}")
    job_ids: list[int] = field(default_factory=list)
    lfns: list[str] = field(default_factory=list)
    # A job was waited for in vain: no other one is.
    is_stuck: bool = False

    def file(self, name: str, text: str) -> Path:
        """Write a local file that a trial needs, and return its path."""
        path = self.directory / name
        path.write_text(text)
        return path


@contextmanager
def bench(session: Session, *, sites: Sequence[str], timeout_s: float) -> Iterator[Bench]:
    """Provide a bench with a directory of its own for the length of the block."""
    with tempfile.TemporaryDirectory(prefix="weyl-certify-") as directory:
        yield Bench(session, sites, timeout_s, Path(directory))


@dataclass(frozen=True, slots=True)
class Trial:
    """One line of the checklist: its name, and what tries it and returns what it found.

    `run` raises `TrialFailed` or `NotTried`; an error of the client fails the trial with its own words.
    """

    name: str
    run: Callable[[Bench], str]
