"""The page on backup and restore, followed to the letter in a clean directory, and what the commands refuse."""

import asyncio
import os
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.engine import make_url

from tests.admin.machine import blocks, environment
from tests.infra.app import running_application
from weyl.kit.db import libpq_dsn

pytestmark = [pytest.mark.timeout(600)]

JDL = '[JobName = "kept-%n"; Executable = "/bin/true"; Parameters = 7;]'


@pytest.fixture
async def empty_url(postgres) -> AsyncIterator[str]:
    """A new database, as the page asks for one."""
    name = f"restored_{os.getpid()}"
    admin = await asyncpg.connect(libpq_dsn(_at(postgres.url, "postgres")))
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
    yield _at(postgres.url, name)
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


def _at(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


Shell = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Run lines as an administrator types them, in a clean directory; `weyl` is ours."""

    def run(lines: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
        script = f'set -e\nweyl() {{ "{sys.executable}" -m weyl "$@"; }}\n' + lines
        return subprocess.run(
            ["sh", "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300, check=False
        )

    return run


def typed(block: str) -> str:
    return "\n".join(line.removeprefix("$ ") for line in block.splitlines())


async def job_ids(installation, url: str, store) -> list[int]:
    async with running_application(installation, url, store) as application:
        answer = await application.client.post("/api/jobs/search", json={}, headers=application.login())
        summary = await application.client.post(
            "/api/jobs/summary", json={"grouping": ["Status"]}, headers=application.login()
        )
        assert sum(row["count"] for row in summary.json()) == len(answer.json())
        return sorted(row["JobID"] for row in answer.json())


async def submit(installation, url: str, store) -> list[int]:
    async with running_application(installation, url, store) as application:
        answer = await application.client.post("/api/jobs/jdl", json=[JDL], headers=application.login())
        return sorted(row["JobID"] for row in answer.json())


async def test_the_page_is_followed_to_the_letter(
    shell: Shell, tmp_path: Path, installation, database_url: str, empty_url: str, object_store
) -> None:
    backup, into_new, into_used = map(typed, blocks("backup.md", "console"))
    kept = await submit(installation, database_url, object_store)
    env = environment(installation, database_url, object_store)

    done = await asyncio.to_thread(shell, backup, env)
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE((tmp_path / "weyl.dump").stat().st_mode) == 0o600
    assert not list(tmp_path.glob("*.unfinished"))
    assert (await asyncio.to_thread(shell, backup, env)).returncode == 2, "a backup is not overwritten"
    lost = await submit(installation, database_url, object_store)

    done = await asyncio.to_thread(shell, into_new, env | {"WEYL_DATABASE_URL": empty_url})
    assert done.returncode == 0, done.stderr
    assert await job_ids(installation, empty_url, object_store) == kept
    later = await submit(installation, empty_url, object_store)
    assert min(later) > max(lost), "the number of a job that was lost never comes again"

    done = await asyncio.to_thread(shell, into_new, env | {"WEYL_DATABASE_URL": empty_url})
    assert (done.returncode, "--replace" in done.stderr) == (2, True)
    # A backup of what was restored is as good, also into the place where it was.
    for lines in (into_used, backup.replace("weyl.dump", "again.dump"), into_used.replace("weyl.dump", "again.dump")):
        done = await asyncio.to_thread(shell, lines, env | {"WEYL_DATABASE_URL": empty_url})
        assert done.returncode == 0, done.stderr
    assert await job_ids(installation, empty_url, object_store) == kept


async def test_a_restore_gives_no_id_again_that_the_replaced_database_gave(
    shell: Shell, installation, database_url: str, object_store
) -> None:
    env = environment(installation, database_url, object_store)
    assert (await asyncio.to_thread(shell, "weyl db backup weyl.dump", env)).returncode == 0
    lost = await submit(installation, database_url, object_store)
    done = await asyncio.to_thread(shell, "weyl db restore weyl.dump --replace --skip-ids 0", env)
    assert done.returncode == 0, done.stderr
    assert min(await submit(installation, database_url, object_store)) == max(lost) + 1


async def test_nothing_is_dropped_for_a_file_that_is_no_backup_or_while_a_server_runs(
    shell: Shell, tmp_path: Path, installation, database_url: str, object_store
) -> None:
    env = environment(installation, database_url, object_store)
    (tmp_path / "letter.txt").write_text("Dear administrator")
    done = await asyncio.to_thread(shell, "weyl db restore letter.txt --replace", env)
    assert done.returncode != 0
    assert "pg_restore failed" in done.stderr
    async with running_application(installation, database_url, object_store) as application:
        assert (await asyncio.to_thread(shell, "weyl db backup live.dump", env)).returncode == 0
        done = await asyncio.to_thread(shell, "weyl db restore live.dump --replace", env)
        assert (done.returncode, "stop all servers and workers" in done.stderr) == (2, True)
        assert (await application.client.get("/api/health/ready")).json() == {"status": "ready"}


async def test_the_password_is_on_no_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "pg_dump"
    program.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && { echo "pg_dump 99.1"; exit; }\necho "$@" "$PGPASSWORD" >&2\nexit 1\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    env = dict(os.environ) | {"WEYL_DATABASE_URL": "postgresql://weyl:s3cret@db.example.org:5432/weyl"}
    command = [sys.executable, "-m", "weyl", "db", "backup", str(tmp_path / "x.dump")]
    done = await asyncio.to_thread(
        subprocess.run, command, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert "--dbname=postgresql://weyl@db.example.org:5432/weyl" in done.stderr
    assert done.stderr.count("s3cret") == 1, "in the environment only"
