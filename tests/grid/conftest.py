"""Starts each real computing element once a test process, when the first test asks for it."""

import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.grid.contract import Grid
from tests.grid.site import GridSite, open_directory
from tests.grid.systems import SYSTEMS


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test that asks for a `system` over all of them; those of one group stay in one process."""
    if "system" in metafunc.fixturenames:
        marked = [
            pytest.param(name, marks=pytest.mark.xdist_group(f"grid-{system.group or name}"))
            for name, system in SYSTEMS.items()
        ]
        metafunc.parametrize("system", marked, scope="session")


@pytest.fixture(scope="session")
def start_system() -> Iterator[Callable[[str], GridSite]]:
    """Return `start_system(name)`, which starts a system once, or skips with what is missing."""
    running: dict[str, GridSite] = {}
    with ExitStack() as stack:

        def start(name: str) -> GridSite:
            if name not in running:
                if reason := SYSTEMS[name].missing():
                    pytest.skip(reason)
                directory = stack.enter_context(open_directory(f"g-{name}"))
                running[name] = stack.enter_context(SYSTEMS[name].running(directory))
            return running[name]

        yield start


@pytest.fixture
def site(system: str, start_system: Callable[[str], GridSite]) -> GridSite:
    """The running system of this test."""
    return start_system(system)


@pytest.fixture
async def grid(site: GridSite) -> AsyncIterator[Grid]:
    """The system with a gate of the test's own; pilots that a test leaves behind are ended."""
    with open_directory("gate") as directory:
        grid = Grid(site, directory)
        yield grid
        await grid.end_all()
    shutil.rmtree(site.directory / "elements", ignore_errors=True)
