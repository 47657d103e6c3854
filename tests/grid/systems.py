"""Every system that the suites of `tests/grid` run over; a driver's author adds a line."""

from tests.grid.htcondor import missing_htcondor, running_htcondor
from tests.grid.local import running_local
from tests.grid.site import System
from tests.grid.ssh import running_ssh
from tests.grid.sshd import missing_ssh

SYSTEMS = {
    "htcondor": System(running_htcondor, missing=missing_htcondor, group="htcondor"),
    "local": System(running_local, group="local"),
    "ssh": System(running_ssh, missing=missing_ssh, group="ssh"),
}
