"""Every system that the suites of `tests/grid` run over; a driver's author adds a line."""

from tests.grid.arc import missing_arc, running_arc
from tests.grid.htcondor import missing_htcondor, running_htcondor
from tests.grid.kubernetes import missing_kubernetes, running_kubernetes
from tests.grid.local import running_local
from tests.grid.site import System
from tests.grid.slurm import (
    missing_slurm_and_ssh,
    running_slurm_behind_ssh,
    running_slurm_commands,
    running_slurm_rest,
)
from tests.grid.slurmd import missing_slurm
from tests.grid.ssh import running_ssh
from tests.grid.sshd import missing_ssh

ALL = frozenset({"limit", "forgetting", "waiting", "carrying", "outage", "hanging", "gpus"})

SYSTEMS = {
    "arc": System(running_arc, missing=missing_arc, group="arc", is_slow=True, lacks=ALL),
    "htcondor": System(
        running_htcondor, missing=missing_htcondor, group="htcondor", lacks=frozenset({"limit", "carrying", "gpus"})
    ),
    "kubernetes": System(
        running_kubernetes,
        missing=missing_kubernetes,
        group="kubernetes",
        lacks=frozenset({"forgetting", "carrying", "gpus"}),
    ),
    "local": System(running_local, group="local", lacks=frozenset({"forgetting", "waiting", "outage", "hanging"})),
    "ssh": System(running_ssh, missing=missing_ssh, group="ssh", lacks=frozenset({"forgetting", "waiting", "gpus"})),
    "slurm": System(running_slurm_commands, missing=missing_slurm, group="slurm", lacks=frozenset({"limit", "gpus"})),
    "slurm-ssh": System(
        running_slurm_behind_ssh, missing=missing_slurm_and_ssh, group="slurm", lacks=frozenset({"limit", "gpus"})
    ),
    "slurm-rest": System(
        running_slurm_rest, missing=missing_slurm_and_ssh, group="slurm", lacks=frozenset({"limit", "gpus"})
    ),
}
