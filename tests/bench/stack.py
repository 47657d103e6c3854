"""The stack that is measured: the demo's, with or without this machine as a computing element, and a login to it."""

import copy
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from tests.infra.directories import write_passwords
from weyl.demo.installation import CE, QUEUE, SITE, InstallationFiles, document
from weyl.demo.main_job import User
from weyl.demo.stack import Stack, remove_directory

TIMEOUT_S = 120


@dataclass(frozen=True)
class BenchStack:
    """A running stack in which alice has logged in."""

    stack: Stack
    credentials: Path
    up_after_s: float

    def client(self) -> httpx2.Client:
        """Return a client with alice's token, good for twenty minutes."""
        token = json.loads(self.credentials.read_text())["access_token"]
        return httpx2.Client(base_url=self.stack.url, headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT_S)

    @property
    def server_pid(self) -> int:
        """The server's process."""
        return self.pid("server")

    def pid(self, name: str) -> int:
        """Return the process of one of our programs: `server` or `worker`."""
        process = self.stack.program(name).process
        assert process is not None
        return process.pid

    @property
    def database_pid(self) -> int | None:
        """The database's first process; none if the database is somebody else's."""
        file = next(self.stack.files.directory.glob("pg/**/postmaster.pid"), None)
        return int(file.read_text().split("\n", 1)[0]) if file else None


@contextmanager
def bench_stack(*, slots: int) -> Iterator[BenchStack]:
    """Start a stack whose one pilot has this many slots (none: no computing element), and log in."""
    directory = Path(tempfile.mkdtemp(prefix="weyl-b-"))
    directory.chmod(0o755)
    write_passwords(directory / "secrets" / "passwords.json")
    try:
        began = time.monotonic()
        files = InstallationFiles(directory, first_document=lambda idp_url: _document(idp_url, directory, slots))
        with Stack(files, say=print, database_url=os.environ.get("WEYL_DATABASE_URL")) as stack:
            up_after_s = time.monotonic() - began
            user = User(stack)
            user.login()
            yield BenchStack(stack, user.directory / "credentials.json", up_after_s)
    finally:
        remove_directory(directory)


def _document(idp_url: str, directory: Path, slots: int) -> dict[str, Any]:
    changed = copy.deepcopy(document(idp_url, directory))
    sites = changed["Resources"]["Sites"]
    if slots:
        sites[SITE]["CEs"][CE]["Queues"][QUEUE]["Cores"] = slots
    else:
        sites.clear()
    return changed
