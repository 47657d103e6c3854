"""Which files jobs read is kept once for each distinct set, answers searches, and goes with the last of the jobs."""

from collections.abc import Awaitable, Callable
from typing import Any

import sqlalchemy as sa
from tests.infra.app import Application
from tests.preparation.grids import PLAIN, STATIC, grid

from weyl.jobs.queries.removal import delete_jobs, lock_statuses
from weyl.jobs.ranges import to_ranges
from weyl.jobs.tables import job_input_sets, jobs
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.preparation.service.checks import check_jobs

Flow = Callable[..., Awaitable[list[int]]]


async def _check(db: Database, job_ids: list[int]) -> None:
    await check_jobs(db, to_ranges(sorted(job_ids)), config=grid(), now=utcnow(), rules=STATIC)


async def _sets(db: Database) -> dict[int, list[str]]:
    async with db.read() as tx:
        found = await tx.execute(sa.select(job_input_sets.c.input_set_id, job_input_sets.c.lfns))
        return {row.input_set_id: row.lfns for row in found}


async def _of_jobs(db: Database) -> dict[int, int | None]:
    async with db.read() as tx:
        found = await tx.execute(sa.select(jobs.c.job_id, jobs.c.input_set_id))
        return {row.job_id: row.input_set_id for row in found}


def data(*names: str, more: str = "") -> str:
    """Return a description that reads files."""
    listed = ", ".join(f'"{name}"' for name in names)
    return f"{PLAIN} InputData = {{{listed}}}; {more}"


async def test_each_distinct_set_is_kept_once(db: Database, submitted: Flow) -> None:
    both, turned, one, none, sandbox, missing = await submitted(
        data("LFN:/voa/both", "/voa/alpha"),
        data("/voa/alpha", "/voa/both"),
        data("/voa/alpha", more='TransformationID = "7";'),
        PLAIN,
        PLAIN + 'InputSandbox = {"a.sh", "LFN:/voa/alpha"};',
        data("/voa/nowhere"),
    )
    await _check(db, [both, turned, one, none, sandbox, missing])
    sets, of_jobs = await _sets(db), await _of_jobs(db)
    assert sorted(sets.values()) == [["/voa/alpha"], ["/voa/alpha", "/voa/both"], ["/voa/nowhere"]]
    assert of_jobs[both] == of_jobs[turned]
    assert of_jobs[one] == of_jobs[sandbox]
    assert (sets[of_jobs[missing] or 0], of_jobs[none]) == (["/voa/nowhere"], None)


async def test_keeping_sets_costs_one_statement_however_many_there_are(db: Database, submitted: Flow) -> None:
    counts = []
    for number in (1, 20, 2):  # the first one also makes the class of their requirements
        job_ids = await submitted(*(data(f"/voa/many/{number}-{each}") for each in range(number)))
        with db.count_statements() as count:
            await _check(db, job_ids)
        counts.append(len(count))
    assert counts[1] == counts[2]


async def test_a_set_goes_with_the_last_of_its_jobs(db: Database, submitted: Flow) -> None:
    first, second = await submitted(data("/voa/alpha"), data("/voa/alpha"))
    await _check(db, [first, second])
    for job_id, left in ((first, 1), (second, 0)):
        async with db.transaction() as tx:
            await lock_statuses(tx, [job_id])
            await delete_jobs(tx, [job_id])
        assert len(await _sets(db)) == left


async def test_jobs_are_found_by_a_file_that_they_read(application: Application, db: Database, submitted: Flow) -> None:
    both, alpha, other = await submitted(data("/voa/both", "/voa/alpha"), data("/voa/alpha"), data("/voa/beta"))
    await _check(db, [both, alpha, other])

    async def find(operator: str, value: Any, headers: dict[str, str] | None = None) -> tuple[int, list[int]]:
        values = {"values": value} if operator == "in" else {"value": value}
        condition = {"parameter": "InputFile", "operator": operator, **values}
        answer = await application.client.post(
            "/api/jobs/search",
            json={"parameters": ["JobID"], "search": [condition]},
            headers=headers or application.login(),
        )
        found = answer.json()
        return answer.status_code, [row["JobID"] for row in found] if isinstance(found, list) else []

    assert await find("eq", "/voa/alpha") == (200, [both, alpha])
    assert await find("eq", "LFN:/voa/both") == (200, [both])
    assert await find("in", ["/voa/beta", "/voa/both"]) == (200, [both, other])
    assert await find("eq", "/voa/alph") == (200, [])
    assert await find("eq", "/voa/alpha", application.login(vo="vob")) == (200, [])
    assert (await find("like", "/voa/%"))[0] == 400
