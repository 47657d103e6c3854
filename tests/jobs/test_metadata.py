"""Metadata at the door: one column and any parameter may be set, for all jobs of a request or for none."""

from typing import Any

import pytest
from sqlalchemy import text
from tests.infra.app import Application
from tests.jobs.conftest import MakeJobs, Rows

from weyl.kit.db import DATABASE, Database

URL = "/api/jobs/metadata"
STAMP = "a" * 32


async def patch(application: Application, body: Any, **login: Any) -> int:
    """Send metadata as alice and return the status."""
    return (await application.client.patch(URL, json=body, headers=application.login(**login))).status_code


async def parameters(application: Application, job_id: int) -> Any:
    """Return the parameters of a job."""
    return (await application.client.get(f"/api/jobs/{job_id}/parameters", headers=application.login())).json()


async def test_who_may_not(application: Application, make_jobs: MakeJobs, row: Rows) -> None:
    (job_id,) = await make_jobs()
    body = {job_id: {"Site": "LCG.X", "a": 1}}
    assert (await application.client.patch(URL, json=body)).status_code == 401
    assert await patch(application, body, user="bob") == 403
    assert await patch(application, body, vo="vob") == 403
    assert await patch(application, body, vo="vob", group="admin") == 404
    assert await patch(application, body, group="service") == 403
    assert (await application.client.patch(URL, json=body, headers=application.pilot(STAMP))).status_code == 403
    assert await row(job_id, "site") == "ANY"


async def test_an_unknown_job_is_404_also_when_only_its_site_is_set(
    application: Application, make_jobs: MakeJobs, row: Rows
) -> None:
    (job_id,) = await make_jobs()
    body = {job_id: {"Site": "LCG.X"}, 999_999: {"Site": "LCG.X"}, 2**70: {}}
    assert await patch(application, body, group="admin") == 404
    assert await patch(application, body) == 403
    assert await row(job_id, "site") == "ANY"


async def test_site_and_parameters_are_set(application: Application, make_jobs: MakeJobs, row: Rows) -> None:
    first, second = await make_jobs(2)
    body = {
        first: {"Site": "LCG.X", "HostName": "wn1", "Any name": {"a": [1, None, 2**80]}, "skipped": None},
        second: {"Site": None, "NormCPUTime(s)": "12.7", "TotalCPUTime(s)": 3.9, "Memory(MB)": 5, "timestamp": None},
    }
    assert await patch(application, body) == 204
    assert await row(first, "site") == "LCG.X"
    assert await row(second, "site") == "ANY"
    found = await parameters(application, first)
    assert found.pop("Any name")["a"][:2] == [1, None]
    assert found == {"HostName": "wn1"}
    assert await parameters(application, second) == {"NormCPUTime(s)": 12, "TotalCPUTime(s)": 3, "Memory(MB)": 5}
    assert await patch(application, {first: {"HostName": "wn2", "timestamp": "2026-11-01T00:00:00+01:00"}}) == 204
    found = await parameters(application, first)
    assert (found["HostName"], found["timestamp"]) == ("wn2", "2026-10-31T23:00:00Z")


async def test_a_job_that_a_pilot_has_is_where_the_pilot_is(
    application: Application, make_jobs: MakeJobs, row: Rows, db: Database
) -> None:
    first, second = await make_jobs(2)
    async with db.transaction() as tx:
        await tx.execute(
            text("UPDATE jobs SET status = 'Running', pilot_stamp = :stamp, site = 'LCG.Alpha.org' WHERE job_id = :id"),
            {"stamp": STAMP, "id": second},
        )
    body = {first: {"Site": "LCG.X"}, second: {"Site": "LCG.X", "a": 1}}
    assert await patch(application, body) == 400
    assert (await row(first, "site"), await row(second, "site")) == ("ANY", "LCG.Alpha.org")
    assert await parameters(application, second) == {}
    assert await patch(application, {second: {"Site": "LCG.Alpha.org", "a": 1}}) == 204


async def test_other_columns_are_not_parameters_and_nothing_is_written(
    application: Application, make_jobs: MakeJobs, row: Rows
) -> None:
    first, second = await make_jobs(2)
    for name, value in (("Status", "Done"), ("Owner", "bob"), ("JobID", 5), ("UserPriority", 3), ("VO", "vob")):
        assert await patch(application, {first: {"Site": "LCG.X", "a": 1}, second: {name: value}}) == 400
    assert await row(first, "site") == "ANY"
    assert await parameters(application, first) == {}
    assert await patch(application, {first: {"Owner": None}}) == 204


@pytest.mark.parametrize(
    "value",
    [b"NaN", b"[1, {}, [Infinity]]", b'{"a": {"b": -Infinity}}', b"1e999"],
)
@pytest.mark.parametrize("name", [b"extra", b"NormCPUTime(s)", b"Memory(MB)"])
async def test_non_finite_numbers_are_refused_at_any_depth(
    application: Application, make_jobs: MakeJobs, name: bytes, value: bytes
) -> None:
    (job_id,) = await make_jobs()
    headers = application.login() | {"Content-Type": "application/json"}
    body = b'{"%d": {"fine": 1, "%s": %s}}' % (job_id, name, value)
    answer = await application.client.patch(URL, content=body, headers=headers)
    assert answer.status_code == 422
    if name == b"extra":
        assert "non-finite" in answer.text
    assert await parameters(application, job_id) == {}


@pytest.mark.parametrize(
    "data",
    [
        {"Memory(MB)": "many"},
        {"HostName": 5},
        {"a\x00": 1},
        {"a": "x\x00y"},
        {"a": ["\x00"]},
        {"": 1},
        {"n" * 300: 1},
        {"Site": "s" * 101},
        {"timestamp": "soon"},
        [],
    ],
)
async def test_what_cannot_be_stored_is_malformed(application: Application, make_jobs: MakeJobs, data: Any) -> None:
    (job_id,) = await make_jobs()
    assert await patch(application, {job_id: data}) == 422


async def test_documents_nested_without_end_are_malformed(application: Application, make_jobs: MakeJobs) -> None:
    (job_id,) = await make_jobs()
    document: Any = 1
    for _ in range(150):
        document = [document]
    assert await patch(application, {job_id: {"deep": document}}) == 422


async def test_a_hundred_jobs_cost_a_handful_of_statements(application: Application, make_jobs: MakeJobs) -> None:
    job_ids = await make_jobs(100)
    body = {job_id: {"Site": "LCG.X", "HostName": "wn1", "n": 1} for job_id in job_ids}
    with application.services[DATABASE].count_statements() as statements:
        assert await patch(application, body) == 204
    assert len(statements) == 4, statements.statements


async def test_no_job_is_no_change(application: Application) -> None:
    assert await patch(application, {}) == 204
