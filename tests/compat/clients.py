"""People of the suite: each with DiracX's command, DiracX's library in a process beside us, and plain HTTP."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import httpx2

from tests.compat.environment import ClientEnvironment
from tests.infra.stack import login
from tests.infra.waiting import await_that
from weyl.demo.stack import Stack

AGENT = Path(__file__).parent / "agent.py"
COMMAND_TIMEOUT_S = 60
T = TypeVar("T")
Json = dict[str, Any]


def model(name: str, **fields: object) -> Json:
    """Stand for an instance of a class of the generated client."""
    return {"$model": name, "fields": fields}


def eventually(look: Callable[[], T], *, timeout_s: float = 30, what: str = "it") -> T:
    """Look until there is something true to see: other processes give no signal that reaches us."""
    return await_that(look, what, timeout_s=timeout_s)


@dataclass(frozen=True)
class Answer:
    """What one call of the library gave."""

    value: Any
    error: str | None
    detail: Any
    statuses: list[int]
    headers: dict[str, str]
    text: str
    """The body of the last answer, as the server sent it, its first 2,000 characters."""

    @property
    def status(self) -> int:
        """The HTTP status of the last answer of the server; 0 if there was none."""
        return self.statuses[-1] if self.statuses else 0

    def ok(self) -> Any:
        """Return the value of a call that must have worked."""
        assert self.error is None, (self.error, self.statuses, self.detail)
        return self.value

    def refused(self, status: int, *, word: str = "") -> Any:
        """Return the detail of a call that must have been refused."""
        assert (self.error is not None, self.status) == (True, status), self
        assert word in str(self.detail), self.detail
        return self.detail


class Library:
    """DiracX's Python client as one user has it: a process of its own, because it caches its preferences."""

    def __init__(self, python: str, environment: dict[str, str], log: Path) -> None:
        self._log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [python, str(AGENT)],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def call(self, mode: str, name: str, *args: object, **kwargs: object) -> Answer:
        """Make one call, for example `call("sync", "jobs.search", per_page=10)`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"mode": mode, "call": name, "args": args, "kwargs": kwargs}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the library's process ended: {self._log.read_text()[-2000:]}"
        return Answer(**json.loads(line))

    def close(self) -> None:
        """End the process."""
        self._process.communicate(timeout=20)


def default_place(home: Path) -> Path:
    """Return where DiracX's client keeps its credentials if nobody tells it."""
    return home / ".cache" / "diracx" / "credentials.json"


