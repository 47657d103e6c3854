"""A whole server on a loopback socket, and the program `weyl` as its users run it."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import uvicorn
from sqlalchemy.engine import make_url
from tests.infra.app import GROUPS, USERS, Installation

from weyl.app import create_app
from weyl.auth.keys import KeySet
from weyl.auth.tokens import Identity, access_claims
from weyl.client import Client, CredentialFile, MemoryCredentials, TokenSet
from weyl.demo.postgres import RunningPostgres
from weyl.demo.seaweedfs import RunningStore
from weyl.kit.db import libpq_dsn
from weyl.kit.ids import uuid7
from weyl.server import listen
from weyl.settings import Settings


@dataclass(frozen=True)
class Server:
    """A running server, and logins for it."""

    url: str
    settings: Settings
    keys: KeySet

    def tokens(self, user: str = "alice", *, vo: str = "voa", group: str = "user") -> TokenSet:
        """Returns an access token as the token endpoint would sign it."""
        identity = Identity(
            subject=f"{vo}:{USERS[user]}",
            vo=vo,
            preferred_username=user,
            group=group,
            properties=frozenset(GROUPS[group]),
        )
        now = int(time.time())
        claims = access_claims(identity, token_id=uuid7(), now=now, lifetime_s=1200)
        return TokenSet(self.keys.sign(claims), None, now + 1185)

    def client(self, user: str = "alice", **identity: str) -> Client:
        """Returns a client that is logged in."""
        return Client(self.url, MemoryCredentials(self.tokens(user, **identity)))


@dataclass(frozen=True)
class Program:
    """The program with one login, run in a directory of its own."""

    directory: Path
    environ: dict[str, str]

    def __call__(self, *words: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        """Runs one command line; stdin is a pipe, so nobody can be asked."""
        return subprocess.run(
            [sys.executable, "-c", "from weyl.cli.main import main; main()", *words],
            env=self.environ | environ,
            cwd=self.directory,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Starts one command line and lets it run."""
        return subprocess.Popen(
            [sys.executable, "-c", "from weyl.cli.main import main; main()", *words],
            env=self.environ,
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def file(self, name: str, text: str) -> str:
        """Writes a file into the program's directory."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return name


@pytest.fixture(scope="module")
def server(
    postgres: RunningPostgres, template: str, installation: Installation, object_store: RunningStore
) -> Iterator[Server]:
    """The whole application on a loopback socket, with a database of this module's own."""
    name = f"cli_{os.getpid()}_{uuid7().hex[:12]}"
    url = make_url(postgres.url).set(database=name).render_as_string(hide_password=False)
    _in_thread(lambda: _admin(postgres, f"CREATE DATABASE {name} TEMPLATE {template}"))
    listener = listen("127.0.0.1", 0)
    public_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    settings = installation.settings(url, object_store, public_url=public_url)
    config = uvicorn.Config(create_app(settings), log_config=None, access_log=False, timeout_graceful_shutdown=5)
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield Server(public_url, settings, KeySet(installation.keys, issuer=settings.issuer))
    finally:
        running.should_exit = True
        thread.join(30)
        _in_thread(lambda: _admin(postgres, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def weyl_as(server: Server, tmp_path: Path) -> Callable[..., Program]:
    """Returns `weyl_as("alice", group="admin")` -> the program with that login."""

    def make(user: str | None = "alice", **identity: str) -> Program:
        home = tmp_path / "-".join([str(user), *identity.values()])
        home.mkdir(exist_ok=True)
        credentials = home / "credentials.json"
        if user is not None:
            CredentialFile(credentials).save(server.tokens(user, **identity))
        environ = {key: value for key, value in os.environ.items() if not key.startswith(("WEYL_", "DIRACX_"))}
        environ |= {"WEYL_URL": server.url, "WEYL_CREDENTIALS_PATH": str(credentials), "HOME": str(home)}
        return Program(home, environ)

    return make


@pytest.fixture
def weyl(weyl_as: Callable[..., Program]) -> Program:
    """The program with the login of alice."""
    return weyl_as("alice")


@pytest.fixture
def group(request: pytest.FixtureRequest) -> str:
    """A job group that no other test uses."""
    return request.node.name[:32]


async def _admin(postgres: RunningPostgres, statement: str) -> None:
    url = make_url(postgres.url).set(database="postgres").render_as_string(hide_password=False)
    connection = await asyncpg.connect(libpq_dsn(url))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _in_thread(work: Callable[[], Any]) -> None:
    """Runs a coroutine beside the test session's own event loop."""
    thread = threading.Thread(target=lambda: asyncio.run(work()))
    thread.start()
    thread.join()
