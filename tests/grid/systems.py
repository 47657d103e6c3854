"""Every system that the suites of `tests/grid` run over; a driver's author adds a line."""

from tests.grid.local import running_local
from tests.grid.site import System

SYSTEMS = {
    "local": System(running_local, group="local"),
}
