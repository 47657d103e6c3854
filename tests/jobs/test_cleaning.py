"""Retention: what is old enough is deleted and then removed, by VO and type, and what is still referred to stays."""

import json
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.infra.app import Installation, config_document
from tests.jobs.conftest import MakeJobs, Rows

from weyl.config.operations import JobCleaning
from weyl.config.service import ConfigStore
from weyl.jobs import tasks as jobs_tasks
from weyl.jobs.additions import JobReferences
from weyl.jobs.service import cleaning
from weyl.jobs.service.cleaning import Rule, rules_of
from weyl.kit.clock import utcnow
from weyl.kit.db import Database, Tx
from weyl.tasks.engine import Worker

DAY = timedelta(days=1)


@asynccontextmanager
async def configured(directory: Path, cleaning_of_vo: dict[str, Any]) -> AsyncIterator[ConfigStore]:
    """Serve the suite's configuration with these rules of `voa`."""
    document = config_document()
    document["Operations"] = {"Defaults": {}, "voa": {"JobCleaning": cleaning_of_vo}}
    installation = Installation(directory, "", "")
    installation.commit_config(json.dumps(document), "Cleaning")
    config = ConfigStore(f"git+file://{installation.config_directory}", check_every_s=60)
    await config.start()
    yield config
    await config.stop()


async def clean(
    db: Database, directory: Path, rules: dict[str, Any] | None = None, references: Sequence[JobReferences] = ()
) -> None:
    """Run the task for `voa` and for `vob`, as its schedule does."""
    async with configured(directory, rules or {}) as config:
        worker = Worker(db, jobs_tasks.tasks(db, config, references=references))
        await worker.run_now("jobs.fold_counts")
        for vo in ("voa", "vob"):
            await worker.run_now("jobs.clean", {"vo": vo}, vo=vo)


async def statuses(db: Database, job_ids: Sequence[int]) -> list[str | None]:
    """Return the statuses of jobs; none of one that is gone."""
    async with db.read() as tx:
        found = {row.job_id: row.status for row in await tx.execute(text("SELECT job_id, status FROM jobs"))}
    return [found.get(job_id) for job_id in job_ids]


async def test_jobs_that_ended_a_week_ago_are_deleted_and_nothing_else_is(
    db: Database, tmp_path: Path, make_jobs: MakeJobs, history: Rows
) -> None:
    now, made = utcnow(), {}
    for status in ("Done", "Failed", "Killed", "Completed", "Waiting", "Running", "Stalled", "Received"):
        for days in (6, 8):
            [made[status, days]] = await make_jobs(status=status, at=now - days * DAY)
    [made["Done", 9]] = await make_jobs(status="Done", at=now - 9 * DAY, vo="vob")
    await clean(db, tmp_path)
    after = dict(zip(made, await statuses(db, list(made.values())), strict=True))
    gone = {key for key, status in after.items() if status == "Deleted"}
    assert gone == {("Done", 8), ("Failed", 8), ("Killed", 8), ("Done", 9)}
    assert {key: status for key, status in after.items() if key not in gone} == {
        key: key[0] for key in made if key not in gone
    }
    assert (await history(made["Done", 8]))[-1] == ("Deleted", "Marked for deletion", "idem", "JobCleaning")


async def test_deleted_jobs_are_removed_after_a_day_whoever_deleted_them(
    db: Database, tmp_path: Path, make_jobs: MakeJobs
) -> None:
    now = utcnow()
    old = await make_jobs(1_050, status="Deleted", at=now - 2 * DAY)
    (young,) = await make_jobs(status="Deleted", at=now - DAY / 2)
    await clean(db, tmp_path)
    assert set(await statuses(db, old)) == {None}
    assert await statuses(db, [young]) == ["Deleted"]


