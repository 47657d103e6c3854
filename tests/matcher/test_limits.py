"""Limits and delays: exact with several processes, whoever ends the jobs and however the rules change."""

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.infra.app import Installation, config_document
from tests.matcher.conftest import ALPHA, BETA, StartMatcher, Submit, a_pilot, a_request, parked
from tests.matcher.factories import a_class
from tests.matcher.job_log import exceeded_now, out_of_queue, prove
from tests.matcher.limit_process import place_of

from weyl.config.operations import MatchLimit
from weyl.config.service import ConfigStore
from weyl.jobs.queries.status import lock_jobs
from weyl.jobs.service.limits import apply_limits, recount_limits
from weyl.jobs.service.moves import fail, move
from weyl.jobs.states import Report
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.kit.following import following
from weyl.matcher.service.limits import LimitKeeper
from weyl.task_queues import service
from weyl.task_queues.gates import GateState, Rule, has_room, merged, rules_of, tat_after
from weyl.task_queues.queries import limits as queries

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


async def rows(db: Database, statement: str, **values: Any) -> list[Any]:
    async with db.read() as tx:
        return list((await tx.execute(text(statement), values)).all())


async def limit(db: Database, *limits: dict[str, Any], at: datetime | None = None) -> None:
    """Let these limits of the VO hold."""
    rules = merged(rules_of("voa", [MatchLimit.model_validate(each) for each in limits]))
    async with db.transaction() as tx:
        await apply_limits(tx, rules, at or utcnow())


async def end(db: Database, job_ids: list[int], status: str = "Done") -> None:
    async with db.transaction() as tx:
        await move(tx, await lock_jobs(tx, job_ids), Report(utcnow(), status, source="Test"), now=utcnow())


async def used(db: Database) -> dict[str, tuple[int, int]]:
    async with db.read() as tx:
        return {row.key: (row.used_jobs, row.used_cores) for row in await queries.select_gates(tx)}


async def test_no_more_jobs_run_than_the_limit_and_an_end_makes_room(
    db: Database, submit: Submit, start_matcher: StartMatcher
) -> None:
    await submit(10)
    matcher = await start_matcher()
    await limit(db, {"site": ALPHA.site, "count": 3})
    got = [job.job_id for job in (await matcher.match(a_pilot(), a_request(count=5))).jobs]
    assert len(got) == 3
    refused = await matcher.match(a_pilot("b" * 32), a_request())
    assert refused.miss is not None
    assert refused.miss.condition == "gates"
    assert len((await matcher.match(a_pilot("c" * 32, BETA), a_request(count=2))).jobs) == 2
    await end(db, got[:1], "Failed")
    await matcher.limits.follower.seen()
    assert len((await matcher.match(a_pilot("d" * 32), a_request(count=5))).jobs) == 1
    assert await used(db) == {f"voa site={ALPHA.site}": (3, 3)}


@pytest.mark.parametrize("status", ["Running", "Stalled", "Completing"])
async def test_a_job_keeps_its_place_until_it_has_ended(
    db: Database, submit: Submit, start_matcher: StartMatcher, status: str
) -> None:
    await submit(2)
    await limit(db, {"owner": "*", "count": 1})
    matcher = await start_matcher()
    [job] = (await matcher.match(a_pilot(), a_request(count=2))).jobs
    await end(db, [job.job_id], status)
    await matcher.limits.follower.seen()
    assert (await matcher.match(a_pilot(), a_request())).jobs == []
    async with db.transaction() as tx:
        await tx.execute(text("DELETE FROM jobs WHERE job_id = :id"), {"id": job.job_id})
    await matcher.limits.follower.seen()
    assert len((await matcher.match(a_pilot(), a_request())).jobs) == 1


async def test_cores_are_limited_as_they_are_allocated(
    db: Database, submit: Submit, start_matcher: StartMatcher
) -> None:
    await submit(10, a_class({"cpu": {"num_cores": {"min": 3, "max": 3}}}))
    await limit(db, {"group": "user", "cores": 8})
    matcher = await start_matcher()
    assert len((await matcher.match(a_pilot(), a_request(count=5))).jobs) == 2
    assert await used(db) == {"voa owner_group=user": (2, 6)}


