"""A whole installation of real processes whose links go through fault proxies and whose parts can be killed."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import psutil
from sqlalchemy.engine import make_url

from tests.faults.proxy import FaultProxy, url_through
from tests.infra import waiting
from tests.infra.directories import stack_directory
from tests.infra.stack import ConfiguredFiles, command_of, device_tokens
from weyl.client import Client, MemoryCredentials, TokenSet
from weyl.config.administration import Document
from weyl.demo.installation import document
from weyl.demo.postgres import RunningPostgres, start_postgres
from weyl.demo.processes import log_excerpt
from weyl.demo.seaweedfs import RunningStore, launch_seaweedfs, start_seaweedfs, wait_for_seaweedfs
from weyl.demo.stack import Stack, processes_below

SLOTS = 6
STATEMENT_TIMEOUT_S = 2.0
PATIENCE_S = 120.0

ProgramEnvironment = Callable[[str], Mapping[str, str]]


class FaultyStack(Stack):
    """The demo's stack with PostgreSQL, S3 and the identity provider each behind a proxy of its own."""

    def __init__(
        self, files: ConfiguredFiles, *, program_environment: ProgramEnvironment, settings: Mapping[str, str]
    ) -> None:
        super().__init__(files, say=print)
        self._program_environment = program_environment
        self.postgres_link, self.store_link, self.idp_link = FaultProxy(), FaultProxy(), FaultProxy()
        self.postgres: RunningPostgres
        self.store: RunningStore
        self._settings = settings

    def start_postgres(self) -> None:
        """Start PostgreSQL on its data, at first or once more."""
        self.postgres = start_postgres(self.files.directory / "pg")
        url = make_url(self.postgres.url)
        sockets = url.query.get("host")
        self.postgres_link.upstream = f"{sockets}/.s.PGSQL.5432" if sockets else (str(url.host), int(url.port or 0))

    def start_store(self) -> None:
        """Start SeaweedFS once more on its objects."""
        self._use_store(start_seaweedfs(self.files.directory / "s3"))

    def _use_store(self, store: RunningStore) -> None:
        self.store = store
        host, _, port = self.store.endpoint_url.removeprefix("http://").partition(":")
        self.store_link.upstream = (host, int(port))

    def database_url(self) -> str:
        """Return the database's URL, by way of the proxy."""
        return url_through(self.postgres_link, self.postgres.url)

    def _start(self) -> None:
        self._exit.callback(self._supervisor.leave)
        for link in (self.postgres_link, self.store_link, self.idp_link):
            self._exit.enter_context(link)
        secrets = self.files.prepare()
        self._exit.callback(self._stop_components)
        # The store takes longest, so the others start meanwhile.
        store = launch_seaweedfs(self.files.directory / "s3")
        self._use_store(store)
        self.start_postgres()
        listener, idp_listener = self._sockets()
        self.url = "http://{}:{}".format(*listener.getsockname())
        self.idp_url = self.idp_link.url
        self.idp_link.upstream = idp_listener.getsockname()
        self.files.configure(self.idp_url, self.store_link.url)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("WEYL_", "DIRACX_"))},
            **secrets,
            "WEYL_DATABASE_URL": self.database_url(),
            "WEYL_DATABASE_STATEMENT_TIMEOUT_S": str(STATEMENT_TIMEOUT_S),
            "WEYL_CONFIG_URL": self.files.config_url,
            "WEYL_PUBLIC_URL": self.url,
            "WEYL_KEYS": str(self.files.keys),
            "WEYL_S3_ENDPOINT": self.store_link.url,
            "WEYL_S3_ACCESS_KEY": self.store.access_key,
            "WEYL_S3_SECRET_KEY": self.store.secret_key,
            "WEYL_PILOT_DIRECTORY": str(self.files.pilots),
            "WEYL_LOG_FORMAT": "console",
            **self._settings,
        }
        self._run_to_end("database schema", "db", "migrate")
        wait_for_seaweedfs(store)
        redirects = [f"--redirect-uri={self.url}/api/auth/{flow}/complete" for flow in ("device", "authorize", "web")]
        options = [f"--issuer={self.idp_url}", f"--passwords={self.files.password_file}", *redirects]
        self._launch("identity provider", ["dev-idp", f"--fd={idp_listener.fileno()}", *options], idp_listener)
        self._launch("server", ["serve", f"--fd={listener.fileno()}"], listener)
        self._exit.callback(self._end_pilots)
        self._launch("worker", ["worker"])
        self._await_ready()
        self._supervisor.start()
        self._exit.callback(self._supervisor.rest)

    def _launch(self, name: str, arguments: list[str], *sockets: socket.socket) -> None:
        shared = self.environment
        self.environment = {**shared, **self._program_environment(name)}
        try:
            super()._launch(name, arguments, *sockets)
        finally:
            self.environment = shared

    def _stop_components(self) -> None:
        for component in (getattr(self, "postgres", None), getattr(self, "store", None)):
            if component is not None:
                component.stop()

    # -- what happens to it ---------------------------------------------------------------------------------------

    def kill(self, name: str) -> None:
        """`kill -9` one part; what is not supervised is started again on its data."""
        if name == "pilot":
            pilots: list[psutil.Process] = []
            # One that becomes another program just now has no command line.
            await_that(lambda: bool(pilots.extend(self.pilots()) or pilots), "a pilot")
            for pilot in pilots:
                pilot.kill()
        elif name == "postgresql":
            self._kill_postgres()
        elif name == "seaweedfs":
            self.store.stop()
            self.start_store()
        else:
            process = self.program(name).process
            assert process is not None
            os.kill(process.pid, signal.SIGKILL)
            process.wait()

    def _kill_postgres(self) -> None:
        process = self.postgres.process
        assert process is not None
        everybody = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        # The postmaster first: it would end the others in good order.
        for each in everybody:
            try:
                each.kill()
            except psutil.NoSuchProcess:
                continue
        process.wait()
        psutil.wait_procs(everybody, timeout=10)
        self.start_postgres()

    def pilots(self) -> list[psutil.Process]:
        """Return the processes of pilots."""
        return [each for each in processes_below(self.files.pilots) if "weyl-pilot.pyz" in command_of(each)]

    def is_whole(self) -> bool:
        """Tell whether every program of ours runs: what was killed often waits a moment before it is started again."""
        return all(program.process is not None and program.process.poll() is None for program in self.programs)

    def pids(self) -> dict[str, int]:
        """Return the pid of every program of ours."""
        return {program.name: program.process.pid for program in self.programs if program.process is not None}

    def log_of(self, name: str) -> str:
        """Return the end of the log of one of our programs."""
        return log_excerpt(self.program(name).log, 80)

    def ready(self) -> httpx2.Response:
        """Ask the server whether it is ready."""
        return httpx2.get(f"{self.url}/api/health/ready", timeout=60)


