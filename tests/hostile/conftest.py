"""A server process of its own for each test, with a database, a store and people."""

import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from tests.infra.app import Application, Installation
from tests.infra.household import Household, settle
from weyl.auth.keys import KeySet
from weyl.demo.seaweedfs import RunningStore
from weyl.kit.db import Database
from weyl.settings import Settings


@dataclass(frozen=True)
class Server:
    """A process of `weyl serve`, and who is at home there."""

    port: int
    pid: int
    household: Household

    def memory_mb(self) -> float:
        """Return the most memory that the process has ever held."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        [peak] = [line.split()[1] for line in lines if line.startswith("VmHWM")]
        return int(peak) / 1024


@pytest.fixture
async def server(
    database_url: str, db: Database, installation: Installation, object_store: RunningStore, tmp_path: Path
) -> AsyncIterator[Server]:
    """A running server with a job of alice's that runs on a pilot."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        port: int = listener.getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        settings = installation.settings(database_url, object_store, public_url=url)
        with _process(listener, settings, tmp_path / "server.log") as process:
            async with httpx2.AsyncClient(base_url=url, timeout=60) as client:
                assert (await client.get("/api/health/ready")).status_code == 200
                keys = KeySet(installation.keys, issuer=settings.issuer)
                # The application itself is in the other process: here it is known by its address and keys.
                household = await settle(Application(FastAPI(), client, settings, keys), db)
            yield Server(port, process.pid, household)
            assert process.poll() is None, "the server has ended"


@contextmanager
def _process(listener: socket.socket, settings: Settings, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WEYL_")}
    environment |= {
        "WEYL_DATABASE_URL": settings.database_url,
        "WEYL_PUBLIC_URL": settings.public_url,
        "WEYL_CONFIG_URL": settings.config_url,
        "WEYL_KEYS": settings.keys.get_secret_value(),
        "WEYL_STATE_KEY": settings.state_key.get_secret_value(),
        "WEYL_S3_ENDPOINT": settings.s3_endpoint,
        "WEYL_S3_ACCESS_KEY": settings.s3_access_key.get_secret_value(),
        "WEYL_S3_SECRET_KEY": settings.s3_secret_key.get_secret_value(),
        "WEYL_PILOT_PEPPERS": settings.pilot_peppers.get_secret_value(),
    }
    command = [sys.executable, "-m", "weyl", "serve", f"--fd={listener.fileno()}"]
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, pass_fds=[listener.fileno()], env=environment, stdout=output, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)
            print(*log.read_text(errors="replace").splitlines()[-40:], sep="\n")
