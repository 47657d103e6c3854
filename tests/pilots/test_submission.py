"""Pilots are planned, sent, found again after a crash, and buried: with the local computing element."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.infra.app import Application

from weyl.kit import json
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.pilots.compute_elements.driver import Copy, DriverContext, DriverError, PilotSpec, Submitted
from weyl.pilots.compute_elements.local import LocalComputeElement
from weyl.pilots.need import Means, QueueKey
from weyl.pilots.service import polling, submission
from weyl.pilots.service.planning import plan_due
from weyl.pilots.service.yard import YARD, Yard
from weyl.task_queues.requirements import make_class
from weyl.task_queues.service import enqueue_jobs

KEY = QueueKey("voa", "LCG.Alpha.org", "ce.alpha.org", "default")
# What is sent instead of a pilot: it shows its secret's file, and ends.
PROGRAM = "import os, sys\nprint(os.environ['WEYL_PILOT_STAMP'], len(open('pilot-secret').read()))\nsys.exit({code})\n"


@pytest.fixture
async def yard(application: Application, tmp_path: Path) -> AsyncIterator[Yard]:
    """The yard of a worker, with a computing element in a directory of the test's own."""
    yard: Yard = application.services[YARD]
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(code=0))
    yield replace(yard, directory=tmp_path / "elements", archive=program)
    shutil.rmtree(tmp_path / "elements", ignore_errors=True)


async def jobs_wait(db: Database, count: int, *, vo: str = "voa", first: int = 1) -> None:
    made = make_class(
        {"wall_time": 600, "cpu": {"num_cores": {"min": 4, "max": 4}}},
        vo=vo,
        group="user",
        owner="alice",
        job_type="User",
        sites=["LCG.Alpha.org"],
    )
    async with db.transaction() as tx:
        await enqueue_jobs(tx, [(first + number, made) for number in range(count)])


async def plan(yard: Yard, *, later: timedelta = timedelta()) -> None:
    async with yard.db.transaction() as tx:
        await plan_due(tx, yard.config.current().config, Means(yard.drivers), now=utcnow() + later)


async def rows(db: Database, statement: str) -> Sequence[Any]:
    async with db.read() as tx:
        return list(await tx.execute(text(statement)))


async def write(db: Database, statement: str, **values: Any) -> None:
    async with db.transaction() as tx:
        await tx.execute(text(statement), values)


async def needs(db: Database) -> dict[tuple[str, str], int]:
    return {(row.vo, row.site): row.need for row in await rows(db, "SELECT * FROM pilot_queues")}


async def pilots(db: Database) -> list[Any]:
    return list(await rows(db, "SELECT * FROM pilots ORDER BY pilot_id"))


async def ask_all(yard: Yard) -> None:
    """Do what the tasks do every few seconds."""
    await polling.bury_overdue(yard)
    for element in await polling.elements_due(yard):
        await polling.ask(yard, element)


async def until_ended(yard: Yard, db: Database) -> None:
    """Poll, as the task does every few seconds, until no pilot is alive any more."""
    async with asyncio.timeout(20):
        while any(row.ended_at is None for row in await pilots(db)):
            async with db.transaction() as tx:
                await tx.execute(text("UPDATE pilots SET checked_at = now() - interval '1 hour'"))
            await ask_all(yard)


async def test_no_jobs_no_pilots(yard: Yard, db: Database) -> None:
    await plan(yard)
    assert set((await needs(db)).values()) == {0}
    assert await rows(db, "SELECT 1 FROM pgqueuer WHERE entrypoint = 'pilots.submit'") == []


async def test_a_plan_orders_what_is_missing_once_a_cycle(yard: Yard, db: Database) -> None:
    await jobs_wait(db, 3)
    await plan(yard)
    await plan(yard)
    found = await needs(db)
    assert found["voa", "LCG.Alpha.org"] == 3
    assert found["voa", "LCG.Beta.org"] == 0
    assert found["vob", "LCG.Alpha.org"] == 0
    (order,) = await rows(
        db, "SELECT convert_from(payload, 'UTF8') AS payload FROM pgqueuer WHERE entrypoint = 'pilots.submit'"
    )
    assert '"count":3' in order.payload
    await plan(yard, later=timedelta(minutes=2))
    assert len(await rows(db, "SELECT 1 FROM pgqueuer WHERE entrypoint = 'pilots.submit'")) == 1


