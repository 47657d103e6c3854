"""An HTCondor pool of one machine: its schedd is reached with a token of the pool, jobs run as another user."""

import os
import pwd
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.grid.daemons import USER, Daemon, grid_user, needs, run
from tests.grid.site import GridSite
from weyl.demo.processes import free_ports
from weyl.pilots.compute_elements.htcondor import HTCondorComputeElement

CREDENTIALS = "condor"
DOMAIN = "weyl.test"
CONFIG = """\
CONDOR_HOST = 127.0.0.1
COLLECTOR_HOST = 127.0.0.1:{port}
USE_SHARED_PORT = False
NETWORK_INTERFACE = 127.0.0.1
BIND_ALL_INTERFACES = False
RELEASE_DIR = /usr
BIN = /usr/bin
SBIN = /usr/sbin
LIB = /usr/lib/condor
LIBEXEC = /usr/libexec/condor
LOCAL_DIR = {directory}
LOG = $(LOCAL_DIR)/log
SPOOL = $(LOCAL_DIR)/spool
EXECUTE = $(LOCAL_DIR)/execute
LOCK = $(LOCAL_DIR)/lock
RUN = $(LOCAL_DIR)/run
CONDOR_IDS = {uid}.{gid}
UID_DOMAIN = {domain}
FILESYSTEM_DOMAIN = {domain}
TRUST_UID_DOMAIN = True
SEC_DEFAULT_AUTHENTICATION_METHODS = FS, IDTOKENS
SEC_PASSWORD_DIRECTORY = $(LOCAL_DIR)/passwords.d
SEC_TOKEN_SYSTEM_DIRECTORY = $(LOCAL_DIR)/tokens.d
# It listens on loopback only:
ALLOW_READ = *
ALLOW_WRITE = *
ALLOW_NEGOTIATOR = *
ALLOW_DAEMON = *
ALLOW_ADMINISTRATOR = *
use POLICY : ALWAYS_RUN_JOBS
use FEATURE : PartitionableSlot
NUM_CPUS = 32
MEMORY = 32000
NEGOTIATOR_INTERVAL = 2
NEGOTIATOR_MIN_INTERVAL = 1
NEGOTIATOR_CYCLE_DELAY = 1
SCHEDD_NAME = pilots
SCHEDD_INTERVAL = 2
SCHEDD_MIN_INTERVAL = 1
UPDATE_INTERVAL = 5
JOB_START_COUNT = 50
RUNBENCHMARKS = False
MAIL = /bin/true
# The schedd is no child of the master here.
SEC_USE_FAMILY_SESSION = False
# Without it the daemons look at all processes themselves, and fall over one that ends meanwhile.
USE_PROCD = True
PROCD_ADDRESS = $(RUN)/procd_pipe
SCHEDD.PROCD_ADDRESS = $(RUN)/schedd_procd_pipe
BASE_CGROUP =
PERIODIC_EXPR_INTERVAL = 1
"""


@dataclass(frozen=True)
class Pool:
    """A running pool; its schedd is a daemon of its own, so that it can be away while pilots run."""

    config: Path
    port: int
    schedd: Daemon
    credentials: Path

    def tool(self, *command: str) -> str:
        """Run a command of HTCondor as root."""
        return run(*command, environment={"CONDOR_CONFIG": str(self.config)})

    def forget(self, handle: str) -> None:
        """Take an ended job out of the queue: it is in the history then."""
        self.tool("condor_rm", handle.partition(":")[0])


def missing_htcondor() -> str | None:
    """Return why no pool can be started here."""
    return needs("condor_master", "condor_schedd", "condor_submit")


@contextmanager
def running_pool(directory: Path) -> Iterator[Pool]:
    """Start a pool, and make a token for the user of the jobs."""
    grid_user()
    condor = pwd.getpwnam("condor")
    for name, mode in {"log": 0o755, "spool": 0o755, "execute": 0o755, "lock": 0o755, "run": 0o755}.items():
        (directory / name).mkdir(mode=mode)
        (directory / name).chmod(mode)
        os.chown(directory / name, condor.pw_uid, condor.pw_gid)
    for name in ("tokens.d", "passwords.d"):
        (directory / name).mkdir(mode=0o700)
    config, [port] = directory / "condor_config", free_ports("127.0.0.1", 1)
    config.write_text(
        CONFIG.format(port=port, directory=directory, uid=condor.pw_uid, gid=condor.pw_gid, domain=DOMAIN)
    )
    environment = {"CONDOR_CONFIG": str(config)}

    def told(*question: str) -> str:
        try:
            return run(*question, environment=environment).strip()
        except AssertionError:
            return ""

    def is_reached() -> bool:
        """Tell whether the schedd is where the collector says: that may be where it was before it was killed."""
        name = told("condor_status", "-schedd", "-af", "Name")
        return bool(name and told("condor_q", "-name", name, "-totals"))

    # Daemons of HTCondor ask `_CONDOR_` variables too; the list is what makes these two of one pool.
    master = Daemon(
        ["/usr/sbin/condor_master", "-f"],
        log=directory / "master.out",
        ready=lambda: bool(told("condor_status", "-af", "Name")),
        environment={**environment, "_CONDOR_DAEMON_LIST": "MASTER, COLLECTOR, NEGOTIATOR, STARTD"},
        children=("condor_collector", "condor_negotiator", "condor_startd"),
    )
    schedd = Daemon(
        ["/usr/sbin/condor_schedd", "-f"],
        log=directory / "schedd.out",
        ready=is_reached,
        environment=environment,
        children=("condor_shadow",),
    )
    with ExitStack() as stack:
        for daemon in (master, schedd):
            stack.callback(daemon.stop)
            daemon.start()
        credentials = directory / "credentials" / CREDENTIALS
        credentials.mkdir(parents=True)
        token = run("condor_token_create", "-identity", f"{USER}@{DOMAIN}", "-key", "POOL", environment=environment)
        (credentials / "token").write_text(token)
        (credentials / "token").chmod(0o600)
        yield Pool(config, port, schedd, directory / "credentials")


@dataclass(kw_only=True)
class HTCondorSite(GridSite):
    """A pool as a computing element."""

    pool: Pool


@contextmanager
def running_htcondor(directory: Path) -> Iterator[HTCondorSite]:
    """Start a pool."""
    with running_pool(directory) as pool:
        yield HTCondorSite(
            pool=pool,
            factory=HTCondorComputeElement,
            element={
                "Driver": "htcondor",
                "Credentials": CREDENTIALS,
                "DriverOptions": {"Setup": [f"export CONDOR_CONFIG={pool.config}"]},
            },
            directory=directory,
            credentials=pool.credentials,
            waiting={"memory_mb": 1_000_000},
            impatient={"Timeout": 4},
            down=pool.schedd.killed,
            frozen=pool.schedd.frozen,
            forget=pool.forget,
        )
