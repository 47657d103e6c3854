"""Daemons of batch systems, started by hand on loopback and ended by their process ids; and the user of the jobs."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.infra.waiting import await_that
from weyl.demo.processes import launch, log_excerpt, wait_until

USER = "weyltest"
READY_S = 90.0
STOP_S = 15.0


class Daemon:
    """One program that runs in the foreground, and can be ended, started again and frozen."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        ready: Callable[[], bool],
        environment: Mapping[str, str] | None = None,
        children: Sequence[str] = (),
    ) -> None:
        self._command = command
        self._log = log
        self._ready = ready
        self._environment = environment
        self._children = children
        """Names of programs that end and freeze with it; other children are pilots, and go on."""
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._process = launch(
            self._command,
            log=self._log,
            on_parent_death=signal.SIGTERM,
            env={**os.environ, **(self._environment or {})},
        )
        wait_until(self._ready, self._process, log=self._log, timeout_s=READY_S)

    def stop(self) -> None:
        """End it with SIGTERM, or SIGKILL if it does not go."""
        if self._process is None:
            return
        ending = self._own()
        for number in (signal.SIGTERM, signal.SIGKILL):
            for process in ending:
                with suppress(psutil.Error):
                    process.send_signal(number)
            _, ending = psutil.wait_procs(ending, timeout=STOP_S)
        self._process.wait(STOP_S)
        self._process = None

    def restart(self) -> None:
        """End it if it runs, and start it."""
        self.stop()
        self.start()

    @contextmanager
    def down(self) -> Iterator[None]:
        """Let it be away for a while."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def killed(self) -> Iterator[None]:
        """Let it die without a word, and come back after a while."""
        for process in self._own():
            process.kill()
        with self.down():
            yield

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let it take connections and never answer for a while."""
        processes = self._own()
        for process in processes:
            process.suspend()
        try:
            yield
        finally:
            for process in processes:
                with suppress(psutil.Error):
                    process.resume()

    def _own(self) -> list[psutil.Process]:
        assert self._process is not None
        if self._process.poll() is not None:
            return []
        first = psutil.Process(self._process.pid)
        return [first, *(child for child in first.children(recursive=True) if child.name() in self._children)]


def grid_user() -> pwd.struct_passwd:
    """Return the user that jobs run as; it is made if it is missing."""
    try:
        return pwd.getpwnam(USER)
    except KeyError:
        run("useradd", "-m", "-s", "/bin/bash", USER)
        # `useradd` locks the account, which sshd refuses.
        run("usermod", "-p", "*", USER)
        return pwd.getpwnam(USER)


def needs(*programs: str) -> str | None:
    """Return why daemons cannot be started here."""
    missing = [program for program in programs if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin") is None]
    if missing:
        return f"{', '.join(missing)} not installed: see SYSTEM_PACKAGES in tools/setup.py"
    return None if os.geteuid() == 0 else "only root can start daemons that run jobs as another user"


def run(*command: str | Path, environment: Mapping[str, str] | None = None) -> str:
    """Run a program to its end; returns what it printed."""
    done = subprocess.run(
        list(map(str, command)),
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=READY_S,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}"
    return done.stdout


def listens(port: int) -> bool:
    """Tell whether somebody takes connections on a port of loopback."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def until(condition: Callable[[], bool], what: str, log: Path) -> None:
    """Wait for something that no daemon tells us of."""
    await_that(condition, what, timeout_s=READY_S, explain=lambda: log_excerpt(log))


def owned_directory(path: Path) -> Path:
    """Make a directory of the test user's own."""
    path.mkdir(mode=0o755)
    path.chmod(0o755)
    user = grid_user()
    os.chown(path, user.pw_uid, user.pw_gid)
    return path
