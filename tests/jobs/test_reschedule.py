"""Reschedule: from where, how often, what is cleared, and what happens to the run before."""

from typing import Any

import pytest
import sqlalchemy as sa
from tests.infra.app import Application
from tests.jobs.conftest import JDL, MakeJobs, Rows

from weyl.jobs.attempts import Again, Exhausted, NotPossible, decide
from weyl.jobs.states import MOVES
from weyl.jobs.tables import job_attempts, job_descriptions
from weyl.kit.clock import utcnow
from weyl.kit.db import DATABASE, Database

URL = "/api/jobs/reschedule"
STAMP = "a" * 32
ALLOWED = sorted(MOVES.keys() - {"Submitting", "Deleted"})


async def ask(application: Application, *job_ids: int, reset: bool = False, **login: Any) -> tuple[int, Any]:
    """Ask for another run as alice; returns status and body."""
    query = "?reset_jobs=true" if reset else ""
    answer = await application.client.post(
        URL + query, json={"job_ids": list(job_ids)}, headers=application.login(**login)
    )
    return answer.status_code, answer.json()


async def checks(db: Database) -> list[str]:
    """Return the payloads of the checks that wait."""
    async with db.read() as tx:
        found = await tx.execute(sa.text("SELECT payload FROM pgqueuer WHERE entrypoint = 'jobs.check_jobs'"))
        return [payload.decode() for payload in found.scalars()]


@pytest.mark.parametrize("counter", range(5))
@pytest.mark.parametrize("status", sorted(MOVES))
def test_whether_a_job_runs_again_is_decided_by_status_and_counter(status: str, counter: int) -> None:
    verdict = decide(status, counter, is_verified=True, reschedulings_max=3, reset=False)
    if status not in ALLOWED:
        assert isinstance(verdict, NotPossible)
    elif counter < 3:
        assert verdict == Again(counter + 1)
    else:
        assert verdict == Exhausted("Maximum number of reschedules exceeded (3)")


def test_a_job_that_was_not_verified_does_not_run_again_and_a_reset_starts_the_count_anew() -> None:
    assert isinstance(decide("Failed", 0, is_verified=False, reschedulings_max=3, reset=True), NotPossible)
    assert decide("Failed", 9, is_verified=True, reschedulings_max=3, reset=True) == Again(0)


async def test_who_may_not(application: Application, make_jobs: MakeJobs, row: Rows) -> None:
    (job_id,) = await make_jobs(status="Failed")
    assert (await application.client.post(URL, json={"job_ids": [job_id]})).status_code == 401
    for login in ({"user": "bob"}, {"vo": "vob"}, {"group": "service"}):
        assert (await ask(application, job_id, **login))[0] == 403
    assert (await ask(application, job_id, 999_999))[0] == 403
    answer = await application.client.post(URL, json={"job_ids": [job_id]}, headers=application.pilot(STAMP))
    assert answer.status_code == 403
    status, body = await ask(application, job_id, vo="vob", group="admin")
    assert (status, body) == (400, {"detail": {"success": {}, "failed": {str(job_id): {"detail": "Not found"}}}})
    assert await row(job_id, "status") == "Failed"


@pytest.mark.parametrize("status", ALLOWED)
async def test_a_job_runs_again_from_every_status(
    application: Application, make_jobs: MakeJobs, row: Rows, history: Rows, commands: Rows, db: Database, status: str
) -> None:
    now = utcnow()
    (job_id,) = await make_jobs(
        status=status, pilot=STAMP, site="LCG.X", user_priority=9, start_exec_time=now, end_exec_time=now,
        heart_beat_time=now, minor_status="x", application_status="y", accounted_flag="Failed",
    )  # fmt: skip
    code, body = await ask(application, job_id)
    assert code == 200
    answer = body["success"][str(job_id)]
    assert answer["RescheduleTime"].endswith("Z")
    assert {key: value for key, value in answer.items() if value is not None and "Time" not in key} == {
        "InputData": JDL,
        "Site": "ANY",
        "UserPriority": 1,
        "RescheduleCounter": 1,
        "Status": "Received",
        "MinorStatus": "Job Rescheduled",
        "ApplicationStatus": "Unknown",
    }
    stored = await row(job_id)
    assert (stored["status"], stored["minor_status"], stored["application_status"]) == (
        "Received",
        "Job Rescheduled",
        "Unknown",
    )
    cleared = ("start_exec_time", "end_exec_time", "heart_beat_time", "pilot_stamp", "allocated")
    assert [stored[name] for name in cleared] == [None] * 5
    assert (stored["site"], stored["user_priority"], stored["reschedule_counter"]) == ("ANY", 1, 1)
    assert [line[0] for line in await history(job_id)][1:] == ["Rescheduled", "Received"]
    on_node = status in ("Matched", "Running", "Stalled", "Completing")
    assert await commands(job_id) == (["Kill"] if on_node else [])
    assert await checks(db) == [f'{{"ranges":[[{job_id},{job_id}]]}}']


