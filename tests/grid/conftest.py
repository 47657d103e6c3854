"""Starts each real computing element when the first test asks for it, and keeps it for those that follow."""

import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.grid.contract import Grid
from tests.grid.site import GridSite, open_directory
from tests.grid.systems import ALL, SYSTEMS


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test that asks for a `system` over all of them, or over those that its module names in `SYSTEMS_HERE`.

    Only `make test-long` takes slow ones that the module does not name, and those that its `SYSTEMS_OFTEN` lacks. Left
    out are those that lack what the test needs of them. Those of one group stay in one process.
    """
    if "system" in metafunc.fixturenames:
        usual = [name for name, system in SYSTEMS.items() if not system.is_slow]
        here = getattr(metafunc.module, "SYSTEMS_HERE", SYSTEMS)
        often = getattr(metafunc.module, "SYSTEMS_OFTEN", getattr(metafunc.module, "SYSTEMS_HERE", usual))
        needs = {each for mark in metafunc.definition.iter_markers("grid_needs") for each in mark.args}
        assert needs <= ALL, f"{needs - ALL}: see tests/grid/systems.py"
        marked = [
            pytest.param(
                name,
                marks=[
                    pytest.mark.xdist_group(f"grid-{system.group or name}"),
                    *([] if name in often else [pytest.mark.long]),
                ],
            )
            for name, system in SYSTEMS.items()
            if name in here and not needs & system.lacks
        ]
        metafunc.parametrize("system", marked, scope="session")


class Running:
    """The systems that run; of those of one group one at a time, since they would take each other's sockets."""

    def __init__(self) -> None:
        self._sites: dict[str, tuple[str, GridSite, ExitStack]] = {}
        self._broken: dict[str, str] = {}

    def start(self, name: str) -> GridSite:
        """Return a system, which is started if it does not run; skips with what is missing."""
        system = SYSTEMS[name]
        group = system.group or name
        if group in self._sites and self._sites[group][0] == name:
            return self._sites[group][1]
        if reason := system.missing():
            pytest.skip(reason)
        if name in self._broken:
            pytest.fail(f"{name} did not start: {self._broken[name]}")
        if group in self._sites:
            self._sites.pop(group)[2].close()
        with ExitStack() as stack:
            directory = stack.enter_context(open_directory(f"g-{name}"))
            try:
                site = stack.enter_context(system.running(directory))
            except Exception as error:
                self._broken[name] = str(error)
                raise
            self._sites[group] = name, site, stack.pop_all()
        return site

    def stop(self) -> None:
        """End them all."""
        while self._sites:
            self._sites.popitem()[1][2].close()


@pytest.fixture(scope="session")
def start_system() -> Iterator[Callable[[str], GridSite]]:
    """Return `start_system(name)`, which starts a system, or skips with what is missing."""
    running = Running()
    yield running.start
    running.stop()


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
