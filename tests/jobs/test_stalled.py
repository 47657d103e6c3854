"""Jobs that fall silent, jobs that never start, and jobs whose pilot has ended."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import structlog
from tests.infra.app import config_document
from tests.jobs.conftest import MakeJobs, Rows

from weyl.config.models import Config
from weyl.jobs.queries.commands import delete_expired
from weyl.jobs.service import stalled
from weyl.jobs.service.end_of_pilot import end_of_pilot
from weyl.jobs.service.moves import fail
from weyl.jobs.service.stalled import FAIL_LOST, FAIL_UNHEARD, FAIL_WITHOUT_OUTPUTS, MARK_STALLED, Rule, apply
from weyl.jobs.tables import job_commands, jobs
from weyl.jobs.tasks import FOLD_COUNTS, STALLED_JOBS, tasks
from weyl.kit.clock import utcnow
from weyl.kit.db import Database

STAMP, OTHER = "a" * 32, "b" * 32
NOT_RUNNING = "Job stalled: pilot not running"


def config(*, retries: int = 0, **health: Any) -> Config:
    """Return the suite's configuration with these rules of health; what is lost is not tried again unless so said."""
    document = config_document()
    document["Operations"] = {"Defaults": {"JobHealth": health, "Matching": {"Retry": {"Host": {"Max": retries}}}}}
    return Config.model_validate(document)


def ago(**span: float) -> datetime:
    """Return a time that lies so far back."""
    return utcnow() - timedelta(**span)


async def run(db: Database, rule: Rule, rules: Config | None = None) -> int:
    """Apply one rule."""
    return await apply(db, rule, config=rules or config(), now=utcnow())


@pytest.mark.parametrize("status", ["Running", "Completing"])
async def test_a_silent_job_is_marked_after_the_limit(
    db: Database, make_jobs: MakeJobs, row: Rows, history: Rows, status: str
) -> None:
    (silent,) = await make_jobs(status=status, heart_beat_time=ago(minutes=76))
    (alive,) = await make_jobs(status=status, heart_beat_time=ago(minutes=74), at=ago(days=1))
    (never_heard,) = await make_jobs(status=status, at=ago(hours=2))
    (waiting,) = await make_jobs(status="Waiting", at=ago(days=9))
    assert await run(db, MARK_STALLED) == 2
    assert [await row(job_id, "status") for job_id in (silent, alive, never_heard, waiting)] == [
        "Stalled",
        status,
        "Stalled",
        "Waiting",
    ]
    assert (await history(silent))[-1] == ("Stalled", "idem", "idem", "StalledJobs")
    assert await run(db, MARK_STALLED) == 0


async def test_a_job_does_not_wait_for_its_output_for_ever(db: Database, make_jobs: MakeJobs, row: Rows) -> None:
    (forsaken,) = await make_jobs(status="Completed", output_state="wanted", at=ago(hours=26))
    (waiting,) = await make_jobs(status="Completed", output_state="wanted", at=ago(hours=24))
    (none,) = await make_jobs(status="Completed", at=ago(days=9))
    (failed,) = await make_jobs(status="Failed", output_state="wanted", at=ago(days=9))
    assert await run(db, FAIL_WITHOUT_OUTPUTS) == 1
    assert [await row(job_id, "status") for job_id in (forsaken, waiting, none, failed)] == [
        "Failed",
        "Completed",
        "Completed",
        "Failed",
    ]
    assert await row(forsaken, "minor_status") == "Uploading Outputs"


async def test_limits_are_a_vos_own_and_a_sites_own(db: Database, make_jobs: MakeJobs, row: Rows) -> None:
    rules = config(StalledAfter=600, ReportEvery=60, PerSite={"LCG.Slow": {"StalledAfter": 3600}})
    (quick,) = await make_jobs(status="Running", heart_beat_time=ago(minutes=20), site="LCG.Quick")
    (slow,) = await make_jobs(status="Running", heart_beat_time=ago(minutes=20), site="LCG.Slow")
    assert await run(db, MARK_STALLED, rules) == 1
    assert [await row(job_id, "status") for job_id in (quick, slow)] == ["Stalled", "Running"]
    patient = config(StalledAfter=600, ReportEvery=1800)
    assert await run(db, MARK_STALLED, patient) == 0


async def test_a_job_that_stays_silent_fails_and_what_runs_of_it_is_killed(
    db: Database, make_jobs: MakeJobs, row: Rows, commands: Rows
) -> None:
    (lost,) = await make_jobs(status="Stalled", heart_beat_time=ago(hours=4), pilot=STAMP)
    (stalled,) = await make_jobs(status="Stalled", heart_beat_time=ago(hours=2))
    assert await run(db, FAIL_LOST) == 1
    found = await row(lost)
    assert (found["status"], found["minor_status"]) == ("Failed", "Watchdog identified this job as stalled")
    assert found["end_exec_time"] is not None
    assert await commands(lost) == ["Kill"]
    assert await row(stalled, "status") == "Stalled"


async def test_a_job_of_whose_start_nothing_is_heard_goes_to_another_pilot_where_it_may_run_again(
    db: Database, make_jobs: MakeJobs, row: Rows, history: Rows, commands: Rows
) -> None:
    (stuck,) = await make_jobs(status="Matched", pilot=STAMP, at=ago(hours=3), site="LCG.X", reschedule_counter=3)
    (fresh,) = await make_jobs(status="Matched", pilot=STAMP, at=ago(hours=1))
    assert await run(db, FAIL_UNHEARD, config(retries=5)) == 1
    found = await row(stuck)
    assert (found["status"], found["minor_status"], found["reschedule_counter"]) == ("Received", "Job Rescheduled", 3)
    assert (found["pilot_stamp"], found["site"]) == (None, "ANY")
    assert [line[0] for line in await history(stuck)] == ["Matched", "Failed", "Rescheduled", "Received"]
    assert await commands(stuck) == ["Kill"]
    assert await row(fresh, "status") == "Matched"


