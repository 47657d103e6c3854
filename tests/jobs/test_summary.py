"""Summaries: from the counters where they know, from the rows where not, and always the same numbers."""

from typing import Any

import pytest
import sqlalchemy as sa
from tests.infra.app import Application
from tests.jobs.conftest import MakeJobs

from weyl.jobs.queries.search import fold_counts
from weyl.jobs.service import search as service
from weyl.jobs.tables import job_count_deltas, job_counts, jobs
from weyl.kit.db import DATABASE, Database

URL = "/api/jobs/summary"
STAMP = "a" * 32


async def count(application: Application, *grouping: str, search: list[Any] | None = None, **login: Any) -> Any:
    """Return a summary as {group: count}, as alice."""
    body = {"grouping": list(grouping), "search": search or []}
    answer = await application.client.post(URL, json=body, headers=application.login(**login))
    assert answer.status_code == 200, answer.text
    return {tuple(row[name] for name in grouping): row["count"] for row in answer.json()}


async def test_who_may_count(application: Application, make_jobs: MakeJobs) -> None:
    await make_jobs(3)
    await make_jobs(4, vo="vob")
    body = {"grouping": ["Status"]}
    assert (await application.client.post(URL, json=body)).status_code == 401
    for headers in (application.login(group="service"), application.login(group="pilot"), application.pilot(STAMP)):
        assert (await application.client.post(URL, json=body, headers=headers)).status_code == 403
    assert await count(application, "VO") == {("voa",): 3}
    assert await count(application, "VO", group="admin") == {("voa",): 3}
    assert await count(application, "JobName", vo="vob") == {("Unknown",): 4}
    assert await count(application, "VO", properties=["ServiceAdministrator"]) == {("voa",): 3, ("vob",): 4}


async def test_counters_are_right_before_during_and_after_folding(
    application: Application, make_jobs: MakeJobs, db: Database
) -> None:
    job_ids = await make_jobs(5, status="Waiting")
    await make_jobs(2, status="Done", job_type="Test")
    expected = {("Waiting",): 5, ("Done",): 2}
    assert await count(application, "Status") == expected
    async with db.transaction() as tx:
        await fold_counts(tx)
        assert await count(application, "Status") == expected
    assert await count(application, "Status") == expected
    async with db.transaction() as tx:
        await tx.execute(sa.update(jobs).where(jobs.c.job_id.in_(job_ids[:2])).values(status="Matched"))
        await tx.execute(sa.delete(jobs).where(jobs.c.status == "Done"))
    expected = {("Waiting",): 3, ("Matched",): 2}
    assert await count(application, "Status") == expected
    async with db.transaction() as tx:
        await fold_counts(tx)
    assert await count(application, "Status") == expected
    async with db.read() as tx:
        assert (await tx.execute(sa.select(sa.func.count()).select_from(job_count_deltas))).scalar_one() == 0
        assert (await tx.execute(sa.select(sa.func.min(job_counts.c.count)))).scalar_one() > 0


async def test_a_change_that_the_counters_do_not_keep_writes_no_delta(make_jobs: MakeJobs, db: Database) -> None:
    await make_jobs(3)
    async with db.transaction() as tx:
        await fold_counts(tx)
        await tx.execute(sa.update(jobs).values(application_status="half"))
        assert (await tx.execute(sa.select(sa.func.count()).select_from(job_count_deltas))).scalar_one() == 0


@pytest.mark.parametrize(
    ("grouping", "search"),
    [
        (["Status", "Site"], []),
        (["Owner"], [{"parameter": "Status", "operator": "eq", "value": "Done"}]),
        (["MinorStatus", "Owner"], [{"parameter": "Site", "operator": "regex", "value": "^L"}]),
        (["JobGroup"], [{"parameter": "Status", "operator": "in", "values": ["Done", "Failed"]}]),
    ],
)
async def test_counters_and_rows_agree(
    application: Application, make_jobs: MakeJobs, grouping: list[str], search: list[Any]
) -> None:
    for number, (status, owner, site) in enumerate(
        [("Done", "alice", "LCG.A"), ("Done", "bob", "LCG.B"), ("Failed", "alice", "ANY"), ("Waiting", "bob", "LCG.A")]
    ):
        await make_jobs(number + 1, status=status, owner=owner, site=site, job_group=f"{number % 2:08}")
    by_counters = await count(application, *grouping, search=search)
    from_rows = [*search, {"parameter": "JobName", "operator": "eq", "value": "Unknown"}]
    assert by_counters == await count(application, *grouping, search=from_rows) != {}


async def test_columns_beyond_the_counters_are_counted_from_the_rows(
    application: Application, make_jobs: MakeJobs
) -> None:
    await make_jobs(2, user_priority=3, accounted_flag="Failed")
    await make_jobs(1, user_priority=5)
    assert await count(application, "UserPriority", "AccountedFlag") == {(3, "Failed"): 2, (5, False): 1}


async def test_pilots_may_be_named(application: Application, make_jobs: MakeJobs) -> None:
    await make_jobs(2, pilot=STAMP)
    await make_jobs(3)
    pilot = {"parameter": "PilotStamp", "operator": "eq", "value": STAMP}
    assert await count(application, "Status", search=[pilot]) == {("Received",): 2}


async def test_without_grouping_each_job_is_a_row_up_to_a_limit(
    application: Application, make_jobs: MakeJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_ids = await make_jobs(3)
    answer = await application.client.post(URL, json={"grouping": []}, headers=application.login())
    assert sorted(row["JobID"] for row in answer.json()) == job_ids
    assert {row["count"] for row in answer.json()} == {1}
    monkeypatch.setattr(service, "ROWS_MAX", 2)
    answer = await application.client.post(URL, json={"grouping": []}, headers=application.login())
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"grouping": ["Nothing"]}, 400),
        ({"grouping": ["LoggingInfo"]}, 400),
        ({"grouping": ["PilotStamp"]}, 400),
        ({"grouping": ["Status"], "search": [{"parameter": "Nothing", "operator": "eq", "value": 1}]}, 400),
        ({"grouping": ["Status"], "search": [{"parameter": "Status", "operator": "regex", "value": "("}]}, 400),
        ({}, 422),
        ({"grouping": "Status"}, 422),
        (None, 422),
    ],
)
async def test_bad_requests_are_refused(application: Application, body: Any, status: int) -> None:
    answer = await application.client.post(URL, json=body, headers=application.login())
    assert answer.status_code == status


async def test_an_empty_table_has_no_groups_and_one_statement_tells(application: Application) -> None:
    with application.services[DATABASE].count_statements() as statements:
        assert await count(application, "Status", "Site") == {}
    assert len(statements) == 1
