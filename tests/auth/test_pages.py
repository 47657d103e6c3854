"""What browsers see and are sent on with: no frame, no cache, no markup of others, no login that another site began."""

from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
import pytest
from tests.auth.test_authorization import REQUEST
from tests.infra.app import URL
from tests.infra.login import CLIENT_ID, DEVICE_GRANT, browse

from weyl.demo.browser import Form
from weyl.demo.idp import DevProvider

HTML = {"Accept": "text/html"}
START = "/api/auth/device"


async def begin(client: httpx2.AsyncClient) -> dict[str, str]:
    answer = await client.post(START, params={"client_id": CLIENT_ID, "scope": "vo:voa"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return dict(answer.json())


def is_fenced(page: httpx2.Response) -> bool:
    """Tell whether a page can be put into no frame, kept by no cache, and made to load nothing."""
    policy = {name: rest for name, _, rest in (p.strip().partition(" ") for p in _policy(page).split(";"))}
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["base-uri"] == "'none'"
    assert set(policy) == {"default-src", "style-src", "base-uri", "frame-ancestors"}
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    return True


def _policy(page: httpx2.Response) -> str:
    return str(page.headers["content-security-policy"])


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (START, {}),
        (START, {"user_code": "BCDFGHJK"}),
        (f"{START}/complete", {}),
        (f"{START}/complete", {"code": "x", "state": "x"}),
        (f"{START}/complete/finished", {}),
        ("/api/auth/authorize", {}),
        ("/api/auth/authorize", {**REQUEST, "redirect_uri": "https://evil.example"}),
        ("/api/auth/authorize/complete", {"code": "x", "state": "x"}),
    ],
)
async def test_every_page_is_fenced(client: httpx2.AsyncClient, path: str, query: dict[str, str]) -> None:
    assert is_fenced(await client.get(path, params=query, headers=HTML))


async def test_the_pages_of_the_development_provider_are_fenced_too(
    client: httpx2.AsyncClient, provider: DevProvider
) -> None:
    device = await begin(client)
    sent_on = await client.get(device["verification_uri_complete"])
    async with httpx2.AsyncClient() as outside:
        login = await outside.get(sent_on.headers["location"])
        form = Form()
        form.feed(login.text)
        consent = await outside.post(f"{provider.issuer}{form.action}", data={"login": "alice", "password": "alice"})
        refused = await outside.get(f"{provider.issuer}/authorize", params={"client_id": "<script>"})
    assert "Consent" in consent.text
    for page in (login, consent, refused):
        assert is_fenced(page)
        assert page.headers["x-frame-options"] == "DENY"
        assert "<script" not in page.text


async def test_where_a_browser_is_sent_on_nothing_is_kept(client: httpx2.AsyncClient) -> None:
    device = await begin(client)
    for answer in (
        await client.get(device["verification_uri_complete"]),
        await client.get("/api/auth/authorize", params=REQUEST),
    ):
        assert answer.status_code == 307
        assert (answer.headers["cache-control"], answer.headers["referrer-policy"]) == ("no-store", "no-referrer")


async def test_a_code_that_another_site_brings_is_not_shown_as_markup(client: httpx2.AsyncClient) -> None:
    headers = {**HTML, "Sec-Fetch-Site": "cross-site"}
    for code in ('"><script>x', "x" * 5_000):
        page = await client.get(START, params={"user_code": code}, headers=headers)
        assert page.status_code == 400
        assert "<script" not in page.text
        assert "x" * 5_000 not in page.text


@pytest.mark.parametrize("issuer", ["https://evil.example", "", None])
async def test_a_login_that_comes_back_from_another_provider_is_refused(
    client: httpx2.AsyncClient, issuer: str | None
) -> None:
    device = await begin(client)
    kept: dict[str, str] = {}
    end = f"{URL}{START}/complete"
    back = await browse(device["verification_uri_complete"], "alice", inside=client, stop_at=end, cookies=kept)
    parts = urlsplit(back.url)
    query = dict(parse_qsl(parts.query))
    assert query.pop("iss")
    changed = query if issuer is None else {**query, "iss": issuer}
    page = await browse(f"{URL}{parts.path}?{urlencode(changed)}", "alice", inside=client, cookies=kept)
    assert page.status == 401
    assert "another identity provider" in page.text
    form = {"grant_type": DEVICE_GRANT, "client_id": CLIENT_ID, "device_code": device["device_code"]}
    assert (await client.post("/api/auth/token", data=form)).json() == {"error": "authorization_pending"}
    # The code has not been handed to anybody: the real way back still works.
    assert (await browse(back.url, "alice", inside=client, cookies=kept)).status == 200
