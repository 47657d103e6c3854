"""The pages over HTTP: what is a file, what is the page, what stays the API's, and the headers of all of it."""

import gzip
import re
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from tests.infra.app import Application

from weyl.web.service.assets import Asset, Assets
from weyl.web.service.site import SITE, Site

INDEX = b'<!doctype html><html><head><script nonce="__NONCE__" src="/assets/main-abc123.js"></script></head></html>'
MAIN = b"console.log('weyl');\n" * 200


def site(application: Application, **settings: str) -> Site:
    """Return the pages as if they were built."""
    own = {"index.html": INDEX, "assets/main-abc123.js": MAIN, "favicon.svg": b"<svg/>"}
    own |= {"docs/index.html": b"<h1>Documentation</h1>", "docs/user/glossary.html": b"<h1>Glossary</h1>"}
    assets = Assets(
        own={path: Asset.of(path, body) for path, body in own.items()},
        extensions={"example": {"plot.js": Asset.of("plot.js", b"export default 1")}},
    )
    return Site(assets, application.settings.model_copy(update=settings))


@pytest.fixture
def built(application: Application) -> httpx2.AsyncClient:
    """A client of an application whose pages are built."""
    application.put(SITE, site(application))
    return application.client


@pytest.mark.parametrize("path", ["/api/nothing", "/api", "/api/jobs/nothing/here", "/.well-known/nothing"])
async def test_what_is_unknown_in_the_api_stays_unknown(built: httpx2.AsyncClient, path: str) -> None:
    answer = await built.get(path, headers={"Accept": "text/html"})
    assert answer.status_code in (401, 404), answer.text
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_nothing_but_reading_leads_to_the_page(built: httpx2.AsyncClient, method: str) -> None:
    answer = await built.request(method, "/jobs")
    assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})


@pytest.mark.parametrize(
    "path", ["/", "/jobs", "/jobs/12", "/sites/LCG.CERN.ch", "/apis", "/index.html", "/a/../b", "/%00", "/ünïcode"]
)
async def test_every_other_address_shows_the_page(built: httpx2.AsyncClient, path: str) -> None:
    answer = await built.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert "/assets/main-abc123.js" in answer.text


async def test_the_documentation_is_read_without_a_login_and_runs_nothing(built: httpx2.AsyncClient) -> None:
    for path, text in (("/docs/", "Documentation"), ("/docs/user/glossary.html", "Glossary")):
        answer = await built.get(path)
        assert (answer.status_code, text in answer.text) == (200, True)
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert (await built.get(path, headers={"If-None-Match": answer.headers["etag"]})).status_code == 304
    moved = await built.get("/docs", follow_redirects=False)
    assert (moved.status_code, moved.headers["location"]) == (307, "/docs/")
    assert (await built.get("/docs/nothing.html")).status_code == 404


async def test_the_page_has_a_nonce_of_its_own_each_time(built: httpx2.AsyncClient) -> None:
    nonces = set()
    for _ in range(3):
        answer = await built.get("/jobs")
        policy = answer.headers["content-security-policy"]
        [nonce] = re.findall(r'nonce="([\w-]+)"', answer.text)
        assert f"script-src 'self' 'nonce-{nonce}'" in policy
        assert f"style-src 'self' 'nonce-{nonce}'" in policy
        nonces.add(nonce)
    assert len(nonces) == 3


async def test_the_headers_keep_foreign_content_out(application: Application, built: httpx2.AsyncClient) -> None:
    answer = await built.get("/")
    policy = answer.headers["content-security-policy"]
    assert "unsafe-inline" not in policy
    assert "unsafe-eval" not in policy
    for rule in ("object-src 'none'", "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'"):
        assert rule in policy
    assert f"connect-src 'self' {application.settings.s3_endpoint}" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert "strict-transport-security" not in answer.headers


