"""Failed runs that are tried again by themselves: which, how often, with what changed, and what is shown of it."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from tests.infra.app import Application, config_document
from tests.jobs.conftest import DOCUMENT, MakeJobs, Rows, iso

from weyl.config.models import Config
from weyl.config.retries import Retry
from weyl.descriptions.classes import requirement_classes
from weyl.descriptions.description import Description, Owner
from weyl.descriptions.overrides import NONE, Overrides
from weyl.descriptions.requirements import Limits, resolve
from weyl.jobs.permits import Managed
from weyl.jobs.retries import ErrorClass, FailedRun, error_class_of, next_run
from weyl.jobs.service.end_of_pilot import end_of_pilot
from weyl.jobs.service.retry import report_statuses
from weyl.jobs.service.stalled import FAIL_LOST, apply
from weyl.jobs.service.status import StatusRequest
from weyl.jobs.states import Report
from weyl.jobs.tables import job_attempts, job_descriptions, job_parameters
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.preparation.service.checks import check_jobs
from weyl.task_queues.validation import AVOID_MAX

STAMP = "a" * 32
NOW = datetime(2026, 11, 25, 12, 1, tzinfo=UTC)
RUN = {"status": "Running", "pilot": STAMP, "site": "LCG.Alpha.org", "allocated": {"host": "wn7", "ram_mb": 1000}}


def config(**retry: Any) -> Config:
    """Return the suite's configuration with these rules of retries."""
    document = config_document()
    document["Operations"] = {"Defaults": {"Matching": {"Retry": retry}}}
    return Config.model_validate(document)


def failed(word: str, **facts: Any) -> FailedRun:
    """Return a run that failed so, on host wn7 of the first site."""
    known = {"job_type": "User", "counter": 0, "overrides": NONE, "site": "LCG.Alpha.org", "host": "wn7", **facts}
    return FailedRun(ErrorClass(word), **known)


def decide(run: FailedRun, **retry: Any) -> Any:
    """Decide by these rules, three reschedulings at most."""
    return next_run(run, Retry.model_validate(retry), reschedulings_max=3, now=NOW)


async def fail(application: Application, job_id: int, word: str | None, **headers: Any) -> int:
    """Report as the payload that a job has failed; returns the status of the answer."""
    update = {"Status": "Failed", "MinorStatus": "x", "Source": "JobWrapper"}
    body = {job_id: {iso(utcnow()): update | ({"ErrorClass": word} if word else {})}}
    answer = await application.client.patch(
        "/api/jobs/status", json=body, headers=headers or application.payload(job_id, stamp=STAMP)
    )
    return answer.status_code


@pytest.mark.parametrize(
    ("word", "free", "changes"),
    [
        ("memory", False, {"memory": 1.5}),
        ("time", False, {"time": 1.5}),
        ("host", True, {"avoid": {"hosts": ["wn7"], "hosts_until": "2026-11-25T13:05:00Z"}}),
        ("pilot", True, {}),
        ("site", False, {"avoid": {"sites": ["LCG.Alpha.org"]}}),
        ("input_data", False, {}),
    ],
)
def test_each_class_of_error_changes_one_thing(word: str, free: bool, changes: dict[str, Any]) -> None:
    found = decide(failed(word))
    document = found.overrides.document()
    assert document.pop("retries") == {"host" if word == "pilot" else word: 1}
    assert document == changes
    assert found.counter == (0 if free else 1)
    assert found.after_s == (600 if word == "input_data" else 0)


def test_what_no_other_run_can_mend_is_not_tried_again() -> None:
    assert decide(failed("output_upload")) is None
    assert decide(failed("payload", exit_code=1)) is None
    assert error_class_of("user") is error_class_of(None) is error_class_of("novelty") is None


def test_programs_run_again_after_the_exit_codes_that_the_vo_lists() -> None:
    rules = {"Payload": {"Max": 2, "ExitCodes": [85]}}
    assert decide(failed("payload", exit_code=85), **rules).counter == 1
    assert decide(failed("payload", exit_code=1), **rules) is None
    assert decide(failed("payload"), **rules) is None
    with pytest.raises(ValueError, match="ExitCodes"):
        Retry.model_validate({"Payload": {"Max": 1}})


def test_each_class_has_its_own_count_and_all_that_cost_have_one_more() -> None:
    once = Overrides(retries={"time": 1})
    assert decide(failed("time", overrides=once)) is None
    assert decide(failed("memory", overrides=once)).overrides.retries == {"time": 1, "memory": 1}
    assert decide(failed("memory", counter=3)) is None
    assert decide(failed("host", counter=3)).counter == 3
    assert decide(failed("host", overrides=Overrides(retries={"host": 5}))) is None


def test_a_type_of_jobs_may_have_rules_of_its_own() -> None:
    rules = {"PerJobType": {"Merge": {"Memory": {"Max": 1, "Factor": 2}}}, "Host": {"Max": 1}}
    merge = decide(failed("memory", job_type="Merge"), **rules)
    assert merge.overrides.memory == 2
    assert decide(failed("memory", job_type="Merge", overrides=merge.overrides), **rules) is None
    assert decide(failed("memory"), **rules).overrides.memory == 1.5
    assert decide(failed("host", job_type="Merge"), **rules).overrides.hosts == ("wn7",)


