"""Where a caller might cross a border: to jobs of another VO, of another owner, of another run."""

from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from tests.infra.app import Application, Installation, config_document
from tests.jobs.conftest import MakeJobs, Rows

Login = Callable[..., dict[str, str]]
STAMP, OTHER = "a" * 32, "b" * 32
AT = "2026-11-25T00:00:00Z"
PFN = f"/S3/sandboxes/voa/user/alice/sha256:{'0' * 64}.tar.bz2"


async def everything(client: httpx2.AsyncClient, job_id: int, headers: dict[str, str]) -> dict[str, int]:
    """Try all that can be done to a job, and return the status of each attempt."""
    by_id = {"json": {"job_ids": [job_id]}}
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("PATCH", "/api/jobs/status", {"json": {str(job_id): {AT: {"Status": "Done"}}}}),
        ("PATCH", "/api/jobs/heartbeat", {"json": {str(job_id): {"MemoryUsed": 1}}}),
        ("PATCH", "/api/jobs/metadata", {"json": {str(job_id): {"HostName": "x"}}}),
        ("POST", "/api/jobs/reschedule", by_id),
        ("POST", "/api/jobs/kill", by_id),
        ("POST", "/api/jobs/delete", by_id),
        ("POST", "/api/jobs/sandbox/unassign", by_id),
        ("DELETE", f"/api/jobs/{job_id}/sandbox", {}),
        ("PATCH", f"/api/jobs/{job_id}/sandbox/output", {"json": PFN}),
        ("PUT", f"/api/jobs/{job_id}/outputs", {"json": {"manifest": {"v": 1, "job_id": job_id, "status": "success"}}}),
        *(("GET", f"/api/jobs/{job_id}/{name}", {}) for name in ("jdl", "requirements", "parameters", "history")),
        *(("GET", f"/api/jobs/{job_id}/{name}", {}) for name in ("input-object", "outputs")),
        *(("GET", f"/api/jobs/{job_id}/{name}", {}) for name in ("sandbox", "sandbox/input")),
        ("POST", f"/api/matcher/jobs/{job_id}/token", {}),
    ]
    return {
        f"{method} {path}": (await client.request(method, path, headers=headers, **request)).status_code
        for method, path, request in calls
    }


async def test_tokens_reach_the_job_of_their_run_and_no_other(
    application: Application, make_jobs: MakeJobs, row: Rows
) -> None:
    [mine, beside] = await make_jobs(2, pilot=STAMP, status="Running")
    [elsewhere] = await make_jobs(pilot=OTHER, status="Running")
    [foreign] = await make_jobs(pilot=STAMP, status="Running", vo="vob")
    strangers = [
        (beside, application.payload(mine, stamp=STAMP)),
        (elsewhere, application.payload(mine, stamp=STAMP)),
        (foreign, application.payload(mine, stamp=STAMP)),
        # Right in all but one: the pilot, the VO.
        (mine, application.payload(mine, stamp=OTHER)),
        (mine, application.payload(mine, stamp=STAMP, vo="vob")),
        (elsewhere, application.pilot(STAMP)),
        (foreign, application.pilot(STAMP)),
        (mine, application.pilot(STAMP, vo="vob")),
    ]
    for job_id, headers in strangers:
        before = dict(await row(job_id))
        statuses = await everything(application.client, job_id, headers)
        assert set(statuses.values()) <= {403, 404}, statuses
        assert dict(await row(job_id)) == before


async def test_an_old_pilot_stops_at_the_own_vo(application: Application, make_jobs: MakeJobs, row: Rows) -> None:
    [foreign] = await make_jobs(pilot=STAMP, status="Running", vo="vob")
    before = dict(await row(foreign))
    statuses = await everything(application.client, foreign, application.login(group="pilot"))
    assert set(statuses.values()) <= {400, 403, 404}, statuses
    assert dict(await row(foreign)) == before


async def test_where_old_pilots_are_shut_out_they_reach_no_sandbox_either(
    start_application: Any, installation: Installation, make_jobs: MakeJobs
) -> None:
    document = config_document()
    document["Operations"] = {"voa": {"Pilots": {"AllowLegacyTokens": False}}}
    installation.commit_config(document, "No old pilots")
    try:
        application: Application = await start_application()
        [job_id] = await make_jobs(pilot=STAMP, status="Running")
        statuses = await everything(application.client, job_id, application.login(group="pilot"))
        assert set(statuses.values()) == {403}, statuses
    finally:
        installation.commit_config(config_document(), "Old pilots again")


async def test_an_administrator_of_services_reads_lists_and_touches_no_job(
    application: Application, make_jobs: MakeJobs, row: Rows
) -> None:
    [own] = await make_jobs(status="Running")
    [foreign] = await make_jobs(status="Running", vo="vob")
    for headers in (
        application.login(group="service"),
        application.login(group="user", properties=["ServiceAdministrator"]),
        application.login(group="admin", properties=["ServiceAdministrator"]),
    ):
        statuses = await everything(application.client, foreign, headers)
        # An administrator finds no sandboxes where there is no job, nor where it is another VO's.
        listed = {statuses.pop(f"GET /api/jobs/{foreign}/{name}") for name in ("sandbox", "sandbox/input")}
        assert listed <= {200, 403}
        assert set(statuses.values()) <= {400, 403, 404}, statuses
    statuses = await everything(application.client, own, application.login(user="bob", group="service"))
    assert set(statuses.values()) == {403}, statuses
    assert await row(own, "status") == await row(foreign, "status") == "Running"
    searched = await application.client.post("/api/jobs/search", headers=application.login(group="service"))
    assert searched.status_code == 403


