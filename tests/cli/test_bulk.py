"""`weyl jobs kill|delete|reschedule` of very many jobs, and `weyl operations`."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator

import pytest
from tests.cli.conftest import Program, Server
from tests.cli.steps import rows, submit

from weyl.config.service import ConfigStore
from weyl.jobs import tasks as jobs_tasks
from weyl.kit.db import Database
from weyl.tasks.engine import Worker

MANY = 1_001


@pytest.fixture
def worker(server: Server) -> Iterator[None]:
    """A worker beside the server, for the length of a test."""
    ready, stop = threading.Event(), threading.Event()

    async def run() -> None:
        db = Database(server.settings.database_url, pool_size=2)
        config = ConfigStore(server.settings.config_url)
        await config.start()
        crew = Worker(db, [each for each in jobs_tasks.tasks(db, config) if each.task.name == "jobs.bulk"])
        running = asyncio.create_task(crew.run())
        ready.set()
        await asyncio.to_thread(stop.wait)
        crew.stop()
        await running
        await config.stop()
        await db.close()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    ready.wait(30)
    yield
    stop.set()
    thread.join(30)


def count(weyl: Program, group: str) -> dict[str, int]:
    found = rows(weyl, "jobs", "summary", "--by", "Status", "--where", f"JobGroup = {group}", "-o", "json")
    return {row["Status"]: row["count"] for row in found}


def test_many_jobs_are_one_operation_that_is_asked_about_first(weyl: Program, worker: None, group: str) -> None:
    ids = submit(weyl, group, MANY)
    where = ("--where", f"JobGroup = {group}")
    refused = weyl("jobs", "kill", *where)
    assert refused.returncode == 2
    assert "kill 1,001 (1,001 Received)" in refused.stderr
    result = weyl("jobs", "kill", *where, "--yes", "--undo", "0", "-o", "json")
    assert result.returncode == 0, result.stderr
    assert "jobs.kill" in result.stderr
    ended = json.loads(result.stdout)
    assert (ended["state"], ended["done"], ended["total"]) == ("done", MANY, MANY)
    assert count(weyl, group) == {"Killed": MANY}
    deleted = weyl("jobs", "delete", f"{ids[0]}..{ids[-1]}", "--yes", "--undo", "0", "-o", "table")
    assert deleted.returncode == 0, deleted.stderr
    assert deleted.stdout == "jobs.delete: 1,001 of 1,001 done.\n"
    assert count(weyl, group) == {"Deleted": MANY}
    named = weyl("jobs", "kill", f"{ids[0]}..{ids[-1]}", "--yes", "--no-wait", "--undo", "0", "-q")
    waited = weyl("operations", "wait", named.stdout.strip())
    assert waited.returncode == 7
    assert "A job that is Deleted cannot be killed" in waited.stderr
    assert "and 991 more" in waited.stderr


def test_an_operation_is_listed_shown_cancelled_and_waited_for(
    weyl: Program, weyl_as: Callable[..., Program], group: str
) -> None:
    submit(weyl, group, 2)
    started = weyl("jobs", "kill", "--where", f"JobGroup = {group}", "--yes", "--no-wait", "--undo", "60", "-q")
    assert started.returncode == 0, started.stderr
    operation_id = started.stdout.strip()
    assert operation_id in weyl("operations", "list", "-q").stdout.split()
    shown = rows(weyl, "operations", "show", operation_id, "-o", "json")
    assert (shown["state"], shown["total"], shown["created_by"]) == ("waiting", 2, "alice")
    assert weyl("operations", "wait", operation_id, "--timeout", "0s").returncode == 8
    stranger, admin = weyl_as("bob"), weyl_as("bob", group="admin")
    assert stranger("operations", "show", operation_id).returncode == 3
    assert stranger("operations", "cancel", operation_id).returncode == 3
    assert operation_id in admin("operations", "list", "--everybody", "-q").stdout.split()
    cancelled = weyl("operations", "cancel", operation_id)
    assert cancelled.returncode == 0
    assert "nothing was changed" in cancelled.stderr
    waited = weyl("operations", "wait", operation_id)
    assert waited.returncode == 9
    assert count(weyl, group) == {"Received": 2}
