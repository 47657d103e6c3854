"""Input objects go out as they came in; what a workflow puts out is kept by its run and shown when the job is Done."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import sqlalchemy as sa
from tests.infra.app import Application
from tests.jobs.conftest import MakeJobs, Rows

from weyl.jobs.models.outputs import JobOutputs
from weyl.jobs.permits import Managed
from weyl.jobs.service import outputs as service
from weyl.jobs.tables import job_outputs, jobs
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.kit.errors import Forbidden
from weyl.sandboxes.tables import sandbox_jobs, sandboxes

STAMP, OTHER = "a" * 32, "b" * 32
INPUTS = '{"b": 1.0E5,  "big": 9007199254740993, "text": "%j \\u0000"}'
PFN = f"/S3/sandboxes/voa/user/alice/sha256:{'1' * 64}.tar.zst"
FILE = {"class": "File", "location": "outputs/a #1.txt", "basename": "a #1.txt", "size": 3, "checksum": "sha1$00"}
MEMBER = f"sandbox:{PFN}#outputs/a%20%231.txt"

Put = Callable[..., Awaitable[tuple[int, str]]]


def manifest(job_id: int, outputs: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Return a manifest as the wrapper makes it."""
    files = [{"output": "o", "index": None, "path": "outputs/a #1.txt", "size": 3, "adler32": "00000001"}]
    document = {"v": 1, "job_id": job_id, "status": "success", "exit_code": 0, "files": files}
    return document | {"outputs": {"o": FILE} if outputs is None else outputs, "inputs": [], "containers": []} | more


@pytest.fixture
async def running(make_jobs: MakeJobs, db: Database) -> int:
    """A job that runs and has an output sandbox."""
    [job_id] = await make_jobs(status="Running", pilot=STAMP)
    await give(db, job_id, PFN)
    return job_id


async def give(db: Database, job_id: int, pfn: str, kind: str = "Output") -> None:
    """Make a sandbox that a job has."""
    now = utcnow()
    sandbox = {"pfn": pfn, "owner": "alice", "owner_group": "user", "vo": "voa", "size": 1, "sha256": bytes(32)}
    async with db.transaction() as tx:
        made = sa.insert(sandboxes).values(**sandbox, announced_at=now, last_access=now, verified_at=now)
        sandbox_id = await tx.scalar(made.returning(sandboxes.c.sandbox_id))
        await tx.execute(sa.insert(sandbox_jobs).values(job_id=job_id, kind=kind, sandbox_id=sandbox_id))


@pytest.fixture
def put(application: Application) -> Put:
    """Return `put(job_id, manifest, headers)` -> status and text of the answer; as the payload by default."""

    async def call(
        job_id: int, document: dict[str, Any], headers: dict[str, str] | None = None, sandbox: str | None = PFN
    ) -> tuple[int, str]:
        answer = await application.client.put(
            f"/api/jobs/{job_id}/outputs",
            json={"sandbox": sandbox, "manifest": document},
            headers=headers or application.payload(job_id, stamp=STAMP),
        )
        return answer.status_code, answer.text

    return call


async def set_status(db: Database, job_id: int, **columns: Any) -> None:
    """Move a job."""
    async with db.transaction() as tx:
        await tx.execute(sa.update(jobs).where(jobs.c.job_id == job_id).values(**columns))


async def test_an_input_object_goes_out_as_it_came_in(
    application: Application, make_jobs: MakeJobs, db: Database
) -> None:
    [job_id, plain] = await make_jobs(2)
    async with db.transaction() as tx:
        statement = sa.text("UPDATE jobs SET inputs = CAST(CAST(:inputs AS text) AS json) WHERE job_id = :job_id")
        await tx.execute(statement, {"inputs": INPUTS, "job_id": job_id})
    client, path = application.client, f"/api/jobs/{job_id}/input-object"
    assert (await client.get(path)).status_code == 401
    for headers in (application.login("bob"), application.login(vo="vob", group="admin")):
        assert (await client.get(path, headers=headers)).status_code in (403, 404)
    answer = await client.get(path, headers=application.login())
    assert (answer.status_code, answer.text) == (200, INPUTS)
    assert answer.headers["content-type"] == "application/json"
    assert (await client.get(f"/api/jobs/{plain}/input-object", headers=application.login())).text == "{}"


