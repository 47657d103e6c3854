"""Between submission and waiting: batches move in few statements, and a check that runs twice does nothing twice."""

import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from tests.infra.app import config_document

from weyl.config.models import Config
from weyl.jobs.ranges import to_ranges
from weyl.jobs.service.check_queue import CHECK_JOBS
from weyl.jobs.tables import job_history, job_holds, jobs
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.preparation.service import checks
from weyl.preparation.service.checks import NotChecked, check_jobs
from weyl.preparation.tasks import HOUSEKEEPING, tasks
from weyl.task_queues.tables import queue, requirement_class

PLAIN = 'Executable = "/bin/date";'

Flow = Callable[..., Awaitable[list[int]]]


def _config(**matching: Any) -> Config:
    document = config_document()
    document["Operations"] = {"Defaults": {"Matching": matching}}
    return Config.model_validate(document)


@pytest.fixture
def check(db: Database) -> Callable[..., Awaitable[datetime]]:
    """Return `check(job_ids, **matching)`, which checks and returns the time that it was told."""

    async def call(job_ids: list[int], **matching: Any) -> datetime:
        now = utcnow()
        await check_jobs(db, to_ranges(sorted(job_ids)), config=_config(**matching), now=now)
        return now

    return call


async def _jobs(db: Database) -> dict[int, dict[str, Any]]:
    async with db.read() as tx:
        return {row["job_id"]: dict(row) for row in (await tx.execute(sa.select(jobs))).mappings()}


async def _history(db: Database, job_id: int) -> list[tuple[str, str, str]]:
    wanted = sa.select(job_history).where(job_history.c.job_id == job_id).order_by(job_history.c.at)
    async with db.read() as tx:
        return [(row.status, row.minor_status, row.source) for row in await tx.execute(wanted)]


async def _waiting(db: Database) -> list[tuple[int, dict[str, Any]]]:
    wanted = sa.select(queue.c.job_id, requirement_class.c.document).join(
        requirement_class, requirement_class.c.class_id == queue.c.class_id
    )
    async with db.read() as tx:
        return [(row.job_id, row.document) for row in await tx.execute(wanted.order_by(queue.c.job_id))]


async def _held(db: Database) -> list[dict[str, Any]]:
    async with db.read() as tx:
        return [dict(row) for row in (await tx.execute(sa.select(job_holds))).mappings()]


async def test_many_descriptions_are_checked_a_few_at_a_time(
    db: Database, submitted: Flow, check: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "DESCRIPTIONS_MAX", 2)
    job_ids = await submitted(*(PLAIN + f'JobName = "n{number}";' for number in range(5)))
    job_ids += await submitted(PLAIN + "Parameters = 5;")
    with db.count_statements() as count:
        await check(job_ids)
    assert len([statement for statement in count.statements if "FROM job_descriptions" in statement]) == 3
    assert {job["status"] for job in (await _jobs(db)).values()} == {"Waiting"}
    assert [job_id for job_id, _ in await _waiting(db)] == job_ids


async def test_a_good_job_waits_in_its_class(db: Database, submitted: Flow, check: Any) -> None:
    [job_id] = await submitted(
        PLAIN + 'NumberOfProcessors = 2; Site = "LCG.Alpha.org"; JobType = "Test"; Priority = 3;'
    )
    now = await check([job_id])
    job = (await _jobs(db))[job_id]
    assert (job["status"], job["minor_status"], job["last_update_time"]) == ("Waiting", "Pilot Agent Submission", now)
    [(waiting, document)] = await _waiting(db)
    assert waiting == job_id
    assert len(job["class_ids"]) == 1
    assert document["requirements"]["cpu"]["num_cores"] == {"min": 2, "max": 2}
    assert (document["sites"], document["job_type"], document["user_priority"]) == (["LCG.Alpha.org"], "Test", 3)
    assert (document["vo"], document["group"], document["owner"]) == ("voa", "user", "alice")
    assert await _history(db, job_id) == [
        ("Received", "Job accepted", "JobManager"),
        ("Checking", "JobSanity", "JobSanity"),
        ("Waiting", "Pilot Agent Submission", "JobScheduling"),
    ]


