"""Status reports at the door: who may, what the contract answers, and what rows and history hold afterwards."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from tests.infra.app import Application
from tests.jobs.conftest import MakeJobs, Rows, iso

from weyl.jobs.permits import Managed
from weyl.jobs.service.status import StatusRequest, set_statuses
from weyl.jobs.states import JobState, Report, merge
from weyl.jobs.tables import jobs
from weyl.kit.clock import utcnow
from weyl.kit.db import DATABASE, Database, Listener
from weyl.task_queues import service as task_queues
from weyl.task_queues.requirements import make_class

Login = Callable[..., dict[str, str]]
URL = "/api/jobs/status"
STAMP, OTHER = "a" * 32, "b" * 32


def report(status: str | None = None, *, at: datetime | None = None, **fields: str) -> dict[str, Any]:
    """Return one dated report as it stands in a body."""
    update = {"Status": status, **fields} if status else dict(fields)
    return {iso(at or utcnow()): update}


async def test_strangers_may_not_set_a_status(application: Application, make_jobs: MakeJobs, row: Rows) -> None:
    (job_id,) = await make_jobs()
    body = {job_id: report("Checking")}
    strangers = {
        "anonymous": ({}, 401),
        "another user": (application.login("bob"), 403),
        "another VO's owner of the same name": (application.login("alice", vo="vob"), 403),
        "another VO's administrator": (application.login("bob", vo="vob", group="admin"), 404),
        "another VO's pilot": (application.login("bob", vo="vob", group="pilot"), 404),
        "wrong property": (application.login("alice", group="service"), 403),
        "a pilot that never had the job": (application.pilot(STAMP), 403),
        "the payload of another job": (application.payload(job_id + 1, stamp=STAMP), 403),
        "a payload that the job never had": (application.payload(job_id, stamp=STAMP), 403),
    }
    for who, (headers, status) in strangers.items():
        answer = await application.client.patch(URL, json=body, headers=headers)
        assert answer.status_code == status, who
    assert await row(job_id, "status") == "Received"


async def test_a_user_learns_nothing_of_unknown_jobs_and_an_administrator_does(
    application: Application, make_jobs: MakeJobs
) -> None:
    (own,) = await make_jobs()
    body = {own: report("Checking"), 999_999: report("Checking")}
    assert (await application.client.patch(URL, json=body, headers=application.login())).status_code == 403
    unknown = {999_999: report("Checking"), 2**70: report("Checking"), 0: report("Checking")}
    assert (await application.client.patch(URL, json=unknown, headers=application.login())).status_code == 403
    answer = await application.client.patch(URL, json=unknown, headers=application.login("bob", group="admin"))
    assert answer.status_code == 404
    nothing = {"success": {}, "failed": {str(key): {"detail": "Not found"} for key in unknown}}
    assert answer.json() == {"detail": nothing}
    mixed = await application.client.patch(URL, json=body, headers=application.login("bob", group="admin"))
    assert mixed.status_code == 200
    assert set(mixed.json()["success"]) == {str(own)}
    assert mixed.json()["failed"] == {"999999": {"detail": "Not found"}}


async def test_forcing_is_for_administrators(application: Application, make_jobs: MakeJobs, row: Rows) -> None:
    (job_id,) = await make_jobs()
    body = {job_id: report("Done")}
    url = f"{URL}?force=true"
    assert (await application.client.patch(url, json=body, headers=application.login())).status_code == 403
    pilot = application.login("bob", group="pilot")
    assert (await application.client.patch(url, json=body, headers=pilot)).status_code == 403
    admin = application.login("bob", group="admin")
    assert (await application.client.patch(url, json=body, headers=admin)).status_code == 200
    assert await row(job_id, "status") == "Done"
    assert await row(job_id, "end_exec_time") is not None


async def test_the_answer_names_the_columns_that_changed(
    application: Application, make_jobs: MakeJobs, row: Rows, history: Rows
) -> None:
    (job_id,) = await make_jobs(status="Matched")
    at = utcnow().replace(microsecond=0)
    body = {job_id: report("Running", at=at, MinorStatus="Application", Source="JobWrapper")}
    answer = await application.client.patch(URL, json=body, headers=application.login())
    changed = answer.json()["success"][str(job_id)]
    wire = at.isoformat().replace("+00:00", "Z")
    assert changed.pop("LastUpdateTime").endswith("Z")
    assert changed == {
        "Status": "Running",
        "MinorStatus": "Application",
        "ApplicationStatus": None,
        "HeartBeatTime": wire,
        "StartExecTime": wire,
        "EndExecTime": None,
    }
    stored = await row(job_id)
    assert (stored["status"], stored["start_exec_time"], stored["heart_beat_time"]) == ("Running", at, at)
    assert (await history(job_id))[-1] == ("Running", "Application", "idem", "JobWrapper")


async def test_a_refused_move_answers_200_and_sets_no_end(
    application: Application, make_jobs: MakeJobs, row: Rows, history: Rows
) -> None:
    (job_id,) = await make_jobs()
    answer = await application.client.patch(
        URL, json={job_id: report("Done", Source="Test")}, headers=application.login()
    )
    assert answer.status_code == 200
    assert answer.json()["success"][str(job_id)]["Status"] == "Received"
    assert (await row(job_id, "status"), await row(job_id, "end_exec_time")) == ("Received", None)
    assert (await history(job_id))[-1] == ("Received", "idem", "idem", "Test(SM)")


async def test_matchers_are_told_of_a_job_that_a_late_report_took_out_of_the_queue_for_a_moment(
    application: Application, make_jobs: MakeJobs, row: Rows, db: Database
) -> None:
    (job_id,) = await make_jobs(status="Waiting")
    made = make_class({"cpu_work_db12": 10}, vo="voa", group="user", owner="alice", job_type="User")
    async with db.transaction() as tx:
        placed = await task_queues.enqueue_jobs(tx, [(job_id, made)])
        await tx.execute(sa.update(jobs).values(class_ids=placed[job_id]))
    heard: asyncio.Queue[str] = asyncio.Queue()
    listener = Listener(db, {task_queues.CHANNEL: [heard.put_nowait]})
    await listener.start()
    try:
        late = report("Killed", at=utcnow() - timedelta(days=1))
        answer = await application.client.patch(URL, json={job_id: late}, headers=application.login())
        assert answer.status_code == 200
        assert await asyncio.wait_for(heard.get(), 20) == ",".join(map(str, placed[job_id]))
    finally:
        await listener.stop()
    assert await row(job_id, "status") == "Waiting"
    async with db.read() as tx:
        assert (await tx.execute(sa.text("SELECT class_id, job_id FROM queue"))).all() == [(placed[job_id][0], job_id)]


async def test_a_late_report_is_a_success_of_nulls(
    application: Application, make_jobs: MakeJobs, row: Rows, history: Rows
) -> None:
    (job_id,) = await make_jobs()
    late = report("Killed", at=utcnow() - timedelta(days=1), MinorStatus="old")
    answer = await application.client.patch(URL, json={job_id: late}, headers=application.login())
    assert answer.status_code == 200
    changed = {name for name, value in answer.json()["success"][str(job_id)].items() if value is not None}
    assert changed == {"EndExecTime"}
    late = report(MinorStatus="older", at=utcnow() - timedelta(days=2))
    answer = await application.client.patch(URL, json={job_id: late}, headers=application.login())
    assert set(answer.json()["success"][str(job_id)].values()) == {None}
    assert await row(job_id, "status") == "Received"
    assert (await history(job_id))[1:] == [
        ("Killed", "old", "idem", "Unknown"),
        ("idem", "older", "idem", "Unknown"),
    ]


@pytest.mark.parametrize(
    ("updates", "status"),
    [
        ({"2026-11-01T00:00:00": {"Status": "Checking"}}, 400),
        ({"2026-11-01T00:00:00Z": {"Status": "Checking"}, "2026-11-01T00:00:00": {}}, 400),
        ({}, 400),
        ({"0001-01-01T00:00:00+10:00": {"Status": "Checking"}}, 400),
        ({"soon": {"Status": "Checking"}}, 422),
        ({"2026-11-01T00:00:00Z": {"Status": "Scouting"}}, 422),
        ({"2026-11-01T00:00:00Z": {"Status": "checking"}}, 422),
        ({"2026-11-01T00:00:00Z": {"MinorStatus": 5}}, 422),
        ({"2026-11-01T00:00:00Z": {"MinorStatus": "a\x00b"}}, 422),
        ({"2026-11-01T00:00:00Z": {"Source": None}}, 422),
        ([], 422),
        (None, 422),
    ],
)
async def test_a_bad_report_spoils_the_whole_request(
    application: Application, make_jobs: MakeJobs, row: Rows, history: Rows, updates: Any, status: int
) -> None:
    good, bad = await make_jobs(2)
    body = {good: report("Checking"), bad: updates}
    answer = await application.client.patch(URL, json=body, headers=application.login())
    assert answer.status_code == status
    assert await row(good, "status") == "Received"
    assert len(await history(good)) == 1


async def test_a_time_without_zone_is_refused_in_the_words_that_clients_compare(
    application: Application, make_jobs: MakeJobs
) -> None:
    (job_id,) = await make_jobs()
    for sent, shown in (
        ("2026-11-01 10:20:30.123456", "2026-11-01 10:20:30.123456"),
        ("2026-11-01T10:20", "2026-11-01 10:20:00"),
    ):
        body = {job_id: {sent: {"Status": "Checking"}}}
        answer = await application.client.patch(URL, json=body, headers=application.login())
        refusal = {"detail": f"Timestamp {shown} is not timezone aware for job {job_id}"}
        assert (answer.status_code, answer.json()) == (400, refusal)


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"[1]", b'{"x": {}}', b'{"1": NaN}', b'"\\ud800"'])
async def test_a_malformed_body_is_422(application: Application, body: bytes) -> None:
    headers = application.login() | {"Content-Type": "application/json"}
    assert (await application.client.patch(URL, content=body, headers=headers)).status_code == 422


async def test_no_report_at_all_changes_nothing(application: Application) -> None:
    answer = await application.client.patch(URL, json={}, headers=application.login())
    assert (answer.status_code, answer.json()) == (404, {"detail": {"success": {}, "failed": {}}})


async def test_a_hundred_jobs_cost_a_handful_of_statements(
    application: Application, make_jobs: MakeJobs, db: Database
) -> None:
    job_ids = await make_jobs(100, status="Matched")
    now = utcnow()
    body = {
        job_id: report("Running", at=now) | report("Completing", at=now + timedelta(seconds=1)) for job_id in job_ids
    }
    with application.services[DATABASE].count_statements() as statements:
        answer = await application.client.patch(URL, json=body, headers=application.login())
    assert len(answer.json()["success"]) == 100
    assert len(statements) == 5, statements.statements


async def test_reports_of_many_callers_at_once_are_all_kept(
    application: Application, make_jobs: MakeJobs, row: Rows, history: Rows
) -> None:
    job_ids = await make_jobs(20, status="Matched")
    now = utcnow()

    async def tell(job_id: int, number: int) -> int:
        body = {job_id: report("Running", at=now + timedelta(seconds=number), ApplicationStatus=f"step {number}")}
        answer = await application.client.patch(URL, json=body, headers=application.login())
        return answer.status_code

    codes = await asyncio.gather(*(tell(job_id, number) for number in range(3) for job_id in job_ids))
    assert set(codes) == {200}
    for job_id in job_ids:
        assert len(await history(job_id)) == 4
        assert await row(job_id, "application_status") == "step 2"


async def test_one_bad_caller_does_not_spoil_the_batch_of_the_others(
    application: Application, make_jobs: MakeJobs
) -> None:
    job_ids = await make_jobs(10)
    (foreign,) = await make_jobs(owner="bob")
    calls = [
        application.client.patch(URL, json={job_id: report("Checking")}, headers=application.login())
        for job_id in [*job_ids, foreign]
    ]
    answers = await asyncio.gather(*calls)
    assert [answer.status_code for answer in answers] == [200] * 10 + [403]


async def test_a_pilot_and_a_payload_report_on_their_own_run_only(
    application: Application, make_jobs: MakeJobs, row: Rows
) -> None:
    (job_id,) = await make_jobs(status="Matched", pilot=STAMP)
    for headers in (application.payload(job_id, stamp=STAMP), application.pilot(STAMP)):
        answer = await application.client.patch(URL, json={job_id: report("Running")}, headers=headers)
        assert answer.status_code == 200
    assert await row(job_id, "status") == "Running"
    stranger = application.payload(job_id, stamp=OTHER)
    assert (await application.client.patch(URL, json={job_id: report("Done")}, headers=stranger)).status_code == 403


async def test_a_short_run_on_a_node_whose_clock_is_behind_is_done(
    application: Application, make_jobs: MakeJobs, row: Rows, history: Rows
) -> None:
    """Its start seems to be from before the match; from a person such a report is late, as the contract has it."""
    matched = utcnow() - timedelta(minutes=1)
    theirs, hers = await make_jobs(2, status="Matched", pilot=STAMP, at=matched)

    def run(began: datetime) -> dict[str, Any]:
        steps = ("Running", "Completing", "Done")
        return {iso(began + timedelta(seconds=0.1 * n)): {"Status": each} for n, each in enumerate(steps)}

    for job_id, headers in ((theirs, application.payload(theirs, stamp=STAMP)), (hers, application.login())):
        body = {job_id: run(matched - timedelta(seconds=0.15))}
        assert (await application.client.patch(URL, json=body, headers=headers)).status_code == 200
    assert await row(theirs, "status") == "Done"
    assert [line[0] for line in await history(theirs)] == ["Matched", "Running", "Completing", "Done"]
    assert await row(hers, "status") == "Matched"


async def test_a_run_that_is_over_cannot_move_the_job(application: Application, make_jobs: MakeJobs, row: Rows) -> None:
    (job_id,) = await make_jobs(status="Running", pilot=STAMP)
    admin = application.login("bob", group="admin")
    again = await application.client.post("/api/jobs/reschedule", json={"job_ids": [job_id]}, headers=admin)
    assert again.status_code == 200
    answer = await application.client.patch(
        URL, json={job_id: report("Failed")}, headers=application.payload(job_id, stamp=STAMP)
    )
    assert answer.status_code == 404
    assert answer.json()["detail"]["failed"][str(job_id)] == {"detail": "This run of the job is over"}
    assert await row(job_id, "status") == "Received"


async def test_a_report_that_waits_while_its_run_is_given_up_moves_nothing(
    make_jobs: MakeJobs, row: Rows, history: Rows, db: Database
) -> None:
    """The next run stands at the same status, so the machine of states alone would take the report for its own."""
    (job_id,) = await make_jobs(status="Running", pilot=STAMP)
    admitted = Managed({job_id: STAMP}, frozenset())
    async with db.transaction() as tx:
        await tx.execute(sa.update(jobs).where(jobs.c.job_id == job_id).values(pilot_stamp=OTHER))
    before = await history(job_id)
    late = StatusRequest(admitted, {job_id: [Report(utcnow(), "Done")]}, utcnow(), is_of_run=True)
    async with db.transaction() as tx:
        [outcome] = await set_statuses(tx, [late])
    assert (outcome.success, outcome.failed) == ({}, {job_id: "This run of the job is over"})
    assert (await row(job_id, "status"), await history(job_id)) == ("Running", before)


async def test_old_pilots_with_a_persons_token_change_any_job_of_their_vo(
    application: Application, make_jobs: MakeJobs
) -> None:
    (job_id,) = await make_jobs(status="Matched")
    (foreign,) = await make_jobs(status="Matched", vo="vob")
    headers = application.login("bob", group="pilot")
    answer = await application.client.patch(URL, json={job_id: report("Running")}, headers=headers)
    assert answer.status_code == 200
    assert (await application.client.patch(URL, json={foreign: report("Running")}, headers=headers)).status_code == 404


async def test_history_reads_back_without_gaps(application: Application, make_jobs: MakeJobs) -> None:
    (job_id,) = await make_jobs(status="Matched")
    headers = application.login()
    for update in (report("Running"), report(MinorStatus="Application"), report(ApplicationStatus="50 %")):
        assert (await application.client.patch(URL, json={job_id: update}, headers=headers)).status_code == 200
    lines = (await application.client.get(f"/api/jobs/{job_id}/history", headers=headers)).json()
    assert [(line["Status"], line["MinorStatus"], line["ApplicationStatus"]) for line in lines] == [
        ("Matched", "Job accepted", "Unknown"),
        ("Running", "Job accepted", "Unknown"),
        ("Running", "Application", "Unknown"),
        ("Running", "Application", "50 %"),
    ]
    assert (await application.client.get(f"/api/jobs/{job_id}/history")).status_code == 401
    bob = application.login("bob")
    assert (await application.client.get(f"/api/jobs/{job_id}/history", headers=bob)).status_code == 403
    admin = application.login("bob", group="admin")
    assert (await application.client.get(f"/api/jobs/{2**80}/history", headers=admin)).status_code == 404


def test_a_job_without_history_is_as_old_as_its_submission() -> None:
    submitted = datetime(2026, 1, 1, tzinfo=UTC)
    change = merge(JobState("Received", submitted), [Report(submitted, "Checking")], submitted)
    assert change.status == "Checking"
