"""A database of the first release, with data in it, comes up to this one by the page's commands."""

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.engine import make_url

from tests.admin.machine import blocks, environment, weyl
from tests.infra.app import running_application
from weyl.kit.db import Database, libpq_dsn
from weyl.migrations import migrate

pytestmark = [pytest.mark.timeout(600)]

FIRST = "0007_pilots"
JDL = '[Executable = "/bin/true"; JobName = "old";]'
# What a release at that revision had written, in its own columns.
DATA = """
INSERT INTO job_descriptions (jdl, document) VALUES ($1, $2::jsonb);
"""
JOBS = """
INSERT INTO jobs (job_name, owner, owner_group, vo, submission_time, last_update_time, status, minor_status,
                  description_id)
  SELECT 'old', 'alice', 'user', 'voa', now(), now(), CASE WHEN number % 2 = 0 THEN 'Done' ELSE 'Waiting' END,
         'Job accepted', 1 FROM generate_series(1, 500) AS number
"""
HISTORY = """
INSERT INTO job_history (job_id, at, status, minor_status, application_status, source)
  SELECT job_id, now(), 'Received', 'Job accepted', 'Unknown', 'JobManager' FROM jobs
"""
PILOTS = """
INSERT INTO pilots (pilot_stamp, vo, submission_time, last_update_time, status)
  SELECT md5(number::text), 'voa', now(), now(), 'Running' FROM generate_series(1, 20) AS number
"""
SCHEDULES = "INSERT INTO task_schedules (name, rule, next_at) VALUES ('jobs.fold_counts', 'every 10 s', now())"
LOCKS = "INSERT INTO task_locks (key, holder, expires_at, fencing) VALUES ('jobs.fold_counts', 'gone', now(), 41)"
QUEUED = (
    "INSERT INTO pgqueuer (priority, created, updated, heartbeat, execute_after, status, entrypoint, payload)"
    " VALUES (0, now(), now(), now(), now(), 'queued', 'jobs.fold_counts', 'null')"
)


@pytest.fixture
async def old_url(postgres) -> AsyncIterator[str]:
    name = f"old_{os.getpid()}"
    admin = await asyncpg.connect(libpq_dsn(_at(postgres.url, "postgres")))
    await admin.execute(f"CREATE DATABASE {name}")
    yield _at(postgres.url, name)
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


def _at(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


async def fill(url: str) -> None:
    db = Database(url, pool_size=1)
    await migrate.upgrade(db, FIRST)
    await db.close()
    connection = await asyncpg.connect(libpq_dsn(url))
    await connection.execute(DATA.strip(), JDL, json.dumps({"Executable": "/bin/true", "JobName": "old"}))
    for statement in (JOBS, HISTORY, PILOTS, SCHEDULES, LOCKS, QUEUED):
        await connection.execute(statement)
    await connection.close()


async def test_a_database_of_the_first_release_comes_up_with_everything_in_it(
    tmp_path: Path, old_url: str, installation, object_store
) -> None:
    await fill(old_url)
    env = environment(installation, old_url, object_store)

    async def run(*words: str) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(
            subprocess.run,
            weyl(*words),
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    assert "weyl db migrate" in (await run("db", "check")).stderr
    async with running_application(installation, old_url, object_store) as application:
        answer = await application.client.get("/api/health/ready")
        assert (answer.status_code, "run weyl db migrate" in answer.text) == (503, True)
    for block in blocks("upgrade.md", "console"):
        for line in block.splitlines():
            done = await run(*line.removeprefix("$ weyl ").split())
            assert done.returncode == 0, (line, done.stderr)
    async with running_application(installation, old_url, object_store) as application:
        assert (await application.client.get("/api/health/ready")).json() == {"status": "ready"}
        admin = application.login(group="admin")
        body = {"grouping": ["Status"]}
        counts = (await application.client.post("/api/jobs/summary", json=body, headers=admin)).json()
        assert {row["Status"]: row["count"] for row in counts} == {"Done": 250, "Waiting": 250}
        jdl = await application.client.get("/api/jobs/1/jdl", headers=admin)
        assert "/bin/true" in jdl.text
        history = (await application.client.get("/api/jobs/1/history", headers=admin)).json()
        assert len(history) == 1
        pilots = await application.client.post("/api/pilots/search", json={}, headers=admin)
        assert len(pilots.json()) == 20
        answer = await application.client.post("/api/jobs/jdl", json=[JDL], headers=admin)
        assert answer.status_code == 201, answer.text
