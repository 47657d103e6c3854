"""`weyl tasks` and `weyl worker --run` against a real server and database."""

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.cli.conftest import Program, Server
from tests.tasks.running import Recorder

from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.kit.ids import new_stamp
from weyl.kit.task import Task
from weyl.tasks.engine import Worker
from weyl.tasks.options import no_options
from weyl.tasks.scheduler import Scheduler
from weyl.tasks.service import enqueue

BREAKS = Task("cli.breaks", attempts_max=1, every=timedelta(days=1))


@pytest.fixture
def keeper(weyl_as: Callable[..., Program]) -> Program:
    """The program of an administrator of services."""
    return weyl_as("alice", group="service")


@pytest.fixture
def dead_ids(server: Server) -> list[str]:
    """Two tasks that died."""

    async def die() -> list[int | None]:
        db = Database(server.settings.database_url, pool_size=2)
        try:
            async with db.transaction() as tx:
                ids = await enqueue(tx, BREAKS, [{"lfn": new_stamp()}, {"lfn": new_stamp()}])
            await Worker(db, [BREAKS.bind_run(Recorder(failures=9))]).drain()
            await Scheduler(db, [BREAKS], no_options).sync(utcnow())
            return ids
        finally:
            await db.close()

    return [str(each) for each in asyncio.run(die())]


def test_background_work_is_for_administrators_of_services(weyl_as: Callable[..., Program]) -> None:
    for words in (["list"], ["schedules"], ["locks"], ["run", "x"], ["dead", "list"], ["dead", "show", "1"]):
        assert weyl_as(None)("tasks", *words).returncode == 4, words
        assert weyl_as("alice")("tasks", *words).returncode == 5, words


def test_tasks_and_schedules_are_listed(keeper: Program, dead_ids: list[str]) -> None:
    rows = json.loads(keeper("tasks", "list", "-o", "json").stdout)
    assert [row["rule"] for row in rows if row["name"] == "cli.breaks"] == ["every 86400 s"]
    for command in ("list", "schedules"):
        table = keeper("tasks", command, "--output", "table").stdout.splitlines()
        assert all("every day" in line for line in table if "cli.breaks" in line)
    assert "cli.breaks" in keeper("tasks", "schedules", "-q").stdout.split()
    assert json.loads(keeper("tasks", "locks", "-o", "json").stdout) == []


def test_dead_letters_are_listed_shown_replayed_and_discarded(keeper: Program, dead_ids: list[str]) -> None:
    first, second = dead_ids
    listed = keeper("tasks", "dead", "list", "--task", "cli.breaks", "-q").stdout.split()
    assert {first, second} <= set(listed)
    shown = json.loads(keeper("tasks", "dead", "show", first, "-o", "json").stdout)
    assert (shown["error"], shown["task"]) == ("RuntimeError: not yet", "cli.breaks")
    assert keeper("tasks", "dead", "replay", first, "-q").stdout.strip().isdigit()
    assert keeper("tasks", "dead", "show", first).returncode == 3
    assert keeper("tasks", "dead", "discard", second).returncode == 2, "nobody was asked"
    assert keeper("tasks", "dead", "discard", second, "--yes", "-q").stdout.split() == [second]
    partly = keeper("tasks", "dead", "discard", "-", "--yes", "-q", stdin=f"{first}\n{second}\n")
    assert (partly.returncode, partly.stdout) == (7, "")


def test_a_task_is_run_by_hand(keeper: Program, dead_ids: list[str]) -> None:
    assert keeper("tasks", "run", "cli.breaks", '{"lfn": "/a"}', "-q").stdout.strip().isdigit()
    assert keeper("tasks", "run", "cli.nothing").returncode == 3
    wrong = keeper("tasks", "run", "cli.breaks", "{lfn}")
    assert (wrong.returncode, "not JSON" in wrong.stderr) == (2, True)


def test_a_worker_runs_one_task_in_the_foreground(weyl: Program, server: Server) -> None:
    settings = server.settings
    environ = {
        "WEYL_DATABASE_URL": settings.database_url,
        "WEYL_CONFIG_URL": settings.config_url,
        "WEYL_KEYS": settings.keys.get_secret_value(),
        "WEYL_STATE_KEY": settings.state_key.get_secret_value(),
        "WEYL_PILOT_PEPPERS": settings.pilot_peppers.get_secret_value(),
        "WEYL_S3_ENDPOINT": settings.s3_endpoint,
    }
    done = weyl("worker", "--run", "jobs.fold_counts", **environ)
    assert done.returncode == 0, done.stderr
    unknown = weyl("worker", "--run", "jobs.nothing", **environ)
    assert (unknown.returncode, "jobs.fold_counts" in unknown.stderr) == (2, True)
    assert weyl("worker", "--size", "huge", **environ).returncode == 2
