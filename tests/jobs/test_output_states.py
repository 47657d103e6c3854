"""A job that is to leave output data is not Done while these are registered nowhere, whoever says that it is."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
from tests.infra.app import Application
from tests.jobs.conftest import MakeJobs, Rows, iso

from weyl.jobs.states import JobState, Report, merge, not_without_outputs
from weyl.jobs.tables import jobs
from weyl.kit.clock import utcnow
from weyl.kit.db import Database

STAMP = "a" * 32
URL = "/api/jobs/status"
START = datetime(2026, 11, 1, tzinfo=UTC)


def done(**fields: str) -> dict[str, Any]:
    """Return the report of a wrapper that has ended well."""
    return {iso(utcnow()): {"Status": "Done", "MinorStatus": "Execution Complete", "Source": "JobWrapper", **fields}}


def test_a_report_of_done_becomes_a_failure_while_output_is_wanted() -> None:
    state = JobState("Completing", START, wants_outputs=True)
    reports = [Report(START + timedelta(seconds=1), application_status="x"), Report(START + timedelta(2), "Done", "y")]
    made = not_without_outputs(state, reports)
    assert made[0] == reports[0]
    assert (made[1].at, made[1].status, made[1].error_class) == (reports[1].at, "Failed", "output_upload")
    change = merge(state, made, START + timedelta(3))
    assert (change.status, change.minor_status) == ("Failed", "Uploading Outputs")


@pytest.mark.parametrize("status", ["Running", "Completing", "Completed", "Failed", None])
def test_other_reports_stay(status: str | None) -> None:
    reports = [Report(START, status)]
    assert not_without_outputs(JobState("Running", START, wants_outputs=True), reports) is reports
    assert not_without_outputs(JobState("Running", START), [done := Report(START, "Done")]) == [done]


@pytest.mark.parametrize("before", ["Running", "Completing", "Completed"])
async def test_a_job_does_not_end_done_without_its_files(
    application: Application, make_jobs: MakeJobs, row: Rows, history: Rows, before: str
) -> None:
    [job_id] = await make_jobs(status=before, pilot=STAMP, output_state="wanted")
    headers = application.payload(job_id, stamp=STAMP)
    answer = await application.client.patch(URL, json={job_id: done()}, headers=headers)
    assert answer.json()["success"][str(job_id)]["Status"] == "Failed"
    assert (await row(job_id, "status"), await row(job_id, "minor_status")) == ("Failed", "Uploading Outputs")
    assert (await history(job_id))[-1][:2] == ("Failed", "Uploading Outputs")


async def test_a_job_ends_done_once_its_files_are_registered(
    application: Application, make_jobs: MakeJobs, row: Rows
) -> None:
    [job_id] = await make_jobs(status="Running", pilot=STAMP, output_state="registered")
    headers = application.payload(job_id, stamp=STAMP)
    assert (await application.client.patch(URL, json={job_id: done()}, headers=headers)).status_code == 200
    assert await row(job_id, "status") == "Done"


async def test_nobody_forces_it_to_done(application: Application, make_jobs: MakeJobs, row: Rows) -> None:
    job_id, plain = await make_jobs(status="Failed", output_state="wanted"), await make_jobs(status="Failed")
    body = {job_id[0]: done(), plain[0]: done()}
    admin = application.login("bob", group="admin")
    answer = await application.client.patch(f"{URL}?force=true", json=body, headers=admin)
    assert answer.json()["failed"] == {
        str(job_id[0]): {
            "detail": "It cannot be Done: its output data are not registered. Reschedule it, or set it to Failed"
        }
    }
    assert (await row(job_id[0], "status"), await row(plain[0], "status")) == ("Failed", "Done")


async def test_the_database_itself_refuses_it(make_jobs: MakeJobs, db: Database) -> None:
    [job_id] = await make_jobs(status="Running", output_state="wanted")
    with pytest.raises(Exception, match="ck_jobs_done_with_its_outputs") as refused:
        async with db.transaction() as tx:
            await tx.execute(sa.update(jobs).where(jobs.c.job_id == job_id).values(status="Done"))
    assert isinstance(refused.value.__cause__ or refused.value, asyncpg.CheckViolationError | Exception)


async def test_another_run_has_its_output_to_register_again(
    application: Application, make_jobs: MakeJobs, row: Rows
) -> None:
    kept, none = (
        (await make_jobs(status="Failed", output_state="registered"))[0],
        (await make_jobs(status="Failed"))[0],
    )
    answer = await application.client.post(
        "/api/jobs/reschedule", json={"job_ids": [kept, none]}, headers=application.login()
    )
    assert answer.status_code == 200, answer.text
    assert (await row(kept, "output_state"), await row(none, "output_state")) == ("wanted", None)


PLAIN = 'Executable = "a"; '


@pytest.fixture
def submit(application: Application) -> Callable[[str], Any]:
    """Return `submit(text)` -> the answer."""

    async def call(text: str) -> Any:
        return await application.client.post("/api/jobs/jdl", json=[PLAIN + text], headers=application.login())

    return call


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('OutputData = "/etc/passwd";', "OutputData: '/etc/passwd' is no file of the job"),
        ('OutputData = "../a";', "OutputData: '../a' has . or .. as a directory"),
        ('OutputData = {"a", "LFN:a"};', "OutputData: 'LFN:a' does not begin with /"),
        ('OutputData = "a"; OutputPath = "x/../../../vob";', "has . or .. as a directory"),
        ('OutputData = "a"; OutputPath = "x//y";', "OutputPath: 'x//y' has // in it"),
        ('OutputData = "a"; OutputMetadata = "Run";', "OutputMetadata: must be a record"),
        ('OutputData = "a"; OutputMetadata = [ Run = {1} ];', "OutputMetadata: Run must be text, a number"),
    ],
)
async def test_output_data_that_cannot_be_meant_are_refused(
    submit: Callable[[str], Any], text: str, fault: str
) -> None:
    answer = await submit(text)
    assert answer.status_code == 400
    assert fault in answer.json()["detail"]
