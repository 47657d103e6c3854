"""Declared fields at the door: who may not, what is refused, and values that follow a change of the index."""

from typing import Any

import pytest
from tests.file_catalog.plain_catalogue import put_directories, put_files
from tests.infra.app import Application

from weyl.config.service import CONFIG
from weyl.file_catalog.tasks import tasks
from weyl.kit.db import Database, driver_connection
from weyl.tasks.engine import Worker

KEEPER = {"properties": ["ProductionManagement"]}
MANAGER = {"properties": ["FileCatalogManagement"]}
OPEN = ("alice", "user", 0o775)


async def declare(application: Application, name: str, kind: str = "int", **more: Any) -> dict[str, Any]:
    """Declare a field of voa and return it."""
    body = {"name": name, "type": kind, **more}
    answer = await application.client.post("/api/files/fields", json=body, headers=application.login(**KEEPER))
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def listed(application: Application, **login: Any) -> list[str]:
    """Return the names of a VO's fields."""
    answer = await application.client.get("/api/files/fields", headers=application.login(**login))
    return [field["name"] for field in answer.json()]


async def change(application: Application, name: str, **changes: Any) -> dict[str, Any]:
    """Change a field of voa and return it."""
    headers = application.login(**MANAGER)
    answer = await application.client.patch(f"/api/files/fields/{name}", json=changes, headers=headers)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/files/fields", {"name": "Run", "type": "int"}),
        ("PATCH", "/api/files/fields/Run", {"unit": "s"}),
        ("DELETE", "/api/files/fields/Run", None),
    ],
)
async def test_whoever_does_not_own_the_data_is_refused(
    application: Application, method: str, path: str, body: Any
) -> None:
    client = application.client
    assert (await client.request(method, path, json=body)).status_code == 401
    others = [
        application.login(),
        application.login("bob", group="admin"),
        application.pilot("a" * 32),
        application.payload(1, stamp="a" * 32),
    ]
    for headers in others:
        assert (await client.request(method, path, json=body, headers=headers)).status_code == 403


async def test_members_read_the_fields_of_their_own_vo(application: Application) -> None:
    field = await declare(application, "Run", indexed=True, unit="s", help="Number of the run")
    assert field == {
        "name": "Run",
        "type": "int",
        "on": "file",
        "indexed": True,
        "filled": True,
        "unit": "s",
        "values": None,
        "help": "Number of the run",
        "operation_id": None,
    }
    assert await listed(application) == ["Run"]
    assert await listed(application, vo="vob") == []
    assert (await application.client.get("/api/files/fields")).status_code == 401
    assert (await application.client.get("/api/files/fields", headers=application.pilot("a" * 32))).status_code == 403
    foreign = await application.client.patch(
        "/api/files/fields/Run", json={"unit": "m"}, headers=application.login(vo="vob", **MANAGER)
    )
    assert foreign.status_code == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "Size", "type": "int"}, 422),
        ({"name": "lfn", "type": "int"}, 422),
        ({"name": "1Run", "type": "int"}, 422),
        ({"name": "a" * 65, "type": "int"}, 422),
        ({"name": "Run", "type": "enum"}, 422),
        ({"name": "Run", "type": "int", "on": "replica"}, 422),
        ({"name": "Run", "type": "int", "values": []}, 422),
        ({"name": "Run", "type": "int", "values": [1.5]}, 400),
        ({"name": "Run", "type": "int", "colour": "red"}, 422),
        ({"name": "Run", "type": "int", "help": "a\x00"}, 422),
        ({"name": "Run", "type": "text", "values": ["a\x00"]}, 400),
        ({"name": "Known", "type": "int"}, 409),
    ],
)
async def test_a_field_that_makes_no_sense_is_refused(application: Application, body: Any, status: int) -> None:
    await declare(application, "Known")
    answer = await application.client.post("/api/files/fields", json=body, headers=application.login(**KEEPER))
    assert answer.status_code == status, answer.text
    assert await listed(application) == ["Known"]