async def test_each_value_has_a_limit_of_its_own(db: Database, submit: Submit, start_matcher: StartMatcher) -> None:
    for owner in ("alice", "bob"):
        for job_type in ("User", "Test"):
            await submit(3, a_class(owner=owner, job_type=job_type))
    await limit(db, {"owner": "*", "job_type": "*", "count": 1}, {"site": "*", "ce": "*", "count": 3})
    matcher = await start_matcher()
    got = (await matcher.match(a_pilot(), a_request(count=9))).jobs + (
        await matcher.match(a_pilot("b" * 32, BETA), a_request(count=9))
    ).jobs
    assert len(got) == 4
    assert sorted(each for each in (await used(db)).values() if each[0]) == [(1, 1)] * 5 + [(3, 3)]


async def test_jobs_start_no_faster_than_the_delay_says(
    db: Database, submit: Submit, start_matcher: StartMatcher
) -> None:
    await submit(20)
    await limit(db, {"ce": str(ALPHA.ce), "delay_s": 3600, "burst": 2})
    first, second = await start_matcher(), await start_matcher()
    assert len((await first.match(a_pilot(), a_request(count=9))).jobs) == 3
    assert (await second.match(a_pilot("b" * 32), a_request(count=9))).jobs == []
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE match_gate SET tat = tat - interval '1 hour'"))
    await second.limits.follower.seen()
    assert len((await second.match(a_pilot("b" * 32), a_request(count=9))).jobs) == 1


async def test_a_change_of_the_rules_counts_what_runs_and_holds_at_once_everywhere(
    db: Database, submit: Submit, start_matcher: StartMatcher
) -> None:
    await submit(10)
    first, second = await start_matcher(), await start_matcher()
    assert len((await first.match(a_pilot(), a_request(count=4))).jobs) == 4
    await limit(db, {"group": "*", "count": 5})
    assert len((await second.match(a_pilot("b" * 32), a_request(count=4))).jobs) == 1
    await limit(db, {"group": "*", "count": 9}, at=LONG_AGO)
    assert (await first.match(a_pilot("c" * 32), a_request())).jobs == []
    await limit(db)
    await first.limits.follower.seen()
    assert len((await first.match(a_pilot("c" * 32), a_request(count=9))).jobs) == 5
    assert await used(db) == {}


async def test_a_parked_pilot_is_woken_when_a_limit_has_room_again(
    db: Database, submit: Submit, start_matcher: StartMatcher
) -> None:
    await submit(2)
    await limit(db, {"group": "user", "count": 1})
    matcher = await start_matcher(sweep_every_s=600.0)
    [job] = (await matcher.match(a_pilot(), a_request(count=2))).jobs
    asked = asyncio.create_task(matcher.match(a_pilot("b" * 32), a_request(wait_s=30)))
    await parked(matcher)
    await end(db, [job.job_id])
    assert len((await asyncio.wait_for(asked, 20)).jobs) == 1


async def test_counting_anew_finds_nothing_wrong_and_repairs_what_is(
    db: Database, submit: Submit, start_matcher: StartMatcher
) -> None:
    await submit(5)
    await limit(db, {"owner": "*", "count": 5}, {"site": "*", "cores": 50})
    matcher = await start_matcher()
    got = (await matcher.match(a_pilot(), a_request(count=4))).jobs
    await end(db, [got[0].job_id], "Killed")
    async with db.transaction() as tx:
        assert await recount_limits(tx) == 0
        await service.fold_limits(tx)
    before = await used(db)
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE match_gate SET used_jobs = 77"))
        assert await recount_limits(tx) == 2
    assert await used(db) == before
    assert set(before.values()) == {(3, 3)}