async def test_a_second_run_changes_nothing(db: Database, submitted: Flow, check: Any) -> None:
    ids = await submitted(PLAIN, PLAIN + 'InputData = "/voa/f";')
    await check(ids)
    before = await _jobs(db), await _waiting(db), await _history(db, ids[0]), await _history(db, ids[1])
    await check(ids)
    assert (await _jobs(db), await _waiting(db), await _history(db, ids[0]), await _history(db, ids[1])) == before


async def test_a_job_that_was_killed_meanwhile_is_left_alone(db: Database, submitted: Flow, check: Any) -> None:
    killed, other = await submitted(PLAIN, PLAIN)
    async with db.transaction() as tx:
        await tx.execute(sa.update(jobs).where(jobs.c.job_id == killed).values(status="Killed"))
    await check([killed, other])
    assert {job_id: job["status"] for job_id, job in (await _jobs(db)).items()} == {killed: "Killed", other: "Waiting"}
    assert [job_id for job_id, _ in await _waiting(db)] == [other]


async def test_a_check_that_breaks_leaves_nothing_behind(db: Database, submitted: Flow) -> None:
    """The database refuses the last of its statements: the job is as it was, and the next check finds it so."""
    [job_id] = await submitted(PLAIN)
    async with db.transaction() as tx:
        await tx.execute(sa.text("ALTER TABLE job_history ADD CONSTRAINT refused CHECK (source <> 'JobSanity')"))
    with pytest.raises(NotChecked, match=f"job {job_id}: CheckViolationError"):
        await check_jobs(db, [[job_id, job_id]], config=_config(), now=utcnow())
    assert (await _jobs(db))[job_id]["status"] == "Received"
    assert await _waiting(db) == []
    async with db.transaction() as tx:
        await tx.execute(sa.text("ALTER TABLE job_history DROP CONSTRAINT refused"))
    await check_jobs(db, [[job_id, job_id]], config=_config(), now=utcnow())
    assert [waiting for waiting, _ in await _waiting(db)] == [job_id]


@pytest.mark.parametrize(
    ("text", "minor", "words"),
    [
        ('Site = "A"; BannedSites = "A";', "No candidate sites available", "BannedSites"),
    ],
)
async def test_a_job_that_cannot_run_fails_and_says_why(
    db: Database, submitted: Flow, check: Any, *, text: str, minor: str, words: str
) -> None:
    [job_id] = await submitted(PLAIN + text)
    now = await check([job_id])
    job = (await _jobs(db))[job_id]
    assert (job["status"], job["minor_status"], job["end_exec_time"]) == ("Failed", minor, now)
    assert words in job["application_status"]
    assert (await _history(db, job_id))[-1][:2] == ("Failed", minor)
    assert await _waiting(db) == []


async def test_defaults_that_make_no_sense_fail_the_job_and_not_the_task(
    db: Database, submitted: Flow, check: Any
) -> None:
    [job_id] = await submitted(PLAIN)
    await check([job_id], Defaults={"cpu": {"cores": 3}})
    job = (await _jobs(db))[job_id]
    assert (job["status"], job["minor_status"]) == ("Failed", "Illegal Job JDL")
    assert "/cpu/cores" in job["application_status"]


async def test_an_unknown_site_holds_the_job_until_it_is_known(db: Database, submitted: Flow, check: Any) -> None:
    [job_id] = await submitted(PLAIN + 'Site = "LCG.Gamma.org";')
    now = await check([job_id])
    job = (await _jobs(db))[job_id]
    assert (job["status"], job["minor_status"]) == ("Checking", "On Hold: Unknown site LCG.Gamma.org")
    [hold] = await _held(db)
    assert (hold["reason"], hold["names"], hold["hold_until"] - now) == (
        "unknown_site",
        ["site:LCG.Gamma.org"],
        timedelta(seconds=300),
    )
    await check([job_id])
    await check_jobs(db, [[job_id, job_id]], config=_config(), now=hold["hold_until"])
    assert len(await _history(db, job_id)) == 3
    assert (await _held(db))[0]["hold_until"] - now == timedelta(seconds=600)
    document = config_document()
    document["Resources"]["Sites"]["LCG.Gamma.org"] = {}  # type: ignore[index]
    await check_jobs(db, [[job_id, job_id]], config=Config.model_validate(document), now=now + timedelta(seconds=600))
    assert (await _jobs(db))[job_id]["status"] == "Waiting"
    assert await _held(db) == []
    assert [status for status, _, _ in await _history(db, job_id)] == ["Received", "Checking", "Checking", "Waiting"]