async def test_who_may_not_say_what_a_job_has_put_out(application: Application, running: int, put: Put) -> None:
    body = manifest(running)
    for headers, status in (
        ({"Authorization": "Bearer x"}, 401),
        (application.login("bob"), 403),
        (application.login(vo="vob", group="admin"), 404),
        (application.payload(running, stamp=OTHER), 403),
        (application.payload(running, stamp=STAMP, vo="vob"), 403),
        (application.payload(running + 1, stamp=STAMP), 403),
        (application.pilot(OTHER), 403),
    ):
        assert (await put(running, body, headers))[0] == status
        answer = await application.client.get(f"/api/jobs/{running}/outputs", headers=headers)
        assert answer.status_code == status


async def test_outputs_are_shown_once_the_job_is_done(
    application: Application, running: int, put: Put, db: Database
) -> None:
    inside = {"class": "Directory", "location": "outputs/d", "listing": [{**FILE, "location": "outputs/d/x"}]}
    literal = {"class": "File", "basename": "l.txt", "contents": "text"}
    passed = {"class": "File", "location": "sandbox:/S3/b/voa/user/alice/sha256:00.tar.zst#in.txt", "path": "/tmp/in"}
    outputs = {
        "far": FILE | {"location": "https://host/a.txt"},
        "o": FILE | {"secondaryFiles": [{**FILE, "location": "outputs/a.idx", "path": "/node/a.idx"}]},
        "many": [{"field": inside}, literal, None, 1.0, 2**53 + 1, "text"],
        "passed": passed,
    }
    path, alice = f"/api/jobs/{running}/outputs", application.login()
    assert await put(running, manifest(running, outputs), sandbox=f"SB:SandboxSE|{PFN}") == (204, "")
    early = await application.client.get(path, headers=alice)
    assert (early.status_code, early.json()["detail"]) == (404, f"Job {running} has no outputs yet: it is Running")
    await set_status(db, running, status="Done")
    answer = await application.client.get(path, headers=alice)
    assert answer.status_code == 200
    told = answer.json()
    assert told["o"]["location"] == MEMBER
    assert told["far"]["location"] == "https://host/a.txt"
    assert told["o"]["secondaryFiles"] == [FILE | {"location": f"sandbox:{PFN}#outputs/a.idx"}]
    record, kept, *rest = told["many"]
    assert record["field"]["location"] == f"sandbox:{PFN}#outputs/d"
    assert record["field"]["listing"][0]["location"] == f"sandbox:{PFN}#outputs/d/x"
    assert (kept, rest) == (literal, [None, 1.0, 2**53 + 1, "text"])
    assert isinstance(rest[1], float)
    assert told["passed"] == {name: value for name, value in passed.items() if name != "path"}


async def test_a_repeated_manifest_replaces_the_first(
    application: Application, running: int, put: Put, db: Database
) -> None:
    assert (await put(running, manifest(running)))[0] == 204
    await set_status(db, running, status="Done")
    assert (await put(running, manifest(running, {"n": 7}, files=[]), sandbox=None))[0] == 204
    answer = await application.client.get(f"/api/jobs/{running}/outputs", headers=application.login())
    assert answer.json() == {"n": 7}


async def test_what_earlier_runs_put_out_is_let_go(
    application: Application, running: int, put: Put, db: Database
) -> None:
    earlier, brought = (PFN.replace("1" * 64, digit * 64) for digit in "23")
    await give(db, running, earlier)
    await give(db, running, brought, kind="Input")
    assert (await put(running, manifest(running)))[0] == 204
    answer = await application.client.get(f"/api/jobs/{running}/sandbox", headers=application.login())
    assert answer.json() == {"Input": [brought], "Output": [PFN]}
    async with db.read() as tx:
        statement = sa.select(sandboxes.c.pfn).where(sandboxes.c.released_at.is_not(None))
        assert list(await tx.scalars(statement)) == [earlier]


async def test_a_run_that_is_over_says_nothing_any_more(
    application: Application, running: int, put: Put, db: Database
) -> None:
    assert (await put(running, manifest(running)))[0] == 204
    reported = JobOutputs.model_validate({"sandbox": PFN, "manifest": manifest(running)})
    again = await application.client.post(
        "/api/jobs/reschedule", json={"job_ids": [running]}, headers=application.login()
    )
    assert again.status_code == 200
    async with db.read() as tx:
        assert (await tx.execute(sa.select(job_outputs))).all() == []
    status, text = await put(running, manifest(running))
    assert (status, "does not run here any more" in text) == (403, True)
    async with db.transaction() as tx:
        # As the worker does for jobs that it has pushed, and as a request does that was admitted a moment ago.
        with pytest.raises(Forbidden, match="This run of the job is over"):
            await service.record(tx, Managed({running: STAMP}, frozenset()), reported, now=utcnow())
    await set_status(db, running, status="Done", pilot_stamp=OTHER)
    answer = await application.client.get(f"/api/jobs/{running}/outputs", headers=application.login())
    assert (answer.status_code, "only jobs that run a workflow" in answer.text) == (404, True)


