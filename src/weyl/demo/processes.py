"""Starts, watches and ends the foreign programs of a stack on one machine, so that none outlives its parent."""

import os
import pwd
import random
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

LEASH = Path(__file__).with_name("leash.py")
SWEEPER = Path(__file__).with_name("sweeper.py")
POLL_S = 0.02
LOG_EXCERPT_LINES = 25

# Accounts that may own a server's files when we are root; `nobody` last, because payloads may run under it.
SERVICE_ACCOUNTS = ("postgres", "daemon", "nobody")


class ComponentFailed(Exception):
    """A program of the stack did not start, did not answer in time or ended early."""


@dataclass(frozen=True)
class Account:
    """A user of the operating system under which a program runs."""

    name: str
    uid: int
    gid: int


def service_account() -> Account | None:
    """Return the unprivileged account for programs that refuse to run as root, or None if we are not root."""
    if os.geteuid() != 0:
        return None
    for name in SERVICE_ACCOUNTS:
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(name, entry.pw_uid, entry.pw_gid)
    raise ComponentFailed(f"running as root, and none of the accounts {', '.join(SERVICE_ACCOUNTS)} exists here")


def others_may_read(path: Path) -> bool:
    """Say whether every account of the machine can reach and read the path."""
    path = path.resolve()
    wanted = stat.S_IROTH | stat.S_IXOTH if path.is_dir() else stat.S_IROTH
    return path.stat().st_mode & wanted == wanted and others_may_enter(path.parent)


def others_may_enter(directory: Path) -> bool:
    """Say whether every account of the machine may pass through the directory and all above it."""
    directory = directory.resolve()
    return all(step.stat().st_mode & stat.S_IXOTH for step in (directory, *directory.parents))


def launch(
    command: Sequence[str | Path],
    *,
    log: Path,
    account: Account | None = None,
    on_parent_death: signal.Signals = signal.SIGKILL,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, in the directory of its log; the program is given by its whole path.

    The kernel counts the calling *thread* as the parent: call it from one that lives as long as the program shall.
    """
    uid, gid = (account.uid, account.gid) if account else (-1, -1)
    leash: list[str | Path] = [
        sys.executable,
        "-I",
        "-S",
        LEASH,
        str(os.getpid()),
        str(int(on_parent_death)),
        str(uid),
        str(gid),
    ]
    with log.open("ab") as output:
        return subprocess.Popen(
            [*leash, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=env,
            cwd=log.parent,
            pass_fds=pass_fds,
        )


def start_sweeper(paths: Sequence[Path]) -> subprocess.Popen[bytes]:
    """Start the process that removes the paths once we are gone; closing its standard input is the sign."""
    return subprocess.Popen(
        [sys.executable, "-I", "-S", SWEEPER, *paths],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], *, log: Path, timeout_s: float) -> None:
    """Wait until the program is ready; explain with the end of its log if it ends or takes too long."""
    deadline = time.monotonic() + timeout_s
    while not ready():
        if process.poll() is not None:
            raise ComponentFailed(f"{_name(process)} ended with {process.returncode}\n{log_excerpt(log)}")
        if time.monotonic() > deadline:
            raise ComponentFailed(f"{_name(process)} was not ready after {timeout_s:g} s\n{log_excerpt(log)}")
        time.sleep(POLL_S)


def _name(process: subprocess.Popen[bytes]) -> str:
    arguments = [str(argument) for argument in process.args]  # type: ignore[union-attr]
    program = arguments[arguments.index(str(LEASH)) + 5] if str(LEASH) in arguments else arguments[0]
    return Path(program).name


def log_excerpt(log: Path, lines: int = LOG_EXCERPT_LINES) -> str:
    """Return the last lines of a log, for the error message of the program that wrote it."""
    if not log.exists():
        return f"(no log at {log})"
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def end(process: subprocess.Popen[bytes], *steps: tuple[signal.Signals, float]) -> None:
    """End a program with each signal in turn until it is gone, its process group with SIGKILL at last."""
    for signal_number, patience_s in steps:
        if process.poll() is not None:
            break
        process.send_signal(signal_number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
    # The number of one that ended a while ago may be another program's by now.
    if process.poll() is None or not psutil.pid_exists(process.pid):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def loopback_address() -> str:
    """Return a loopback address of our own: outgoing connections are on 127.0.0.1 and take none of its ports."""
    if sys.platform != "linux":
        return "127.0.0.1"
    chance = random.SystemRandom()
    return f"127.{chance.randint(16, 254)}.{chance.randint(1, 254)}.{chance.randint(1, 254)}"


def free_ports(address: str, count: int, *, highest: int = 65535) -> list[int]:
    """Return ports that nobody listens on at the address, all different, none above `highest`."""
    with ExitStack() as held:
        ports: list[int] = []
        while len(ports) < count:
            listener = held.enter_context(socket.socket())
            listener.bind((address, 0))
            port = listener.getsockname()[1]
            if port <= highest:
                ports.append(port)
    return ports


def owns_port(pid: int, address: str, port: int) -> bool:
    """Say whether the process holds the listening socket: that a port answers does not mean that our program does."""
    if sys.platform != "linux":
        return True
    wanted = f"{socket.inet_aton(address)[::-1].hex().upper()}:{port:04X}"
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    inodes = {f"socket:[{row[9]}]" for row in rows if row[1] == wanted and row[3] == "0A"}
    # Descriptors, and the process itself, may go while we look.
    with suppress(FileNotFoundError):
        return not inodes.isdisjoint(_open_files(pid))
    return False


def _open_files(pid: int) -> Iterator[str]:
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            yield str(descriptor.readlink())
