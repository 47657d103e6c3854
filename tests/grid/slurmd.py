"""A Slurm of one node: controller, node and REST daemon, with tokens instead of munge."""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.grid.daemons import USER, Daemon, grid_user, listens, needs, run, until
from weyl.demo.processes import free_ports

PARTITION, CLOSED = "pilots", "closed"
CPUS = 64
# It refuses to run as root; each request brings the token of the user that it acts for.
REST_ARGUMENTS = ["-u", "nobody", "-g", "nogroup", "-a", "rest_auth/jwt", "-s", "openapi/slurmctld", "-d", "v0.0.42"]
# Accounting is off, so that there is no `sacct`; more CPUs than the machine has, since pilots here only sleep.
CONFIG = """\
ClusterName=weyl{port}
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmdPort={node_port}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser=root
SlurmdUser=root
AuthType=auth/slurm
CredType=cred/slurm
AuthAltTypes=auth/jwt
AuthAltParameters=jwt_key={directory}/jwt.key
StateSaveLocation={directory}/state
SlurmdSpoolDir={directory}/spool
SlurmctldPidFile={directory}/slurmctld.pid
SlurmdPidFile={directory}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_min_interval=100000,bf_interval=1
MessageTimeout=5
KillWait=5
MinJobAge=3600
ReturnToService=2
MailProg=/bin/true
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=32000 State=UNKNOWN
PartitionName={partition} Nodes={host} Default=YES MaxTime=INFINITE State=UP
PartitionName={closed} Nodes={host} MaxTime=INFINITE State=DOWN
"""


@dataclass(frozen=True)
class Slurm:
    """A running Slurm."""

    controller: Daemon
    node: Daemon
    rest: Daemon
    config: Path
    host: str
    rest_port: int

    def command(self, *words: str) -> str:
        """Run one of its commands as root."""
        return run(*words, environment={"SLURM_CONF": str(self.config)})

    def forget(self) -> None:
        """Lose all jobs, as a controller does with ended ones after `MinJobAge`; the ids begin anew."""
        with self.controller.down():
            for path in (self.config.parent / "state").glob("job_state*"):
                path.unlink()

    @contextmanager
    def without_node(self) -> Iterator[None]:
        """Lose the node with all that runs on it."""
        self.command("scontrol", "update", f"NodeName={self.host}", "State=DOWN", "Reason=test")
        try:
            yield
        finally:
            until(self._is_node_back, "the node stays away", self.config)

    def _is_node_back(self) -> bool:
        if "down" not in self.command("sinfo", "-h", "-o", "%T"):
            return True
        # This fails where a node that still answers has come back by itself since the question.
        _answers(["scontrol", "update", f"NodeName={self.host}", "State=RESUME"], "", {"SLURM_CONF": str(self.config)})
        return False

    def token(self, lifespan_s: int = 3600) -> str:
        """Return a token of the test user."""
        said = self.command("scontrol", "token", f"lifespan={lifespan_s}", f"username={USER}")
        return said.strip().partition("=")[2]


def missing_slurm() -> str | None:
    """Return why no Slurm can be started here."""
    return needs("slurmctld", "slurmd", "slurmrestd", "sbatch", "setpriv")


@contextmanager
def running_slurm(directory: Path) -> Iterator[Slurm]:
    """Start Slurm; its jobs end with it."""
    grid_user()
    for name in ("", "state", "spool", "log"):
        (directory / name).mkdir()
        (directory / name).chmod(0o755)
    host = socket.gethostname().partition(".")[0]
    for name in ("slurm.key", "jwt.key"):
        _write_key(directory / name)
    port, node_port, rest_port = free_ports("127.0.0.1", 3)
    config = directory / "slurm.conf"
    config.write_text(
        CONFIG.format(
            host=host,
            port=port,
            node_port=node_port,
            directory=directory,
            cpus=CPUS,
            partition=PARTITION,
            closed=CLOSED,
        )
    )
    environment = {"SLURM_CONF": str(config)}
    log = directory / "log"
    controller = Daemon(
        ["/usr/sbin/slurmctld", "-D", "-i"],
        log=log / "slurmctld.log",
        ready=lambda: _answers(["scontrol", "ping"], "UP", environment),
        environment=environment,
        children=("slurmctld", "slurmscriptd"),
    )
    node = Daemon(
        ["/usr/sbin/slurmd", "-D", "-N", host],
        log=log / "slurmd.log",
        ready=lambda: _answers(["sinfo", "-h", "-p", PARTITION, "-o", "%T"], "idle", environment),
        environment=environment,
    )
    rest = Daemon(
        ["/usr/sbin/slurmrestd", *REST_ARGUMENTS, f"127.0.0.1:{rest_port}"],
        log=log / "slurmrestd.log",
        ready=lambda: listens(rest_port),
        environment={**environment, "SLURM_JWT": "daemon"},
        children=("slurmrestd",),
    )
    slurm = Slurm(controller, node, rest, config, host, rest_port)
    try:
        for daemon in (controller, node, rest):
            daemon.start()
        yield slurm
    finally:
        _end_jobs(slurm)
        for daemon in (rest, node, controller):
            daemon.stop()


def _end_jobs(slurm: Slurm) -> None:
    subprocess.run(
        ["scancel", "-u", USER, "--signal=KILL", "--full"],
        env={**os.environ, "SLURM_CONF": str(slurm.config)},
        capture_output=True,
        timeout=60,
        check=False,
    )


def _write_key(path: Path) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as stream:
        stream.write(os.urandom(32))


def _answers(command: list[str], word: str, environment: dict[str, str]) -> bool:
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode == 0 and word in done.stdout
