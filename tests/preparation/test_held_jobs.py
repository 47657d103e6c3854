"""Jobs that are held: how long, who wakes them, what their owner is told, and that none is forgotten."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from tests.infra.app import Application, config_document
from tests.jobs.conftest import MakeJobs, Rows
from tests.preparation.grids import ALPHA, PLAIN, STATIC, OverHTTP, Recording, grid, serve_catalog

from weyl.config.models import Config
from weyl.jobs import tasks as jobs_tasks
from weyl.jobs.permits import Managed
from weyl.jobs.ranges import to_ranges
from weyl.jobs.retries import ErrorClass
from weyl.jobs.service.holds import wake
from weyl.jobs.service.reschedule import reschedule
from weyl.jobs.service.retry import settle
from weyl.jobs.tables import job_descriptions, job_holds, jobs
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.kit.task import Run
from weyl.preparation.additions import PreparationRules
from weyl.preparation.service import replicas
from weyl.preparation.service.checks import check_jobs
from weyl.preparation.tasks import HELD_JOBS, tasks

Flow = Callable[..., Awaitable[list[int]]]
ON_ALPHA = PLAIN + 'InputData = "/voa/alpha";'
BANNED = {"ALPHA-DISK": "disks are being replaced"}
ADMIN = {"group": "service"}


async def _check(
    db: Database,
    job_ids: list[int],
    config: Config,
    *,
    now: datetime | None = None,
    rules: PreparationRules = STATIC,
) -> datetime:
    at = now or utcnow()
    await check_jobs(db, to_ranges(sorted(job_ids)), config=config, now=at, rules=rules)
    return at


async def _holds(db: Database) -> dict[int, dict[str, Any]]:
    async with db.read() as tx:
        return {row["job_id"]: dict(row) for row in (await tx.execute(sa.select(job_holds))).mappings()}


async def _enqueued(db: Database) -> list[int]:
    """Return the jobs whose checks wait, and forget these."""
    async with db.transaction() as tx:
        wanted = "DELETE FROM pgqueuer WHERE entrypoint = 'jobs.check_jobs' RETURNING payload"
        payloads = [json.loads(payload) for payload in (await tx.execute(sa.text(wanted))).scalars()]
    ranges = [bounds for payload in payloads for bounds in payload["ranges"]]
    return sorted(job_id for first, last in ranges for job_id in range(first, last + 1))


async def _wake(db: Database, config: Config, now: datetime | None = None) -> list[int]:
    await _enqueued(db)
    async with db.transaction() as tx:
        await wake(tx, config, now or utcnow())
    return await _enqueued(db)


async def test_a_job_whose_sites_are_all_closed_is_held_and_goes_on_when_one_opens(
    application: Application, db: Database, submitted: Flow
) -> None:
    held, other, probe = await submitted(
        PLAIN + f'Site = "{ALPHA}";', PLAIN, PLAIN + f'Site = "{ALPHA}"; JobType = "Test";'
    )
    order = {"kind": "site", "name": ALPHA, "status": "Banned", "reason": "flood"}
    url, headers = "/api/rss/status", application.login(**ADMIN)
    assert (await application.client.patch(url, json=[order], headers=headers)).status_code == 200
    config = Config.model_validate(config_document())
    await _check(db, [held, other, probe], config)
    async with db.read() as tx:
        found = {row.job_id: row.status for row in await tx.execute(sa.select(jobs.c.job_id, jobs.c.status))}
    assert found == {held: "Checking", other: "Waiting", probe: "Waiting"}
    told = (await application.client.get(f"/api/jobs/{held}/explain", headers=application.login())).json()
    assert (told["hold"]["reason"], told["hold"]["waits_for"]) == ("closed_site", [f"site:{ALPHA}"])
    assert told["verdict"].startswith(
        f"It is held before it may wait for a pilot: No site takes work now that it may run at: {ALPHA}: flood."
        f" It is looked at again as soon as the site {ALPHA} can be used, at the latest at "
    )
    for stranger in ({"user": "bob"}, {"vo": "vob"}):
        answer = await application.client.get(f"/api/jobs/{held}/explain", headers=application.login(**stranger))
        assert answer.status_code == 403
    assert await _wake(db, config) == []
    order = {"kind": "site", "name": ALPHA, "status": "Active"}
    assert (await application.client.patch(url, json=[order], headers=headers)).status_code == 200
    await application.seen()
    assert await _enqueued(db) == [held]
    await _check(db, [held], config)
    assert await _holds(db) == {}


async def test_a_storage_element_that_can_be_read_again_wakes_the_jobs_that_name_it_and_no_others(
    db: Database, submitted: Flow
) -> None:
    one, two, elsewhere = await submitted(ON_ALPHA, ON_ALPHA, PLAIN + 'InputData = "/voa/beta";')
    both = {**BANNED, "BETA-DISK": "full"}
    await _check(db, [one, two, elsewhere], grid(banned=both))
    assert (await _holds(db))[one]["names"] == ["se:ALPHA-DISK"]
    assert await _wake(db, grid(banned=both)) == []
    assert await _wake(db, grid(banned={"BETA-DISK": "full"})) == [one, two]
    # enqueued once: the next look finds nothing new
    assert await _wake(db, grid(banned={"BETA-DISK": "full"})) == []
    await _check(db, [one, two, elsewhere], grid(banned={"BETA-DISK": "full"}))
    assert list(await _holds(db)) == [elsewhere]


async def test_the_timer_is_the_net_and_a_check_that_was_lost_is_made_good(db: Database, submitted: Flow) -> None:
    [job_id] = await submitted(ON_ALPHA)
    now = await _check(db, [job_id], grid(banned=BANNED))
    assert await _wake(db, grid(banned=BANNED), now + timedelta(seconds=599)) == []
    assert await _wake(db, grid(banned=BANNED), now + timedelta(seconds=600)) == [job_id]
    assert await _wake(db, grid(banned=BANNED), now + timedelta(seconds=700)) == []
    assert await _wake(db, grid(banned=BANNED), now + timedelta(seconds=4_300)) == [job_id]
    # a task that comes while the job is held does nothing; one that comes for a woken job holds it anew
    await _check(db, [job_id], grid(banned=BANNED), now=now + timedelta(seconds=4_301))
    again = (await _holds(db))[job_id]
    assert (again["since"], again["woken_at"], again["tries"]) == (now, None, 1)
    await _check(db, [job_id], grid(), now=now + timedelta(seconds=4_302))
    assert (await _holds(db))[job_id] == again


async def test_an_unreachable_catalogue_holds_for_longer_and_longer_until_it_answers(
    db: Database, submitted: Flow
) -> None:
    server = await serve_catalog(lambda names: (200, {name: ["ALPHA-DISK"] for name in names}))
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    rules = PreparationRules(catalogs={"http": OverHTTP(port)})
    first, second = await submitted(ON_ALPHA, ON_ALPHA)
    now, waits = utcnow(), []
    for _ in range(8):
        await _check(db, [first], grid(Catalog="http"), now=now, rules=rules)
        waits.append(((await _holds(db))[first]["hold_until"] - now).total_seconds())
        now = (await _holds(db))[first]["hold_until"]
    assert waits == [60, 120, 240, 480, 960, 1_920, 3_600, 3_600]
    assert (await _holds(db))[first]["text"] == (
        "The file catalogue http cannot be reached: connection failed: ConnectionRefusedError"
    )

    answers = [(500, {}), (200, {"/voa/alpha": ["ALPHA-DISK"]})]
    async with await serve_catalog(lambda _: answers.pop(0)) as server:
        rules = PreparationRules(catalogs={"http": OverHTTP(server.sockets[0].getsockname()[1])})
        await _check(db, [second], grid(Catalog="http"), now=now, rules=rules)
        assert (await _holds(db))[second]["text"].endswith("HTTP/1.0 500 Said")
        await _enqueued(db)
        await _check(db, [second], grid(Catalog="http"), now=now + timedelta(seconds=61), rules=rules)
    assert list(await _holds(db)) == [first]
    # an answer to one job is news for all that wait for the catalogue
    assert await _enqueued(db) == [first]


@pytest.mark.parametrize(
    ("fault", "told"),
    [(TimeoutError(), "it did not answer within"), (ZeroDivisionError(), "it failed; the log of the worker says how")],
)
async def test_a_catalogue_that_hangs_or_breaks_holds_the_job(
    db: Database, submitted: Flow, monkeypatch: pytest.MonkeyPatch, *, fault: Exception, told: str
) -> None:
    async def meanwhile() -> None:
        if isinstance(fault, TimeoutError):
            await asyncio.Event().wait()
        raise fault

    monkeypatch.setattr(replicas, "CATALOG_TIMEOUT_S", 0.05)
    [job_id, other] = await submitted(ON_ALPHA, PLAIN)
    await _check(db, [job_id, other], grid(), rules=PreparationRules(catalogs={"static": Recording(meanwhile)}))
    assert list(await _holds(db)) == [job_id]
    assert told in (await _holds(db))[job_id]["text"]


async def test_a_job_that_failed_for_a_file_waits_and_has_its_replicas_looked_up_again(
    application: Application, db: Database, make_jobs: MakeJobs, row: Rows
) -> None:
    [job_id] = await make_jobs(status="Failed", pilot="a" * 32)
    async with db.transaction() as tx:
        document = {"Executable": "/bin/date", "InputData": "/voa/alpha"}
        await tx.execute(sa.update(job_descriptions).values(document=document))
        now = utcnow()
        assert await settle(tx, {job_id: ErrorClass.INPUT_DATA}, config=grid(), now=now) == {job_id}
    hold = (await _holds(db))[job_id]
    assert (hold["reason"], hold["hold_until"]) == ("retry", now + timedelta(seconds=600))
    told = (await application.client.get(f"/api/jobs/{job_id}/explain", headers=application.login())).json()
    assert "the files are looked for again. It is looked at again at " in told["verdict"]
    catalog = Recording()
    rules = PreparationRules(catalogs={"static": catalog})
    await _check(db, [job_id], grid(), rules=rules)
    assert (await row(job_id, "status"), catalog.questions) == ("Received", [])
    later = now + timedelta(seconds=600)
    assert await _wake(db, grid(), later) == [job_id]
    await _check(db, [job_id], grid(), rules=rules, now=later)
    assert (await row(job_id, "status"), catalog.questions) == ("Waiting", [("voa", ["/voa/alpha"])])


async def test_a_held_job_that_is_rescheduled_is_checked_at_once_and_one_that_is_killed_is_forgotten(
    db: Database, submitted: Flow
) -> None:
    again, killed = await submitted(ON_ALPHA, ON_ALPHA)
    await _check(db, [again, killed], grid(banned=BANNED))
    await _enqueued(db)
    async with db.transaction() as tx:
        await reschedule(tx, Managed({again: None}, frozenset()), config=grid(), now=utcnow())
        await tx.execute(sa.update(jobs).where(jobs.c.job_id == killed).values(status="Killed"))
    assert await _enqueued(db) == [again]
    assert list(await _holds(db)) == [killed]

    class Store:
        def current(self) -> Any:
            return type("Snapshot", (), {"config": grid()})

    store: Any = Store()
    bound = {each.task.name: each for each in (*tasks(db, store), *jobs_tasks.tasks(db, store))}
    async with db.read() as tx:
        is_needed = bound[HELD_JOBS.name].is_needed
        assert is_needed is not None
        assert await is_needed(tx)
    await bound[HELD_JOBS.name].handler(None, Run(0, 1))
    assert await _enqueued(db) == [killed]
    await bound[jobs_tasks.HOUSEKEEPING.name].handler(None, Run(0, 1))
    assert await _holds(db) == {}
    async with db.read() as tx:
        assert not await is_needed(tx)


async def test_many_held_jobs_are_woken_in_few_statements(db: Database, submitted: Flow) -> None:
    job_ids = await submitted(ON_ALPHA + "Parameters = 20000;")
    await _check(db, job_ids, grid(banned=BANNED))
    assert len(await _holds(db)) == 20_000
    await _enqueued(db)
    with db.count_statements() as count:
        async with db.transaction() as tx:
            assert await wake(tx, grid(), utcnow()) == 20_000
    assert len(count) < 10
    assert await _enqueued(db) == job_ids
