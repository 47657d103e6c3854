"""Values of files and directories at the door: who may not, what is refused, and what is shown afterwards."""

from typing import Any

import pytest
from tests.file_catalog.plain_catalogue import declare, put_directories, put_files
from tests.infra.app import Application

from weyl.config.service import CONFIG
from weyl.file_catalog.fields import AppliesTo, DeclaredField, FieldType
from weyl.file_catalog.service import values
from weyl.file_catalog.tasks import tasks
from weyl.kit.db import DATABASE, Database
from weyl.tasks.engine import Worker

FIELDS = (
    DeclaredField(0, "Run", FieldType.INT, AppliesTo.FILE, is_indexed=True),
    DeclaredField(0, "Particle", FieldType.TEXT, AppliesTo.BOTH, is_indexed=True, choices=("gamma", "proton")),
    DeclaredField(0, "DataType", FieldType.TEXT, AppliesTo.DIRECTORY),
    DeclaredField(0, "Checked", FieldType.BOOL, AppliesTo.FILE),
    DeclaredField(0, "Taken", FieldType.TIME, AppliesTo.FILE, is_indexed=True),
    DeclaredField(0, "Night", FieldType.DATE, AppliesTo.BOTH),
    DeclaredField(0, "Energy", FieldType.FLOAT, AppliesTo.BOTH),
)
OPEN, CLOSED = ("alice", "user", 0o775), ("bob", "admin", 0o700)
MANAGER = {"properties": ["FileCatalogManagement"]}


@pytest.fixture
async def catalogue(application: Application, db: Database) -> Application:
    """Two VOs with a few files each."""
    async with db.transaction() as tx:
        for vo in ("voa", "vob"):
            await declare(tx, vo, FIELDS)
            paths = {f"/{vo}": OPEN, f"/{vo}/mc": OPEN, f"/{vo}/mc/run1": OPEN, f"/{vo}/own": CLOSED}
            ids = await put_directories(tx, vo, paths)
            await put_files(tx, vo, ids, {f"/{vo}/mc/run1/{name}": {} for name in ("a", "b")} | {f"/{vo}/own/c": {}})
    return application


async def change(application: Application, changes: Any, **login: Any) -> Any:
    """Set values and return the answer."""
    return await application.client.post(
        "/api/files/metadata/set", json={"set": changes}, headers=application.login(**login)
    )


async def shown(application: Application, *paths: str, inherited: bool = True, **login: Any) -> Any:
    """Return what is shown of paths."""
    body = {"paths": paths, "inherited": inherited}
    answer = await application.client.post("/api/files/metadata", json=body, headers=application.login(**login))
    assert answer.status_code == 200, answer.text
    return answer.json()


ROUTES = {"/api/files/metadata": {"paths": ["/voa/mc"]}, "/api/files/metadata/set": {"set": {"/voa/mc": {}}}}


@pytest.mark.parametrize(("path", "body"), ROUTES.items())
async def test_who_is_no_member_is_refused(catalogue: Application, path: str, body: Any) -> None:
    client = catalogue.client
    assert (await client.post(path, json=body)).status_code == 401
    others = [catalogue.login("bob", group="pilot"), catalogue.pilot("a" * 32), catalogue.payload(1, stamp="a" * 32)]
    for headers in others:
        assert (await client.post(path, json=body, headers=headers)).status_code == 403


async def test_another_vo_does_not_exist(catalogue: Application) -> None:
    unknown = (await shown(catalogue, "/voa/none"))["failed"]["/voa/none"]
    assert (await shown(catalogue, "/vob/mc", "/vob/mc/run1/a"))["failed"] == dict.fromkeys(
        ["/vob/mc", "/vob/mc/run1/a"], unknown
    )
    answer = (await change(catalogue, {"/vob/mc": {"DataType": "DST"}}, **MANAGER)).json()
    assert answer == {"success": {}, "failed": {"/vob/mc": unknown}}


async def test_modes_of_directories_decide(catalogue: Application) -> None:
    changes = {"/voa/own": {"DataType": "DST"}, "/voa/own/c": {"Run": 1}, "/voa/mc/run1/a": {"Run": 1}}
    answer = (await change(catalogue, changes)).json()
    assert answer["success"].keys() == {"/voa/mc/run1/a"}
    assert {failure["code"] for failure in answer["failed"].values()} == {"forbidden"}
    assert (await shown(catalogue, "/voa/own/c"))["failed"]["/voa/own/c"]["code"] == "forbidden"
    assert (await change(catalogue, changes, **MANAGER)).json()["failed"] == {}


