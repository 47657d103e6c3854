"""Another VO's data do not exist for you: one case a route, and a route without a case fails.

The intruder is bob of `vob`, once as a member and once as its administrator; what he asks for is alice's, of `voa`.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from tests.app import file_cases
from tests.app.open_routes import MEANT_FOR_NODES, OPEN
from tests.infra.app import Application
from tests.infra.routes import operations
from tests.matcher.conftest import OFFER

from weyl.app import create_app
from weyl.kit.db import Database
from weyl.settings import Settings

MARK = "marie-skłodowska"
STAMP = "a" * 32
JDL = f'Executable = "/bin/true"; JobName = "{MARK}"; JobGroup = "{MARK}";'
UNKNOWN_ID = "01890a5d-ac96-774b-bcce-b302099a8057"
UNKNOWN_BUNDLE = "0" * 64
UNKNOWN_PFN = f"/S3/sandboxes/voa/user/alice/sha256:{'0' * 64}.tar.bz2"


@dataclass(frozen=True)
class World:
    """What alice has, and how to look at all of it."""

    application: Application
    db: Database
    job_id: int
    pfn: str
    operation_id: str = "01890a5d-ac96-774b-bcce-b302099a8058"
    lfn: str = file_cases.LFN
    file_id: int = file_cases.FILE_ID

    async def digest(self) -> dict[str, str | None]:
        """Return a digest of every table, so that any change shows."""
        async with self.db.read() as tx:
            names = await tx.execute(
                text("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
            )
            return {
                name: await tx.scalar(
                    text(f"SELECT md5(string_agg(t::text, '\\n' ORDER BY t::text)) FROM \"{name}\" t")
                )
                for (name,) in names.all()
            }


@dataclass(frozen=True)
class Case:
    """What the intruder sends, and what he may be told."""

    statuses: set[int]
    path: Callable[[World], dict[str, object]] = lambda world: {}
    body: Callable[[World], Any] | None = None
    query: Callable[[World], dict[str, str]] = lambda world: {}


def of_job(*statuses: int, body: Callable[[World], Any] | None = None, **path: object) -> Case:
    """Return a case whose path names alice's job."""
    return Case(set(statuses), path=lambda world: {"job_id": world.job_id, **path}, body=body)


def by_ids(*statuses: int) -> Case:
    """Return a case whose body names alice's job."""
    return Case(set(statuses), body=lambda world: {"job_ids": [world.job_id]})


def of_workflow(**path: object) -> Case:
    """Return a case whose path names a workflow; those of other VOs look like it: tests/cwl."""
    return Case({404}, path=lambda _: {"workflow_id": UNKNOWN_BUNDLE, **path})


NOTHING = {403, 404}
EVER = {"start": "2025-01-01T00:00:00Z", "end": "2030-01-01T00:00:00Z"}
SITE_OF_A = {"kind": "site", "name": "LCG.Alpha.org", "vo": "voa"}
UPDATE = {"2026-11-25T00:00:00Z": {"Status": "Killed", "MinorStatus": "Marked for termination", "Source": "intruder"}}

