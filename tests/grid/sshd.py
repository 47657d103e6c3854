"""An sshd of the suite's own, into which the test user may log in with a key."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.grid.daemons import USER, Daemon, grid_user, listens, needs, run
from weyl.demo.processes import free_ports

SSHD = "/usr/sbin/sshd"
CREDENTIALS = "ssh"
CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {directory}/host_key
PidFile none
AuthorizedKeysFile {directory}/authorized_keys
StrictModes no
PasswordAuthentication yes
KbdInteractiveAuthentication no
UsePAM no
MaxStartups 100
PerSourcePenalties no
PrintMotd no
"""


@dataclass(frozen=True)
class SSHServer:
    """A running sshd."""

    daemon: Daemon
    port: int
    host_key: str
    credentials: Path
    """What WEYL_CREDENTIALS_DIRECTORY would be; the user's key is called `ssh` there."""

    @property
    def endpoint(self) -> str:
        """How a driver is told of it."""
        return f"ssh://{USER}@127.0.0.1:{self.port}"


def missing_ssh() -> str | None:
    """Return why no sshd can be started here."""
    return needs("sshd", "ssh", "ssh-keygen")


@contextmanager
def running_sshd(directory: Path) -> Iterator[SSHServer]:
    """Start an sshd; sessions that are open end with it."""
    directory.mkdir()
    directory.chmod(0o755)
    grid_user()
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    credentials = directory / "credentials" / CREDENTIALS
    credentials.mkdir(parents=True)
    for key in (directory / "host_key", credentials / "ssh-key"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
    authorized = directory / "authorized_keys"
    authorized.write_text((credentials / "ssh-key.pub").read_text())
    authorized.chmod(0o644)
    [port] = free_ports("127.0.0.1", 1)
    config = directory / "sshd_config"
    config.write_text(CONFIG.format(port=port, directory=directory))
    daemon = Daemon(
        [SSHD, "-D", "-e", "-f", config],
        log=directory / "sshd.log",
        ready=lambda: listens(port),
        children=("sshd", "sshd-session", "sshd-auth"),
    )
    daemon.start()
    host_key = " ".join((directory / "host_key.pub").read_text().split()[:2])
    try:
        yield SSHServer(daemon, port, host_key, directory / "credentials")
    finally:
        daemon.stop()
