"""The configuration over HTTP: who may, what comes, when nothing has to come."""

from collections.abc import Callable

import httpx2
import pytest
from tests.infra.app import Application

from weyl.kit.db import DATABASE

Login = Callable[..., dict[str, str]]


@pytest.mark.parametrize("path", ["/api/config/", "/api/config", "/api/config/history", "/api/config/diff"])
async def test_nobody_reads_without_a_token(client: httpx2.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 401


@pytest.mark.parametrize("path", ["/api/config/history", "/api/config/diff"])
@pytest.mark.parametrize("group", ["user", "admin", "pilot"])
async def test_history_is_for_administrators_of_the_configuration(
    client: httpx2.AsyncClient, login: Login, path: str, group: str
) -> None:
    assert (await client.get(path, headers=login(group=group))).status_code == 403
    assert (await client.get(path, headers=login(group="cs"))).status_code == 200


async def test_pilots_do_not_read_history(application: Application) -> None:
    answer = await application.client.get("/api/config/history", headers=application.pilot("0" * 32))
    assert answer.status_code == 403


@pytest.mark.parametrize("path", ["/api/config/", "/api/config"])
async def test_a_person_reads_the_whole_document_with_its_defaults(
    application: Application, login: Login, path: str
) -> None:
    answer = await application.client.get(path, headers=login())
    assert answer.status_code == 200
    document = answer.json()
    assert "Defaults" not in document["Operations"]
    assert document["Operations"]["voa"]["JobDescription"]["DefaultCPUTime"] == 86400
    assert document["Registry"]["voa"]["Users"]["alice-sub"]["PreferedUsername"] == "alice"
    assert document["Registry"].keys() == {"voa", "vob"}


async def test_the_etag_is_the_bare_commit_and_spares_the_body(application: Application, login: Login) -> None:
    headers = login()
    with application.services[DATABASE].count_statements() as statements:
        first = await application.client.get("/api/config/", headers=headers)
        tag, modified = first.headers["ETag"], first.headers["Last-Modified"]
        assert len(tag) == 40
        assert modified.endswith("GMT")
        for conditions, status in [
            ({"If-None-Match": tag}, 304),
            ({"If-None-Match": f'"{tag}"'}, 304),
            ({"If-None-Match": f'W/"{tag}"'}, 304),
            ({"If-None-Match": f'"x", "{tag}"'}, 304),
            ({"If-None-Match": "x"}, 200),
            ({"If-Modified-Since": modified}, 200),
            ({"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}, 304),
            ({"If-None-Match": "x", "If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}, 304),
            ({"If-Modified-Since": "not a date"}, 200),
        ]:
            answer = await application.client.get("/api/config/", headers=headers | conditions)
            assert answer.status_code == status, conditions
            assert answer.headers["ETag"] == tag
            assert (answer.content == b"") == (status == 304)
    assert len(statements) == 0


async def test_an_administrator_sees_what_changed(client: httpx2.AsyncClient, login: Login) -> None:
    changes = (await client.get("/api/config/history?limit=1", headers=login(group="cs"))).json()
    assert set(changes[0]) == {"Revision", "Time", "Author", "Message"}
    diff = await client.get("/api/config/diff", headers=login(group="cs"), params={"to": changes[0]["Revision"]})
    assert "default.yml" in diff.json()["diff"]
    answer = await client.get("/api/config/diff?from=nowhere", headers=login(group="cs"))
    assert answer.status_code == 404