@dataclass
class Member:
    """A member of `hep` with the client library, and raw HTTP for what is to be seen as it is."""

    stack: FaultyStack
    client: Client
    http: httpx2.Client
    tokens: Mapping[str, Any] = field(default_factory=dict)

    def submit(self, jdl: str, key: str) -> list[int]:
        """Submit with an idempotency key, again and again until the server takes it: never twice."""
        return self._submit("/api/jobs/jdl", [jdl], key)

    def submit_cwl(self, body: Mapping[str, Any], key: str) -> list[int]:
        """Submit jobs in CWL in the same way."""
        return self._submit("/api/jobs/", body, key)

    def _submit(self, path: str, body: object, key: str) -> list[int]:
        ids: list[int] = []
        await_that(lambda: bool(ids.extend(self._submitted(path, body, key)) or ids), "submitted")
        return ids

    def _submitted(self, path: str, body: object, key: str) -> list[int]:
        try:
            answer = self.http.post(path, json=body, headers={"Idempotency-Key": key})
        except httpx2.TransportError:
            return []
        if answer.status_code in (502, 503, 504):
            return []
        assert answer.status_code in (200, 201), f"{answer.text}\n{self.stack.log_of('server')}"
        return [row["JobID"] for row in answer.json()]

    def jobs(self, ids: list[int]) -> list[dict[str, Any]]:
        """Return the jobs as they are now; nothing while the server does not answer."""
        body = {
            "parameters": ["JobID", "Status", "MinorStatus", "ApplicationStatus", "JobName", "RescheduleCounter"],
            "search": [{"parameter": "JobID", "operator": "in", "values": ids}],
        }
        try:
            answer = self.http.post("/api/jobs/search", params={"per_page": 1000}, json=body)
        except httpx2.TransportError:
            return []
        return list(answer.json()) if answer.status_code in (200, 206) else []

    def count(self, name: str) -> int:
        """Return how many jobs have a name that begins so."""
        body = {"parameters": ["JobID"], "search": [{"parameter": "JobName", "operator": "like", "value": f"{name}-%"}]}
        return len(self.http.post("/api/jobs/search", params={"per_page": 1000}, json=body).json())

    def history(self, job_id: int) -> list[str]:
        """Return the statuses that a job had, in order."""
        rows = self.http.get(f"/api/jobs/{job_id}/history").json()
        statuses = [row["Status"] for row in rows]
        return [status for before, status in zip([None, *statuses], statuses, strict=False) if status != before]


await_that = partial(waiting.await_that, timeout_s=PATIENCE_S)


def faulty_document(idp_url: str, directory: Path, *, runs_once: bool = False) -> Document:
    """Return the demo's configuration, with quick pilots and as many slots as light payloads can fill.

    `runs_once`: no job that is lost with its pilot or host runs again.
    """
    made = document(idp_url, directory)
    if runs_once:
        made["Operations"]["Defaults"].setdefault("Matching", {})["Retry"] = {"Host": {"Max": 0}}
    made["Operations"]["Defaults"]["Pilots"] |= {"StatusEvery": 2}
    only_queue(made)["Cores"] = SLOTS
    return made


def only_queue(made: Document) -> Document:
    """Return the queue of the installation in its configuration."""
    queue: Document = made["Resources"]["Sites"]["DIRAC.Laptop.org"]["CEs"]["laptop"]["Queues"]["default"]
    return queue


@contextmanager
def running_installation(
    *,
    program_environment: ProgramEnvironment = lambda _: {},
    runs_once: bool = False,
    change: Callable[[Document, Path], None] = lambda made, directory: None,
    **settings: str,
) -> Iterator[FaultyStack]:
    """Run an installation for the length of the block; each program may get an environment of its own.

    `change` may change the configuration before anything starts.
    """
    with stack_directory("weyl-x-") as directory:

        def first_document(idp_url: str) -> Document:
            made = faulty_document(idp_url, directory, runs_once=runs_once)
            change(made, directory)
            return made

        files = ConfiguredFiles(directory, first_document=first_document)
        with FaultyStack(files, program_environment=program_environment, settings=settings) as stack:
            yield stack


@contextmanager
def logged_in(stack: FaultyStack, user: str = "alice") -> Iterator[Member]:
    """Log a member of `hep` in for the length of the block."""
    tokens = device_tokens(stack, "vo:hep group:user", user)
    store = MemoryCredentials(TokenSet.from_answer(tokens, time.time()))
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    with ExitStack() as exits:
        client = exits.enter_context(Client(stack.url, store))
        http = exits.enter_context(httpx2.Client(base_url=stack.url, headers=headers, timeout=60))
        yield Member(stack, client, http, tokens)