async def test_pilots_are_sent_with_a_secret_of_their_own_and_buried(yard: Yard, db: Database) -> None:
    await submission.submit(yard, KEY, 2)
    sent = await pilots(db)
    assert [(row.vo, row.grid_site, row.destination_site, row.queue, row.grid_type) for row in sent] == [
        ("voa", "LCG.Alpha.org", "ce.alpha.org", "default", "local")
    ] * 2
    assert all(row.handle and row.pilot_job_reference == row.handle[:255] for row in sent)
    secrets = await rows(db, "SELECT * FROM pilot_secrets")
    assert {secret.pilot_stamp for secret in secrets} == {row.pilot_stamp for row in sent}
    await until_ended(yard, db)
    # They ended well but never spoke: nothing ran in them.
    assert {row.status for row in await pilots(db)} == {"Aborted"}
    assert all(secret.revoked_at for secret in await rows(db, "SELECT * FROM pilot_secrets"))


async def test_pilots_that_are_there_are_not_sent_again(yard: Yard, db: Database) -> None:
    await jobs_wait(db, 3)
    await submission.submit(yard, KEY, 2)
    await plan(yard)
    assert (await needs(db))["voa", "LCG.Alpha.org"] == 1


async def test_a_pilot_that_is_busy_leaves_no_room(yard: Yard, db: Database) -> None:
    await jobs_wait(db, 1)
    await submission.submit(yard, KEY, 1)
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE pilots SET status = 'Running', spoke_at = now()"))
    await plan(yard)
    assert (await needs(db))["voa", "LCG.Alpha.org"] == 0
    async with db.transaction() as tx:
        await tx.execute(
            text(
                "INSERT INTO jobs (owner, owner_group, vo, submission_time, last_update_time, status, description_id,"
                " pilot_stamp, allocated) SELECT 'alice', 'user', 'voa', now(), now(), 'Running', 1, pilot_stamp,"
                """ '{"cores": 4}' FROM pilots"""
            )
        )
    await plan(yard, later=timedelta(minutes=2))
    assert (await needs(db))["voa", "LCG.Alpha.org"] == 1


async def test_what_pilots_have_offered_decides_which_jobs_count(yard: Yard, db: Database) -> None:
    await jobs_wait(db, 1)
    document = {"wall_time": 3600, "cpu_power_db12": 0.001, "gpu": {"count": 0}, "tags": []}
    document["cpu"] = {"num_cores": 1, "architecture": {"name": "aarch64"}}
    made = make_class(
        {"wall_time": 600, "cpu": {"architecture": {"name": "x86_64"}}},
        vo="voa",
        group="user",
        owner="alice",
        job_type="User",
    )
    async with db.transaction() as tx:
        await enqueue_jobs(tx, [(100, made)])
        await tx.execute(
            text(
                "INSERT INTO offer (hash, vo, site, ce, queue, doc, last_seen, hits, misses) VALUES"
                " ('x', 'voa', 'LCG.Alpha.org', 'ce.alpha.org', 'default', CAST(:doc AS jsonb), now(), 0, 0)"
            ),
            {"doc": json.dumps_text(document)},
        )
    await plan(yard)
    found = await needs(db)
    assert (found["voa", "LCG.Alpha.org"], found["voa", "LCG.Beta.org"]) == (1, 1)


async def test_the_limits_of_a_queue_hold_at_submission_too(yard: Yard, db: Database) -> None:
    await submission.submit(yard, KEY, 30)
    assert len(await pilots(db)) == 20
    await submission.submit(yard, KEY, 1)
    assert len(await pilots(db)) == 20
    await until_ended(yard, db)


class _Refusing(LocalComputeElement):
    """A local element that does not take pilots now."""

    async def submit(self, spec: PilotSpec, copies: Sequence[Copy]) -> Submitted:
        raise DriverError("full")


async def test_a_queue_that_refuses_is_left_alone_for_longer_and_longer(yard: Yard, db: Database) -> None:
    await jobs_wait(db, 1)
    refusing = replace(yard, drivers={"local": _Refusing})
    await plan(refusing)
    pauses = []
    for _ in range(5):
        await submission.submit(refusing, KEY, 1)
        (row,) = await rows(db, "SELECT skip_until - now() AS pause FROM pilot_queues WHERE skip_until IS NOT NULL")
        pauses.append(round(row.pause.total_seconds() / 60))
    assert pauses == [1, 2, 4, 8, 10]
    assert {(row.status, row.status_reason) for row in await pilots(db)} == {("Aborted", "full")}
    assert all(secret.revoked_at for secret in await rows(db, "SELECT * FROM pilot_secrets"))
    await plan(yard, later=timedelta(minutes=2))
    (row,) = await rows(db, "SELECT * FROM pilot_queues WHERE site = 'LCG.Alpha.org' AND vo = 'voa'")
    assert row.need == 0
    assert row.reason.startswith("Submission failed: full; the queue is left alone until ")
    await plan(yard, later=timedelta(minutes=20))
    assert (await needs(db))["voa", "LCG.Alpha.org"] == 1
    await submission.submit(yard, KEY, 1)
    (row,) = await rows(db, "SELECT * FROM pilot_queues WHERE site = 'LCG.Alpha.org' AND vo = 'voa'")
    assert (row.failures, row.skip_until) == (0, None)