CASES = {
    "GET /api/auth/userinfo": Case({200}),
    "GET /api/auth/refresh-tokens": Case({200}),
    "GET /api/auth/web/me": Case({401}),
    "POST /api/auth/web/switch": Case({401}, body=lambda _: {"group": "admin", "vo": "voa"}),
    "GET /api/auth/web/sessions": Case({200}),
    "DELETE /api/auth/web/sessions/{session_id}": Case(NOTHING, path=lambda _: {"session_id": UNKNOWN_ID}),
    "DELETE /api/auth/refresh-tokens/{jti}": Case(NOTHING, path=lambda _: {"jti": UNKNOWN_ID}),
    # The configuration document is the installation's, the same for all by contract.
    "GET /api/config/": Case({200}),
    "GET /api/config/history": Case({403}),
    "GET /api/config/diff": Case({403}),
    "GET /api/config/schema": Case({200}),
    "GET /api/config/revisions/{revision}": Case({403}, path=lambda _: {"revision": "newest"}),
    "POST /api/config/changes": Case({403}, body=lambda _: {"base": "x", "document": "x", "message": "x"}),
    "GET /api/rss/storage": Case({200}),
    "GET /api/rss/compute": Case({200}),
    "GET /api/rss/site": Case({200}),
    "GET /api/rss/fts": Case({200}),
    "POST /api/accounting/jobs/report": Case({200}, body=lambda _: {**EVER, "by": ["owner", "vo"]}),
    "POST /api/accounting/pilots/report": Case({200, 403}, body=lambda _: {**EVER, "by": ["ce"]}),
    "POST /api/accounting/jobs/series": Case({200}, body=lambda _: {**EVER, "by": "owner"}),
    "POST /api/accounting/pilots/series": Case({200, 403}, body=lambda _: {**EVER, "by": "ce"}),
    "GET /api/accounting/activity": Case({200, 403}),
    "GET /api/accounting/jobs/records": Case({200}, query=lambda _: EVER),
    "GET /api/accounting/pilots/records": Case({200, 403}, query=lambda _: EVER),
    "GET /api/rss/elements": Case({200}, query=lambda _: {"kind": "site"}),
    "GET /api/rss/why": Case({200}, query=lambda _: {"kind": "site", "name": "LCG.Alpha.org"}),
    "GET /api/rss/history": Case({200}, query=lambda _: {"kind": "site", "name": "LCG.Alpha.org"}),
    "PATCH /api/rss/status": Case({403}, body=lambda _: [{**SITE_OF_A, "status": "Banned", "reason": "x"}]),
    "POST /api/rss/status/release": Case({403}, body=lambda _: [SITE_OF_A]),
    "POST /api/rss/drain": Case({403}, body=lambda _: [{**SITE_OF_A, "reason": "x"}]),
    "POST /api/rss/drain/release": Case({403}, body=lambda _: [SITE_OF_A]),
    "POST /api/jobs/search": Case({200}, body=lambda _: {"search": []}),
    "POST /api/jobs/groups/search": Case({200}, body=lambda _: {"search": []}),
    "POST /api/jobs/summary": Case({200}, body=lambda _: {"grouping": ["JobGroup"], "search": []}),
    "POST /api/jobs/check": Case({400}, body=lambda _: {"json": [{"executable": "/bin/true", "VO": "voa"}]}),
    "POST /api/jobs/json": Case({400}, body=lambda _: [{"executable": "/bin/true", "VO": "voa"}]),
    "POST /api/jobs/jdl": Case({400}, body=lambda _: ['Executable = "/bin/true"; VirtualOrganization = "voa";']),
    "PATCH /api/jobs/status": Case(NOTHING, body=lambda world: {str(world.job_id): UPDATE}),
    "PATCH /api/jobs/heartbeat": Case(NOTHING, body=lambda world: {str(world.job_id): {"MemoryUsed": 1.0}}),
    "PATCH /api/jobs/metadata": Case(NOTHING, body=lambda world: {str(world.job_id): {"Site": "LCG.Beta.org"}}),
    "POST /api/jobs/reschedule": by_ids(400, 403, 404),
    "POST /api/jobs/kill": by_ids(403, 404),
    "POST /api/jobs/delete": by_ids(403, 404),
    "POST /api/jobs/bulk": Case({200}, body=lambda world: {"action": "kill", "ids": [world.job_id]}),
    "GET /api/jobs/failures": Case({200}, query=lambda _: {"since": "2026-11-01T00:00:00Z", "by": "owner"}),
    "PUT /api/jobs/failures/{signature}/note": Case(
        {403, 404}, path=lambda _: {"signature": "0" * 16}, body=lambda _: {"note": "x"}
    ),
    "POST /api/jobs/": Case({404}, body=lambda _: {"workflow_id": UNKNOWN_BUNDLE}),
    "GET /api/jobs/workflows/{workflow_id}": of_workflow(),
    "GET /api/jobs/{job_id}/graph": of_job(403, 404),
    "POST /api/workflows/validate": Case({404}, body=lambda _: {"workflow_id": UNKNOWN_BUNDLE}),
    "GET /api/workflows/hints-schema": Case({200}),
    # What is pushed belongs to the pusher's VO: tests/cwl.
    "PUT /api/workflows/{workflow_id}": Case(
        {400}, path=lambda _: {"workflow_id": UNKNOWN_BUNDLE}, body=lambda _: {"entry": "x", "files": {}}
    ),
    "GET /api/workflows/{workflow_id}": of_workflow(),
    "GET /api/workflows/{workflow_id}/schema": of_workflow(),
    "GET /api/workflows/{workflow_id}/graph": of_workflow(),
    "GET /api/workflows/{workflow_id}/archive": of_workflow(),
    "GET /api/workflows/{workflow_id}/files/{path}": of_workflow(path="main.cwl"),
    "GET /api/jobs/{job_id}/jdl": of_job(403, 404),
    "GET /api/jobs/{job_id}/requirements": of_job(403, 404),
    "GET /api/jobs/{job_id}/parameters": of_job(403, 404),
    "GET /api/jobs/{job_id}/history": of_job(403, 404),
    "GET /api/jobs/{job_id}/explain": of_job(403, 404),
    "GET /api/jobs/{job_id}/input-object": of_job(403, 404),
    "GET /api/jobs/{job_id}/outputs": of_job(403, 404),
    "PUT /api/jobs/{job_id}/outputs": of_job(
        403,
        404,
        body=lambda world: {"manifest": {"v": 1, "job_id": world.job_id, "status": "success", "outputs": {"n": 1}}},
    ),
    "GET /api/jobs/{job_id}/peek": of_job(403, 404),
    "POST /api/jobs/{job_id}/peek": of_job(403, 404),
    # An administrator finds no sandboxes where there is no job; that those of other VOs look so: tests/sandboxes.
    "GET /api/jobs/{job_id}/sandbox": of_job(200, 403),
    "DELETE /api/jobs/{job_id}/sandbox": of_job(403, 404),
    "GET /api/jobs/{job_id}/sandbox/{sandbox_type}": of_job(200, 403, sandbox_type="input"),
    "PATCH /api/jobs/{job_id}/sandbox/output": of_job(403, 404, body=lambda world: world.pfn),
    "POST /api/jobs/sandbox/unassign": by_ids(403, 404),
    "GET /api/jobs/sandbox/rules": Case({200}),
    "GET /api/jobs/sandbox": Case({403}, query=lambda world: {"pfn": world.pfn}),
    "POST /api/jobs/sandbox": Case(
        {200},
        body=lambda _: {"checksum_algorithm": "sha256", "checksum": "0" * 64, "size": 10, "format": "tar.bz2"},
    ),
    "GET /api/task-queues": Case({200, 403}),
    "GET /api/task-queues/{class_id}": Case(NOTHING, path=lambda _: {"class_id": 1}),
    "POST /api/task-queues/rebuild": Case({403}),
    # Background work belongs to the installation: ServiceAdministrator, of whatever VO.
    "GET /api/tasks": Case({403}),
    "GET /api/tasks/schedules": Case({403}),
    "GET /api/tasks/locks": Case({403}),
    "GET /api/tasks/dead": Case({403}),
    "POST /api/tasks/dead/search": Case({403}, body=lambda _: {}),
    "POST /api/tasks/dead/replay": Case({403}, body=lambda _: {"ids": [1]}),
    "POST /api/tasks/dead/discard": Case({403}, body=lambda _: {"ids": [1]}),
    "GET /api/tasks/dead/{letter_id}": Case({403}, path=lambda _: {"letter_id": 1}),
    "POST /api/tasks/dead/{letter_id}/replay": Case({403}, path=lambda _: {"letter_id": 1}),
    "DELETE /api/tasks/dead/{letter_id}": Case({403}, path=lambda _: {"letter_id": 1}),
    "POST /api/tasks/{name}/run": Case({403}, path=lambda _: {"name": "jobs.fold_counts"}),
    "GET /api/matcher/limits": Case({200, 403}),
    "GET /api/matcher/shares": Case({200, 403}),
    "GET /api/matcher/sites": Case({200}),
    "GET /api/operations": Case({200}, query=lambda _: {"everybody": "true"}),
    "GET /api/operations/{operation_id}": Case(NOTHING, path=lambda world: {"operation_id": world.operation_id}),
    "DELETE /api/operations/{operation_id}": Case(NOTHING, path=lambda world: {"operation_id": world.operation_id}),
    "POST /api/matcher/match": Case({403}, body=lambda _: {"offer": {}}),
    "POST /api/matcher/explain": Case({403}, body=lambda _: {"offer": {**OFFER, "vo": "voa", "site": "LCG.Alpha.org"}}),
    "POST /api/matcher/jobs/{job_id}/token": of_job(403, 404),
    "POST /api/pilots/search": Case({200}, body=lambda _: {"search": []}),
    "POST /api/pilots/summary": Case({200}, body=lambda _: {"grouping": ["PilotStamp"], "search": []}),
    "POST /api/pilots/": Case({403}, body=lambda _: {"pilot_stamp": "b" * 32, "vo": "voa"}),
    "PATCH /api/pilots/metadata": Case(NOTHING, body=lambda _: {STAMP: {"Status": "Failed"}}),
    "POST /api/pilots/secrets": Case({403}, body=lambda _: {"vo": "voa", "site": "LCG.Alpha.org"}),
    "DELETE /api/pilots/secrets/{secret_id}": Case(NOTHING, path=lambda _: {"secret_id": UNKNOWN_ID}),
    "POST /api/pilots/revoke": Case(NOTHING, body=lambda _: {"stamps": [STAMP]}),
    "POST /api/pilots/drain": Case(NOTHING, body=lambda _: {"stamps": [STAMP]}),
    "POST /api/pilots/logs": Case({403}),
    "GET /api/pilots/{stamp}/logs": Case(NOTHING, path=lambda _: {"stamp": STAMP}),
    "GET /api/pilots/{stamp}/explain": Case(NOTHING, path=lambda _: {"stamp": STAMP}),
    "GET /api/pilots/{stamp}/output": Case(NOTHING, path=lambda _: {"stamp": STAMP}),
    "GET /api/pilots/engines/{sha256}": Case({403}, path=lambda _: {"sha256": "0" * 64}),
    "GET /api/pilots/commands/{sha256}": Case({403}, path=lambda _: {"sha256": "0" * 64}),
    "GET /api/pilots/submission": Case({200, 403}),
    "GET /api/pilots/hosts": Case({200, 403}),
    "GET /api/ui/views": Case({200}),
    "GET /api/ui/preferences": Case({200}),
    "PUT /api/ui/preferences": Case({400}, body=lambda _: {"document": {"large": "x" * 40_000}}),
    "GET /api/ui/dashboards": Case({200}),
    "POST /api/ui/dashboards": Case({400}, body=lambda _: {"title": "x", "document": {"large": "x" * 200_000}}),
    "GET /api/ui/dashboards/{dashboard_id}": Case(NOTHING, path=lambda _: {"dashboard_id": UNKNOWN_ID}),
    "PUT /api/ui/dashboards/{dashboard_id}": Case(
        NOTHING,
        path=lambda _: {"dashboard_id": UNKNOWN_ID},
        body=lambda _: {"title": "x", "document": {}, "revision": 1},
    ),
    "DELETE /api/ui/dashboards/{dashboard_id}": Case(NOTHING, path=lambda _: {"dashboard_id": UNKNOWN_ID}),
    # What is told to whom while it happens: tests/web/test_events.py.
    "GET /api/events": Case({400}, query=lambda _: {"topic": "nothing"}),
}


