"""Who may not: each route refuses whoever is no member before it reads anything, and other VOs know nothing."""

from typing import Any

import pytest
from tests.file_catalog.conftest import Caller, Reconfigured, files_document
from tests.infra.app import Application
from tests.infra.routes import operations

from weyl.app import create_app
from weyl.config.models import Config
from weyl.config.references import misfits
from weyl.kit.db import DATABASE, Database
from weyl.settings import Settings

SECRET = "/voa/secret/file"
BODIES: dict[str, dict[str, Any]] = {
    "register": {"files": [{"lfn": SECRET, "size": 1, "checksums": {"adler32": "1"}, "replicas": [{"se": "DISK-A"}]}]},
    "lookup": {"lfns": [SECRET]},
    "replicas": {"lfns": [SECRET]},
    "replicas/status": {"lfns": [SECRET], "se": "DISK-A", "status": "Bad", "reason": "x"},
    "list": {"path": "/voa/secret"},
    "directories": {"paths": ["/voa/secret"]},
    "rmdir": {"paths": ["/voa/secret"]},
    "move": {"moves": [{"from": SECRET, "to": "/voa/secret/other"}]},
    "permissions": {"paths": [SECRET], "mode": "0777"},
    "delete": {"lfns": [SECRET], "reason": "x"},
    "restore": {"lfns": [SECRET]},
    "usage": {"paths": ["/voa/secret"]},
    "ancestors": {"lfns": [SECRET]},
    "descendants": {"lfns": [SECRET]},
    "bulk": {"action": "delete", "paths": ["/voa/secret"], "fields": {"reason": "x"}},
}
BULK_LIMITS = {
    "lookup": ("lfns", 10_000),
    "replicas": ("lfns", 10_000),
    "directories": ("paths", 10_000),
    "rmdir": ("paths", 10_000),
    "usage": ("paths", 10_000),
    "delete": ("lfns", 1_000),
    "restore": ("lfns", 1_000),
    "ancestors": ("lfns", 10_000),
}
# Of the room's other parts, with tests of their own.
ELSEWHERE = ("metadata", "fields", "search", "summary", "tree", "{file_id}", "numbers", "pages")


def test_every_route_of_the_core_is_among_these() -> None:
    every = {each.split(" /api/files/")[1] for each in operations(create_app(Settings())) if " /api/files/" in each}
    mine = {path for path in every if not path.startswith(ELSEWHERE)}
    assert mine == BODIES.keys()


@pytest.mark.parametrize("path", sorted(BODIES))
async def test_only_members_are_served_and_nothing_is_read_for_others(application: Application, path: str) -> None:
    client, url, body = application.client, f"/api/files/{path}", BODIES[path]
    refused = {
        "anonymous": ({}, 401),
        "a group without the property": (application.login(group="pilot"), 403),
        "a payload": (application.payload(1, stamp="a" * 32), 403),
        "a payload of another VO": (application.payload(1, stamp="a" * 32, vo="vob"), 403),
        "a pilot": (application.pilot("a" * 32), 403),
    }
    for who, (headers, status) in refused.items():
        with application.services[DATABASE].count_statements() as counted:
            answer = await client.post(url, json=body, headers=headers)
        assert answer.status_code == status, (who, answer.text)
        assert len(counted) == 0, who


async def test_register_believes_managers_only(alice: Caller) -> None:
    await alice.refused("register", 403, **BODIES["register"])


@pytest.mark.parametrize("path", sorted(BODIES.keys() - {"register"}))
async def test_what_is_in_another_vo_looks_like_what_is_nowhere(
    manager: Caller, stranger: Caller, db: Database, path: str
) -> None:
    await manager.register(SECRET)
    answers = []
    for there in (SECRET, "/voa/nowhere/file"):
        body = _instead(BODIES[path], there)
        answer = await stranger.application.client.post(f"/api/files/{path}", json=body, headers=stranger.headers)
        text = answer.text.replace(there, "X").replace(there.rpartition("/")[0], "X")
        answers.append((answer.status_code, text.partition('"plan_token"')[0]))
    assert answers[0] == answers[1]
    assert (await manager.post("lookup", lfns=[SECRET]))["failed"] == {}


def _instead(body: Any, there: str) -> Any:
    if isinstance(body, dict):
        return {key: _instead(value, there) for key, value in body.items()}
    if isinstance(body, list):
        return [_instead(value, there) for value in body]
    return {SECRET: there, "/voa/secret": there.rpartition("/")[0]}.get(body, body)


@pytest.mark.parametrize(("path", "name", "most"), [(path, *limit) for path, limit in BULK_LIMITS.items()])
async def test_a_list_has_a_length(manager: Caller, path: str, name: str, most: int) -> None:
    body = {**BODIES[path], name: [f"/voa/x/{n}" for n in range(most + 1)]}
    await manager.refused(path, 422, **body)
    await manager.refused(path, 422, **{**body, name: []})
    await manager.refused(path, 422, **{**body, name: ["x" * 5_000]})


@pytest.mark.parametrize("path", ["lookup", "list", "register", "bulk"])
async def test_files_of_another_master_are_asked_for_there(reconfigured: Reconfigured, path: str) -> None:
    document = files_document()
    document["Operations"]["voa"] = {"InputData": {"Catalog": "static"}}
    application = await reconfigured(document)
    manager = Caller(application, application.login(properties=["FileCatalogManagement"]))
    answer = await manager.refused(path, 409, **BODIES[path])
    assert "'static'" in answer["detail"]


def test_roots_of_two_vos_never_overlap() -> None:
    document = files_document()
    for roots, is_fine in ((["/vob"], False), (["/vob/a"], False), (["/v"], True), (["/vobs", "/voa"], True)):
        document["Operations"]["voa"] = {"DataManagement": {"Roots": roots}}
        assert (list(misfits(Config.model_validate(document))) == []) is is_fine, roots
