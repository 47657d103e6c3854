"""One job that cannot be moved keeps no sweep from moving the others, and its pilot no other pilot from being ended."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from tests.infra.app import Application, config_document
from tests.infra.poison import poison
from tests.jobs.conftest import MakeJobs

from weyl.config.models import Config
from weyl.jobs.service import cleaning
from weyl.jobs.service.stalled import RULES, apply
from weyl.jobs.tables import jobs
from weyl.kit.bisected import SomeFailed, raising_failures
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.matcher.service.expiry import expire
from weyl.pilots.service import polling, push
from weyl.pilots.service.yard import YARD
from weyl.preparation.service.checks import NotChecked, check_jobs

DAY = timedelta(days=1)
STAMPS = ("a" * 32, "b" * 32, "c" * 32)


def config(**matching: Any) -> Config:
    document = config_document()
    document["Operations"] = {"Defaults": {"Matching": {"Retry": {"Host": {"Max": 0}}, **matching}}}
    return Config.model_validate(document)


async def statuses(db: Database) -> list[str]:
    async with db.read() as tx:
        return list((await tx.execute(sa.select(jobs.c.status).order_by(jobs.c.job_id))).scalars())


@pytest.mark.parametrize(("before", "after"), [("Running", "Stalled"), ("Stalled", "Failed"), ("Matched", "Failed")])
async def test_one_bad_job_does_not_stop_the_stalled_sweep(
    db: Database, make_jobs: MakeJobs, before: str, after: str
) -> None:
    _, bad, _ = await make_jobs(3, status=before, at=utcnow() - DAY)
    await poison(db, bad)
    with pytest.raises(SomeFailed, match=f"1 failed, 2 done; {bad}: "), raising_failures():
        for rule in RULES:
            await apply(db, rule, config=config(), now=utcnow())
    assert await statuses(db) == [after, before, after]


@pytest.mark.parametrize(("step", "before", "after"), [("ended", "Done", ["Deleted"] * 2), ("deleted", "Deleted", [])])
async def test_one_bad_job_does_not_stop_cleaning(
    db: Database, make_jobs: MakeJobs, step: str, before: str, after: list[str]
) -> None:
    _, bad, _ = await make_jobs(3, status=before, at=utcnow() - 9 * DAY, job_type="User")
    await poison(db, bad)
    rule = cleaning.Rule(step, "voa", "User", 0)
    cleaned = await cleaning.clean(db, rule, after=cleaning.START, references=(), now=utcnow())
    assert cleaned.changed == 2
    assert sorted(await statuses(db)) == sorted([before, *after])


async def test_one_bad_job_does_not_stop_the_expiry_of_waiting_jobs(db: Database, make_jobs: MakeJobs) -> None:
    _, bad, _ = await make_jobs(3, status="Waiting", at=utcnow() - DAY)
    await poison(db, bad)
    assert await expire(db, config(TTL=60), utcnow()) == 2
    assert await statuses(db) == ["Failed", "Waiting", "Failed"]


async def test_one_bad_job_does_not_stop_the_checks_of_others(db: Database, make_jobs: MakeJobs) -> None:
    first, bad, last = await make_jobs(3)
    await poison(db, bad)
    with pytest.raises(NotChecked, match=f"1 jobs could not be checked; job {bad}: "):
        await check_jobs(db, [[first, last]], config=config(), now=utcnow())
    assert await statuses(db) == ["Waiting", "Received", "Waiting"]


async def pilots_with_a_job_each(db: Database, make_jobs: MakeJobs, status: str) -> list[int]:
    job_ids = []
    for stamp in STAMPS:
        job_ids += await make_jobs(status=status, pilot=stamp)
        async with db.transaction() as tx:
            await tx.execute(_INSERT_PILOT, {"stamp": stamp})
    return job_ids


_INSERT_PILOT = sa.text(
    "INSERT INTO pilots (pilot_stamp, vo, submission_time, last_update_time, status, origin, not_after)"
    " VALUES (:stamp, 'voa', now(), now(), 'Running', 'vacuum', now() - interval '1 second')"
)


async def test_one_bad_job_does_not_stop_the_burial_of_overdue_pilots(
    application: Application, db: Database, make_jobs: MakeJobs
) -> None:
    _, bad, _ = await pilots_with_a_job_each(db, make_jobs, "Running")
    await poison(db, bad)
    await polling.bury_overdue(application.services[YARD])
    assert await statuses(db) == ["Received", "Running", "Received"]
    async with db.read() as tx:
        ended = (await tx.execute(sa.text("SELECT status FROM pilots ORDER BY pilot_stamp"))).scalars().all()
    assert ended == ["Failed", "Running", "Failed"]


async def test_one_bad_pushed_job_does_not_stop_the_release_of_others(
    application: Application, db: Database, make_jobs: MakeJobs
) -> None:
    job_ids = await pilots_with_a_job_each(db, make_jobs, "Matched")
    await poison(db, job_ids[1])
    rows = [
        SimpleNamespace(job_id=job_id, pilot_stamp=stamp, stamp=stamp)
        for job_id, stamp in zip(job_ids, STAMPS, strict=True)
    ]
    await push.let_go(application.services[YARD], config(), rows, dict.fromkeys(STAMPS, "gone"), is_sent=False)
    assert await statuses(db) == ["Received", "Matched", "Received"]


async def test_one_bad_job_does_not_stop_the_settling_of_forgotten_pilots(
    application: Application, db: Database, make_jobs: MakeJobs, tmp_path: Path
) -> None:
    _, bad, _ = await pilots_with_a_job_each(db, make_jobs, "Running")
    await poison(db, bad)
    async with db.transaction() as tx:
        await tx.execute(
            sa.text(
                "UPDATE pilots SET handle = pilot_stamp, grid_site = 'LCG.Alpha.org',"
                " destination_site = 'ce.alpha.org', grid_type = 'local', spoke_at = now(),"
                " checked_at = now() - interval '1 hour',"
                " unknown_since = now() - interval '25 hours'"
            )
        )
    yard = replace(application.services[YARD], directory=tmp_path / "elements")
    began = utcnow()
    await polling.ask(yard, ("LCG.Alpha.org", "ce.alpha.org"))
    assert await statuses(db) == ["Received", "Running", "Received"]
    async with db.read() as tx:
        found = (await tx.execute(sa.text("SELECT status, checked_at FROM pilots ORDER BY pilot_stamp"))).all()
    assert [status for status, _ in found] == ["Aborted", "Running", "Aborted"]
    assert all(checked_at >= began for _, checked_at in found), "one that failed is not asked about at once again"
