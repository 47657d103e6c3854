"""Preferences and dashboards: whose they are, who sees what is shared, and how much one may keep."""

from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from weyl.kit.db import Database
from weyl.web.service import keeping

Login = Callable[..., dict[str, str]]


async def add(client: httpx2.AsyncClient, headers: dict[str, str], **changes: Any) -> dict[str, Any]:
    body = {"title": "Failures", "document": {"panels": [1]}, **changes}
    answer = await client.post("/api/ui/dashboards", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def titles(client: httpx2.AsyncClient, headers: dict[str, str], query: str = "") -> list[str]:
    answer = await client.get(f"/api/ui/dashboards{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    return [row["title"] for row in answer.json()]


@pytest.mark.parametrize("path", ["preferences", "dashboards", "views"])
async def test_strangers_and_machines_are_told_nothing(client: httpx2.AsyncClient, application: Any, path: str) -> None:
    assert (await client.get(f"/api/ui/{path}")).status_code == 401
    assert (await client.get(f"/api/ui/{path}", headers=application.pilot("a" * 32))).status_code == 403


async def test_what_is_not_shared_does_not_exist_for_others(client: httpx2.AsyncClient, login: Login) -> None:
    mine = await add(client, login("alice"))
    for other in (login("bob"), login("alice", vo="vob"), login("bob", group="service")):
        path = f"/api/ui/dashboards/{mine['id']}"
        assert (await client.get(path, headers=other)).status_code == 404
        change = {"title": "x", "document": {}, "revision": 1}
        assert (await client.put(path, json=change, headers=other)).status_code == 404
        assert (await client.delete(path, headers=other)).status_code == 404
        assert await titles(client, other) == []
    assert await titles(client, login("alice")) == ["Failures"]


async def test_what_is_shared_is_seen_in_the_vo_and_changed_by_its_owner(
    client: httpx2.AsyncClient, login: Login
) -> None:
    shared = await add(client, login("alice"), shared=True)
    path = f"/api/ui/dashboards/{shared['id']}"
    seen = (await client.get(path, headers=login("bob"))).json()
    assert (seen["owner"], seen["mine"], seen["document"]) == ("alice", False, {"panels": [1]})
    change = {"title": "Mine now", "document": {}, "revision": 1}
    refused = await client.put(path, json=change, headers=login("bob"))
    assert refused.status_code == 404
    assert "save a copy" in refused.json()["detail"]
    assert (await client.delete(path, headers=login("bob"))).status_code == 404
    assert (await client.get(path, headers=login("bob", vo="vob"))).status_code == 404
    assert (await client.delete(path, headers=login("bob", vo="vob", group="service"))).status_code == 404
    assert (await client.delete(path, headers=login("bob", group="service"))).status_code == 204
    assert (await client.get(path, headers=login("alice"))).status_code == 404


async def test_of_two_changes_of_one_revision_the_second_is_refused(client: httpx2.AsyncClient, login: Login) -> None:
    made = await add(client, login())
    path = f"/api/ui/dashboards/{made['id']}"
    change = {"title": "New", "document": {"a": 1}, "revision": made["revision"]}
    changed = await client.put(path, json=change, headers=login())
    assert (changed.status_code, changed.json()["revision"], changed.json()["title"]) == (200, 2, "New")
    late = await client.put(path, json={**change, "title": "Late"}, headers=login())
    assert late.status_code == 409
    assert "revision 2" in late.json()["detail"]
    assert await titles(client, login()) == ["New"]


async def test_own_ones_come_first_and_kinds_are_told_apart(client: httpx2.AsyncClient, login: Login) -> None:
    await add(client, login("alice"), title="Own")
    await add(client, login("bob"), title="Shared", shared=True)
    await add(client, login("alice"), title="A view", kind="view")
    assert await titles(client, login("alice")) == ["A view", "Own", "Shared"]
    assert await titles(client, login("alice"), "?kind=view") == ["A view"]
    assert await titles(client, login("alice"), "?limit=1") == ["A view"]


async def test_preferences_are_a_persons_own(client: httpx2.AsyncClient, login: Login, db: Database) -> None:
    path = "/api/ui/preferences"
    assert (await client.get(path, headers=login())).json() == {"document": {}, "updated_at": None}
    kept = await client.put(path, json={"document": {"theme": "dark"}}, headers=login())
    assert kept.status_code == 200, kept.text
    await client.put(path, json={"document": {"theme": "light"}}, headers=login())
    assert (await client.get(path, headers=login(group="admin"))).json()["document"] == {"theme": "light"}
    for other in (login("bob"), login("alice", vo="vob")):
        assert (await client.get(path, headers=other)).json()["document"] == {}


@pytest.mark.parametrize(
    ("document", "status"),
    [({"a": "x" * 200_000}, 400), ({"a": "\x00"}, 422), ({"a": 1 << 70}, 400), ([1], 422), (None, 422)],
    ids=["too large", "unstorable", "unreadable", "no object", "nothing"],
)
async def test_what_cannot_be_kept_changes_nothing(
    client: httpx2.AsyncClient, login: Login, document: Any, status: int
) -> None:
    refused = await client.put("/api/ui/preferences", json={"document": document}, headers=login())
    assert refused.status_code == status, refused.text
    body = {"title": "x", "document": document}
    assert (await client.post("/api/ui/dashboards", json=body, headers=login())).status_code == status
    assert (await client.get("/api/ui/preferences", headers=login())).json()["document"] == {}
    assert await titles(client, login()) == []


async def test_one_person_keeps_so_many(
    client: httpx2.AsyncClient, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "DASHBOARDS_MAX", 2)
    await add(client, login())
    await add(client, login(), kind="view")
    full = await client.post("/api/ui/dashboards", json={"title": "x", "document": {}}, headers=login())
    assert full.status_code == 400
    assert "delete some" in full.json()["detail"]
    await add(client, login("bob"))
