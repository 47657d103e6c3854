"""Whether the payload of a lost run may have started: every status, with and without the word of its pilot."""

import re
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.infra.app import Application
from tests.jobs.conftest import MakeJobs, Rows
from tests.jobs.test_stalled import NOT_RUNNING, OTHER, STAMP, config

from weyl.jobs.service.end_of_pilot import end_of_pilot
from weyl.jobs.starts import LOST_IN_SETUP, MAY_HAVE_STARTED, start_of
from weyl.jobs.states import ACTIVE
from weyl.jobs.tables import job_attempts
from weyl.kit.clock import utcnow
from weyl.kit.db import Database


def test_the_table_of_the_documentation_is_what_decides() -> None:
    page = (Path(__file__).parents[2] / "docs" / "developer" / "job-states.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (\w+) \| (\w+) \|$", page, re.MULTILINE)
    assert {status for status, *_ in rows} == ACTIVE
    for status, without_word, noted, not_noted in rows:
        assert start_of(7, status, None) == without_word
        assert start_of(7, status, frozenset({7})) == start_of(7, status, {7, 8}) == noted
        assert start_of(7, status, frozenset()) == start_of(7, status, {8}) == not_noted


async def test_with_the_word_of_its_pilot_a_job_that_did_not_start_waits_again_for_nothing(
    db: Database, make_jobs: MakeJobs, row: Rows
) -> None:
    started, waiting, preparing = await make_jobs(3, status="Matched", pilot=STAMP)
    (elsewhere,) = await make_jobs(status="Matched", pilot=OTHER)
    async with db.transaction() as tx:
        await tx.execute(sa.text("UPDATE jobs SET status = 'Running' WHERE job_id = :id"), {"id": preparing})
        starts = {STAMP: frozenset({started, elsewhere})}
        await end_of_pilot(tx, [STAMP, OTHER], config=config(), now=utcnow(), reason=NOT_RUNNING, starts=starts)
    found = {job_id: await row(job_id) for job_id in (started, waiting, preparing, elsewhere)}
    assert {job_id: (each["status"], each["minor_status"]) for job_id, each in found.items()} == {
        started: ("Failed", NOT_RUNNING),
        waiting: ("Received", "Job Rescheduled"),
        preparing: ("Received", "Job Rescheduled"),
        elsewhere: ("Failed", MAY_HAVE_STARTED),
    }
    assert not any(found[job_id]["reschedule_counter"] for job_id in (waiting, preparing))
    assert [found[job_id]["overrides"] for job_id in (waiting, preparing)] == [None, {"retries": {"setup": 1}}]


@pytest.mark.parametrize(("retries", "again"), [(0, 3), (1, 4)])
async def test_a_job_whose_set_up_ends_its_pilots_fails_in_the_end(
    db: Database, make_jobs: MakeJobs, row: Rows, history: Rows, retries: int, again: int
) -> None:
    rules = config(retries=retries)
    (job_id,) = await make_jobs(status="Matched", pilot=STAMP)

    async def lose(status: str) -> str:
        async with db.transaction() as tx:
            bind = "UPDATE jobs SET status = :status, pilot_stamp = :stamp WHERE job_id = :id"
            await tx.execute(sa.text(bind), {"status": status, "stamp": STAMP, "id": job_id})
            starts = {STAMP: frozenset[int]()}
            await end_of_pilot(tx, [STAMP], config=rules, now=utcnow(), reason=NOT_RUNNING, starts=starts)
        return str(await row(job_id, "status"))

    assert [await lose("Running") for _ in range(again)] == ["Received"] * again
    assert [await lose("Matched") for _ in range(4)] == ["Received"] * 4
    assert await lose("Running") == "Failed"
    assert (await history(job_id))[-1][:2] == ("Failed", LOST_IN_SETUP)
    async with db.read() as tx:
        attempts = (await tx.execute(sa.select(job_attempts.c.error_class).order_by(job_attempts.c.attempt))).scalars()
        assert list(attempts) == [None] * 3 + ["pilot"] * retries + [None] * 4


async def test_what_may_have_started_is_run_again_as_often_as_what_has(
    db: Database, make_jobs: MakeJobs, row: Rows
) -> None:
    rules = config(retries=1)
    (job_id,) = await make_jobs(status="Matched", pilot=STAMP)
    for expected in ("Received", "Failed"):
        async with db.transaction() as tx:
            bind = "UPDATE jobs SET status = 'Matched', pilot_stamp = :stamp WHERE job_id = :id"
            await tx.execute(sa.text(bind), {"stamp": STAMP, "id": job_id})
            await end_of_pilot(tx, [STAMP], config=rules, now=utcnow(), reason=NOT_RUNNING)
        assert await row(job_id, "status") == expected
    async with db.read() as tx:
        attempts = (await tx.execute(sa.select(job_attempts.c.minor_status, job_attempts.c.error_class))).all()
    assert [tuple(attempt) for attempt in attempts] == [(MAY_HAVE_STARTED, "pilot")]


@pytest.mark.parametrize(
    ("says", "lost"), [({"StartedJobs": [0, 10**9]}, [1, 0]), ({"StartedJobs": []}, [0, 0]), ({}, [1, 1])]
)
async def test_a_pilot_that_ends_says_which_of_its_jobs_it_started(
    application: Application, make_jobs: MakeJobs, row: Rows, says: dict[str, list[int]], lost: list[int]
) -> None:
    registration = {"pilot_stamp": STAMP, "vo": "voa"}
    headers = application.login(group="service")
    answer = await application.client.post("/api/pilots/", json=registration, headers=headers)
    assert answer.status_code == 201
    job_ids = await make_jobs(2, status="Matched", pilot=STAMP)
    said = {name: [job_ids[0] if each == 0 else each for each in started] for name, started in says.items()}
    # What somebody else says of its starts is no word of its own.
    for body, login in (
        ({"Status": "Running", "StartedJobs": []}, headers),
        ({"Status": "Done", **said}, application.pilot(STAMP)),
    ):
        answer = await application.client.patch("/api/pilots/metadata", json={STAMP: body}, headers=login)
        assert answer.status_code == 204
    found = [await row(job_id) for job_id in job_ids]
    assert [each["status"] for each in found] == ["Received"] * 2
    assert [((each["overrides"] or {}).get("retries") or {}).get("host", 0) for each in found] == lost
