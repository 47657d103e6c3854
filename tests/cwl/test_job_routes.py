"""What a job runs can be read by whoever may read the job, and by the job itself."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import sqlalchemy as sa
from tests.cwl.conftest import ECHO, Post
from tests.infra.app import Application

from weyl.jobs.tables import job_parameters, job_pilots, jobs
from weyl.kit.clock import utcnow
from weyl.kit.db import Database

Stored = Callable[[], Awaitable[list[dict[str, Any]]]]


@pytest.fixture
async def running(submit: Post, stored: Stored, db: Database) -> dict[str, Any]:
    """A job that runs with a pilot, with its row."""
    assert (await submit({"workflow": ECHO})).status_code == 201
    [row] = await stored()
    async with db.transaction() as tx:
        await tx.execute(sa.update(jobs).values(status="Running", pilot_stamp="stamp"))
        values = {"job_id": row["job_id"], "pilot_stamp": "stamp", "at": utcnow()}
        await tx.execute(sa.insert(job_pilots).values(values))
        steps = {"": {"state": "running", "done": 1, "of": 3}, "x": {"state": "<b>"}}
        await tx.execute(
            sa.insert(job_parameters).values(job_id=row["job_id"], name="WorkflowSteps", value=json.dumps(steps))
        )
    return row


async def test_the_graph_of_a_job_says_how_far_its_steps_are(served: Application, running: dict[str, Any]) -> None:
    path = f"/api/jobs/{running['job_id']}/graph"
    graph = (await served.client.get(path, headers=served.login())).json()
    [step] = [node for node in graph["nodes"] if node["kind"] == "step"]
    assert (step["state"], step["done"], step["of"]) == ("running", 1, 3)
    assert "<b>" not in json.dumps(graph)
    assert (await served.client.get(path)).status_code == 401
    for who in ({"vo": "vob"}, {"user": "bob"}, {"group": "service"}):
        assert (await served.client.get(path, headers=served.login(**who))).status_code == 403


async def test_a_job_of_an_executable_has_no_graph(served: Application) -> None:
    body = ['Executable = "/bin/date";']
    [job] = (await served.client.post("/api/jobs/jdl", json=body, headers=served.login())).json()
    answer = await served.client.get(f"/api/jobs/{job['JobID']}/graph", headers=served.login())
    assert answer.status_code == 404


async def test_a_payload_reads_the_bundle_of_its_job_and_no_other(
    served: Application, running: dict[str, Any], submit: Post, stored: Stored
) -> None:
    assert (await submit({"workflow": f"{ECHO}# other\n"})).status_code == 201
    own, other = [row["document"]["Workflow"]["Bundle"] for row in await stored()]
    payload = served.payload(running["job_id"], stamp="stamp")
    for path in ("/archive", "/files/workflow.cwl"):
        assert (await served.client.get(f"/api/workflows/{own}{path}", headers=payload)).status_code == 200
        assert (await served.client.get(f"/api/workflows/{other}{path}", headers=payload)).status_code == 404
    past = served.payload(running["job_id"], stamp="other")
    assert (await served.client.get(f"/api/workflows/{own}/archive", headers=past)).status_code == 403
    pilot = served.pilot("stamp")
    assert (await served.client.get(f"/api/workflows/{own}/archive", headers=pilot)).status_code == 403


async def test_a_payload_submits_nothing(served: Application, running: dict[str, Any]) -> None:
    payload = served.payload(running["job_id"], stamp="stamp")
    assert (await served.client.post("/api/jobs/", json={"workflow": ECHO}, headers=payload)).status_code == 403
    body = {"workflow": ECHO}
    assert (await served.client.post("/api/workflows/validate", json=body, headers=payload)).status_code == 403


async def test_workflow_in_jdl_or_json_is_refused(served: Application, running: dict[str, Any]) -> None:
    bundle = running["document"]["Workflow"]["Bundle"]
    document = {"Executable": "/bin/date", "Workflow": {"Bundle": bundle}}
    answer = await served.client.post("/api/jobs/json", json=[document], headers=served.login())
    assert answer.status_code == 400