CONDITIONS: list[dict[str, Any]] = [
    {"parameter": "PilotStamp", "operator": "eq", "value": OTHER},
    {"parameter": "PilotStamp", "operator": "in", "values": [OTHER]},
    {"parameter": "VO", "operator": "eq", "value": "vob"},
    {"parameter": "VO", "operator": "neq", "value": "voa"},
    {"parameter": "VO", "operator": "in", "values": ["vob"]},
    {"parameter": "VO", "operator": "not in", "values": ["voa"]},
    {"parameter": "VO", "operator": "gt", "value": "voa"},
    {"parameter": "VO", "operator": "like", "value": "vob%"},
    {"parameter": "VO", "operator": "regex", "value": "^vob"},
    {"parameter": "JobName", "operator": "eq", "value": "secret"},
]


@pytest.mark.parametrize(
    "condition", CONDITIONS, ids=lambda condition: f"{condition['parameter']}-{condition['operator']}"
)
async def test_no_condition_finds_or_counts_jobs_of_another_vo(
    application: Application, make_jobs: MakeJobs, condition: dict[str, Any]
) -> None:
    await make_jobs(3, vo="vob", pilot=OTHER, job_name="secret")
    await make_jobs(pilot=STAMP)
    client, alice = application.client, application.login()
    for extra in ({}, {"parameters": ["VO"], "distinct": True}, {"sort": [{"parameter": "VO", "direction": "desc"}]}):
        body = {"search": [condition], **extra}
        found = await client.post("/api/jobs/search?per_page=1", headers=alice, json=body)
        assert (found.status_code, found.json(), found.headers.get("content-range")) == (200, [], None)
        beyond = await client.post("/api/jobs/search?page=2&per_page=1", headers=alice, json=body)
        assert (beyond.status_code, beyond.headers["content-range"]) == (416, "jobs */0")
    for grouping in (["VO"], ["Status"], ["JobName"], []):
        body = {"grouping": grouping, "search": [condition]}
        assert (await client.post("/api/jobs/summary", headers=alice, json=body)).json() == []


async def test_totals_count_the_own_vo_only(application: Application, make_jobs: MakeJobs) -> None:
    await make_jobs(3, vo="vob", pilot=OTHER)
    await make_jobs(2, pilot=STAMP)
    client, alice = application.client, application.login()
    bodies: list[dict[str, Any]] = [
        {},
        {"sort": [{"parameter": "Owner", "direction": "desc"}]},
        {"search": [{"parameter": "Status", "operator": "eq", "value": "Received"}]},
        {"search": [{"parameter": "PilotStamp", "operator": "in", "values": [STAMP, OTHER]}]},
        {"search": [{"parameter": "JobName", "operator": "not in", "values": []}]},
        {"parameters": ["JobID", "VO"], "distinct": True},
    ]
    for body in bodies:
        answer = await client.post("/api/jobs/search?per_page=1", headers=alice, json=body)
        assert answer.headers["content-range"] == "jobs 0-0/2", body
    for grouping in (["VO"], ["VO", "UserPriority"], ["VO", "VO"]):
        counted = await client.post("/api/jobs/summary", headers=alice, json={"grouping": grouping, "search": []})
        assert [(row["VO"], row["count"]) for row in counted.json()] == [("voa", 2)]


async def test_a_key_of_somebody_else_tells_nothing(application: Application) -> None:
    client, text = application.client, ['Executable = "/bin/true";']
    key = {"Idempotency-Key": "the-same"}
    first = await client.post("/api/jobs/jdl", headers={**application.login(), **key}, json=text)
    assert first.status_code == 201
    for other in (application.login("bob"), application.login(vo="vob")):
        answer = await client.post("/api/jobs/jdl", headers={**other, **key}, json=text)
        assert answer.status_code == 201
        assert answer.json()[0]["JobID"] != first.json()[0]["JobID"]


async def test_numbers_of_any_length_are_read_back(application: Application, make_jobs: MakeJobs) -> None:
    [job_id] = await make_jobs()
    client, alice = application.client, application.login()
    values = {
        "big": 2**64,
        "bigger": 10**400,
        "deep": [{"a": 10**400}],
        "Memory(MB)": 10**400,
        "NormCPUTime(s)": "1e308",
    }
    for name, value in values.items():
        stored = await client.patch("/api/jobs/metadata", headers=alice, json={str(job_id): {name: value}})
        assert stored.status_code in (204, 422), stored.text
        read = await client.get(f"/api/jobs/{job_id}/parameters", headers=alice)
        assert read.status_code == 200, read.text
