"""Push mode at the points where a worker may die: no job stays with a pilot that nobody plays any more."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, text
from tests.infra.app import Application, Installation, config_document
from tests.matcher.conftest import (
    Submit,
    submit,  # noqa: F401  a fixture
)

from weyl.config.service import ConfigStore
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.pilots.need import Means, QueueKey
from weyl.pilots.queries import push as queries
from weyl.pilots.service import push_tending
from weyl.pilots.service.planning import plan_due
from weyl.pilots.service.push import Pushing, take
from weyl.pilots.service.push_doors import Doors
from weyl.pilots.service.yard import YARD
from weyl.pilots.tables import pilots, pushed_jobs

KEY = QueueKey("voa", "LCG.Alpha.org", "ce.alpha.org", "default")
PILOT, COPY = "e" * 32, "f" * 32


@pytest.fixture
async def pushing(
    application: Application, installation: Installation, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Pushing]:
    """A worker whose first queue is in push mode; a parameter says how often lost jobs run again."""
    document: Any = config_document()
    if hasattr(request, "param"):
        document["Operations"] = {"Defaults": {"Matching": {"Retry": {"Host": {"Max": request.param}}}}}
    document["Resources"]["Sites"]["LCG.Alpha.org"]["CEs"]["ce.alpha.org"]["Queues"]["default"]["Mode"] = "push"
    own = replace(installation, directory=tmp_path / "installation")
    own.commit_config(document, "Push")
    store = ConfigStore(f"git+file://{own.config_directory}", check_every_s=60)
    await store.start()
    yard = replace(application.services[YARD], config=store, directory=tmp_path / "elements")
    yield Pushing(yard, Doors(yard))
    await store.stop()


async def _play(db: Database, job_ids: list[int], **columns: Any) -> None:
    """Register a pilot that has these jobs."""
    now = utcnow()
    values = {
        "pilot_stamp": PILOT,
        "vo": "voa",
        "grid_site": KEY.site,
        "destination_site": KEY.ce,
        "queue": KEY.queue,
        "status": "Running",
        "origin": queries.PUSHED,
        "submission_time": now,
        "last_update_time": now,
        **columns,
    }
    async with db.transaction() as tx:
        await tx.execute(insert(pilots).values(values))
        bind = "UPDATE jobs SET status = 'Matched', site = :site, pilot_stamp = :stamp WHERE job_id = ANY(:jobs)"
        await tx.execute(text(bind), {"site": KEY.site, "stamp": PILOT, "jobs": job_ids})
        await tx.execute(text("DELETE FROM queue"))


async def _write_down(db: Database, job_id: int, **columns: Any) -> None:
    async with db.transaction() as tx:
        values = {"stamp": COPY, "pilot_stamp": PILOT, "number": 0, **KEY.fields(), "job_id": job_id}
        values |= {"job": {"job_id": job_id, "work": {}}, "created_at": utcnow(), **columns}
        await tx.execute(insert(pushed_jobs).values(values))


async def _one(db: Database, statement: str) -> Any:
    async with db.read() as tx:
        return (await tx.execute(text(statement))).one()


async def test_jobs_of_a_pilot_that_wrote_nothing_down_wait_again(
    pushing: Pushing,
    db: Database,
    submit: Submit,  # noqa: F811
) -> None:
    job_ids = await submit(2)
    await _play(db, job_ids)
    await push_tending.tend(pushing, KEY)
    assert (await _one(db, "SELECT status, status_reason FROM pilots")) == (
        "Failed",
        "It was cut short before it wrote down its jobs",
    )
    assert (await _one(db, "SELECT count(*) FROM jobs WHERE pilot_stamp IS NULL AND status <> 'Matched'"))[0] == 2


async def test_a_job_that_may_have_been_sent_is_looked_for_by_name_and_let_go(
    pushing: Pushing,
    db: Database,
    submit: Submit,  # noqa: F811
) -> None:
    [job_id] = await submit(1)
    await _play(db, [job_id])
    await _write_down(db, job_id, sent_at=utcnow())
    await push_tending.tend(pushing, KEY)
    assert (await _one(db, "SELECT closed_at, status FROM pushed_jobs, jobs")) == (None, "Matched")
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE pushed_jobs SET sent_at = sent_at - interval '2 minutes'"))
    await push_tending.tend(pushing, KEY)
    row = await _one(db, "SELECT p.reason, p.closed_at IS NULL, j.pilot_stamp FROM pushed_jobs p, jobs j")
    assert row == ("Its submission was cut short", False, None)
    assert (await _one(db, "SELECT status, status_reason FROM pilots")) == ("Done", "1 job pushed")


@pytest.mark.parametrize("pushing", [0], indirect=True)
@pytest.mark.parametrize(
    ("row", "status", "reason"),
    [
        (None, "Received", None),
        ({"ce": "ce.gone.org"}, "Received", "Its computing element could not be asked for a day"),
        ({"ce": "ce.gone.org", "sent_at": True}, "Failed", "Its computing element could not be asked for a day"),
        ({"sent_at": True}, "Failed", "Its submission was cut short"),
    ],
)
async def test_where_nothing_runs_twice_only_what_was_never_sent_waits_again(
    pushing: Pushing,
    db: Database,
    submit: Submit,  # noqa: F811
    row: dict[str, Any] | None,
    status: str,
    reason: str | None,
) -> None:
    [job_id] = await submit(1)
    key = KEY._replace(ce=(row or {}).get("ce", KEY.ce))
    await _play(db, [job_id], destination_site=key.ce)
    long_ago = utcnow() - timedelta(hours=25)
    if row is not None:
        sent = {"sent_at": long_ago} if "sent_at" in row else {}
        await _write_down(db, job_id, **{**row, **sent, "created_at": long_ago})
    await push_tending.tend(pushing, key)
    assert (await _one(db, "SELECT status FROM jobs"))[0] == status
    if reason is not None:
        assert (await _one(db, "SELECT reason FROM pushed_jobs"))[0] == reason


async def test_a_pilot_that_the_worker_plays_is_accounted_as_any_other(
    pushing: Pushing,
    db: Database,
    submit: Submit,  # noqa: F811
) -> None:
    done, running = await submit(2)
    began = utcnow() - timedelta(hours=1)
    await _play(db, [done, running], submission_time=began, spoke_at=began)
    await _write_down(db, done, sent_at=began, closed_at=utcnow())
    record = "SELECT status, status_reason, site, ce, queue, jobs, round(wall_s / 60), round(job_wall_s / 60)"
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE jobs SET status = 'Running', start_exec_time = :began"), {"began": began})
        end = "UPDATE jobs SET status = 'Done', end_exec_time = :ended WHERE job_id = :done"
        await tx.execute(text(end), {"ended": began + timedelta(minutes=30), "done": done})
        await tx.execute(text("UPDATE jobs SET pilot_stamp = NULL WHERE job_id = :other"), {"other": running})
    await push_tending.tend(pushing, KEY)
    place = (KEY.site, KEY.ce, KEY.queue)
    assert tuple(await _one(db, f"{record} FROM pilot_records")) == ("Done", "1 job pushed", *place, 1, 60, 30)


async def test_what_a_given_up_pilot_ran_is_in_its_record(
    pushing: Pushing,
    db: Database,
    submit: Submit,  # noqa: F811
) -> None:
    [job_id] = await submit(1)
    began = utcnow() - timedelta(hours=1)
    await _play(db, [job_id], submission_time=began, spoke_at=began, revoked_at=utcnow())
    async with db.transaction() as tx:
        change = "UPDATE jobs SET status = 'Running', start_exec_time = :began, heart_beat_time = :beat"
        await tx.execute(text(change), {"began": began, "beat": began + timedelta(minutes=45)})
    await push_tending.tend(pushing, KEY)
    told = await _one(db, "SELECT status, status_reason, jobs, round(job_wall_s / 60) FROM pilot_records")
    assert tuple(told) == ("Deleted", "It was revoked", 1, 45)


async def test_what_was_killed_before_it_was_sent_is_never_sent(
    pushing: Pushing,
    db: Database,
    submit: Submit,  # noqa: F811
) -> None:
    [job_id] = await submit(1)
    await _play(db, [job_id])
    await _write_down(db, job_id)
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE jobs SET status = 'Killed'"))
    await push_tending.tend(pushing, KEY)
    row = await _one(db, "SELECT p.reason, p.sent_at, j.status FROM pushed_jobs p, jobs j")
    assert row == ("It was never sent", None, "Killed")


async def test_a_server_that_is_away_gives_no_jobs_and_leaves_no_pilot(
    pushing: Pushing, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weyl.pilots.service.push_doors.PATIENCE_S", 0.1)
    unreachable = replace(pushing.yard, url="http://127.0.0.1:1")
    await take(Pushing(unreachable, Doors(unreachable)), KEY, 3)
    status, reason = await _one(db, "SELECT status, status_reason FROM pilots")
    assert (status, reason[:29]) == ("Failed", "It could not ask for jobs: Co")
    assert (await _one(db, "SELECT count(*) FROM pushed_jobs"))[0] == 0


async def test_a_restored_database_gives_no_stamp_that_it_gave_before(
    pushing: Pushing, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batch systems find jobs by it, and remember for longer."""
    monkeypatch.setattr("weyl.pilots.service.push_doors.PATIENCE_S", 0.1)
    unreachable = replace(pushing.yard, url="http://127.0.0.1:1")
    stamps = []
    for _ in range(2):
        await take(Pushing(unreachable, Doors(unreachable)), KEY, 3)
        stamps += await _one(db, "SELECT pilot_stamp FROM pilots")
        async with db.transaction() as tx:
            await tx.execute(text("TRUNCATE pilots RESTART IDENTITY CASCADE"))
            for name in (await tx.scalars(text("SELECT sequencename FROM pg_sequences"))).all():
                await tx.execute(text(f"ALTER SEQUENCE {name} RESTART"))
    assert len(set(stamps)) == 2