def test_no_more_places_are_avoided_than_a_class_may_name() -> None:
    overrides = NONE
    for number in range(AVOID_MAX + 2):
        run = failed("host", host=f"wn{number}", overrides=overrides)
        overrides = decide(run).overrides
        overrides = Overrides.read(overrides.document() | {"retries": {}})
    assert overrides.hosts == tuple(f"wn{number}" for number in range(2, AVOID_MAX + 2))


def test_a_host_is_avoided_for_as_long_as_the_vo_says() -> None:
    rules = {"Host": {"Max": 5, "AvoidFor": 600}}
    first = decide(failed("host"), **rules)
    assert first.overrides.hosts_until == NOW + timedelta(minutes=14)
    assert Overrides.read(first.overrides.document()) == first.overrides
    again = decide(failed("host", host="wn8", overrides=first.overrides), Host={"Max": 5, "AvoidFor": 1200})
    assert (again.overrides.hosts, again.overrides.hosts_until) == (("wn7", "wn8"), NOW + timedelta(minutes=24))
    anywhere = decide(failed("host"), Host={"Max": 5, "AvoidFor": 0})
    assert anywhere.overrides.document() == {"retries": {"host": 1}}
    assert anywhere.reason.endswith("on any host")


def test_a_class_with_overrides_asks_for_more_and_leaves_the_description_alone() -> None:
    document = {
        "Executable": "x",
        "Requirements": {"cpu_work_db12": 1000, "cpu": {"ram_mb": {"request": {"overhead": 1024, "per_core": 512}}}},
    }
    before = str(document)
    owner, limits = Owner("voa", "user", "alice"), Limits()
    overrides = Overrides(memory=1.5, time=1.5, hosts=("wn7",), hosts_until=NOW, sites=("LCG.X",))
    resolved = resolve(Description.read(document), limits)
    (plain,), (made,) = (requirement_classes(resolved, owner, limits, each) for each in (NONE, overrides))
    assert "avoid" not in plain.document
    assert made.hash != plain.hash
    assert made.document["avoid"] == {"hosts": ["wn7"], "sites": ["LCG.X"], "until": int(NOW.timestamp())}
    assert made.document["requirements"]["cpu"]["ram_mb"]["request"] == {"overhead": 1536, "per_core": 768}
    assert made.document["requirements"]["cpu_work_db12"] >= 1500
    assert str(document) == before
    nothing = resolve(Description.read({"Executable": "x"}), limits)
    (asked,) = requirement_classes(nothing, owner, limits, Overrides(memory=1.5, memory_mb=1500))
    assert asked.document["requirements"]["cpu"]["ram_mb"]["request"]["overhead"] >= 1500


async def test_a_job_that_ran_out_of_memory_waits_again_for_more_of_it(
    application: Application, make_jobs: MakeJobs, row: Rows, history: Rows, db: Database
) -> None:
    (job_id,) = await make_jobs(**RUN)
    assert await fail(application, job_id, "memory") == 200
    found = await row(job_id)
    assert (found["status"], found["minor_status"], found["reschedule_counter"]) == ("Received", "Job Rescheduled", 1)
    assert found["overrides"] == {"memory": 1.5, "memory_mb": 1500, "retries": {"memory": 1}}
    assert [line[0] for line in await history(job_id)][-3:] == ["Failed", "Rescheduled", "Received"]
    await check_jobs(db, [[job_id, job_id]], config=config(), now=utcnow())
    async with db.read() as tx:
        document = (await tx.execute(sa.select(job_descriptions.c.document))).scalar_one()
        waiting = await tx.scalar(
            sa.text(
                "SELECT document->'requirements'->'cpu'->'ram_mb'->'request'->>'overhead' FROM requirement_class"
                " JOIN queue USING (class_id) WHERE job_id = :job_id"
            ),
            {"job_id": job_id},
        )
    assert (document, int(waiting) >= 1500) == (DOCUMENT, True)
    # the pilot says it once more: that run is over
    assert await fail(application, job_id, "memory") == 404
    answer = await application.client.get(f"/api/jobs/{job_id}/requirements", headers=application.login())
    shown = answer.json()
    assert shown["overrides"] == found["overrides"]
    assert shown["requirements"]["cpu"]["ram_mb"]["request"]["overhead"] == 1500
    (attempt,) = shown["attempts"]
    assert (attempt["host"], attempt["error_class"], attempt["overrides"]) == ("wn7", "memory", None)


async def test_without_a_class_or_against_the_rules_the_job_stays_failed(
    application: Application, make_jobs: MakeJobs, row: Rows
) -> None:
    for word, columns in ((None, {}), ("payload", {}), ("novelty", {}), ("site", {"reschedule_counter": 3})):
        (job_id,) = await make_jobs(**RUN, **columns)
        assert await fail(application, job_id, word) == 200
        assert await row(job_id, "status") == "Failed", word


