"""PostgreSQL of our own: starts as root and as a user, keeps its data, and is never left behind."""

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text

from weyl.demo import postgres
from weyl.demo.postgres import start_postgres
from weyl.demo.processes import ComponentFailed, service_account
from weyl.kit.db import Database

CHILD = """
import signal, sys
from pathlib import Path
from weyl.demo.postgres import start_postgres
running = start_postgres(Path(sys.argv[1]), fast=True)
print(running.pid, flush=True)
signal.pause()
"""


@pytest.fixture
def directory() -> Iterator[Path]:
    """Make a short directory that the server's account can reach."""
    made = Path(tempfile.mkdtemp(prefix="weyl-test-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


async def _value(url: str, sql: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def test_data_survive_a_restart_and_both_drivers_take_the_url(directory: Path) -> None:
    with start_postgres(directory) as running:
        database = Database(running.url)
        async with database.transaction() as tx:
            await tx.execute(text("CREATE TABLE kept AS SELECT 7 AS n"))
        await database.close()
    with start_postgres(directory) as running:
        assert await _value(running.url, "SELECT n FROM kept") == 7
        assert await _value(running.url, "SHOW fsync") == "on"


async def test_a_wrong_password_is_refused(directory: Path) -> None:
    with start_postgres(directory, fast=True) as running:
        password = (directory / "password").read_text()
        with pytest.raises(asyncpg.InvalidPasswordError):
            await _value(running.url.replace(password, "guessed"), "SELECT 1")


def test_only_the_owner_reaches_socket_data_and_password(directory: Path) -> None:
    with start_postgres(directory, fast=True):
        assert (directory / "sockets").stat().st_mode & 0o777 == 0o700
        assert (directory / "data").stat().st_mode & 0o777 == 0o700
        assert (directory / "password").stat().st_mode & 0o777 == 0o600


async def test_a_path_too_long_for_a_socket_gets_an_address_of_its_own(directory: Path) -> None:
    with start_postgres(directory / ("d" * 90), fast=True) as running:
        assert "@127." in running.url
        assert await _value(running.url, "SELECT 1") == 1


async def test_programs_are_copied_where_the_account_cannot_reach_them(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_usable_by_others", lambda _: False)
    with start_postgres(directory, fast=True) as running:
        assert any(directory.glob("programs-*/*.libs")) == (os.geteuid() == 0)
        assert await _value(running.url, "SELECT 1") == 1


def test_a_given_url_starts_nothing(directory: Path) -> None:
    with start_postgres(directory, url="postgresql://elsewhere/weyl") as running:
        assert running.url == "postgresql://elsewhere/weyl"
        assert running.pid is None
    assert not list(directory.iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server runs under another account")
def test_an_unreachable_directory_is_refused_with_advice(directory: Path) -> None:
    directory.chmod(0o700)
    with pytest.raises(ComponentFailed, match="choose a directory"):
        start_postgres(directory / "below", fast=True)


def test_data_of_another_major_version_are_refused(directory: Path) -> None:
    start_postgres(directory, fast=True).stop()
    (directory / "data/PG_VERSION").write_text("9\n")
    with pytest.raises(ComponentFailed, match="written by PostgreSQL 9"):
        start_postgres(directory, fast=True)


def test_lock_files_whose_pid_is_another_programs_are_removed_and_that_program_stays(directory: Path) -> None:
    start_postgres(directory, fast=True).stop()
    # The server's account must see that there is such a process.
    account = service_account()
    stranger = subprocess.Popen(["/bin/sleep", "600"], user=account.uid if account else None)
    locks = [directory / "data/postmaster.pid", directory / "sockets/.s.PGSQL.5432.lock"]
    for lock in locks:
        lock.write_text(f"{stranger.pid}\n{directory / 'data'}\n1\n5432\n{directory / 'sockets'}\n\n0 0\nready\n")
    said: list[str] = []
    try:
        with start_postgres(directory, fast=True, say=said.append):
            assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
    assert said == [
        f"Removed the stale lock file {lock}: its process id {stranger.pid} now belongs to sleep, which was left alone"
        for lock in locks
    ]


async def test_a_server_that_runs_on_the_data_already_is_named_and_stays(directory: Path) -> None:
    with start_postgres(directory, fast=True) as running:
        with pytest.raises(ComponentFailed, match=rf"already running on .* \(process {running.pid}\): stop it"):
            start_postgres(directory, fast=True)
        assert await _value(running.url, "SELECT 1") == 1


def test_a_parent_that_is_killed_takes_the_server_along(directory: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", CHILD, directory], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    with parent.stdout:
        server = os.pidfd_open(int(parent.stdout.readline()))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert select.select([server], [], [], 20)[0]
    os.close(server)
