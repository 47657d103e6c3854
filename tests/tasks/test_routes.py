"""Background work over HTTP: who may not, what is shown, and what replay, discard and run do."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from tests.infra.app import Application
from tests.tasks.running import Recorder

from weyl.kit.db import Database
from weyl.kit.task import Task
from weyl.tasks import locks
from weyl.tasks.engine import Worker
from weyl.tasks.options import Options
from weyl.tasks.scheduler import Scheduler
from weyl.tasks.service import enqueue

BREAKS = Task("r.breaks", attempts_max=1, every=timedelta(hours=1))
EACH = Task("r.each", cron="0 3 * * *", per_vo=True, size="large", priority=5)
OPERATIONS = [
    ("GET", "/api/tasks"),
    ("GET", "/api/tasks/schedules"),
    ("GET", "/api/tasks/locks"),
    ("GET", "/api/tasks/dead"),
    ("POST", "/api/tasks/dead/search"),
    ("POST", "/api/tasks/dead/replay"),
    ("POST", "/api/tasks/dead/discard"),
    ("GET", "/api/tasks/dead/1"),
    ("POST", "/api/tasks/dead/1/replay"),
    ("DELETE", "/api/tasks/dead/1"),
    ("POST", "/api/tasks/r.breaks/run"),
]


@pytest.fixture
def keeper(application: Application) -> dict[str, str]:
    """The headers of an administrator of services."""
    return application.login(group="service")


@pytest.fixture
async def dead_id(db: Database) -> int:
    """A task that died, and declared tasks with their schedules."""
    options = Options(revision="1", vos=["voa", "vob"])
    async with db.transaction() as tx:
        (task_id,) = await enqueue(tx, BREAKS, [{"lfn": "/a"}], vo="voa")
    worker = [BREAKS.bind_run(Recorder(failures=99)), EACH.bind_run(Recorder())]
    await Worker(db, worker).drain()
    async with db.transaction() as tx:
        await tx.execute(text("DELETE FROM pgqueuer"))
    await Scheduler(db, [BREAKS, EACH], lambda: options).sync(_NOW)
    assert task_id is not None
    return task_id


_NOW = datetime(2026, 11, 25, 10, tzinfo=UTC)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
async def test_only_administrators_of_services_are_admitted(application: Application, method: str, path: str) -> None:
    body = {"ids": [1]} if method == "POST" else None
    assert (await application.client.request(method, path, json=body)).status_code == 401
    for headers in (application.login(), application.login(group="admin"), application.pilot("a" * 32)):
        assert (await application.client.request(method, path, json=body, headers=headers)).status_code == 403


async def _get(client: httpx2.AsyncClient, path: str, headers: dict[str, str]) -> Any:
    answer = await client.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_tasks_are_listed_with_what_waits_and_what_is_dead(
    client: httpx2.AsyncClient, keeper: dict[str, str], dead_id: int, db: Database
) -> None:
    async with db.transaction() as tx:
        await enqueue(tx, BREAKS, [1, 2])
    breaks, each = await _get(client, "/api/tasks", keeper)
    assert (breaks["name"], breaks["waiting"], breaks["running"], breaks["dead"]) == ("r.breaks", 2, 0, 1)
    assert (each["size"], each["priority"], each["rule"], each["per_vo"]) == ("large", 5, "cron 0 3 * * *", True)
    assert each["runs"] == "daily at 03:00 UTC"


async def test_schedules_are_listed_for_the_installation_and_each_vo(
    client: httpx2.AsyncClient, keeper: dict[str, str], dead_id: int
) -> None:
    rows = await _get(client, "/api/tasks/schedules", keeper)
    assert [(row["task"], row["vo"], row["next_at"]) for row in rows] == [
        ("r.breaks", None, "2026-11-25T10:00:00Z"),
        ("r.each", "voa", "2026-11-26T03:00:00Z"),
        ("r.each", "vob", "2026-11-26T03:00:00Z"),
    ]


async def test_held_locks_are_listed(client: httpx2.AsyncClient, keeper: dict[str, str], db: Database) -> None:
    async with locks.hold(db, "lfn:/a"):
        (row,) = await _get(client, "/api/tasks/locks", keeper)
    assert (row["key"], row["mode"]) == ("lfn:/a", "write")
    assert await _get(client, "/api/tasks/locks", keeper) == []


async def test_a_dead_letter_is_shown_with_payload_traceback_and_attempts(
    client: httpx2.AsyncClient, keeper: dict[str, str], dead_id: int
) -> None:
    (row,) = await _get(client, "/api/tasks/dead?task=r.breaks", keeper)
    assert (row["id"], row["vo"], row["error"]) == (dead_id, "voa", "RuntimeError: not yet")
    assert await _get(client, "/api/tasks/dead?task=other", keeper) == []
    letter = await _get(client, f"/api/tasks/dead/{dead_id}", keeper)
    assert letter["payload"] == {"lfn": "/a"}
    assert "RuntimeError" in letter["traceback"]
    assert [attempt["error"] for attempt in letter["history"]] == ["RuntimeError: not yet"]


async def test_a_dead_letter_is_replayed_once(
    client: httpx2.AsyncClient, keeper: dict[str, str], dead_id: int, db: Database
) -> None:
    answer = await client.post(f"/api/tasks/dead/{dead_id}/replay", headers=keeper)
    assert answer.status_code == 200
    assert answer.json()["id"] > dead_id
    again = await client.post(f"/api/tasks/dead/{dead_id}/replay", headers=keeper)
    assert again.status_code == 404
    recorder = Recorder()
    await Worker(db, [BREAKS.bind_run(recorder)]).drain()
    assert (recorder.payloads, recorder.runs[0].vo) == ([{"lfn": "/a"}], "voa")


async def test_a_dead_letter_is_discarded_once(
    client: httpx2.AsyncClient, keeper: dict[str, str], dead_id: int
) -> None:
    assert (await client.delete(f"/api/tasks/dead/{dead_id}", headers=keeper)).status_code == 204
    assert (await client.delete(f"/api/tasks/dead/{dead_id}", headers=keeper)).status_code == 404
    assert (await client.get(f"/api/tasks/dead/{dead_id}", headers=keeper)).status_code == 404


async def test_a_task_is_run_by_hand_with_a_payload_or_for_a_vo(
    client: httpx2.AsyncClient, keeper: dict[str, str], dead_id: int, db: Database
) -> None:
    plain = await client.post("/api/tasks/r.breaks/run", json={"payload": {"n": 1}}, headers=keeper)
    bare = await client.post("/api/tasks/r.breaks/run", headers=keeper)
    each = await client.post("/api/tasks/r.each/run", json={"vo": "vob"}, headers=keeper)
    assert [answer.status_code for answer in (plain, bare, each)] == [201, 201, 201]
    breaks, eaches = Recorder(), Recorder()
    await Worker(db, [BREAKS.bind_run(breaks), EACH.bind_run(eaches)]).drain()
    assert (breaks.payloads, eaches.payloads) == ([{"n": 1}, None], [{"vo": "vob"}])


async def test_a_task_that_nobody_declared_or_that_lacks_its_vo_is_refused(
    client: httpx2.AsyncClient, keeper: dict[str, str], dead_id: int
) -> None:
    assert (await client.post("/api/tasks/r.other/run", headers=keeper)).status_code == 404
    assert (await client.post("/api/tasks/r.each/run", headers=keeper)).status_code == 400


async def test_dead_letters_are_searched_by_their_columns(
    application: Application, keeper: dict[str, str], db: Database, dead_id: int
) -> None:
    async with db.transaction() as tx:
        await tx.execute(
            text(
                "INSERT INTO task_dead_letters SELECT id + n, 'r.other', vo, priority, payload, attempts, 'boom ' || n,"
                " traceback, history, enqueued_at, died_at FROM task_dead_letters, generate_series(1, 4) n"
            )
        )

    async def found(query: str = "", **params: Any) -> httpx2.Response:
        return await application.client.post(f"/api/tasks/dead/search{query}", json=params, headers=keeper)

    other = {"parameter": "task", "operator": "eq", "value": "r.other"}
    like = {"parameter": "error", "operator": "like", "value": "boom%"}
    assert [row["id"] - dead_id for row in (await found()).json()] == [4, 3, 2, 1, 0]
    page = await found("?page=2&per_page=2", search=[other, like], parameters=["id", "error"])
    assert (page.status_code, page.headers["content-range"]) == (206, "letters 2-3/4")
    assert page.json() == [{"id": dead_id + 2, "error": "boom 2"}, {"id": dead_id + 1, "error": "boom 1"}]
    oldest = await found("?per_page=1", sort=[{"parameter": "id", "direction": "asc"}])
    assert oldest.json()[0]["task"] == "r.breaks"
    assert (await found("?page=9&per_page=2")).status_code == 416
    for wrong in ({"parameters": ["payload"]}, {"search": [{**other, "parameter": "payload"}]}):
        assert (await found(**wrong)).status_code == 400


async def test_dead_letters_are_replayed_and_discarded_in_bulk_or_not_at_all(
    application: Application, keeper: dict[str, str], db: Database, dead_id: int
) -> None:
    client = application.client
    for what in ("replay", "discard"):
        answer = await client.post(f"/api/tasks/dead/{what}", json={"ids": [dead_id, dead_id + 9]}, headers=keeper)
        assert answer.status_code == 404
        assert f"{dead_id + 9}" in answer.json()["detail"]
        assert (await client.post(f"/api/tasks/dead/{what}", json={"ids": []}, headers=keeper)).status_code == 422
    assert len((await client.get("/api/tasks/dead", headers=keeper)).json()) == 1
    answer = await client.post("/api/tasks/dead/replay", json={"ids": [dead_id]}, headers=keeper)
    assert len(answer.json()["ids"]) == 1
    assert (await client.get("/api/tasks/dead", headers=keeper)).json() == []
