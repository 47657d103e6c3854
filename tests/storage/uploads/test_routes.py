"""Uploads and the comparison over HTTP: who may not, what is refused, and what is answered."""

import json
from typing import Any

import aiohttp
import pytest
from tests.infra.app import Application
from tests.storage.uploading import BUCKET, CONTENT, DISK, PROTOCOLS, World, checksums_of, send

PATHS = [
    ("POST", "/api/storage/uploads"),
    ("GET", "/api/storage/uploads"),
    ("GET", "/api/storage/uploads/1"),
    ("DELETE", "/api/storage/uploads/1"),
    ("POST", "/api/storage/uploads/1/commit"),
    ("POST", "/api/storage/check"),
]
BODIES: dict[str, Any] = {"/api/storage/check": {"se": DISK}, "/api/storage/uploads/1/commit": {"landed": {}}}


def file(lfn: str, content: bytes = CONTENT, **more: Any) -> dict[str, Any]:
    return {"lfn": lfn, "size": len(content), "checksums": checksums_of(content).as_json(), **more}


def body_of(path: str) -> Any:
    return BODIES.get(path, {"files": [file("/voa/user/a/alice/x")]})


async def ask(application: Application, method: str, path: str, headers: dict[str, str], body: Any = None) -> Any:
    sent = body if body is not None else body_of(path) if method == "POST" else None
    content = None if sent is None else json.dumps(sent)
    headers = headers | ({} if content is None else {"Content-Type": "application/json"})
    return await application.client.request(method, path, content=content, headers=headers)


@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_nodes_strangers_and_groups_without_the_property_are_refused(
    world: World, method: str, path: str
) -> None:
    application = world.application
    assert (await ask(application, method, path, {})).status_code == 401
    for headers in (
        application.pilot("stamp"),
        application.payload(7, stamp="stamp"),
        application.login(group="pilot"),
    ):
        assert (await ask(application, method, path, headers)).status_code == 403, headers


async def test_only_those_who_look_after_data_compare_it(world: World) -> None:
    application = world.application
    assert (await ask(application, "POST", "/api/storage/check", application.login())).status_code == 403
    operator = application.login(properties=["Operator"])
    answer = await ask(application, "POST", "/api/storage/check", operator)
    assert (answer.status_code, answer.json()) == (200, {"compared": 0, "findings": [], "cursor": None})
    for wrong in ({"se": "NOWHERE"}, {"se": DISK, "under": "/vob"}, {"se": DISK, "cursor": "/vob/x"}):
        assert (await ask(application, "POST", "/api/storage/check", operator, wrong)).status_code in (400, 404)


async def test_an_upload_over_http_from_its_opening_to_the_file(world: World) -> None:
    application, headers, lfn = world.application, world.application.login(), world.lfn()
    opened = (
        await ask(
            application,
            "POST",
            "/api/storage/uploads",
            headers,
            {"files": [file(f"LFN:{lfn}")], "protocols": PROTOCOLS},
        )
    ).json()
    path = f"/api/storage/uploads/{opened['upload_id']}"
    target = opened["files"][lfn]["targets"][0]
    assert target["request"]["expires_at"].endswith("Z")
    async with aiohttp.ClientSession() as session:
        etags = await send(session, target["request"], CONTENT)
    for login in (application.login("bob"), application.login(vo="vob")):
        for method, where in (("GET", path), ("DELETE", path), ("POST", f"{path}/commit")):
            body = {"landed": {}} if method == "POST" else None
            assert (await ask(application, method, where, login, body)).status_code == 404
        assert (await ask(application, "GET", "/api/storage/uploads", login)).json() == []
    landed = {lfn: {"se": target["se"], "etags": etags}}
    done = await ask(application, "POST", f"{path}/commit", headers, {"landed": landed})
    assert (done.status_code, done.json()["state"]) == (200, "registered"), done.text
    [line] = (await ask(application, "GET", "/api/storage/uploads", headers)).json()
    assert (line["upload_id"], line["state"], line["files"]) == (opened["upload_id"], "registered", 1)
    assert (await ask(application, "DELETE", path, headers)).status_code == 409
    assert (await ask(application, "GET", path, headers)).json()["files"][lfn]["file_id"] == (
        done.json()["files"][lfn]["file_id"]
    )