async def test_one_known_site_is_enough_where_unknown_ones_are_allowed(
    db: Database, submitted: Flow, check: Any
) -> None:
    first, second = await submitted(
        *[PLAIN + f'Site = {{"LCG.Gamma.org", "LCG.Alpha.org"}}; JobName = "{i}";' for i in "ab"]
    )
    await check([first])
    await check([second], AllowInvalidSites=False)
    rows = await _jobs(db)
    assert rows[first]["status"] == "Waiting"
    assert (rows[second]["status"], rows[second]["minor_status"]) == ("Failed", "No candidate sites available")
    assert "LCG.Gamma.org" in rows[second]["application_status"]


async def test_parametric_jobs_get_a_class_a_form(db: Database, submitted: Flow, check: Any) -> None:
    text = 'Site = "%s"; NumberOfProcessors = "%(N)s"; Arguments = "%n"; Parameters.N = {1, 2, 2, 1};'
    ids = await submitted(PLAIN + text + 'Parameters = {"LCG.Alpha.org", "LCG.Beta.org", "LCG.Beta.org", "Nowhere"};')
    await check(ids)
    rows = await _jobs(db)
    assert [rows[job_id]["status"] for job_id in ids] == ["Waiting", "Waiting", "Waiting", "Checking"]
    assert rows[ids[1]]["class_ids"] == rows[ids[2]]["class_ids"] != rows[ids[0]]["class_ids"]
    assert [document["sites"] for _, document in await _waiting(db)] == [["LCG.Alpha.org"], *[["LCG.Beta.org"]] * 2]


@pytest.mark.parametrize(
    "text", [PLAIN + "Parameters = 10000;", PLAIN + 'JobName = "%n"; Site = "%s"; Parameters = 10000;']
)
async def test_ten_thousand_equal_jobs_take_few_statements(
    db: Database, submitted: Flow, check: Any, text: str
) -> None:
    ids = await submitted(PLAIN + text)
    with db.count_statements() as count:
        await check(ids)
    assert len(count) < 50


async def test_the_task_checks_what_was_submitted(db: Database, submitted: Flow) -> None:
    class Store:
        def current(self) -> Any:
            return type("Snapshot", (), {"config": _config()})

    [job_id] = await submitted(PLAIN)
    bound = {each.task.name: each.handler for each in tasks(db, Store())}  # type: ignore[arg-type]
    async with db.read() as tx:
        [payload] = (await tx.execute(sa.text("SELECT payload FROM pgqueuer"))).scalars()
    await bound[CHECK_JOBS.name](json.loads(payload))
    assert (await _jobs(db))[job_id]["status"] == "Waiting"
    await bound[HOUSEKEEPING.name](None)


async def test_a_job_with_alternatives_waits_in_a_class_of_each(db: Database, submitted: Flow, check: Flow) -> None:
    alternatives = [{"wall_time": 60, "tags": tag} for tag in ("os:el9", "os:ubuntu24")]
    text = json.dumps({"executable": "a", "requirements": alternatives})
    first, second = await submitted(text, text, form="json")
    await check([first, second])
    rows = await _jobs(db)
    assert rows[first]["status"] == rows[second]["status"] == "Waiting"
    assert len(set(rows[first]["class_ids"])) == 2
    assert rows[first]["class_ids"] == rows[second]["class_ids"]
    assert sorted(job_id for job_id, _ in await _waiting(db)) == [first, first, second, second]