async def test_what_is_under_way_counts_against_the_limits_and_not_as_room(
    pushing: Pushing,
    db: Database,
    submit: Submit,  # noqa: F811
) -> None:
    job_ids = await submit(3)
    await _play(db, job_ids[:1])
    await _write_down(db, job_ids[0], sent_at=utcnow())
    config = pushing.yard.config.current().config
    async with db.transaction() as tx:
        await tx.execute(text("INSERT INTO queue SELECT unnest(class_ids), job_id FROM jobs WHERE status = 'Waiting'"))
        await tx.execute(text("DELETE FROM class_count"))
        await tx.execute(
            text("INSERT INTO class_count (class_id, delta) SELECT class_id, count(*) FROM queue GROUP BY class_id")
        )
        await plan_due(tx, config, Means(pushing.yard.drivers), now=utcnow() + timedelta(minutes=2))
    plan = await _one(db, "SELECT * FROM pilot_queues WHERE vo = 'voa' AND site = 'LCG.Alpha.org'")
    # Two wait, and two queues share them; the one that is sent has its job already.
    assert (plan.demand, plan.usable, plan.need, plan.waiting, plan.total) == (1.0, 0.0, 1, 1, 1)


async def test_what_nobody_can_be_asked_about_for_a_day_is_let_go(
    pushing: Pushing,
    db: Database,
    submit: Submit,  # noqa: F811
) -> None:
    [job_id] = await submit(1)
    gone = KEY._replace(ce="ce.gone.org")
    await _play(db, [job_id], destination_site=gone.ce)
    await _write_down(db, job_id, ce=gone.ce, handle="x:1:1", sent_at=utcnow())
    await push_tending.tend(pushing, gone)
    assert (await _one(db, "SELECT closed_at FROM pushed_jobs"))[0] is None
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE pushed_jobs SET created_at = now() - interval '25 hours'"))
    await push_tending.tend(pushing, gone)
    assert (await _one(db, "SELECT j.pilot_stamp, p.status FROM jobs j, pilots p")) == (None, "Failed")
