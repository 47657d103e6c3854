"""Jobs in CWL for an installation of faults: documents that say when they run, and an engine that can be broken."""

import asyncio
import hashlib
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

import asyncpg
import psutil

from tests.faults.executions import Executions
from tests.faults.installation import STATEMENT_TIMEOUT_S, FaultyStack, Member, only_queue
from tests.infra.stack import device_tokens, write_credentials
from weyl.config.administration import Document
from weyl.demo.stack import processes_below
from weyl.kit.db import libpq_dsn
from weyl.sandboxes.calls import get_job_sandbox
from weyl.sandboxes.transfer import contents, read
from weyl.task_queues.health import CHANNEL

T = TypeVar("T")

INSERTS = "BEFORE INSERT ON jobs FOR EACH ROW"
MANIFESTS = "BEFORE INSERT ON job_outputs FOR EACH ROW"
ENDS = "BEFORE UPDATE ON jobs FOR EACH ROW WHEN (NEW.status = 'Done' AND OLD.status <> 'Done')"
"""What `held` may keep from happening: a submission, that a manifest is recorded, that a job becomes Done."""


class SwitchedEngine:
    """The engine of the environment of these tests, which does not start while it is broken."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "engine"
        self._broken = self.directory / "broken"

    def make(self) -> None:
        """Write it."""
        program = self.directory / "bin" / "python3"
        program.parent.mkdir(parents=True)
        said = f'test -e {self._broken} && {{ echo "This engine is broken"; exit 3; }}'
        program.write_text(f'#!/bin/sh\n{said}\nexec {sys.prefix}/bin/python3 "$@"\n')
        program.chmod(0o755)
        # What else a pilot must show to payloads is found by way of it.
        (self.directory / "lib").symlink_to(f"{sys.prefix}/lib")

    @contextmanager
    def broken(self) -> Iterator[None]:
        """Let it not start for the length of the block."""
        self._broken.touch()
        try:
            yield
        finally:
            self._broken.unlink()


def with_switched_engine(made: Document, directory: Path) -> None:
    """Change a configuration: that engine, and jobs may run again where they failed, since there is one host only."""
    engine = SwitchedEngine(directory)
    engine.make()
    only_queue(made)["Payload"]["Engine"] = str(engine.directory)
    made["Operations"]["Defaults"]["Matching"] = {"Retry": {"Host": {"Max": 5, "AvoidFor": 0}}}


def document(executions: Executions, *, seconds: float) -> str:
    """Return a tool that says when it begins and when it ends, and puts out its name."""
    return json.dumps(
        {
            "cwlVersion": "v1.2",
            "class": "CommandLineTool",
            "id": "says",
            "inputs": {"name": {"type": "string", "inputBinding": {}}, "data": "File?"},
            "outputs": {"said": "stdout"},
            "stdout": "said.txt",
            "baseCommand": ["/bin/bash", "-c", executions.script(seconds), "bash"],
        }
    )


def body(
    executions: Executions, prefix: str, *, jobs: int, sandbox: str | None = None, seconds: float = 0.1
) -> dict[str, Any]:
    """Return a submission of jobs called `prefix-0`, `prefix-1`, ..., whose input may lie in a sandbox."""
    name = sandbox and f"sandbox:{sandbox.partition('|')[2]}#input.txt"
    data = {"data": {"class": "File", "location": name}} if name else {}
    inputs = [{"name": f"{prefix}-{number}", **data} for number in range(jobs)]
    return {"workflow": document(executions, seconds=seconds), "inputs": inputs}


def named(member: Member, text: str) -> list[dict[str, Any]]:
    """Return the jobs that have a text in their names."""
    where = {"parameter": "JobName", "operator": "like", "value": f"%{text}%"}
    wanted = {"parameters": ["JobID", "Status", "MinorStatus", "ApplicationStatus"], "search": [where]}
    rows: list[dict[str, Any]] = member.http.post("/api/jobs/search", params={"per_page": 1000}, json=wanted).json()
    return rows


def command(member: Member, *words: str, directory: Path) -> tuple[list[str], dict[str, str]]:
    """Return what starts `weyl` with a login of this member, and its environment."""
    stack = member.stack
    credentials = directory / "credentials.json"
    if not credentials.exists():
        write_credentials(credentials, device_tokens(stack, "vo:hep group:user", "alice"))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WEYL_", "DIRACX_"))}
    environment = {"WEYL_URL": stack.url, "WEYL_CREDENTIALS_PATH": str(credentials), "HOME": str(directory)}
    return [sys.executable, "-m", "weyl", *words], {**kept, **environment}


def check_outputs(member: Member, job_id: int, name: str) -> None:
    """Check that a job has one output sandbox, and in it what its output object says."""
    [sandbox] = member.client.send(get_job_sandbox(job_id, "output"))
    answer = member.http.get(f"/api/jobs/{job_id}/outputs")
    assert answer.status_code == 200, answer.text
    file = answer.json()["said"]
    place, _, path = file["location"].partition("#")
    assert place.removeprefix("sandbox:") == sandbox.partition("|")[2] or sandbox == place.removeprefix("sandbox:")
    content = read(member.client, sandbox, unquote(path))
    assert content == f"{name}\n".encode()
    assert (file["size"], file["checksum"]) == (len(content), f"sha1${hashlib.sha1(content).hexdigest()}")
    assert [path for path, _ in contents(member.client, sandbox) if path.startswith("outputs/")] == ["outputs/said.txt"]


def engines(stack: FaultyStack) -> list[psutil.Process]:
    """Return the engines that run a job now, without the walls around them."""
    return [each for each in processes_below(stack.files.pilots) if _is_engine(each)]


def _is_engine(process: psutil.Process) -> bool:
    try:
        words = process.cmdline()
    except psutil.Error:
        return False
    return words[1:4] == ["-I", "-m", "weyl_engine"] and "run" in words


def kill_engine(stack: FaultyStack) -> bool:
    """`kill -9` one engine that runs a job; False if there is none."""
    for each in engines(stack)[:1]:
        each.kill()
        return True
    return False


def in_database(stack: FaultyStack, work: Callable[["asyncpg.Connection[Any]"], Awaitable[T]]) -> T:
    """Do something in the database, past every proxy."""

    async def run() -> T:
        connection = await asyncpg.connect(libpq_dsn(stack.postgres.url))
        try:
            return await work(connection)
        finally:
            await connection.close()

    return asyncio.run(run())


def forgive(stack: FaultyStack) -> None:
    """Forget what jobs have suffered on the one host there is: after three of them it would get no more."""
    in_database(stack, lambda connection: connection.execute(f"DELETE FROM host_health; NOTIFY {CHANNEL}"))


def recorded(stack: FaultyStack, ids: list[int]) -> list[int]:
    """Return the jobs whose outputs are recorded."""
    statement = "SELECT job_id FROM job_outputs WHERE job_id = ANY($1::bigint[])"
    rows: list[Mapping[str, Any]] = in_database(stack, lambda connection: connection.fetch(statement, ids))
    return [row["job_id"] for row in rows]


@contextmanager
def held(stack: FaultyStack, what: str, *, seconds: float = 2 * STATEMENT_TIMEOUT_S) -> Iterator[None]:
    """Let something take its time in the database for the length of the block; by default more than it may."""
    body = f"BEGIN PERFORM pg_sleep({seconds}); RETURN NEW; END"
    wait = f"CREATE OR REPLACE FUNCTION held() RETURNS trigger LANGUAGE plpgsql AS $${body}$$"
    table = what.split()[3]
    in_database(stack, lambda connection: connection.execute(wait))
    in_database(stack, lambda connection: connection.execute(f"CREATE TRIGGER held {what} EXECUTE FUNCTION held()"))
    try:
        yield
    finally:
        in_database(stack, lambda connection: connection.execute(f"DROP TRIGGER held ON {table}"))


def is_held(stack: FaultyStack) -> bool:
    """Tell whether somebody waits for what is held."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    return bool(in_database(stack, lambda connection: connection.fetchval(waiting)))
