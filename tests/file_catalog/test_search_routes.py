"""Searches for files at the door: who may not, what is refused, pages, totals and what is told beside."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa
from tests.file_catalog.plain_catalogue import declare, put_directories, put_files
from tests.infra.app import Application

from weyl.file_catalog.fields import AppliesTo, DeclaredField, FieldType
from weyl.kit.db import DATABASE, Database

FIELDS = (
    DeclaredField(0, "Run", FieldType.INT, AppliesTo.FILE, is_indexed=True),
    DeclaredField(0, "Particle", FieldType.TEXT, AppliesTo.BOTH),
)
OPEN, CLOSED = ("alice", "user", 0o775), ("bob", "admin", 0o700)
ROUTES = ("/api/files/search", "/api/files/summary")
MANAGER = {"properties": ["FileCatalogManagement"]}


@pytest.fixture
async def catalogue(application: Application, db: Database) -> Application:
    """Thirty files in each of two VOs, ten of them where only bob may read."""
    async with db.transaction() as tx:
        for vo in ("voa", "vob"):
            await declare(tx, vo, FIELDS)
            paths = {f"/{vo}": OPEN, f"/{vo}/a": OPEN, f"/{vo}/b": OPEN, f"/{vo}/own": CLOSED}
            ids = await put_directories(tx, vo, paths)
            files = {
                f"/{vo}/{place}/f{number}": {"Run": number, "Particle": "gamma" if number % 2 else "proton", "Size": 1}
                for place in ("a", "b", "own")
                for number in range(10)
            }
            await put_files(tx, vo, ids, files)
    return application


async def ask(application: Application, body: Any, query: str = "", prefer: str | None = None, **login: Any) -> Any:
    """Search and return the answer."""
    headers = application.login(**login) | ({"Prefer": prefer} if prefer else {})
    return await application.client.post(f"/api/files/search{query}", json=body, headers=headers)


@pytest.mark.parametrize("path", ROUTES)
async def test_who_is_no_member_is_refused(catalogue: Application, path: str) -> None:
    client = catalogue.client
    assert (await client.post(path, json={})).status_code == 401
    others = [catalogue.login("bob", group="pilot"), catalogue.pilot("a" * 32), catalogue.payload(1, stamp="a" * 32)]
    for headers in others:
        assert (await client.post(path, json={}, headers=headers)).status_code == 403


async def test_what_is_not_of_the_own_vo_or_closed_is_not_found(catalogue: Application) -> None:
    everything = (await ask(catalogue, {"parameters": ["LFN"]})).json()
    assert {row["LFN"].rpartition("/")[0] for row in everything} == {"/voa/a", "/voa/b"}
    assert (await ask(catalogue, {"under": "/vob"})).json() == []
    assert (await ask(catalogue, {"under": "/voa/none"})).json() == []
    assert (
        await ask(catalogue, {"where": [{"parameter": "LFN", "operator": "eq", "value": "/vob/a/f1"}]})
    ).json() == []
    assert len((await ask(catalogue, {}, **MANAGER)).json()) == 30
    assert len((await ask(catalogue, {"under": "/voa/own"}, user="bob", group="admin")).json()) == 10
    answer = await catalogue.client.post("/api/files/summary", json={}, headers=catalogue.login())
    assert answer.json() == [{"count": 20, "bytes": 20, "replica_bytes": 0}]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"where": [{"parameter": "Rum", "operator": "eq", "value": 1}]}, 400, "did you mean Run?"),
        ({"where": [{"parameter": "Run", "operator": "eq", "value": 1.5}]}, 400, "not a whole number"),
        ({"where": [{"parameter": "Run", "operator": "nearly", "value": 1}]}, 400, "There is no operator"),
        ({"parameters": ["Color"]}, 400, "There is no parameter 'Color'"),
        ({"parameters": ["Run"], "sort": [{"parameter": "Run", "direction": "asc"}]}, 400, "sorted by LFN"),
        ({"sort": [{"parameter": "LFN", "direction": "desc"}]}, 400, "sorted by LFN"),
        ({"under": "voa"}, 400, "`under` does not begin with /"),
        ({"under": "/voa/../vob"}, 400, "has . or .."),
        ({"where": [{"parameter": "Particle", "operator": "regex", "value": "a"}]}, 400, "needs `under`"),
        (
            {"under": "/voa/a", "where": [{"parameter": "Particle", "operator": "regex", "value": "a("}]},
            400,
            "not valid",
        ),
        ({"under": "/voa/a", "page": 5}, 422, ""),
        ({"where": [{"parameter": "Run", "operator": "eq", "value": {}}]}, 422, ""),
        ({"parameters": ["Run"] * 101}, 422, ""),
    ],
)
async def test_a_search_that_makes_no_sense_is_refused(
    catalogue: Application, body: Any, status: int, said: str
) -> None:
    answer = await ask(catalogue, body)
    assert answer.status_code == status, answer.text
    assert said in str(answer.json()["detail"])


async def test_pages_are_led_to_by_a_link_and_counted_when_asked_for(catalogue: Application) -> None:
    body = {"sort": [{"parameter": "LFN", "direction": "asc"}], "parameters": ["LFN"]}
    answer = await ask(catalogue, body, "?per_page=8", "count=exact")
    names, total = [], 20
    while True:
        rows = answer.json()
        first = len(names)
        names += [row["LFN"] for row in rows]
        assert answer.headers["Preference-Applied"] == "count=exact"
        assert answer.headers["Content-Range"] == f"files {first}-{len(names) - 1}/{total}"
        if "Link" not in answer.headers:
            break
        link = urlsplit(answer.headers["Link"].split(">")[0].lstrip("<"))
        assert (link.path, parse_qs(link.query)["per_page"]) == ("/api/files/search", ["8"])
        answer = await ask(catalogue, body, f"?{link.query}", "count=exact")
    assert names == [f"/voa/{place}/f{number}" for place in "ab" for number in range(10)]
    estimated = await ask(catalogue, body, "?per_page=8", "count=estimated")
    assert estimated.headers["Content-Range"].startswith("files 0-7/")
    assert (await ask(catalogue, body, "?per_page=8")).headers["Content-Range"] == "files 0-7/*"
    assert "Content-Range" not in (await ask(catalogue, body)).headers


async def test_pages_by_number_end_behind_the_last_and_at_ten_thousand(catalogue: Application) -> None:
    second = await ask(catalogue, {"sort": [{"parameter": "FileID", "direction": "asc"}]}, "?page=2&per_page=15")
    assert (second.status_code, len(second.json())) == (206, 5)
    assert (await ask(catalogue, {}, "?page=3&per_page=15")).status_code == 416
    refused = await ask(catalogue, {}, "?page=101&per_page=100")
    assert (refused.status_code, "cursor" in refused.json()["detail"]) == (400, True)


async def test_a_cursor_of_another_order_is_refused(catalogue: Application) -> None:
    answer = await ask(catalogue, {"sort": [{"parameter": "FileID", "direction": "asc"}]}, "?per_page=5")
    query = urlsplit(answer.headers["Link"].split(">")[0].lstrip("<")).query
    for sort in ([{"parameter": "LFN", "direction": "asc"}], [{"parameter": "FileID", "direction": "desc"}]):
        assert (await ask(catalogue, {"sort": sort}, f"?{query}")).status_code == 400
    assert (await ask(catalogue, {}, "?cursor=abc")).status_code == 400


async def test_a_dictionary_of_the_legacy_catalogue_is_a_query(catalogue: Application) -> None:
    body = {"where": {"Run": {">=": 3, "<": 6}, "Particle": ["gamma"]}, "parameters": ["Name"], "under": "/voa/a"}
    answer = await ask(catalogue, body)
    assert [row["Name"] for row in answer.json()] == ["f3", "f5"]
    assert answer.headers["Weyl-Warning"] == "not indexed, so each file is looked at: Particle"
    assert "Weyl-Incomplete" not in answer.headers


async def test_a_row_has_the_parameters_that_are_asked_for_under_their_names(catalogue: Application) -> None:
    [row] = (
        await ask(
            catalogue,
            {
                "where": [{"parameter": "LFN", "operator": "eq", "value": "/voa/a/f1"}],
                "parameters": ["LFN", "Name", "Directory", "Size", "Owner", "Group", "Status", "SE", "ReplicaCount",
                               "Ancestor", "JobID", "GUID", "Checksum", "CreationTime", "Run", "Particle"],
            },
        )
    ).json()  # fmt: skip
    assert row == {
        "LFN": "/voa/a/f1",
        "Name": "f1",
        "Directory": "/voa/a",
        "Size": 1,
        "Owner": "alice",
        "Group": "user",
        "Status": "Good",
        "SE": [],
        "ReplicaCount": 0,
        "Ancestor": [],
        "JobID": None,
        "GUID": None,
        "Checksum": None,
        "CreationTime": "2026-11-27T12:00:00Z",
        "Run": 1,
        "Particle": "gamma",
    }
    [short] = (await ask(catalogue, {"under": "/voa/a"}, "?per_page=1")).json()
    assert short.keys() == {"FileID", "LFN", "Size"}


async def test_ancestors_are_named_to_those_who_may_read_them(catalogue: Application, db: Database) -> None:
    async with db.transaction() as tx:
        edges = """
            INSERT INTO file_ancestors (file_id, ancestor_id)
            SELECT f.file_id, a.file_id FROM files f JOIN directories d USING (dir_id),
              files a JOIN directories b USING (dir_id)
            WHERE (d.path, f.name) = ('/voa/a', 'f1') AND (b.path, a.name) IN (('/voa/b', 'f1'), ('/voa/own', 'f1'))
        """
        await tx.execute(sa.text(edges))
    where = [{"parameter": "LFN", "operator": "eq", "value": "/voa/a/f1"}]
    body = {"where": where, "parameters": ["Ancestor"]}
    assert (await ask(catalogue, body)).json() == [{"Ancestor": ["/voa/b/f1"]}]
    [row] = (await ask(catalogue, body, **MANAGER)).json()
    assert sorted(row["Ancestor"]) == ["/voa/b/f1", "/voa/own/f1"]


async def test_sums_are_by_three_parameters_at_most(catalogue: Application) -> None:
    async def sums(**body: Any) -> Any:
        return await catalogue.client.post("/api/files/summary", json=body, headers=catalogue.login())

    by_place = (await sums(grouping=["Directory", "Particle"], where=[])).json()
    assert by_place == [
        {"Directory": place, "Particle": particle, "count": 5, "bytes": 5, "replica_bytes": 0}
        for place in ("/voa/a", "/voa/b")
        for particle in ("gamma", "proton")
    ]
    assert (await sums(grouping=["Directory", "Particle", "Run", "Owner"])).status_code == 422
    assert (await sums(grouping=["Color"])).status_code == 400
    assert (await sums(under="/vob")).json() == []


async def test_a_search_takes_four_statements_at_most(catalogue: Application) -> None:
    db = catalogue.services[DATABASE]
    run = {"parameter": "Run", "operator": "eq", "value": 5}
    particle = {"parameter": "Particle", "operator": "eq", "value": "gamma"}
    for body, count in (({}, 1), ({"where": [run]}, 3), ({"where": [run, particle], "any": [[run], [particle]]}, 4)):
        with db.count_statements() as counted:
            assert (await ask(catalogue, body)).status_code == 200
        assert len(counted) == count
