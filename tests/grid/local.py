"""This machine as a computing element."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.grid.site import GridSite
from weyl.pilots.compute_elements.local import LocalComputeElement


@contextmanager
def running_local(directory: Path) -> Iterator[GridSite]:
    """Nothing is to be started."""
    site = GridSite(factory=LocalComputeElement, element={"Driver": "local"}, directory=directory)
    site.limited = lambda places: site.make(RunningMax=places)
    yield site