async def test_another_run_has_the_same_input_object(
    application: Application, running: int, row: Rows, db: Database
) -> None:
    await set_status(db, running, inputs={"x": 1}, workflow_id="ab")
    await application.client.post("/api/jobs/reschedule", json={"job_ids": [running]}, headers=application.login())
    stored = await row(running)
    assert (stored["status"], stored["inputs"], stored["workflow_id"]) == ("Received", {"x": 1}, "ab")


@pytest.mark.parametrize("status", ["Failed", "Killed", "Deleted"])
async def test_a_job_that_failed_says_why_it_has_no_outputs(
    application: Application, running: int, put: Put, db: Database, status: str
) -> None:
    assert (await put(running, manifest(running)))[0] == 204
    reasons = {"minor_status": "Application Finished With Errors", "application_status": "exit code 3"}
    await set_status(db, running, status=status, **reasons)
    answer = await application.client.get(f"/api/jobs/{running}/outputs", headers=application.login())
    assert answer.status_code == 409
    assert f"it is {status} (Application Finished With Errors; exit code 3)" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("change", "sandbox", "word"),
    [
        ({"job_id": 99}, PFN, "is the manifest of job 99"),
        ({}, PFN.replace("1", "2"), "is not an output sandbox of job"),
        ({}, None, "files without an output sandbox"),
        ({"files": []}, None, "files without an output sandbox"),
        ({}, "nonsense", "sandbox"),
        ({"v": 2}, PFN, "v"),
        ({"status": "Done"}, PFN, "permanentFail"),
        ({"exit_code": 2**40}, PFN, "exit_code"),
        ({"outputs": [1]}, PFN, "outputs"),
        ({"outputs": {"n": 2**63}}, PFN, "at most 64 bits"),
        ({"outputs": {"t": "\x00"}}, PFN, "NUL"),
        ({"outputs": {"o": {"class": "File"}}}, PFN, "has a location"),
        ({"outputs": {"o": {"class": "Directory", "location": 3}}}, PFN, "has a location"),
        ({"containers": [{"image": "x"}]}, PFN, "containers"),
        ({"inputs": [{"lfn": "voa/x"}]}, PFN, "inputs"),
        ({"outputs": {"o": FILE | {"location": "LFN:/voa/x"}}}, PFN, "'/voa/x' is none of the files that job"),
        ({"files": [{"output": "o", "lfn": "/voa/x", "size": 1}]}, PFN, "'/voa/x' is none of the files that job"),
        ({"more": 1}, PFN, "more"),
        *(
            ({"outputs": {"o": FILE | {"location": location}}}, PFN, "location")
            for location in (
                "/etc/passwd",
                "../x",
                "a/../../x",
                "a//b",
                "./a",
                "",
                "LFN:a",
                "LFN:/voa/../a",
                "file:///etc/x\n",
                "file:///etc/x",
                "http://host/a b",
                "x" * 5_000,
            )
        ),
        *(
            ({"files": [{"output": "o", "path": "a", "size": 1} | change]}, PFN, "files")
            for change in ({"path": "../x"}, {"size": -1}, {"size": 2**60}, {"sha1": "x"}, {"index": -1}, {"lfn": "/x"})
        ),
        ({"files": [{"output": "o", "path": "a", "size": 1}] * 10_001}, PFN, "files"),
    ],
)
async def test_a_bad_manifest_is_refused_and_changes_nothing(
    running: int, put: Put, db: Database, change: dict[str, Any], sandbox: str | None, word: str
) -> None:
    status, text = await put(running, manifest(running) | change, sandbox=sandbox)
    assert status in (400, 422), text
    assert word in text
    async with db.read() as tx:
        assert (await tx.execute(sa.select(job_outputs))).all() == []


async def test_a_manifest_has_at_most_four_mebibytes(running: int, put: Put) -> None:
    assert (await put(running, manifest(running, {"t": "x" * (4 << 20)}, files=[])))[0] == 413
    assert (await put(running, manifest(running, {"t": "x" * (3 << 20)}, files=[])))[0] == 204