async def test_a_vo_and_a_type_of_jobs_have_rules_of_their_own(
    db: Database, tmp_path: Path, make_jobs: MakeJobs
) -> None:
    now = utcnow()
    user, merge, test = [
        (await make_jobs(status="Done", at=now - 3 * DAY, job_type=job_type))[0]
        for job_type in ("User", "Merge", "Test")
    ]
    (foreign,) = await make_jobs(status="Done", at=now - 3 * DAY, vo="vob")
    rules = {"DeleteAfter": 86_400, "PerJobType": {"Merge": {"Enabled": False}, "Test": {"DeleteAfter": 432_000}}}
    await clean(db, tmp_path, rules)
    assert await statuses(db, [user, merge, test, foreign]) == ["Deleted", "Done", "Done", "Done"]


async def test_it_can_be_off_but_for_one_type(db: Database, tmp_path: Path, make_jobs: MakeJobs) -> None:
    now = utcnow()
    user, test = [
        (await make_jobs(status="Done", at=now - 30 * DAY, job_type=job_type))[0] for job_type in ("User", "Test")
    ]
    await clean(db, tmp_path, {"Enabled": False, "PerJobType": {"Test": {"Enabled": True}}})
    assert await statuses(db, [user, test]) == ["Done", "Deleted"]


async def test_what_is_still_referred_to_stays_and_keeps_nothing_else_from_going(
    db: Database, tmp_path: Path, make_jobs: MakeJobs
) -> None:
    now = utcnow()
    kept = await make_jobs(1_200, status="Done", at=now - 10 * DAY)
    kept_deleted = await make_jobs(2, status="Deleted", at=now - 10 * DAY)
    (old,) = await make_jobs(status="Done", at=now - 9 * DAY)
    (deleted,) = await make_jobs(status="Deleted", at=now - 9 * DAY)
    held = {*kept, *kept_deleted}

    async def select(tx: Tx, vo: str, job_ids: Sequence[int]) -> Collection[int]:
        assert vo == "voa"
        return held.intersection(job_ids)

    await clean(db, tmp_path, references=[JobReferences("a transformation", select)])
    assert set(await statuses(db, kept)) == {"Done"}
    assert await statuses(db, [*kept_deleted, old, deleted]) == ["Deleted", "Deleted", "Deleted", None]


async def test_a_job_that_somebody_holds_is_passed_over(db: Database, make_jobs: MakeJobs) -> None:
    held, free = await make_jobs(2, status="Failed", at=utcnow() - 8 * DAY)
    async with db.transaction() as other:
        await other.execute(text("SELECT FROM jobs WHERE job_id = :id FOR UPDATE"), {"id": held})
        rule = Rule("ended", "voa", "user", 604_800)
        cleaned = await cleaning.clean(db, rule, after=cleaning.START, references=(), now=utcnow())
    assert cleaned.changed == 1
    assert await statuses(db, [held, free]) == ["Failed", "Deleted"]


async def test_a_batch_is_a_bounded_number_of_statements(db: Database, make_jobs: MakeJobs) -> None:
    await make_jobs(1_000, status="Done", at=utcnow() - 8 * DAY)
    await make_jobs(1_000, status="Deleted", at=utcnow() - 8 * DAY)
    for step, most in (("ended", 12), ("deleted", 11)):
        with db.count_statements() as statements:
            rule = Rule(step, "voa", "user", 0)
            cleaned = await cleaning.clean(db, rule, after=cleaning.START, references=(), now=utcnow() - DAY)
            assert cleaned.changed == 1_000
        assert len(statements) <= most, statements.statements


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [("deleted", "A", 86_400), ("deleted", "B", 86_400), ("ended", "A", 604_800), ("ended", "B", 604_800)]),
        ({"Enabled": False}, []),
        (
            {"RemoveAfter": 5, "PerJobType": {"A": {"Enabled": False}, "B": {"DeleteAfter": 0}, "C": {}}},
            [("deleted", "B", 5), ("ended", "B", 0)],
        ),
    ],
)
def test_rules(options: dict[str, Any], expected: list[tuple[str, str, int]]) -> None:
    rules = rules_of(JobCleaning.model_validate(options), "voa", ["A", "B"])
    assert [(rule.step, rule.job_type, rule.after_s) for rule in rules] == expected