def _of_files(operation: str, statuses: set[int]) -> Case:
    """Return a case about alice's file."""
    return Case(
        statuses,
        path=lambda world: {
            "job_id": world.job_id,
            "file_id": world.file_id,
            "upload_id": 1,
            "name": "Run",
            "se": "DISK-A",
        },
        body=lambda world: file_cases.bodies(world.lfn)[operation][1],
        query=lambda world: file_cases.query(operation, world.lfn),
    )


CASES |= {each: _of_files(each, statuses) for each, (statuses, _) in file_cases.bodies(file_cases.LFN).items()}

OPERATIONS = operations(create_app(Settings()))


@pytest.fixture
async def world(application: Application, db: Database) -> World:
    """Give alice a job with a sandbox, and her VO a pilot."""
    client, alice = application.client, application.login("alice", vo="voa")
    async with db.transaction() as tx:
        # An id that stands for nothing else in an answer.
        await tx.execute(text("SELECT setval(pg_get_serial_sequence('jobs', 'job_id'), 987654)"))
        await tx.execute(text(file_cases.PLANT))
    announced = await client.post(
        "/api/jobs/sandbox",
        json={
            "checksum_algorithm": "sha256",
            "checksum": hashlib.sha256(b"x").hexdigest(),
            "size": 1,
            "format": "tar.bz2",
        },
        headers=alice,
    )
    pfn = announced.json()["pfn"]
    submitted = await client.post(
        "/api/jobs/jdl", json=[JDL.rstrip(";") + f'; InputSandbox = {{"{pfn}"}};'], headers=alice
    )
    assert submitted.status_code == 201, submitted.text
    registered = await client.post(
        "/api/pilots/",
        json={"pilot_stamp": STAMP, "vo": "voa", "pilot_reference": MARK},
        headers=application.login("alice", vo="voa", group="pilot"),
    )
    assert registered.status_code == 201, registered.text
    job_id = submitted.json()[0]["JobID"]
    order = {"action": "kill", "ids": [job_id]}
    planned = await client.post("/api/jobs/bulk", json=order, headers=alice)
    order["plan_token"] = planned.json()["plan_token"]
    started = await client.post("/api/jobs/bulk", json=order, headers=alice)
    return World(application, db, job_id, pfn, started.json()["operation_id"])