class _Silent(LocalComputeElement):
    """A local element whose answer to a submission is lost: one pilot runs, one was never started."""

    async def submit(self, spec: PilotSpec, copies: Sequence[Copy]) -> Submitted:
        await super().submit(spec, copies[:1])
        return Submitted(doubtful=dict.fromkeys(range(len(copies)), "no answer"))


async def test_pilots_of_whom_nothing_was_heard_are_looked_for_and_neither_lost_nor_doubled(
    yard: Yard, db: Database
) -> None:
    await jobs_wait(db, 2)
    await plan(yard)
    await submission.submit(replace(yard, drivers={"local": _Silent}), KEY, 2)
    assert [(row.status, row.handle) for row in await pilots(db)] == [("Submitted", None)] * 2
    assert not any(secret.revoked_at for secret in await rows(db, "SELECT * FROM pilot_secrets"))
    (queue,) = await rows(db, "SELECT * FROM pilot_queues WHERE skip_until IS NOT NULL")
    assert queue.failures == 1
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE pilots SET submission_time = submission_time - interval '5 minutes'"))
    await submission.submit(yard, KEY, 0)
    assert sorted((row.status, row.handle is None) for row in await pilots(db)) == [
        ("Aborted", True),
        ("Submitted", False),
    ]
    await until_ended(yard, db)


class _DyingWorker(LocalComputeElement):
    """A local element whose caller does not live to hear the answer."""

    async def submit(self, spec: PilotSpec, copies: Sequence[Copy]) -> Submitted:
        await super().submit(spec, copies[:1])
        raise asyncio.CancelledError


async def test_after_a_crash_pilots_that_run_are_adopted_and_the_others_written_off(yard: Yard, db: Database) -> None:
    with pytest.raises(asyncio.CancelledError):
        await submission.submit(replace(yard, drivers={"local": _DyingWorker}), KEY, 2)
    assert [row.handle for row in await pilots(db)] == [None, None]
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE pilots SET submission_time = submission_time - interval '5 minutes'"))
    await plan(yard)
    orders = await rows(
        db, "SELECT convert_from(payload, 'UTF8') AS p FROM pgqueuer WHERE entrypoint = 'pilots.submit'"
    )
    assert len(orders) == 1
    await submission.submit(yard, KEY, 0)
    adopted, lost = sorted(await pilots(db), key=lambda row: row.handle is None)
    assert adopted.handle
    assert adopted.status == "Submitted"
    assert (lost.status, lost.status_reason) == ("Aborted", "Its submission was cut short")
    revoked = {row.pilot_stamp for row in await rows(db, "SELECT * FROM pilot_secrets WHERE revoked_at IS NOT NULL")}
    assert revoked == {lost.pilot_stamp}
    await until_ended(yard, db)


async def test_a_pilot_that_spoke_before_its_submission_was_recorded_is_adopted_too(yard: Yard, db: Database) -> None:
    with pytest.raises(asyncio.CancelledError):
        await submission.submit(replace(yard, drivers={"local": _DyingWorker}), KEY, 2)
    async with db.transaction() as tx:
        await tx.execute(
            text(
                "UPDATE pilots SET submission_time = now() - interval '5 minutes', status = 'Running', spoke_at = now()"
            )
        )
    await submission.submit(yard, KEY, 0)
    adopted, lost = sorted(await pilots(db), key=lambda row: row.handle is None)
    assert (adopted.status, lost.status) == ("Running", "Failed")
    await until_ended(yard, db)


async def test_what_a_pilot_says_of_its_end_stands(application: Application, yard: Yard, db: Database) -> None:
    assert yard.archive is not None
    yard.archive.write_text(PROGRAM.format(code=3))
    await submission.submit(yard, KEY, 1)
    (pilot,) = await pilots(db)
    answer = await application.client.patch(
        "/api/pilots/metadata",
        headers=application.pilot(pilot.pilot_stamp),
        json={pilot.pilot_stamp: {"Status": "Done", "StatusReason": "no more work"}},
    )
    assert answer.status_code == 204
    await ask_all(yard)
    (pilot,) = await pilots(db)
    assert (pilot.status, pilot.status_reason) == ("Done", "no more work")


