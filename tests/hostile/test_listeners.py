"""A payload asks every listener of an installation for data, writes and orders, without credentials."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from tests.infra.directories import stack_directory
from tests.infra.waiting import await_that
from weyl.demo.idp import USERS
from weyl.demo.installation import InstallationFiles
from weyl.demo.main_job import FINAL, User
from weyl.demo.stack import Stack
from weyl.kit.s3 import ObjectStore

pytestmark = [pytest.mark.xdist_group("hostile-listeners"), pytest.mark.timeout(400)]

PAYLOAD = Path(__file__).with_name("try_listeners.py")
BUCKET, KEY, CONTENT = "sandboxes", "hep/user/bob/secret.tar.zst", b"results that only Bob may read"
NOBODY = 65534
# One that every user can start; the environment of the tests may be in a closed home.
SYSTEM_PYTHON = shutil.which("python3", path="/usr/bin:/bin") or sys.executable


@pytest.fixture(scope="module")
def others() -> set[int]:
    """The processes that this process of the tests has started for other tests."""
    return {process.pid for process in psutil.Process().children(recursive=True)}


@pytest.fixture(scope="module")
def stack(others: set[int]) -> Iterator[Stack]:
    with (
        stack_directory("weyl-l-", known_passwords=False) as directory,
        Stack(InstallationFiles(directory), say=print) as running,
    ):
        asyncio.run(store(running, write=True))
        yield running


async def store(stack: Stack, *, write: bool = False) -> bytes:
    """Return what another user has stored; `write` stores it first."""
    environment = stack.environment
    keys = {"access_key": environment["WEYL_S3_ACCESS_KEY"], "secret_key": environment["WEYL_S3_SECRET_KEY"]}
    async with ObjectStore(environment["WEYL_S3_ENDPOINT"], bucket=BUCKET, **keys) as objects:
        if write:
            await objects.ensure_bucket()
            await objects.put(KEY, CONTENT)
        async with objects.read(KEY) as pieces:
            return b"" if pieces is None else b"".join([piece async for piece in pieces])


def listeners(stack: Stack, others: set[int]) -> dict[str, Any]:
    """Return where the programs of the installation listen."""
    tcp, unix = set(), set()
    for process in [each for each in psutil.Process().children(recursive=True) if each.pid not in others]:
        for connection in connections_of(process):
            if connection.status == psutil.CONN_LISTEN:
                tcp.add((connection.laddr.ip, connection.laddr.port))
            elif isinstance(connection.laddr, str) and connection.laddr:
                unix.add(connection.laddr.replace("\0", "@"))
    return {
        "tcp": sorted(tcp),
        "unix": sorted(unix),
        "server": stack.url,
        "idp": stack.idp_url,
        "users": [user.name for user in USERS],
        "object": f"{BUCKET}/{KEY}",
    }


def connections_of(process: psutil.Process) -> list[Any]:
    """Return the sockets of a process; none if it has ended meanwhile."""
    try:
        return list(process.net_connections(kind="all"))
    except psutil.NoSuchProcess:
        return []


def unexpected(stack: Stack, answers: list[str]) -> list[str]:
    """Return the answers that nobody without credentials may get; web pages are for everybody."""
    server = f"http://{urlsplit(stack.url).netloc} GET"
    return [answer for answer in answers if not (answer.startswith(server) and "200 text/html" in answer)]


def test_every_program_is_looked_at(stack: Stack, others: set[int]) -> None:
    found = listeners(stack, others)
    ports = {port for _, port in found["tcp"]}
    assert {urlsplit(url).port for url in (stack.url, stack.idp_url)} < ports
    # The parts of the object store, and the twin of each for gRPC.
    assert len(ports) >= 10
    assert any(".s.PGSQL." in path for path in found["unix"])


def test_a_payload_gets_nothing_from_any_listener(stack: Stack, others: set[int]) -> None:
    alice = User(stack)
    alice.login()
    (alice.directory / "try_listeners.py").write_bytes(PAYLOAD.read_bytes())
    (alice.directory / "targets.json").write_text(json.dumps(listeners(stack, others)))
    (job,) = alice.submit(
        'Executable = "python3"; Arguments = "try_listeners.py targets.json";'
        ' InputSandbox = {"try_listeners.py", "targets.json"}; OutputSandbox = {"std.out", "std.err"};',
        "listeners.jdl",
    )
    await_that(lambda: alice.jobs([job])[0]["Status"] in FINAL, "the end of the job", timeout_s=300)
    alice.run("jobs", "output", str(job), "-d", str(alice.directory / "results"))
    said = next((alice.directory / "results").rglob("std.out")).read_text()
    assert alice.jobs([job])[0]["Status"] == "Done", said
    assert unexpected(stack, json.loads(said)) == []
    assert asyncio.run(store(stack)) == CONTENT


@pytest.mark.long  # a payload of ours is such a user, too
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_of_the_machine_gets_nothing_from_any_listener(stack: Stack, others: set[int]) -> None:
    targets = json.dumps(listeners(stack, others))
    done = subprocess.run(
        [SYSTEM_PYTHON, "-I", "-c", PAYLOAD.read_text()],
        input=targets,
        capture_output=True,
        text=True,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        cwd="/",
        env={"PATH": "/usr/bin:/bin"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert unexpected(stack, json.loads(done.stdout)) == []
    assert asyncio.run(store(stack)) == CONTENT