def test_every_route_has_a_case() -> None:
    assert set(OPERATIONS) - OPEN - set(CASES) == set(), "give the new routes a case"
    assert set(CASES) | OPEN <= set(OPERATIONS), "cases of routes that are gone"


async def _send(world: World, operation: str, headers: dict[str, str]) -> httpx2.Response:
    method, template = operation.split(" ")
    case = CASES[operation]
    return await world.application.client.request(
        method,
        template.format(**case.path(world)),
        params=case.query(world),
        json=case.body(world) if case.body else None,
        headers=headers,
    )


@pytest.mark.parametrize("group", ["user", "admin"])
async def test_the_other_vo_sees_nothing_and_changes_nothing(world: World, group: str) -> None:
    problems = []
    before = await world.digest()
    for operation, case in CASES.items():
        answer = await _send(world, operation, world.application.login("bob", vo="vob", group=group))
        if answer.status_code not in case.statuses:
            problems.append(f"{operation}: {answer.status_code} {answer.text[:200]}")
        if MARK in answer.text:
            problems.append(f"{operation}: tells about the other VO: {answer.text[:200]}")
        after = await world.digest()
        changed = {name for name in after if after[name] != before.get(name)}
        if changed and operation not in ("POST /api/jobs/sandbox",):
            problems.append(f"{operation}: changed {sorted(changed)}")
        before = after
    assert not problems, "\n".join(problems)