async def test_a_field_is_dropped_when_nothing_has_a_value_or_with_force(
    application: Application, db: Database
) -> None:
    for name in ("Empty", "Indexed", "Plain"):
        await declare(application, name, indexed=name == "Indexed")
    async with db.transaction() as tx:
        ids = await put_directories(tx, "voa", {"/voa": OPEN})
        await put_files(tx, "voa", ids, {"/voa/a": {"Indexed": 1, "Plain": 2}})
    headers = application.login(**MANAGER)

    async def drop(name: str, query: str = "") -> Any:
        return await application.client.delete(f"/api/files/fields/{name}{query}", headers=headers)

    assert (await drop("Plane")).json()["detail"] == "There is no field 'Plane'; did you mean Plain?"
    assert (await drop("Empty")).status_code == 204
    for name in ("Indexed", "Plain"):
        refused = await drop(name)
        assert refused.status_code == 409
        assert "with `force`" in refused.json()["detail"]
        assert (await drop(name, "?force=true")).status_code == 204
    assert await listed(application) == []
    await Worker(db, tasks(db, application.services[CONFIG])).drain()
    async with db.read() as tx:
        connection = await driver_connection(tx)
        assert await connection.fetchval("SELECT count(*) FROM file_metadata_int") == 0
        assert await connection.fetchval("SELECT doc FROM file_metadata_doc") == {}


VALUES = {"int": 7, "float": 2.5, "text": "π", "bool": True, "date": "2026-11-27", "time": "2026-11-27T12:00:00.5Z"}


async def test_values_move_to_the_index_and_back(application: Application, db: Database) -> None:
    for kind in VALUES:
        await declare(application, f"a_{kind}", kind)
    async with db.transaction() as tx:
        ids = await put_directories(tx, "voa", {"/voa": OPEN})
        await put_files(tx, "voa", ids, {"/voa/a": {f"a_{kind}": value for kind, value in VALUES.items()}})
    for indexed in (True, False, True):
        for kind in VALUES:
            field = await change(application, f"a_{kind}", indexed=indexed)
            assert (field["indexed"], field["filled"], field["operation_id"] is None) == (indexed, False, False)
            assert await _values(application) == VALUES
            assert await _found(application, kind) == (["/voa/a"], True)
        await Worker(db, tasks(db, application.services[CONFIG])).drain()
        assert await _values(application) == VALUES
        for kind in VALUES:
            assert await _found(application, kind) == (["/voa/a"], not indexed)
        async with db.read() as tx:
            documents = await (await driver_connection(tx)).fetchval("SELECT doc FROM file_metadata_doc")
        assert len(documents) == (0 if indexed else len(VALUES))
    assert (await change(application, "a_int", indexed=True))["operation_id"] is None
    headers = application.login(**MANAGER)
    shown = (await application.client.get("/api/files/fields", headers=headers)).json()
    assert all(field["filled"] for field in shown)


async def test_a_text_that_is_too_long_for_the_index_is_found_all_the_same(
    application: Application, db: Database
) -> None:
    await declare(application, "Note", "text")
    async with db.transaction() as tx:
        ids = await put_directories(tx, "voa", {"/voa": OPEN})
        await put_files(tx, "voa", ids, {"/voa/a": {"Note": "x" * 2_000}, "/voa/b": {"Note": "short"}})
    await change(application, "Note", indexed=True)
    await Worker(db, tasks(db, application.services[CONFIG])).drain()
    [field] = (await application.client.get("/api/files/fields", headers=application.login())).json()
    assert (field["indexed"], field["filled"]) == (True, False)
    body = {"where": [{"parameter": "Note", "operator": "like", "value": "x%"}], "parameters": ["LFN"]}
    found = await application.client.post("/api/files/search", json=body, headers=application.login())
    assert (found.json(), "Weyl-Warning" in found.headers) == ([{"LFN": "/voa/a"}], True)


async def _values(application: Application) -> dict[str, Any]:
    answer = await application.client.post(
        "/api/files/metadata", json={"paths": ["/voa/a"]}, headers=application.login()
    )
    shown = answer.json()["success"]["/voa/a"]
    return {name.removeprefix("a_"): each["value"] for name, each in shown.items()}


async def _found(application: Application, kind: str) -> tuple[list[str], bool]:
    """Return what is found by a value, and whether that is told to be slow."""
    body = {
        "where": [{"parameter": f"a_{kind}", "operator": "eq", "value": VALUES[kind]}],
        "parameters": ["LFN", f"a_{kind}"],
    }
    answer = await application.client.post("/api/files/search", json=body, headers=application.login())
    assert answer.status_code == 200, answer.text
    return [row["LFN"] for row in answer.json()], "Weyl-Warning" in answer.headers
