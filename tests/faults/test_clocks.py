"""Machines whose clocks jump by hours while jobs run: nothing stalls, nothing expires, nothing is planned away."""

import asyncio
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from tests.admin.machine import needed, weyl
from tests.faults.executions import Executions
from tests.faults.installation import FaultyStack, Member, await_that, logged_in, running_installation
from tests.infra.login import CLIENT_ID
from weyl.kit.db import libpq_dsn

pytestmark = [pytest.mark.xdist_group("fault-links"), pytest.mark.timeout(400)]


FREQUENT = ["jobs.fold_counts", "jobs.stalled_jobs", "pilots.plan", "pilots.poll"]


class Clocks:
    """The clocks of the programs, each of which can be set while they run."""

    def __init__(self, directory: Path) -> None:
        needed("faketime")
        [self._library] = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
        self._directory = directory

    def set(self, name: str, offset: str) -> None:
        """Set one program's clock, as `+6h`."""
        fresh = self._directory / f"{name}.new"
        fresh.write_text(offset + "\n")
        fresh.rename(self._directory / name)

    def environment(self, name: str) -> dict[str, str]:
        """Return what makes a program believe its clock."""
        self.set(name, "+0")
        return {
            "LD_PRELOAD": str(self._library),
            "FAKETIME_TIMESTAMP_FILE": str(self._directory / name),
            "FAKETIME_NO_CACHE": "1",
            # As on a machine whose clock is set: what only counts goes on.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


@pytest.fixture
def clocks(tmp_path: Path) -> Clocks:
    return Clocks(tmp_path)


@pytest.fixture
def stack(clocks: Clocks) -> Iterator[FaultyStack]:
    with running_installation(program_environment=clocks.environment) as running:
        yield running


@pytest.fixture
def alice(stack: FaultyStack) -> Iterator[Member]:
    with logged_in(stack) as member:
        yield member


def test_jobs_tokens_and_schedules_survive_clocks_that_jump(
    stack: FaultyStack, alice: Member, executions: Executions, clocks: Clocks
) -> None:
    assert "clock" not in stack.ready().json().get("warnings", {})
    for name, server, worker in (("forward", "+6h", "-5h"), ("back", "-6h", "+5h")):
        ids = alice.submit(executions.jdl(name, jobs=6, seconds=3), name)
        await_that(lambda name=name: len(executions.counts("begin", name)) >= 1, "a job that runs")
        clocks.set("server", server)
        clocks.set("worker", worker)
        assert alice.http.get("/api/auth/userinfo").status_code == 200
        run_by_hand(stack, clocks, "jobs.stalled_jobs", offset=worker)
        side = "ahead of" if server.startswith("+") else "behind"
        assert side in stack.ready().json()["warnings"]["clock"][0]
        await_that(
            lambda ids=ids: [job["Status"] for job in alice.jobs(ids)] == ["Done"] * len(ids),
            f"all of {name} Done",
            explain=lambda ids=ids: alice.jobs(ids),
        )
        assert set(executions.counts("end", name).values()) == {1}
        for job_id in ids:
            assert "Stalled" not in alice.history(job_id)
        form = {"grant_type": "refresh_token", "client_id": CLIENT_ID, "refresh_token": alice.tokens["refresh_token"]}
        answer = alice.http.post("/api/auth/token", data=form)
        assert answer.status_code == 200, answer.text
        alice.tokens = answer.json()
        for next_at in asyncio.run(next_runs(stack)):
            assert next_at < datetime.now(UTC) + timedelta(minutes=5)
    with logged_in(stack, "bob"):  # a whole login, through the identity provider and back
        pass


def run_by_hand(stack: FaultyStack, clocks: Clocks, task: str, *, offset: str) -> None:
    """Run a task on a machine whose clock is wrong from the start."""
    environment = {**stack.environment, **clocks.environment("by-hand")}
    clocks.set("by-hand", offset)
    done = subprocess.run(
        weyl("worker", "--run", task), env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


async def next_runs(stack: FaultyStack) -> list[datetime]:
    """Return when schedules of seconds run next."""
    connection = await asyncpg.connect(libpq_dsn(stack.postgres.url))
    try:
        rows = await connection.fetch("SELECT next_at FROM task_schedules WHERE task = ANY($1)", FREQUENT)
    finally:
        await connection.close()
    assert rows
    return [row["next_at"] for row in rows]
