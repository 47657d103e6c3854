"""Which tests a run takes: `make test-fast`, `make test`, or `make test-long`."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from tests.infra import pace

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]

# What these suites judge are running systems, whatever their fixtures are called.
SYSTEM_SUITES = (
    "admin",
    "browser",
    "compat",
    "demo",
    "examples",
    "extensions",
    "faults",
    "flows",
    "grid",
    "hostile",
)
SYSTEM_FIXTURES = frozenset({"postgres", "object_store"})


def choose(items: Sequence[pytest.Item], *, fast: bool, long: bool) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """Return the tests to run, and those to leave out.

    `fast` takes those that need no database, by their fixtures; `long` also takes what is marked so.
    """
    chosen: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        is_left_out = (not long and _is_long(item)) or (fast and needs_a_system(item))
        (left_out if is_left_out else chosen).append(item)
    return chosen, left_out


class Share:
    """Takes a part of what is many and alike, the same part each time; all of it in `make test-long`."""

    def __init__(self, one_of: int) -> None:
        self.one_of = one_of
        self._number = 0

    def of(self, things: Iterable[T]) -> Iterator[T]:
        """Yield every so manieth thing, counted over all calls: each call begins at another place."""
        for thing in things:
            if self._number % self.one_of == 0:
                yield thing
            self._number += 1


def _is_long(item: pytest.Item) -> bool:
    return item.get_closest_marker("long") is not None


def needs_a_system(item: pytest.Item) -> bool:
    """Tell whether a test starts a database, a store or more."""
    if item.get_closest_marker("system") or not SYSTEM_FIXTURES.isdisjoint(getattr(item, "fixturenames", ())):
        return True
    return is_of_systems(item.path)


def is_of_systems(path: Path) -> bool:
    """Tell whether a path lies in a suite that judges running systems."""
    tests = ROOT / "tests"
    return path != tests and path.is_relative_to(tests) and path.relative_to(tests).parts[0] in SYSTEM_SUITES


def scale_timeouts(items: Sequence[pytest.Item], usual_s: float) -> None:
    """Give every test the longer to end the slower the machine is."""
    if pace.factor() == 1:
        return
    for item in items:
        marker = item.get_closest_marker("timeout")
        timeout_s = float(marker.args[0]) if marker is not None and marker.args else usual_s
        item.add_marker(pytest.mark.timeout(timeout_s * pace.factor()), append=False)
