"""The stack of `make bench-data`: the demo's storage elements, no work but the server's, and a manager of files."""

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx2

from tests.bench.cpu import cpu_s
from tests.infra.directories import write_passwords
from tests.infra.stack import login
from weyl.demo.installation import DISK_ELEMENT, S3_ELEMENT, InstallationFiles, document
from weyl.demo.stack import Stack, remove_directory
from weyl.kit.db import libpq_dsn

DISK, S3 = DISK_ELEMENT, S3_ELEMENT
WEB = "BENCH-WEB"
"""An element whose addresses need no signature and no token; nobody ever asks it."""
MANAGER, GROUP = "ada", "admin"
TOKEN_USED_S = 600.0
TIMEOUT_S = 600
RECONNECTED_S = 2.0
"""The server finds out by itself that its connections are gone."""


class DataStack:
    """A running stack, its database, and a client of somebody who may register files."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._client: httpx2.Client | None = None
        self._since = 0.0

    @property
    def client(self) -> httpx2.Client:
        """A client of the manager, whose login is young enough for any one line."""
        if self._client is None or time.monotonic() - self._since > TOKEN_USED_S:
            token = json.loads(self.credentials.read_text())["access_token"]
            headers = {"Authorization": f"Bearer {token}"}
            self._client = httpx2.Client(base_url=self.stack.url, headers=headers, timeout=TIMEOUT_S)
            self._since = time.monotonic()
        return self._client

    @property
    def credentials(self) -> Path:
        """A new login of the manager, in a file."""
        return login(self.stack, MANAGER, vo="hep", group=GROUP)

    @property
    def database_url(self) -> str:
        """The database."""
        return self.stack.environment["WEYL_DATABASE_URL"]

    @property
    def database_log(self) -> Path:
        """The log of PostgreSQL."""
        return next(self.stack.files.directory.glob("pg/postgres.log"))

    def cpu_s(self) -> tuple[float, float]:
        """Return the CPU seconds of the server and of the database."""
        server = self.stack.program("server").process
        assert server is not None
        file = next(self.stack.files.directory.glob("pg/**/postmaster.pid"))
        return cpu_s(server.pid), cpu_s(int(file.read_text().split("\n", 1)[0]))

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Let PostgreSQL log the plan of every statement, with the buffers that it used."""
        on = {"log_analyze": "on", "log_buffers": "on", "log_timing": "off", "log_min_duration": "0"}
        settings = [f"ALTER SYSTEM SET auto_explain.{name} = '{value}'" for name, value in on.items()]
        asyncio.run(self._configure(["LOAD 'auto_explain'", *settings]))
        asyncio.run(self._configure(["ALTER SYSTEM SET session_preload_libraries = 'auto_explain'"]))
        # Connections of before do not have it.
        asyncio.run(self._drop_connections())
        time.sleep(RECONNECTED_S)
        try:
            yield
        finally:
            asyncio.run(self._configure(["ALTER SYSTEM RESET session_preload_libraries"]))
            asyncio.run(self._drop_connections())
            time.sleep(RECONNECTED_S)

    async def _configure(self, statements: list[str]) -> None:
        connection = await asyncpg.connect(libpq_dsn(self.database_url))
        for statement in statements:
            await connection.execute(statement)
        await connection.execute("SELECT pg_reload_conf()")
        await connection.close()

    async def _drop_connections(self) -> None:
        connection = await asyncpg.connect(libpq_dsn(self.database_url))
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        await connection.close()


@contextmanager
def data_stack(directory: Path | None) -> Iterator[DataStack]:
    """Run a stack without pilots and without a worker; in a directory that is given, files of earlier runs are kept."""
    kept = directory is not None
    home = directory or Path(tempfile.mkdtemp(prefix="weyl-b-"))
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o755)
    if not (home / "secrets" / "passwords.json").exists():
        write_passwords(home / "secrets" / "passwords.json")
    try:
        files = _Files(home)
        with Stack(files, say=print, database_url=os.environ.get("WEYL_DATABASE_URL")) as stack:
            stack.rest()  # or the supervisor would start the worker again
            stack.program("worker").stop()
            yield DataStack(stack)
    finally:
        if not kept:
            remove_directory(home)


class _Files(InstallationFiles):
    """The demo's files, for a configuration of their own."""

    def configure(self, idp_url: str, store_url: str) -> None:
        """Commit the configuration if there is none yet."""
        files = InstallationFiles(self.directory, lambda idp: _document(idp, self.directory, store_url))
        files.configure(idp_url, store_url)


def _document(idp_url: str, directory: Path, store_url: str) -> dict[str, Any]:
    """Return the demo's configuration without sites, and with the element of plain addresses."""
    made = document(idp_url, directory, store_url)
    made["Resources"]["Sites"] = {}
    elements = made["Resources"]["StorageElements"]
    for element in elements.values():
        element["Sites"] = []
    elements[WEB] = {"Endpoints": [{"Name": "https", "Protocol": "https", "URL": "https://storage.example"}]}
    return made