async def test_a_commit_that_a_task_goes_on_with_is_accepted(world: World) -> None:
    application, headers, lfn = world.application, world.application.login(), world.lfn()
    body = {"files": [file(lfn)], "ses": [DISK], "protocols": PROTOCOLS}
    opened = (await ask(application, "POST", "/api/storage/uploads", headers, body)).json()
    world.disk.rename(world.disk.with_name("away"))
    commit = f"/api/storage/uploads/{opened['upload_id']}/commit"
    answer = await ask(application, "POST", commit, headers, {"landed": {lfn: {"se": DISK}}})
    assert (answer.status_code, answer.json()) == (202, {"state": "verifying", "files": {}, "failed": {}})


async def test_bad_orders_are_refused_and_change_nothing(world: World) -> None:
    application, headers = world.application, world.application.login()
    good = file("/voa/user/a/alice/x")
    for body, status in (
        ({"files": []}, 422),
        ({"files": [good] * 1_001}, 422),
        ({"files": [{**good, "size": -1}]}, 422),
        ({"files": [{**good, "size": 1 << 60}]}, 422),
        ({"files": [{**good, "lfn": "x" * 10_000}]}, 422),
        ({"files": [good], "ses": []}, 422),
        ({"files": [good], "ses": ["NOWHERE"]}, 404),
        ({"files": [{**good, "checksums": {}}]}, 200),
        ({"files": [{**good, "checksums": {"md5": "x"}}]}, 200),
        ({"files": [{**good, "at": [{"se": "NOWHERE"}]}]}, 200),
        ({"files": [{**good, "at": [{"se": DISK, "pfn": "https://elsewhere/x"}]}]}, 200),
        ({"files": [{**good, "lfn": "/voa/x\ud800"}]}, 422),
        ({"files": [{**good, "lfn": "/voa/" + "é" * 1_100}]}, 200),
        ({"files": [{**good, "checksums": {"md5": "x"}}], "atomic": True}, 409),
    ):
        answer = await ask(application, "POST", "/api/storage/uploads", headers, body)
        assert answer.status_code == status, answer.text
        if status == 200:
            assert (answer.json()["files"], len(answer.json()["failed"])) == ({}, 1), answer.text
    assert (await world.files(), await world.intents()) == ({}, [])


async def test_names_by_which_elements_are_reached_are_understood(world: World) -> None:
    application, lfn = world.application, world.lfn()
    path = f"/voa/old/{lfn.rpartition('/')[2]}"
    (world.disk / path[1:]).parent.mkdir(parents=True)
    (world.disk / path[1:]).write_bytes(CONTENT)
    await world.store.put(path[1:], CONTENT)
    endpoint = world.config.resources.storage_elements[BUCKET].endpoints[0]
    places = [
        {"se": DISK, "pfn": f"file://{world.disk}{path}"},
        {"se": BUCKET, "pfn": f"{endpoint.url}/{endpoint.bucket}{path}"},
    ]
    headers = application.login(properties=["FileCatalogManagement"])
    body = {"files": [file(lfn, at=places)]}
    opened = (await ask(application, "POST", "/api/storage/uploads", headers, body)).json()
    commit = f"/api/storage/uploads/{opened['upload_id']}/commit"
    done = await ask(application, "POST", commit, headers, {"landed": {lfn: {"se": DISK}}})
    assert done.json()["state"] == "registered", done.text
    assert await world.replicas() == {(lfn, DISK, path), (lfn, BUCKET, path)}