async def test_limits_come_from_the_configuration(
    tmp_path: Path, db: Database, submit: Submit, start_matcher: StartMatcher
) -> None:
    own = Installation.create(tmp_path)
    config = ConfigStore(f"git+file://{own.config_directory}", check_every_s=60)
    await config.start()
    limits = LimitKeeper(db, config, on_open=lambda: None)
    await submit(5)
    document = config_document()
    document["Operations"]["voa"] = {"Matching": {"Limits": [{"Group": "user", "Count": 2}]}}  # type: ignore[index]
    async with following(limits.follower):
        assert not limits.book.rules
        own.commit_config(document, "Limit")
        await config.follower.seen()
        await limits.follower.seen()
        assert limits.book.rules
    # whoever still has an older configuration does not undo it
    matcher = await start_matcher()
    assert len((await matcher.match(a_pilot(), a_request(count=5))).jobs) == 2
    await config.stop()


RULES = [
    {"site": ALPHA.site, "count": 12},
    {"site": "*", "cores": 30},
    {"ce": str(BETA.ce), "job_type": "Test", "count": 3},
    {"group": "*", "count": 9},
    {"owner": "*", "count": 4},
    {"owner": "*", "job_type": "*", "count": 3},
    {"job_type": "Merge", "count": 0},
    {"group": "group1", "site": "*", "delay_s": 0.05, "burst": 2},
]
PROCESSES = 4
SECONDS = 8.0
KILLED_AFTER_S = (2.0, 4.0)
MATCHES_MIN = 100
MATCHES = "SELECT count(*) AS number FROM job_history WHERE source = 'Matcher'"


async def test_four_processes_never_exceed_a_limit_while_jobs_end_and_processes_are_killed(
    db: Database, installation: Installation, tmp_path: Path, submit: Submit
) -> None:
    """Real processes, of which some die by SIGKILL. The job log says afterwards how many ran at any moment."""
    chance = random.Random(5)
    for number in range(24):
        kind = a_class(
            {"cpu": {"num_cores": {"min": 1 + number % 3, "max": 1 + number % 3}}},
            owner=f"owner{number % 6}",
            group=f"group{number % 3}",
            job_type=("User", "Test", "Merge")[number % 4 % 3],
        )
        await submit(60, kind)
    await limit(db, *RULES)
    keys = tmp_path / "keys"
    keys.write_text(installation.keys)
    words = [db.url, f"git+file://{_limited(installation, tmp_path)}", str(keys)]
    watched = asyncio.create_task(_watch(db))
    ended = asyncio.create_task(_end_some(db, chance))
    async with _processes(words, PROCESSES) as processes:
        for number, after_s in enumerate(KILLED_AFTER_S):
            await asyncio.sleep(after_s - sum(KILLED_AFTER_S[:number]))
            processes[number].kill()
            await processes[number].wait()
            processes[number] = await _process(words, 100 + number)
        await asyncio.sleep(SECONDS - KILLED_AFTER_S[-1])
        async with asyncio.timeout(60):
            while (await rows(db, MATCHES))[0].number <= MATCHES_MIN:
                await asyncio.sleep(0.2)
    ended.cancel()
    watched.cancel()
    for each in await asyncio.gather(ended, watched, return_exceptions=True):
        assert isinstance(each, asyncio.CancelledError), each
    proof = await prove(db, _rules(), lambda stamp: (place_of(stamp).site, place_of(stamp).ce or ""))
    assert (proof.exceeded, proof.twice) == ([], [])
    assert proof.matches > MATCHES_MIN
    assert proof.attempts_most > 1
    assert await out_of_queue(db) == []
    async with db.transaction() as tx:
        assert await recount_limits(tx) == 0