async def test_a_job_of_whose_start_nothing_is_heard_fails_where_it_may_not_run_again(
    db: Database, make_jobs: MakeJobs, row: Rows, commands: Rows
) -> None:
    """Its pilot may be cut off while the payload runs."""
    (stuck,) = await make_jobs(status="Matched", pilot=STAMP, at=ago(hours=3))
    assert await run(db, FAIL_UNHEARD) == 1
    found = await row(stuck)
    assert (found["status"], found["minor_status"]) == ("Failed", "Job may have started: no report from its pilot")
    assert await commands(stuck) == ["Kill"]


async def test_a_locked_job_is_passed_over(db: Database, make_jobs: MakeJobs) -> None:
    held, _ = await make_jobs(2, status="Running", heart_beat_time=ago(hours=2))
    async with db.transaction() as other:
        await other.execute(sa.select(jobs.c.job_id).where(jobs.c.job_id == held).with_for_update())
        assert await run(db, MARK_STALLED) == 1
    assert await run(db, MARK_STALLED) == 1


async def test_a_sweep_goes_on_until_nothing_is_left_and_logs_what_it_did(
    db: Database, make_jobs: MakeJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stalled, "BATCH", 2)
    held, *_ = await make_jobs(5, status="Running", heart_beat_time=ago(hours=2))
    with structlog.testing.capture_logs() as logs:
        async with db.transaction() as other:
            await other.execute(sa.select(jobs.c.job_id).where(jobs.c.job_id == held).with_for_update())
            assert await run(db, MARK_STALLED) == 4
        assert await run(db, MARK_STALLED) == 1
        assert await run(db, MARK_STALLED) == 0
    told = [(each["event"], each["rule"], each["jobs"]) for each in logs]
    assert told == [("jobs.silent_moved", "stalled", 4), ("jobs.silent_moved", "stalled", 1)]


async def test_many_silent_jobs_cost_a_handful_of_statements(db: Database, make_jobs: MakeJobs) -> None:
    await make_jobs(500, status="Running", heart_beat_time=ago(hours=2))
    with db.count_statements() as statements:
        assert await run(db, MARK_STALLED) == 500
    assert len(statements) == 5


async def test_a_pilot_that_ends_lets_its_jobs_go_at_once(db: Database, make_jobs: MakeJobs, row: Rows) -> None:
    states = ["Matched", "Running", "Stalled", "Completing", "Done", "Killed"]
    job_ids = {status: (await make_jobs(status=status, pilot=STAMP))[0] for status in states}
    (other,) = await make_jobs(status="Running", pilot=OTHER)
    async with db.transaction() as tx:
        await end_of_pilot(tx, [STAMP], config=config(), now=utcnow(), reason=NOT_RUNNING)
    after = {status: await row(job_id) for status, job_id in job_ids.items()}
    assert {status: found["status"] for status, found in after.items()} == {
        "Matched": "Failed",
        "Running": "Failed",
        "Stalled": "Failed",
        "Completing": "Failed",
        "Done": "Done",
        "Killed": "Killed",
    }
    assert after["Running"]["minor_status"] == NOT_RUNNING
    assert after["Matched"]["minor_status"] == "Job may have started: pilot not running"
    assert await row(other, "status") == "Running"
    async with db.transaction() as tx:
        await end_of_pilot(tx, [STAMP], config=config(), now=utcnow(), reason=NOT_RUNNING)
    assert await row(job_ids["Running"], "end_exec_time") == after["Running"]["end_exec_time"]


async def test_jobs_that_need_a_broken_sandbox_fail_unless_they_have_ended(
    db: Database, make_jobs: MakeJobs, row: Rows
) -> None:
    (waiting,), (done,) = await make_jobs(status="Waiting"), await make_jobs(status="Done")
    async with db.transaction() as tx:
        reason = "Failed Downloading InputSandbox"
        await fail(tx, [waiting, done], minor_status=reason, source="Sandboxes", now=utcnow())
    assert (await row(waiting, "status"), await row(waiting, "minor_status")) == ("Failed", reason)
    assert await row(done, "status") == "Done"


async def test_commands_are_forgotten_after_a_day(db: Database, make_jobs: MakeJobs, commands: Rows) -> None:
    (job_id,) = await make_jobs()
    async with db.transaction() as tx:
        for created_at in (ago(days=2), utcnow()):
            command = sa.insert(job_commands).values(job_id=job_id, command="Kill", created_at=created_at)
            await tx.execute(command)
        await delete_expired(tx, utcnow())
    assert await commands(job_id) == ["Kill"]


async def test_the_worker_has_the_tasks_of_this_side(db: Database) -> None:
    bound = {task.task.name: task for task in tasks(db, None)}  # type: ignore[arg-type]
    assert {FOLD_COUNTS.name, STALLED_JOBS.name} <= bound.keys()
    await bound[FOLD_COUNTS.name].handler(None)
    assert (FOLD_COUNTS.every, STALLED_JOBS.every) == (timedelta(seconds=10), timedelta(seconds=60))