async def test_values_of_directories_hold_below_and_the_nearest_wins(catalogue: Application) -> None:
    first = {
        "/voa/mc": {"DataType": "DST", "Particle": "gamma", "Night": "2026-11-27", "Energy": 1},
        "/voa/mc/run1": {"Particle": "proton"},
        "/voa/mc/run1/a": {"Run": "1200", "Checked": "true", "Taken": "2026-11-27T20:30:00+01:00", "Energy": 2.5},
    }
    assert (await change(catalogue, first)).json() == {"success": {path: {} for path in first}, "failed": {}}
    values = (await shown(catalogue, "/voa/mc/run1/a"))["success"]["/voa/mc/run1/a"]
    a, run1, mc = "/voa/mc/run1/a", "/voa/mc/run1", "/voa/mc"
    assert values == {
        "Checked": {"value": True, "from": a},
        "DataType": {"value": "DST", "from": mc},
        "Energy": {"value": 2.5, "from": a},
        "Night": {"value": "2026-11-27", "from": mc},
        "Particle": {"value": "proton", "from": run1},
        "Run": {"value": 1200, "from": a},
        "Taken": {"value": "2026-11-27T19:30:00Z", "from": a},
    }
    own = (await shown(catalogue, a, run1, inherited=False))["success"]
    assert own[run1] == {"Particle": {"value": "proton", "from": run1}}
    assert own[a].keys() == {"Checked", "Energy", "Run", "Taken"}
    taken = {run1: {"Particle": None}, a: {"Energy": None, "Run": None, "Checked": None}}
    assert (await change(catalogue, taken)).json()["failed"] == {}
    values = (await shown(catalogue, a))["success"][a]
    assert values["Particle"] == {"value": "gamma", "from": mc}
    assert values["Energy"] == {"value": 1.0, "from": mc}
    assert values.keys() == {"DataType", "Energy", "Night", "Particle", "Taken"}


@pytest.mark.parametrize(
    ("path", "values", "said"),
    [
        ("/voa/mc/run1/a", {"Rum": 1}, "did you mean Run?"),
        ("/voa/mc/run1/a", {"Run": 1.5}, "not a whole number"),
        ("/voa/mc/run1/a", {"Run": True}, "not a whole number"),
        ("/voa/mc/run1/a", {"Run": 1 << 63}, "at most 64 bits"),
        ("/voa/mc/run1/a", {"Run": 1, "DataType": "DST"}, "is a field of directories"),
        ("/voa/mc", {"Run": 1}, "is a field of files"),
        ("/voa/mc", {"Particle": "muon"}, "is not one of its values: gamma, proton"),
        ("/voa/mc/run1/a", {"Taken": "yesterday"}, "is not a time"),
        ("/voa/mc", {"Night": "2026-02-30"}, "is not a date"),
        ("/voa/mc", {"DataType": "x" * 4_096 + "é"}, ""),
        ("/voa/mc", {"DataType": 5}, "is not a text"),
        ("/voa/mc", {"DataType": "a\x00"}, "no NUL"),
    ],
)
async def test_a_wrong_value_fails_for_its_path_alone(
    catalogue: Application, path: str, values: Any, said: str
) -> None:
    answer = await change(catalogue, {path: values, "/voa/mc/run1/b": {"Run": 7}})
    if len(str(values)) > 4_000:
        assert answer.status_code == 422
        return
    assert answer.json()["success"] == {"/voa/mc/run1/b": {}}
    failure = answer.json()["failed"][path]
    assert failure["code"] == "bad_value"
    assert said in failure["detail"]
    assert (await shown(catalogue, path))["success"][path] == {}


async def test_bad_names_are_told_which_rule_they_break(catalogue: Application) -> None:
    answer = (await change(catalogue, {"/voa/../vob/mc": {"Run": 1}, "LFN:/voa/mc/run1/a": {"Run": 3}})).json()
    assert answer["failed"]["/voa/../vob/mc"]["code"] == "bad_name"
    assert answer["success"] == {"/voa/mc/run1/a": {}}


async def test_ten_thousand_paths_are_taken_and_no_more(catalogue: Application) -> None:
    changes = {f"/voa/none{number}": {"Run": 1} for number in range(10_001)}
    assert (await change(catalogue, changes)).status_code == 422
    assert (await change(catalogue, {})).status_code == 422
    changes.popitem()
    assert len((await change(catalogue, changes)).json()["failed"]) == 10_000


async def test_very_many_directories_are_followed_by_an_operation(
    catalogue: Application, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(values, "SUBDIRECTORIES_MAX", 1)
    answer = (await change(catalogue, {"/voa": {"DataType": "DST"}})).json()
    operation_id = answer["success"]["/voa"]["operation_id"]
    assert (await shown(catalogue, "/voa/mc/run1/a"))["success"]["/voa/mc/run1/a"]["DataType"]["from"] == "/voa"
    query = {"where": [{"parameter": "DataType", "operator": "eq", "value": "DST"}], "parameters": ["LFN"]}
    assert await found(catalogue, query) == []
    await Worker(db, tasks(db, catalogue.services[CONFIG])).drain()
    assert await found(catalogue, query) == ["/voa/mc/run1/a", "/voa/mc/run1/b"]
    told = await catalogue.client.get(f"/api/operations/{operation_id}", headers=catalogue.login())
    assert (told.json()["state"], told.json()["done"], told.json()["total"]) == ("done", 4, 4)


async def found(application: Application, query: Any) -> list[str]:
    """Return the names that a search finds."""
    answer = await application.client.post("/api/files/search", json=query, headers=application.login())
    return [row["LFN"] for row in answer.json()]


async def test_setting_takes_the_same_statements_for_one_and_for_many(catalogue: Application) -> None:
    db = catalogue.services[DATABASE]
    counts = []
    for names in (["a"], ["a", "b"]):
        with db.count_statements() as counted:
            await change(catalogue, {f"/voa/mc/run1/{name}": {"Run": 5, "Checked": True} for name in names})
        counts.append(len(counted))
    assert counts == [4, 4]
    with db.count_statements() as counted:
        await change(catalogue, {"/voa/mc": {"DataType": "RAW"}, "/voa/mc/run1": {"DataType": "DST"}})
    assert len(counted) == 10
