"""One installation behind fault proxies for all tests of a module, and a member of it."""

from collections.abc import Iterator

import pytest

from tests.faults.executions import Executions
from tests.faults.installation import FaultyStack, Member, logged_in, running_installation


@pytest.fixture(scope="module")
def stack(request: pytest.FixtureRequest) -> Iterator[FaultyStack]:
    """The installation of one module's tests; with `RUNS_ONCE` in the module no lost job runs again."""
    with running_installation(runs_once=getattr(request.module, "RUNS_ONCE", False)) as running:
        yield running
        for log in sorted(running.files.logs.glob("*.log")):
            print(f"--- {log.name}", *log.read_text(errors="replace").splitlines()[-60:], sep="\n")


@pytest.fixture(scope="module")
def alice(stack: FaultyStack) -> Iterator[Member]:
    """A member of `hep`."""
    with logged_in(stack) as member:
        yield member


@pytest.fixture(scope="module")
def executions() -> Iterator[Executions]:
    """The count of payloads that ran."""
    with Executions() as counting:
        yield counting
