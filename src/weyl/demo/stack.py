"""Starts, watches and stops the whole system on one machine: database, store, identity provider, server, worker."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from urllib.error import URLError

import psutil

from weyl.demo.installation import BUCKET, InstallationFiles
from weyl.demo.postgres import start_postgres
from weyl.demo.processes import POLL_S, ComponentFailed, log_excerpt, wait_until
from weyl.demo.seaweedfs import RunningStore, launch_seaweedfs, wait_for_seaweedfs
from weyl.demo.supervision import Program, Say, Supervisor
from weyl.kit.s3 import ObjectStore

READY_TIMEOUT_S = 60.0
PILOTS_END_S = 5.0


class Stack:
    """A running installation; a context manager that leaves no process behind."""

    def __init__(self, files: InstallationFiles, *, say: Say, database_url: str | None = None) -> None:
        self.files = files
        self.url = ""
        self.idp_url = ""
        self.environment: dict[str, str] = {}
        self.programs: list[Program] = []
        self._say = say
        self._database_url = database_url
        self._exit = ExitStack()
        self._supervisor = Supervisor(self.programs, say)

    def __enter__(self) -> "Stack":
        try:
            self._start()
        except BaseException:
            self._exit.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()

    def program(self, name: str) -> Program:
        """Return a program: `server`, `worker`, `identity provider`, `PostgreSQL` or `object store`."""
        return next(program for program in self.programs if program.name == name)

    def rest(self) -> None:
        """Start nothing again from now on: what ends is meant to end."""
        self._supervisor.rest()

    def check(self) -> None:
        """Raise `ComponentFailed` if a program ends however often it is started again."""
        if self._supervisor.failure is not None:
            raise self._supervisor.failure

    def _start(self) -> None:
        began = time.monotonic()
        self._exit.callback(self._supervisor.leave)
        directory = self.files.directory
        secrets = self.files.prepare()
        self._exit.enter_context(self.files.claimed())
        store = launch_seaweedfs(directory / "s3")
        self._exit.callback(store.stop)
        postgres = start_postgres(directory / "pg", url=self._database_url, say=self._say)
        self._exit.callback(postgres.stop)
        self.programs += [store, postgres]
        self._say(f"PostgreSQL is up ({'given' if self._database_url else 'ours'}), {time.monotonic() - began:.1f} s")
        listener, idp_listener = self._sockets()
        self.url = _url_of(listener)
        self.idp_url = _url_of(idp_listener)
        self.files.configure(self.idp_url, store.endpoint_url)
        self.files.keep_keys(store.access_key, store.secret_key)
        self.environment = {
            # An installation whose settings name another directory has credentials of its own.
            "WEYL_CREDENTIALS_DIRECTORY": str(self.files.credentials),
            **_inherited_environment(),
            **secrets,
            "WEYL_DATABASE_URL": postgres.url,
            "WEYL_CONFIG_URL": self.files.config_url,
            "WEYL_PUBLIC_URL": self.url,
            "WEYL_KEYS": str(self.files.keys),
            "WEYL_S3_ENDPOINT": store.endpoint_url,
            "WEYL_S3_ACCESS_KEY": store.access_key,
            "WEYL_S3_SECRET_KEY": store.secret_key,
            "WEYL_PILOT_DIRECTORY": str(self.files.pilots),
            "WEYL_ALLOWED_REDIRECTS": json.dumps([f"{self.url}/#authentication-callback"]),
            "WEYL_LOG_FORMAT": "console",
        }
        self._run_to_end("database schema", "db", "migrate")
        wait_for_seaweedfs(store)
        asyncio.run(_make_bucket(store))
        self._say(f"Object store is up, {time.monotonic() - began:.1f} s")
        redirects = [f"--redirect-uri={self.url}/api/auth/{flow}/complete" for flow in ("device", "authorize", "web")]
        provider = ["dev-idp", f"--fd={idp_listener.fileno()}", f"--passwords={self.files.password_file}", *redirects]
        self._launch("identity provider", provider, idp_listener)
        self._launch("server", ["serve", f"--fd={listener.fileno()}"], listener)
        # They end in the opposite order: first the worker, so that no pilot starts any more, the server last.
        self._exit.callback(self._end_pilots)
        self._launch("worker", ["worker"])
        self._await_ready()
        self._supervisor.start()
        self._exit.callback(self._supervisor.rest)
        self._say(f"Server, worker and identity provider are up, {time.monotonic() - began:.1f} s")

    def _sockets(self) -> tuple[socket.socket, socket.socket]:
        """Return the sockets of server and identity provider, on the ports of the last time if they are free.

        We keep them open ourselves: nobody can take the ports, and a server that is started again misses no request.
        """
        stored = self.files.directory / "ports.json"
        ports: list[int] = json.loads(stored.read_text()) if stored.exists() else [0, 0]
        sockets = tuple(self._exit.enter_context(_listen(port)) for port in ports)
        stored.write_text(json.dumps([listener.getsockname()[1] for listener in sockets]))
        return sockets[0], sockets[1]

    def _launch(self, name: str, arguments: list[str], *sockets: socket.socket) -> None:
        program = Program(
            name,
            [sys.executable, "-m", "weyl", *arguments],
            self.files.logs / f"{name.replace(' ', '-')}.log",
            self.environment,
            tuple(listener.fileno() for listener in sockets),
        )
        program.start()
        self.programs.append(program)
        self._exit.callback(program.stop)

    def _run_to_end(self, name: str, *arguments: str) -> None:
        command = [sys.executable, "-m", "weyl", *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            raise ComponentFailed(
                f"{name}: `weyl {' '.join(arguments)}` ended with {done.returncode}\n{done.stderr[-3000:]}"
            )

    def _await_ready(self) -> None:
        server, idp = self.program("server"), self.program("identity provider")
        for program, url in (
            (idp, f"{self.idp_url}/.well-known/openid-configuration"),
            (server, f"{self.url}/api/health/ready"),
        ):
            assert program.process is not None
            wait_until(partial(_answers, url), program.process, log=program.log, timeout_s=READY_TIMEOUT_S)
        worker = self.program("worker")
        assert worker.process is not None
        wait_until(
            lambda: "worker.started" in log_excerpt(worker.log),
            worker.process,
            log=worker.log,
            timeout_s=READY_TIMEOUT_S,
        )

    def _end_pilots(self) -> None:
        """End the pilots that the local computing element started: they run in sessions of their own."""
        pilots = processes_below(self.files.pilots)
        for number in (signal.SIGTERM, signal.SIGKILL):
            for process in pilots:
                with suppress(psutil.Error):
                    process.send_signal(number)
            deadline = time.monotonic() + PILOTS_END_S
            while pilots and time.monotonic() < deadline:
                time.sleep(POLL_S)
                pilots = [process for process in pilots if _lives(process)]


def processes_below(directory: Path) -> list[psutil.Process]:
    """Return the processes that work in a directory or below it, and all that they started.

    A pilot's command line does not name its place, and the pilot itself hides it, with its memory, from everybody but
    root: it is found below its launcher.
    """
    found = {process for process in psutil.process_iter() if directory in _working_directory(process).parents}
    return list(found.union(*map(_descendants, found)))


def _working_directory(process: psutil.Process) -> Path:
    try:
        return Path(process.cwd())
    except psutil.Error:
        return Path()


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _lives(process: psutil.Process) -> bool:
    """Tell whether a process still runs; one that only waits to be reaped does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


async def _make_bucket(store: RunningStore) -> None:
    """Make the bucket for files, beside the one for sandboxes, which the server makes by itself."""
    keys = {"access_key": store.access_key, "secret_key": store.secret_key}
    async with ObjectStore(store.endpoint_url, bucket=BUCKET, **keys) as bucket:
        await bucket.ensure_bucket()


def _inherited_environment() -> dict[str, str]:
    """Return our environment without settings that were meant for another installation."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("WEYL_", "DIRACX_", "PGQUEUER_"))}


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    return listener


def _url_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()
    return f"http://{host}:{port}"


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def remove_directory(directory: Path) -> None:
    """Remove a stack's directory, also files of other accounts where we may."""
    for _ in range(50):
        shutil.rmtree(directory, ignore_errors=True)
        if not directory.exists():
            return
        time.sleep(0.1)
    raise ComponentFailed(f"Could not remove {directory}: remove it by hand")
