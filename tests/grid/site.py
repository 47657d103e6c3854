"""One real computing element that the suites of `tests/grid` send pilots to."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from weyl.demo.stack import processes_below
from weyl.pilots.compute_elements.driver import ComputeElementDriver, DriverContext, DriverFactory
from weyl.remote.credential_files import credentials_of


@dataclass(kw_only=True)
class GridSite:
    """A running system: how to reach it, what it can do, and how to make it fail.

    `element` is what the configuration would say of the computing element, without its queues: Driver, Endpoint,
    Credentials, DriverOptions. Everything on the far side runs on this machine, perhaps as another user, so that a
    file that everybody may read is a signal to pilots.
    """

    factory: DriverFactory
    element: dict[str, Any]
    directory: Path
    """Ours, below a path that every user may walk through."""
    credentials: Path | None = None
    """What WEYL_CREDENTIALS_DIRECTORY would be."""
    queue: str | None = None
    """A queue in which pilots start at once."""
    waiting: Mapping[str, Any] | None = None
    """Changes of a spec with which a pilot waits until it is cancelled; None where nothing ever waits."""
    bulk: int = 100
    """Pilots in the largest submission of the suite."""
    patience_s: float = 120
    """How long the end of `bulk` pilots may take on a loaded machine."""
    shows_running_output: bool = True
    """Whether output can be read before a pilot has ended."""
    splits_output: bool = True
    """Whether stdout and stderr come apart."""
    has_exit_codes: bool = True
    keeps_ended: bool = True
    """Whether an ended pilot is answered for after `forget`; otherwise it is Unknown then."""
    impatient: Mapping[str, Any] = field(default_factory=dict)
    """Changes of the driver options with which the driver gives up after a few seconds."""
    down: Callable[[], AbstractContextManager[object]] | None = None
    """Within it the computing element refuses connections; pilots that run go on."""
    frozen: Callable[[], AbstractContextManager[object]] | None = None
    """Within it the computing element takes requests and never answers."""
    forget: Callable[[str], None] | None = None
    """Makes the batch system forget an ended pilot, as it does by itself after some hours."""
    fail_node: Callable[[], AbstractContextManager[object]] | None = None
    """Within it the node of the pilots is lost."""
    command: Callable[..., str] | None = None
    """Runs a command of the batch system as its administrator."""
    limited: Callable[[int], ComputeElementDriver] | None = None
    """A driver of a computing element that takes that many pilots and no more."""

    def make(self, **changes: object) -> ComputeElementDriver:
        """Return a driver without any memory of what was asked before."""
        options = {**self.element.get("DriverOptions", {}), **changes}
        return self.factory(
            DriverContext(
                site="LCG.Grid.org",
                ce="ce",
                directory=self.directory / "elements",
                endpoint=self.element.get("Endpoint"),
                options=options,
                credentials=credentials_of(self.credentials, self.element.get("Credentials")),
            )
        )


@dataclass(frozen=True)
class System:
    """How to start a computing element, and why that may be impossible here."""

    running: Callable[[Path], AbstractContextManager[GridSite]]
    """Starts it in a directory of its own, which other users may walk through."""
    missing: Callable[[], str | None] = lambda: None
    """What is not installed, if something is not."""
    group: str = ""
    """Systems of one group are tested in one process, and only one of them runs at a time."""
    is_slow: bool = False
    """Whether only the modules that name it in `SYSTEMS_HERE` run over it in `make test`."""
    lacks: frozenset[str] = frozenset()
    """What it cannot do or be made to do; tests that are marked with `grid_needs(..)` of any of it leave it out."""


@contextmanager
def open_directory(prefix: str) -> Iterator[Path]:
    """A short directory that every user may walk through; what still works below it at the end is ended."""
    with tempfile.TemporaryDirectory(prefix=f"weyl-{prefix}-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        try:
            yield Path(name)
        finally:
            for process in processes_below(Path(name)):
                with suppress(psutil.Error):
                    process.kill()