def _limited(installation: Installation, directory: Path) -> Path:
    """Commit the same limits to a configuration of the processes' own."""
    own = Installation(directory / "own", installation.keys, installation.state_key)
    document = config_document()
    names = {"site": "Site", "ce": "CE", "job_type": "JobType", "group": "Group", "owner": "Owner"}
    names |= {"count": "Count", "cores": "Cores", "delay_s": "DelayS", "burst": "Burst"}
    limits = [{names[name]: value for name, value in rule.items()} for rule in RULES]
    document["Operations"]["voa"] = {"Matching": {"Limits": limits}}  # type: ignore[index]
    own.commit_config(document, "Limits")
    return own.config_directory


async def _process(words: list[str], seed: int) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.matcher.limit_process", *words, str(seed), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        while (await process.stdout.readline()).strip() != b"ready":
            assert process.returncode is None
    return process


@asynccontextmanager
async def _processes(words: list[str], count: int) -> AsyncIterator[list[asyncio.subprocess.Process]]:
    processes = list(await asyncio.gather(*(_process(words, seed) for seed in range(count))))
    try:
        yield processes
    finally:
        for process in processes:
            process.terminate()
        await asyncio.gather(*(process.communicate() for process in processes))


ACTIVE_ONES = "SELECT job_id FROM jobs WHERE status IN ('Matched', 'Running', 'Stalled', 'Completing')"


async def _end_some(db: Database, chance: random.Random) -> None:
    """Start, stall, end, kill and reschedule jobs without a pause, in transactions of many."""
    while True:
        active = [row.job_id for row in await rows(db, ACTIVE_ONES)]
        chosen = chance.sample(active, len(active) // 3)
        what = chance.choice(["Running", "Stalled", "Done", "Failed", "kill", "again", "again"])
        async with db.transaction() as tx:
            if what == "kill":
                await fail(tx, chosen[:5], minor_status="Killed", source="Test", now=utcnow())
            elif what == "again":
                await service.remove_jobs(tx, chosen)
                locked = await lock_jobs(tx, chosen)
                again = {job_id: row for job_id, row in locked.items() if row.status in ("Matched", "Running")}
                await move(tx, again, Report(utcnow(), "Waiting", source="Test"), now=utcnow())
                await service.return_jobs(tx, [(row.class_ids[0], job_id) for job_id, row in again.items()])
            else:
                await move(tx, await lock_jobs(tx, chosen), Report(utcnow(), what, source="Test"), now=utcnow())
        await asyncio.sleep(0.02)


async def _watch(db: Database) -> None:
    """Look again and again: what is committed at any moment is within the limits."""
    while True:
        assert await exceeded_now(db, _rules()) == []
        await asyncio.sleep(0.05)


def _rules() -> list[Rule]:
    return list(merged(rules_of("voa", [MatchLimit.model_validate(each) for each in RULES])).values())


NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_delay_lets_a_burst_pass_and_then_one_at_a_time() -> None:
    rule = Rule("voa", delay_s=0.5, burst=3)
    tat, started = None, []
    for step in range(100):
        now = NOW + timedelta(milliseconds=20 * step)
        while has_room(rule, GateState(tat=tat), cores=1, now=now):
            tat = tat_after(rule, tat, jobs=1, now=now)
            started.append(step * 0.02)
    assert started[:4] == [0.0] * 4
    assert started[4:] == [pytest.approx(0.5 * n, abs=0.021) for n in range(1, 4)]


def test_of_rules_that_look_at_the_same_the_strictest_counts() -> None:
    one, other = (
        {"site": "S", "count": 5, "delay_s": 1},
        {"site": "S", "cores": 9, "count": 3, "delay_s": 2, "burst": 4},
    )
    [rule] = merged(rules_of("voa", [MatchLimit.model_validate(each) for each in (one, other)])).values()
    assert (rule.max_jobs, rule.max_cores, rule.delay_s, rule.burst) == (3, 9, 2, 4)
    assert rule.name == "voa site=S"
    every = Rule("voa", site="*", owner="*")
    values = {"site": "S", "ce": "", "job_type": "T", "owner_group": "g", "owner": "o"}
    assert every.key(values) == "voa site=* owner=*\x1fS\x1fo"
    assert every.shown(every.key(values)) == "site=S owner=o"