async def test_after_the_last_run_the_job_fails_and_stays_so(
    application: Application, make_jobs: MakeJobs, row: Rows, history: Rows
) -> None:
    (job_id,) = await make_jobs(status="Running", pilot=STAMP)
    for counter in (1, 2, 3):
        code, body = await ask(application, job_id)
        assert (code, body["success"][str(job_id)]["RescheduleCounter"]) == (200, counter)
    code, body = await ask(application, job_id)
    reason = {"detail": "Maximum number of reschedules exceeded (3)"}
    assert (code, body) == (400, {"detail": {"success": {}, "failed": {str(job_id): reason}}})
    stored = await row(job_id)
    assert (stored["status"], stored["minor_status"]) == ("Failed", "Maximum of reschedulings reached")
    assert (stored["reschedule_counter"], stored["end_exec_time"] is not None) == (3, True)
    assert (await history(job_id))[-1][:2] == ("Failed", "Maximum of reschedulings reached")
    code, body = await ask(application, job_id, reset=True)
    assert (code, body["success"][str(job_id)]["RescheduleCounter"]) == (200, 0)


async def test_mixed_jobs_are_answered_one_by_one(application: Application, make_jobs: MakeJobs, row: Rows) -> None:
    (good,) = await make_jobs(status="Done")
    (deleted,) = await make_jobs(status="Deleted")
    (unverified,) = await make_jobs(verified_flag=False)
    (worn,) = await make_jobs(status="Failed", reschedule_counter=3)
    code, body = await ask(application, good, deleted, unverified, worn, 999_999, good, group="admin")
    assert (code, set(body["success"])) == (200, {str(good)})
    assert {int(key): value["detail"] for key, value in body["failed"].items()} == {
        deleted: "A job that is Deleted cannot be rescheduled",
        unverified: "A job that was not verified cannot be rescheduled",
        worn: "Maximum number of reschedules exceeded (3)",
        999_999: "Not found",
    }
    assert [await row(job_id, "status") for job_id in (deleted, unverified)] == ["Deleted", "Received"]


async def test_what_the_last_run_left_is_archived_by_cycle(
    application: Application, make_jobs: MakeJobs, db: Database
) -> None:
    (job_id,) = await make_jobs(status="Failed", site="LCG.X", minor_status="Application Finished With Errors")
    headers = application.login()
    for number in (1, 2):
        body = {job_id: {"n": number}}
        assert (await application.client.patch("/api/jobs/metadata", json=body, headers=headers)).status_code == 204
        assert (await ask(application, job_id))[0] == 200
        assert (await application.client.get(f"/api/jobs/{job_id}/parameters", headers=headers)).json() == {}
    async with db.read() as tx:
        statement = sa.select(job_attempts).order_by(job_attempts.c.attempt)
        attempts = (await tx.execute(statement)).mappings().all()
    assert [(a["attempt"], a["site"], a["status"], a["parameters"]) for a in attempts] == [
        (1, "LCG.X", "Failed", {"n": 1}),
        (2, "ANY", "Received", {"n": 2}),
    ]


async def test_a_description_that_the_vo_no_longer_takes_changes_nothing(
    application: Application, make_jobs: MakeJobs, row: Rows, db: Database
) -> None:
    (job_id,) = await make_jobs(status="Failed")
    async with db.transaction() as tx:
        await tx.execute(sa.update(job_descriptions).values(document={"Executable": "x", "Tags": "a & ("}))
    code, body = await ask(application, job_id)
    assert code == 400
    assert body["detail"]["failed"][str(job_id)]["detail"].startswith("Illegal Job JDL")
    assert await row(job_id, "status") == "Failed"


async def test_a_thousand_jobs_cost_a_handful_of_statements(application: Application, make_jobs: MakeJobs) -> None:
    job_ids = await make_jobs(1000, status="Failed")
    with application.services[DATABASE].count_statements() as statements:
        code, body = await ask(application, *job_ids)
    assert (code, len(body["success"])) == (200, 1000)
    assert len(statements) <= 10, statements.statements


@pytest.mark.parametrize("body", [None, {}, {"job_ids": ["x"]}, {"job_ids": 5}, [1]])
async def test_a_malformed_body_is_422(application: Application, body: Any) -> None:
    assert (await application.client.post(URL, json=body, headers=application.login())).status_code == 422


async def test_no_job_is_no_success(application: Application) -> None:
    assert (await ask(application))[0] == 400