async def test_a_pilot_that_is_revoked_is_cancelled_on_its_element(
    application: Application, yard: Yard, db: Database
) -> None:
    assert yard.archive is not None
    yard.archive.write_text("import time\ntime.sleep(600)\n")
    await submission.submit(yard, KEY, 2)
    revoked, spared = await pilots(db)
    answer = await application.client.post(
        "/api/pilots/revoke",
        headers=application.login(properties=["Operator"]),
        json={"stamps": [revoked.pilot_stamp]},
    )
    assert answer.status_code == 200, answer.text
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE pilots SET checked_at = now() - interval '1 minute'"))
    await ask_all(yard)
    assert {row.pilot_stamp: row.status for row in await pilots(db)} == {
        revoked.pilot_stamp: "Deleted",
        spared.pilot_stamp: "Waiting",
    }
    driver = yard.driver(yard.config.current().config, KEY.site, KEY.ce)
    assert await driver.cancel([spared.handle]) == {spared.handle: None}


async def test_the_output_of_a_pilot_is_fetched_from_its_element(
    application: Application, yard: Yard, db: Database
) -> None:
    await submission.submit(yard, KEY, 1)
    await until_ended(yard, db)
    (pilot,) = await pilots(db)
    application.put(YARD, yard)
    path = f"/api/pilots/{pilot.pilot_stamp}/output"
    answer = await application.client.get(path, headers=application.login())
    assert answer.json()["stdout"].startswith(pilot.pilot_stamp)
    assert answer.json()["exit_code"] == 0
    assert (await application.client.get(path, headers=application.login(vo="vob"))).status_code == 404


async def test_what_ended_long_ago_is_cleared_away(yard: Yard, db: Database) -> None:
    await submission.submit(yard, KEY, 1)
    await until_ended(yard, db)
    await polling.clean(yard)
    assert [row.cleaned_at for row in await pilots(db)] == [None]
    await write(db, "UPDATE pilots SET ended_at = ended_at - interval '2 days'")
    await polling.clean(yard)
    (pilot,) = await pilots(db)
    assert pilot.cleaned_at is not None
    context = DriverContext("LCG.Alpha.org", "ce.alpha.org", yard.directory / "LCG.Alpha.org" / "ce.alpha.org")
    assert (await LocalComputeElement(context).output(pilot.handle)).stdout is None


async def test_a_pilot_of_nobody_whose_time_is_over_has_failed(yard: Yard, db: Database) -> None:
    await write(
        db,
        "INSERT INTO pilots (pilot_stamp, vo, submission_time, last_update_time, status, origin, not_after)"
        " VALUES ('v', 'voa', now(), now(), 'Running', 'vacuum', now() - interval '1 second')",
    )
    await ask_all(yard)
    assert [row.status for row in await pilots(db)] == ["Failed"]


async def test_people_see_how_submission_stands_in_their_vo(application: Application, yard: Yard, db: Database) -> None:
    await jobs_wait(db, 3)
    await plan(yard)
    answer = await application.client.get("/api/pilots/submission", headers=application.login())
    assert {row["vo"] for row in answer.json()} == {"voa"}
    alpha = next(row for row in answer.json() if row["site"] == "LCG.Alpha.org")
    assert (alpha["demand"], alpha["usable"], alpha["need"], alpha["reason"]) == (3.0, 0.0, 3, None)
    everything = await application.client.get("/api/pilots/submission", headers=application.login(group="service"))
    assert {row["vo"] for row in everything.json()} == {"voa", "vob"}
    pilot = await application.client.get("/api/pilots/submission", headers=application.pilot("a" * 32))
    assert pilot.status_code == 403


async def test_pilots_that_come_back_empty_throttle_their_queue_within_five(yard: Yard, db: Database) -> None:
    await jobs_wait(db, 16)
    await submission.submit(yard, KEY, 5)
    await until_ended(yard, db)
    reason = "no job in 10 requests, the last for `tags`; 0 jobs"
    await write(db, "UPDATE pilots SET status = 'Done', status_reason = :reason, spoke_at = now()", reason=reason)
    await plan(yard)
    (row,) = await rows(db, "SELECT * FROM pilot_queues WHERE site = 'LCG.Alpha.org' AND vo = 'voa'")
    assert (row.need, row.demand) == (0, 16.0)
    assert row.reason.startswith("The last 5 pilots found no job, nearly all for lack of what jobs want in `tags`")
    await plan(yard, later=timedelta(minutes=11))
    assert (await needs(db))["voa", "LCG.Alpha.org"] == 1
    await write(
        db, "INSERT INTO job_pilots SELECT 1, pilot_stamp FROM pilots ORDER BY ended_at DESC, pilot_id DESC LIMIT 1"
    )
    await plan(yard, later=timedelta(minutes=22))
    assert (await needs(db))["voa", "LCG.Alpha.org"] == 16
