"""Limits of running jobs when very many are killed or deleted at once: given back once, whoever dies or speaks late."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import text
from tests.infra.app import Application
from tests.jobs.conftest import MakeJobs, iso
from tests.jobs.test_bulk import confirm, notice_the_dead, outcome, plan, run_until_killed, work
from tests.matcher.conftest import (
    ALPHA,
    OFFER,
    Submit,
    submit,  # noqa: F401  a fixture
)

from weyl.config.operations import MatchLimit
from weyl.jobs.service.limits import apply_limits, recount_limits
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.matcher.service.matcher import MATCHER
from weyl.task_queues.gates import merged, rules_of

RUNNING, BATCH, CORES = 1_500, 1_000, 2
STAMPS = ["a" * 32, "b" * 32]
GATE = f"voa site={ALPHA.site}"
COLUMNS = {"site": ALPHA.site, "ce": ALPHA.ce, "allocated": {"cores": CORES, "host": "wn1"}}
# What is written down of a gate, and what of it is true: they must be equal at any moment.
USED = f"""
    SELECT (SELECT coalesce(sum(jobs), 0) FROM match_gate_delta WHERE key = '{GATE}')
        + (SELECT coalesce(sum(used_jobs), 0) FROM match_gate WHERE key = '{GATE}') AS jobs,
        (SELECT coalesce(sum(cores), 0) FROM match_gate_delta WHERE key = '{GATE}')
        + (SELECT coalesce(sum(used_cores), 0) FROM match_gate WHERE key = '{GATE}') AS cores,
        (SELECT count(*) FROM jobs WHERE status IN ('Matched', 'Running', 'Stalled', 'Completing')) AS really
"""


async def used(db: Database) -> tuple[int, int]:
    """Return the jobs and cores behind the gate, which are those that run."""
    async with db.read() as tx:
        row = (await tx.execute(text(USED))).one()
    assert row.jobs == row.really
    assert row.cores == CORES * row.really
    return int(row.jobs), int(row.cores)


async def limit(db: Database, count: int) -> None:
    """Let no more than so many jobs run at the site."""
    rules = merged(rules_of("voa", [MatchLimit(site=ALPHA.site, count=count)]))
    async with db.transaction() as tx:
        await apply_limits(tx, rules, utcnow())


async def report(application: Application, job_ids: Sequence[int], stamp: str, **state: Any) -> set[int]:
    """Report as the pilots' wrappers do; returns the statuses of the answers."""
    seen = set()
    for job_id in job_ids:
        headers = application.payload(job_id, stamp=stamp)
        body = {job_id: {iso(utcnow()): {"Source": "JobWrapper", **state}}}
        answer = await application.client.patch("/api/jobs/status", json=body, headers=headers)
        beat = {job_id: {"CPUConsumed": 1.0}}
        await application.client.patch("/api/jobs/heartbeat", json=beat, headers=headers)
        seen.add(answer.status_code)
    return seen


@pytest.mark.parametrize("action", ["kill", "delete"])
async def test_what_a_bulk_order_ends_is_given_back_once(
    application: Application,
    db: Database,
    make_jobs: MakeJobs,
    submit: Submit,  # noqa: F811
    action: str,
) -> None:
    ids = []
    for number in range(RUNNING // 250):
        ids += await make_jobs(250, status="Running", pilot=STAMPS[number % 2], start_exec_time=utcnow(), **COLUMNS)
    mine = {stamp: ids[250 * place : 250 * place + 10] for place, stamp in enumerate(STAMPS)}
    await limit(db, RUNNING)
    assert await used(db) == (RUNNING, CORES * RUNNING)

    body = {"action": action, "search": [{"parameter": "Status", "operator": "eq", "value": "Running"}]}
    token = (await plan(application, body))["plan_token"]
    operation_id = await confirm(application, body, token)
    await run_until_killed(application, db)
    await notice_the_dead(db)
    assert await used(db) == (RUNNING - BATCH, CORES * (RUNNING - BATCH))
    # Some speak before the order is done, of which those that still run do.
    await report(application, mine[STAMPS[0]][:5], STAMPS[0], Status="Failed", MinorStatus="x", ErrorClass="user")
    await report(application, ids[-5:], STAMPS[1], Status="Completing", MinorStatus="x")
    assert await used(db) == (RUNNING - BATCH, CORES * (RUNNING - BATCH))

    body = {"action": action, "ids": ids[-5:]}
    await confirm(application, body, (await plan(application, body))["plan_token"])
    await work(application, db)
    assert (await outcome(application, operation_id))["state"] == "done"
    assert await used(db) == (0, 0)

    for stamp, theirs in mine.items():
        await report(application, theirs, stamp, Status="Running", MinorStatus="Application")
        await report(application, theirs, stamp, Status="Done", MinorStatus="Execution Complete")
        await report(application, theirs, stamp, Status="Failed", MinorStatus="x", ErrorClass="host")
    assert await used(db) == (0, 0)
    async with db.read() as tx:
        left = await tx.execute(text("SELECT DISTINCT status FROM jobs"))
        assert list(left.scalars()) == ["Killed" if action == "kill" else "Deleted"]
    async with db.transaction() as tx:
        assert await recount_limits(tx) == 0

    # The room is there, and no more of it than there was.
    await limit(db, 3)
    await submit(5)
    await application.services[MATCHER].limits.follower.seen()
    await application.services[MATCHER].freshness.queue.seen()
    asked = {"offer": OFFER, "count": 5}
    answer = await application.client.post("/api/matcher/match", json=asked, headers=application.pilot("c" * 32))
    assert len(answer.json()["jobs"]) == 3, answer.text


async def test_reports_of_ends_and_a_kill_at_once_give_back_once(
    application: Application, db: Database, make_jobs: MakeJobs
) -> None:
    """Pilots end jobs while a worker kills the same ones: whoever comes first gives back."""
    ids = await make_jobs(300, status="Running", pilot=STAMPS[0], start_exec_time=utcnow(), **COLUMNS)
    await limit(db, 300)
    body = {"action": "kill", "ids": ids}
    await confirm(application, body, (await plan(application, body))["plan_token"])
    ends = [
        report(application, ids[n::6][:15], STAMPS[0], Status="Done", MinorStatus="Execution Complete")
        for n in range(6)
    ]
    await asyncio.gather(work(application, db), *ends)
    assert await used(db) == (0, 0)
    async with db.transaction() as tx:
        assert await recount_limits(tx) == 0
