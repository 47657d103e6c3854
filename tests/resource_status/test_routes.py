"""The four reads of resource status over HTTP."""

from collections.abc import Callable

import httpx2
import pytest
from tests.infra.app import Application

from weyl.kit.db import DATABASE

ROUTES = ("storage", "compute", "site", "fts")

Login = Callable[..., dict[str, str]]


@pytest.mark.parametrize("kind", ROUTES)
async def test_nobody_reads_without_a_token(client: httpx2.AsyncClient, kind: str) -> None:
    assert (await client.get(f"/api/rss/{kind}")).status_code == 401


@pytest.mark.parametrize("kind", ROUTES)
async def test_people_and_pilots_read(application: Application, kind: str) -> None:
    for headers in (application.login(), application.pilot("0" * 32)):
        answer = await application.client.get(f"/api/rss/{kind}", headers=headers)
        assert answer.status_code == 200
        assert answer.headers["ETag"].endswith("-voa")
        assert answer.headers["Vary"] == "Authorization"
        assert answer.headers["Last-Modified"]


async def test_configured_sites_and_elements_are_allowed(client: httpx2.AsyncClient, login: Login) -> None:
    sites = (await client.get("/api/rss/site", headers=login())).json()
    assert sites["LCG.Alpha.org"] == {"all": {"allowed": True, "warnings": None}}
    elements = (await client.get("/api/rss/compute", headers=login())).json()
    assert elements["ce.alpha.org"] == {"all": {"allowed": True, "warnings": None}}


async def test_who_changes_a_status_reads_it_at_once(application: Application) -> None:
    operator = application.login(properties=["Operator"])
    site = {"kind": "site", "name": "LCG.Alpha.org"}
    for _ in range(20):
        for method, path, order, is_allowed in (
            ("PATCH", "status", {**site, "status": "Banned", "reason": "Flood"}, False),
            ("POST", "status/release", site, True),
        ):
            answer = await application.client.request(method, f"/api/rss/{path}", json=[order], headers=operator)
            assert answer.json()["failed"] == []
            sites = (await application.client.get("/api/rss/site", headers=operator)).json()
            assert sites["LCG.Alpha.org"]["all"]["allowed"] is is_allowed


async def test_a_view_without_elements_is_empty(client: httpx2.AsyncClient, login: Login) -> None:
    answer = await client.get("/api/rss/fts", headers=login())
    assert answer.json() == {}
    assert answer.headers["ETag"] == "empty-0-voa"


async def test_an_unchanged_view_is_304_without_a_body_or_a_statement(application: Application) -> None:
    headers = application.login()
    first = await application.client.get("/api/rss/site", headers=headers)
    tag, modified = first.headers["ETag"], first.headers["Last-Modified"]
    with application.services[DATABASE].count_statements() as statements:
        again = await application.client.get("/api/rss/site", headers=headers | {"If-None-Match": tag})
    assert (again.status_code, again.content, len(statements)) == (304, b"", 0)
    for conditions, status in [
        ({"If-None-Match": tag, "If-Modified-Since": "Mon, 01 Jan 2001 00:00:00 GMT"}, 304),
        ({"If-None-Match": "other", "If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}, 304),
        ({"If-Modified-Since": modified}, 200),
        ({"If-Modified-Since": "yesterday"}, 200),
        ({"If-None-Match": "other"}, 200),
    ]:
        answer = await application.client.get("/api/rss/site", headers=headers | conditions)
        assert answer.status_code == status, conditions
