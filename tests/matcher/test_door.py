"""The matcher at its door: who is refused, and one job's way from submission to its pilot."""

from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from tests.infra.app import Application
from tests.matcher.conftest import OFFER, Submit

from weyl.kit.db import Database

STAMP = "a" * 32
TOKEN_OF_ANY = "/api/matcher/jobs/1/token"


async def ask(application: Application, headers: dict[str, str], **body: Any) -> httpx2.Response:
    return await application.client.post("/api/matcher/match", json={"offer": OFFER, **body}, headers=headers)


async def test_only_pilots_get_in(application: Application) -> None:
    assert (await ask(application, {})).status_code == 401
    assert (await ask(application, application.login("alice"))).status_code == 403
    assert (await ask(application, application.payload(1, stamp=STAMP))).status_code == 403
    for headers, status in (({}, 401), (application.login("alice"), 403), (application.pilot(STAMP), 404)):
        assert (await application.client.post(TOKEN_OF_ANY, headers=headers)).status_code == status


async def test_a_pilot_that_names_another_site_is_refused(application: Application) -> None:
    refused = await ask(application, application.pilot(STAMP), offer={**OFFER, "site": "LCG.Beta.org"})
    assert refused.status_code == 403
    assert "LCG.Beta.org" in refused.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        {"count": 0},
        {"count": 1001},
        {"wait_s": 31},
        {"offer": {}},
        {"offer": {**OFFER, "cpu_power_db12": "NaN"}},
        {"offer": {**OFFER, "tags": [""]}},
        {"surprise": 1},
        {"request_id": ""},
    ],
)
async def test_malformed_questions_are_422(application: Application, body: dict[str, Any]) -> None:
    assert (await ask(application, application.pilot(STAMP), **body)).status_code == 422


async def test_numbers_that_are_none_are_422(application: Application) -> None:
    content = '{"offer": {"wall_time": 1, "cpu_power_db12": NaN, "gpu": {"count": 0}}}'
    headers = {**application.pilot(STAMP), "Content-Type": "application/json"}
    answer = await application.client.post("/api/matcher/match", content=content, headers=headers)
    assert answer.status_code == 422


async def test_a_waiting_job_goes_to_the_pilot_with_a_token_that_speaks_for_it_alone(
    application: Application, submit: Submit
) -> None:
    [job_id] = await submit(1)
    pilot = application.pilot(STAMP)
    answer = await ask(application, pilot, wait_s=5)
    assert answer.status_code == 200
    [job] = answer.json()["jobs"]
    assert job["job_id"] == job_id
    assert application.keys.decode(job["token"])["sub"] == f"job:{job_id}"
    assert answer.json()["classes"][str(job["class_id"])]["vo"] == "voa"
    token = await application.client.post(f"/api/matcher/jobs/{job_id}/token", headers=pilot)
    assert token.status_code == 200
    assert token.json()["expires_in"] > 0
    assert application.keys.decode(token.json()["access_token"])["stamp"] == STAMP
    for stranger in (application.pilot("b" * 32), application.pilot(STAMP, vo="vob")):
        refused = await application.client.post(f"/api/matcher/jobs/{job_id}/token", headers=stranger)
        assert refused.status_code == 404


async def test_a_miss_is_an_answer_and_not_an_error(application: Application) -> None:
    answer = await ask(application, application.pilot(STAMP))
    assert answer.status_code == 200
    assert answer.json() == {
        "jobs": [],
        "classes": {},
        "miss": {"condition": "queue", "retry_after_s": 10},
        "action": "continue",
    }


async def test_administrators_see_and_rebuild_the_task_queues(
    application: Application, db: Database, submit: Submit
) -> None:
    await submit(3)
    client, admin = application.client, application.login("alice", group="admin")
    assert (await client.get("/api/task-queues", headers=application.login("alice"))).status_code == 403
    [shown] = (await client.get("/api/task-queues", headers=admin)).json()
    assert shown["waiting"] == 3
    one = await client.get(f"/api/task-queues/{shown['class_id']}", headers=admin)
    assert one.json()["document"]["job_type"] == "User"
    stranger = application.login("alice", vo="vob", group="admin")
    assert (await client.get(f"/api/task-queues/{shown['class_id']}", headers=stranger)).status_code == 404
    assert (await client.get("/api/task-queues", headers=stranger)).json() == []
    async with db.transaction() as tx:
        await tx.execute(text("DELETE FROM queue"))
    assert (await client.post("/api/task-queues/rebuild", headers=admin)).status_code == 403
    keeper = application.login("alice", group="service")
    assert (await client.post("/api/task-queues/rebuild", headers=keeper)).json() == {"classes": 1, "jobs": 3}
    assert len((await ask(application, application.pilot(STAMP), count=5, wait_s=5)).json()["jobs"]) == 3