@dataclass
class Person:
    """Somebody who is logged in, or has no credentials yet."""

    stack: Stack
    environment: ClientEnvironment
    home: Path
    credentials: Path
    closing: ExitStack = field(repr=False)

    @property
    def variables(self) -> dict[str, str]:
        """The environment of this person's commands: nothing named DIRACX_* but what the suite sets."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
        if self.credentials != default_place(self.home):
            kept["DIRACX_CREDENTIALS_PATH"] = str(self.credentials)
        return {
            **kept,
            "HOME": str(self.home),
            "COLUMNS": "200",
            "DIRACX_URL": self.stack.url,
            "DIRACX_OUTPUT_FORMAT": "JSON",
        }

    def start(self, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
        """Start `dirac` in the background."""
        return subprocess.Popen(
            [self.environment.dirac, *arguments],
            env={**self.variables, **variables},
            cwd=self.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def dirac(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """Run `dirac` to its end; its exit code says little, look at what it printed."""
        with self.start(*arguments, **variables) as process:
            out, err = process.communicate(timeout=COMMAND_TIMEOUT_S)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def dirac_json(self, *arguments: str, **variables: str) -> Any:
        """Run `dirac` and return the JSON that it printed."""
        done = self.dirac(*arguments, **variables)
        assert done.returncode == 0, (done.stdout, done.stderr[-2000:])
        return json.loads(done.stdout)

    @cached_property
    def library(self) -> Library:
        """The library, started at the first call."""
        library = Library(self.environment.python, self.variables, self.home / "library.log")
        self.closing.callback(library.close)
        return library

    def call(self, mode: str, name: str, *args: object, **kwargs: object) -> Answer:
        """Make one call of the library."""
        return self.library.call(mode, name, *args, **kwargs)

    @property
    def tokens(self) -> Json:
        """What is in the credentials file."""
        return dict(json.loads(self.credentials.read_text()))

    @cached_property
    def http(self) -> httpx2.Client:
        """Plain HTTP with this person's token."""
        headers = {"Authorization": f"Bearer {self.tokens['access_token']}"} if self.credentials.exists() else {}
        return self.closing.enter_context(httpx2.Client(base_url=self.stack.url, headers=headers, timeout=60))

    def submit(self, *jdls: str) -> list[int]:
        """Submit over plain HTTP, for tests whose subject is something else; returns the ids."""
        answer = self.http.post("/api/jobs/jdl", json=list(jdls))
        assert answer.status_code == 201, answer.text
        return [row["JobID"] for row in answer.json()]

    def rows(self, *specs: Json, parameters: Iterable[str] = ()) -> list[Json]:
        """Return what a search finds, over plain HTTP."""
        body = {"search": specs, "parameters": list(parameters)}
        answer = self.http.post("/api/jobs/search", params={"per_page": 10_000}, json=body)
        assert answer.status_code in (200, 206), answer.text
        return list(answer.json())

    def jobs(self, ids: Iterable[int], *parameters: str) -> dict[int, Json]:
        """Return the rows of jobs by id."""
        spec = {"parameter": "JobID", "operator": "in", "values": list(ids)}
        return {row["JobID"]: row for row in self.rows(spec, parameters=["JobID", *parameters] if parameters else ())}

    def wait_for(self, ids: Iterable[int], *statuses: str, timeout_s: float = 30) -> dict[int, Json]:
        """Wait until all jobs have one of the statuses; returns their rows."""
        wanted = list(ids)

        def look() -> dict[int, Json] | None:
            rows = self.jobs(wanted)
            return rows if len(rows) == len(wanted) and all(r["Status"] in statuses for r in rows.values()) else None

        return eventually(look, timeout_s=timeout_s, what=f"{' or '.join(statuses)} of {wanted[:5]}")


class People:
    """Makes people, and remembers those who are logged in: a login costs half a second."""

    def __init__(self, stack: Stack, environment: ClientEnvironment, directory: Path) -> None:
        self.stack = stack
        self._environment = environment
        self._directory = directory
        self._known: dict[tuple[str, ...], Person] = {}
        self._closing = ExitStack()

    def __call__(self, user: str = "alice", vo: str = "voa", group: str = "user", *properties: str) -> Person:
        """Return somebody who is logged in, the same object each time: do not log this one out."""
        key = (user, vo, group, *properties)
        if key not in self._known:
            self._known[key] = self.newly_logged_in(*key)
        return self._known[key]

    def newly_logged_in(self, user: str = "alice", vo: str = "voa", group: str = "user", *properties: str) -> Person:
        """Return somebody with a login of the test's own."""
        return self._person(login(self.stack, user, vo=vo, group=group, properties=properties))

    def stranger(self) -> Person:
        """Return somebody who has no credentials yet; theirs will be in the default place."""
        return self._person(None)

    def client_with(self, token: str, **headers: str) -> httpx2.Client:
        """Return plain HTTP with a token, which is closed with everything else."""
        headers = {"Authorization": f"Bearer {token}", **headers}
        return self._closing.enter_context(httpx2.Client(base_url=self.stack.url, headers=headers, timeout=60))

    def _person(self, credentials: Path | None) -> Person:
        home = self._directory / f"home-{time.monotonic_ns()}"
        home.mkdir(mode=0o700)
        return Person(self.stack, self._environment, home, credentials or default_place(home), self._closing)

    def close(self) -> None:
        """End every process and connection of theirs."""
        self._closing.close()