async def test_strangers_cannot_make_a_job_run_again(application: Application, make_jobs: MakeJobs, row: Rows) -> None:
    (job_id,) = await make_jobs(**RUN)
    for headers in (application.login("bob"), application.payload(job_id, stamp="b" * 32)):
        assert await fail(application, job_id, "host", **headers) == 403
    assert await row(job_id, "status") == "Running"


async def test_a_late_report_of_a_failure_changes_nothing(
    application: Application, make_jobs: MakeJobs, row: Rows
) -> None:
    (job_id,) = await make_jobs(**RUN, at=utcnow())
    body = {job_id: {iso(utcnow() - timedelta(hours=1)): {"Status": "Failed", "ErrorClass": "host"}}}
    headers = application.payload(job_id, stamp=STAMP)
    assert (await application.client.patch("/api/jobs/status", json=body, headers=headers)).status_code == 200
    assert (await row(job_id))["status"] == "Running"


async def test_jobs_that_are_lost_with_their_host_run_again_free_of_charge(
    db: Database, make_jobs: MakeJobs, row: Rows, commands: Rows
) -> None:
    (lost,) = await make_jobs(**RUN, reschedule_counter=3)
    silent = utcnow() - timedelta(hours=4)
    (stalled,) = await make_jobs(**{**RUN, "status": "Stalled", "pilot": "b" * 32}, heart_beat_time=silent)
    async with db.transaction() as tx:
        await end_of_pilot(tx, [STAMP], config=config(), now=utcnow(), reason="Job stalled: pilot not running")
    assert await apply(db, FAIL_LOST, config=config(), now=utcnow()) == 1
    for job_id, counter, hosts in ((lost, 3, None), (stalled, 0, ["wn7"])):
        found = await row(job_id)
        assert (found["status"], found["reschedule_counter"]) == ("Received", counter)
        assert (found["overrides"].get("avoid") or {}).get("hosts") == hosts
    assert await commands(stalled) == ["Kill"]
    async with db.read() as tx:
        attempts = await tx.execute(sa.select(job_attempts.c.minor_status, job_attempts.c.error_class))
        assert {tuple(found) for found in attempts} == {
            ("Job stalled: pilot not running", "pilot"),
            ("Watchdog identified this job as stalled", "host"),
        }


async def test_exit_codes_are_read_where_the_vo_lists_some(db: Database, make_jobs: MakeJobs, row: Rows) -> None:
    again, not_again = await make_jobs(2, **RUN)
    rules = config(Payload={"Max": 1, "ExitCodes": [85]})
    now = utcnow()
    reports = {job_id: [Report(now, "Failed", "x", error_class="payload")] for job_id in (again, not_again)}
    codes = [{"job_id": again, "name": "PayloadExitCode", "value": 85}]
    codes += [{"job_id": not_again, "name": "PayloadExitCode", "value": 1}]
    async with db.transaction() as tx:
        await tx.execute(sa.insert(job_parameters).values(codes))
        permit = Managed(dict.fromkeys((again, not_again), STAMP), frozenset())
        await report_statuses(tx, [StatusRequest(permit, reports, now)], config=rules)
    assert [await row(job_id, "status") for job_id in (again, not_again)] == ["Received", "Failed"]


async def test_many_failures_cost_a_handful_of_statements(db: Database, make_jobs: MakeJobs) -> None:
    job_ids = await make_jobs(400, **RUN)
    now = utcnow()
    words = ("memory", "host", "site", "time")
    reports = {
        job_id: [Report(now, "Failed", "x", error_class=words[number % 4])] for number, job_id in enumerate(job_ids)
    }
    permit = Managed(dict.fromkeys(job_ids, STAMP), frozenset())
    with db.count_statements() as statements:
        async with db.transaction() as tx:
            await report_statuses(tx, [StatusRequest(permit, reports, now)], config=config())
    assert len(statements) <= 20, list(statements.statements)
    async with db.read() as tx:
        assert await tx.scalar(sa.text("SELECT count(*) FROM jobs WHERE status = 'Received'")) == 400


async def test_a_job_that_failed_at_all_its_sites_fails(db: Database, make_jobs: MakeJobs, row: Rows) -> None:
    (job_id,) = await make_jobs(overrides={"avoid": {"sites": ["LCG.Alpha.org"]}})
    async with db.transaction() as tx:
        await tx.execute(sa.update(job_descriptions).values(document={**DOCUMENT, "Site": "LCG.Alpha.org"}))
    await check_jobs(db, [[job_id, job_id]], config=config(), now=utcnow())
    found = await row(job_id)
    assert (found["status"], found["minor_status"]) == ("Failed", "No candidate sites available")


async def test_reports_that_come_together_are_decided_together(
    application: Application, make_jobs: MakeJobs, row: Rows
) -> None:
    job_ids = await make_jobs(8, **RUN)
    assert set(await asyncio.gather(*(fail(application, job_id, "host") for job_id in job_ids))) == {200}
    assert {await row(job_id, "status") for job_id in job_ids} == {"Received"}