@pytest.mark.parametrize("path", ["/api/docs", "/api/docs/oauth2-redirect"])
async def test_the_page_of_the_api_takes_nothing_from_elsewhere(
    application: Application, built: httpx2.AsyncClient, path: str
) -> None:
    unbuilt = await built.get(path)
    assert "make web" in unbuilt.text
    assert "/api/openapi.json" in unbuilt.text
    page = b'<script nonce="__NONCE__" src="/assets/docs-abc.js"></script>'
    own = {name: Asset.of(name, page) for name in ("docs.html", "docs-login.html")}
    application.put(SITE, Site(Assets(own=own, extensions={}), application.settings))
    answer = await built.get(path)
    policy = answer.headers["content-security-policy"]
    [nonce] = re.findall(r'nonce="([\w-]+)"', answer.text)
    assert f"script-src 'self' 'nonce-{nonce}'" in policy
    assert "connect-src 'self';" in policy
    assert "unsafe" not in policy
    assert answer.headers["cross-origin-opener-policy"] == "same-origin-allow-popups"
    assert "make web" in (await built.get("/docs.html")).text, "without its nonce it is no file"


async def test_browsers_that_came_by_tls_stay_with_it(application: Application) -> None:
    application.put(SITE, site(application, public_url="https://weyl.example.org"))
    answer = await application.client.get("/")
    assert answer.headers["strict-transport-security"] == "max-age=31536000"


async def test_files_named_by_their_content_are_kept_for_good(built: httpx2.AsyncClient) -> None:
    answer = await built.get("/assets/main-abc123.js", headers={"Accept-Encoding": "identity"})
    assert answer.content == MAIN
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"
    icon = await built.get("/favicon.svg")
    assert (icon.headers["content-type"], icon.headers["cache-control"]) == ("image/svg+xml", "no-cache")
    again = await built.get("/favicon.svg", headers={"If-None-Match": icon.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_files_are_packed_for_those_who_can_unpack(application: Application, built: httpx2.AsyncClient) -> None:
    asset = application.services[SITE].asset("assets/main-abc123.js")
    assert gzip.decompress(asset.packed) == MAIN
    answer = await built.get("/assets/main-abc123.js", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.content == MAIN
    assert len(asset.packed) < len(MAIN)


@pytest.mark.parametrize(
    "path", ["/assets/old-000000.js", "/assets/", "/assets/../pyproject.toml", "/ext/example/absent.js", "/ext/other/x"]
)
async def test_a_file_that_is_not_there_is_no_page(built: httpx2.AsyncClient, path: str) -> None:
    # What a browser would run must never be a page: after an update it asks for files that are gone.
    answer = await built.get(path) if ".." not in path else await built.get(httpx2.URL("http://weyl.test" + path))
    if answer.headers["content-type"] != "application/json":
        assert ".." in path  # the client itself has shortened the path
        assert "pyproject" not in answer.text
        return
    assert answer.status_code == 404
    assert answer.json()["detail"].startswith("There is no such file")


async def test_extensions_have_their_own_files(built: httpx2.AsyncClient) -> None:
    answer = await built.get("/ext/example/plot.js")
    assert answer.text == "export default 1"
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"


async def test_without_built_pages_the_reader_is_told_what_to_do(application: Application) -> None:
    application.put(SITE, Site(Assets({}, {}), application.settings))
    answer = await application.client.get("/jobs")
    assert answer.status_code == 200
    assert "make web" in answer.text
    assert "__NONCE__" not in answer.text
    assert "'unsafe-inline'" not in answer.headers["content-security-policy"]
    assert (await application.client.get("/api/health/live")).status_code == 200


def test_files_are_read_from_packages_and_hidden_ones_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    static = tmp_path / "pages_of_test" / "static"
    (static / "deep").mkdir(parents=True)
    (tmp_path / "pages_of_test" / "__init__.py").write_text("")
    (static / "deep" / "a.mjs").write_text("1")
    (static / ".hidden").write_text("1")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = Assets.installed({"test": "pages_of_test:static", "none": "pages_of_test:absent"})
    assert list(found.extensions["test"]) == ["deep/a.mjs"]
    assert found.extensions["none"] == {}
    assert replace(found, own={}).page("index.html") is None
