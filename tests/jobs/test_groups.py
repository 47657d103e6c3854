"""Job groups: counted as the jobs are, the newest first, with an end that follows from what ended of late."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from tests.infra.app import Application
from tests.jobs.conftest import MakeJobs

from weyl.jobs.queries.groups import Ended
from weyl.jobs.queries.search import fold_counts
from weyl.jobs.service.groups import estimated_end
from weyl.jobs.tables import jobs
from weyl.kit.clock import utcnow
from weyl.kit.db import Database

URL = "/api/jobs/groups/search"
STAMP = "a" * 32
NOW = datetime.fromisoformat("2026-11-28T12:00:00Z")
SINCE = NOW - timedelta(hours=1)


async def found(application: Application, *search: Any, page: str = "", **login: Any) -> Any:
    """Return what a search answers, as alice."""
    answer = await application.client.post(
        URL + page, json={"search": list(search)}, headers=application.login(**login)
    )
    assert answer.status_code in (200, 206), answer.text
    return answer.json()


def numbers(row: dict[str, Any]) -> dict[str, int]:
    return {name: row[name] for name in ("Jobs", "Waiting", "Running", "Done", "Failed", "Killed") if row[name]}


async def test_each_owner_and_vo_has_groups_of_its_own(application: Application, make_jobs: MakeJobs) -> None:
    await make_jobs(2, job_group="scan", status="Waiting")
    await make_jobs(3, job_group="scan", owner="bob", status="Done")
    await make_jobs(4, job_group="scan", vo="vob")
    assert (await application.client.post(URL, json={})).status_code == 401
    for headers in (application.login(group="service"), application.login(group="pilot"), application.pilot(STAMP)):
        assert (await application.client.post(URL, json={}, headers=headers)).status_code == 403
    rows = await found(application)
    assert [(row["Owner"], row["VO"], row["Jobs"]) for row in rows] == [("bob", "voa", 3), ("alice", "voa", 2)]
    mine = {"parameter": "Owner", "operator": "eq", "value": "alice"}
    assert [row["Owner"] for row in await found(application, mine)] == ["alice"]
    assert [row["VO"] for row in await found(application, vo="vob")] == ["vob"]
    everything = await found(application, properties=["ServiceAdministrator"])
    assert len(everything) == 3


async def test_all_jobs_of_a_group_are_in_one_of_the_numbers_but_the_deleted(
    application: Application, make_jobs: MakeJobs, db: Database
) -> None:
    statuses = (
        "Received",
        "Checking",
        "Staging",
        "Waiting",
        "Matched",
        "Running",
        "Stalled",
        "Completing",
        "Completed",
    )
    for status in (*statuses, "Done", "Done", "Failed", "Killed", "Deleted"):
        await make_jobs(job_group="g", status=status)
    await make_jobs(job_group="gone", status="Deleted")
    expected = {"Jobs": 13, "Waiting": 4, "Running": 5, "Done": 2, "Failed": 1, "Killed": 1}
    assert [numbers(row) for row in await found(application)] == [expected]
    async with db.transaction() as tx:
        await fold_counts(tx)
    assert [numbers(row) for row in await found(application)] == [expected]


async def test_the_group_of_the_newest_job_comes_first_page_by_page(
    application: Application, make_jobs: MakeJobs
) -> None:
    newest = {}
    for name in ("b", "a", "c", "a"):
        [newest[name]] = await make_jobs(job_group=name)
    rows = await found(application)
    assert [(row["JobGroup"], row["LastJobID"]) for row in rows] == [(name, newest[name]) for name in "acb"]
    answer = await application.client.post(f"{URL}?per_page=2", json={}, headers=application.login())
    assert (answer.status_code, answer.headers["content-range"]) == (206, "groups 0-1/3")
    assert [row["JobGroup"] for row in await found(application, page="?per_page=2&page=2")] == ["b"]
    beyond = await application.client.post(f"{URL}?per_page=2&page=3", json={}, headers=application.login())
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, "groups */3")


async def test_groups_are_found_by_what_they_are_kept_by_and_nothing_else(
    application: Application, make_jobs: MakeJobs
) -> None:
    await make_jobs(job_group="x-1")
    await make_jobs(job_group="y")
    like = {"parameter": "JobGroup", "operator": "like", "value": "x%"}
    assert [row["JobGroup"] for row in await found(application, like)] == ["x-1"]
    status = {"search": [{"parameter": "Status", "operator": "eq", "value": "Done"}]}
    answer = await application.client.post(URL, json=status, headers=application.login())
    assert (answer.status_code, "not by Status" in answer.text) == (400, True)


async def test_a_group_that_goes_on_has_an_end(application: Application, make_jobs: MakeJobs, db: Database) -> None:
    now = utcnow()
    await make_jobs(10, job_group="g", status="Waiting")
    ended = await make_jobs(20, job_group="g", status="Done")
    await make_jobs(5, job_group="idle", status="Waiting")
    await make_jobs(5, job_group="over", status="Done")
    async with db.transaction() as tx:
        times = {"start_exec_time": now - timedelta(minutes=20), "last_update_time": now - timedelta(minutes=1)}
        await tx.execute(sa.update(jobs).where(jobs.c.job_id.in_(ended)).values(**times))
        await fold_counts(tx)
    ends = {row["JobGroup"]: row["EstimatedEnd"] for row in await found(application)}
    assert (ends["idle"], ends["over"]) == (None, None)
    left = datetime.fromisoformat(ends["g"]) - now
    assert timedelta(minutes=10) <= left < timedelta(minutes=11)


@pytest.mark.parametrize(
    ("left", "jobs_ended", "minutes_ago", "expected"),
    [
        (100, 50, 30, timedelta(hours=1)),
        (100, 50, 600, timedelta(hours=2)),
        (0, 50, 30, None),
        (10, 10, 0, timedelta(seconds=1)),
        (10**9, 1, 60, None),
    ],
)
def test_the_pace_is_that_of_the_last_hour(
    left: int, jobs_ended: int, minutes_ago: int, expected: timedelta | None
) -> None:
    ended = Ended("voa", "alice", "g", jobs_ended, NOW - timedelta(minutes=minutes_ago))
    end = estimated_end(left, ended, since=SINCE, now=NOW)
    assert end == (None if expected is None else NOW + expected)