async def test_what_does_not_exist_and_what_is_anothers_look_the_same(world: World) -> None:
    missing = World(
        world.application,
        world.db,
        world.job_id + 1000,
        UNKNOWN_PFN,
        lfn=file_cases.NOWHERE,
        file_id=file_cases.NO_FILE_ID,
    )
    differing = []
    for group in ("user", "admin"):
        headers = world.application.login("bob", vo="vob", group=group)
        for operation in CASES:
            found, absent = await _send(world, operation, headers), await _send(missing, operation, headers)
            texts = [
                re.sub(rf"\b{asked.job_id}\b", "ID", _without_chance(answer.text, asked))
                for answer, asked in ((found, world), (absent, missing))
            ]
            if (found.status_code, texts[0]) != (
                absent.status_code,
                texts[1],
            ) and operation != "POST /api/jobs/sandbox":
                differing.append(
                    f"{operation} as {group}: {found.status_code} {texts[0]} / {absent.status_code} {texts[1]}"
                )
    assert not differing, "\n".join(differing)


def _without_chance(text: str, asked: World) -> str:
    """What was asked for by name goes, and a token, which is never the same twice."""
    text = text.replace(asked.pfn, "PFN").replace(asked.operation_id, "OPERATION")
    text = text.replace(asked.lfn, "LFN").replace(asked.lfn.rpartition("/")[0], "DIRECTORY")
    text = text.replace(str(asked.file_id), "FILE")
    return re.sub(r'"(plan_token|since)":"[^"]*"', "", text)


async def test_without_a_token_every_route_that_needs_one_is_401(world: World) -> None:
    before = await world.digest()
    answers = {operation: await _send(world, operation, {}) for operation in CASES}
    # What is larger than 64 kB is not even read.
    statuses = {operation: answer.status_code for operation, answer in answers.items()}
    assert statuses.pop("POST /api/ui/dashboards") == 413
    assert {operation: status for operation, status in statuses.items() if status != 401} == {}
    assert await world.digest() == before


async def test_tokens_of_other_pilots_and_payloads_open_nothing(world: World) -> None:
    """A pilot and a payload of the same VO that have nothing to do with alice's job."""
    pilot = world.application.pilot("c" * 32)
    payload = world.application.payload(world.job_id + 1, stamp="c" * 32)
    before = await world.digest()
    problems = []
    for operation in set(CASES) - MEANT_FOR_NODES:
        for who, headers in (("pilot", pilot), ("payload", payload)):
            answer = await _send(world, operation, headers)
            if answer.status_code not in (401, 403, 404, 422):
                problems.append(f"{operation} as {who}: {answer.status_code} {answer.text[:150]}")
    assert not problems, "\n".join(problems)
    assert await world.digest() == before
