"""Where a login might be bent: by the Host header, by forwarded addresses, by what a page shows."""

from collections.abc import Awaitable, Callable

import httpx2
import pytest
from tests.auth.conftest import PAGE
from tests.auth.test_authorization import REQUEST, code_for, redeem
from tests.infra.app import URL, Application
from tests.infra.login import CLIENT_ID

EVIL = {
    "Host": "evil.example",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "gopher",
    "Forwarded": "host=evil.example",
    "X-Original-URL": "https://evil.example/",
}
SCRIPT = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
HTML = {"Accept": "text/html"}


async def test_no_header_decides_where_a_login_goes(client: httpx2.AsyncClient) -> None:
    scope = {"client_id": CLIENT_ID, "scope": "vo:voa"}
    device = (await client.post("/api/auth/device", params=scope, headers=EVIL)).json()
    assert device["verification_uri_complete"].startswith(f"{URL}/")
    places = [
        ("/api/auth/device", {"user_code": device["user_code"]}),
        ("/api/auth/authorize", REQUEST),
    ]
    for path, query in places:
        answer = await client.get(path, params=query, headers=EVIL)
        assert answer.status_code == 307
        assert "evil.example" not in answer.headers["location"]
    finished = await client.get("/api/auth/device/complete/finished", headers=EVIL)
    assert "evil.example" not in finished.text


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "https://evil.example",
        f"{PAGE}@evil.example",
        f"{PAGE}/../../evil",
        PAGE.replace("https", "HTTPS"),
        PAGE.replace("#", "%23"),
        f" {PAGE}",
        f"{PAGE}\n",
        f"{PAGE}\x00",
        "javascript:alert(1)//" + PAGE,
    ],
)
async def test_no_redirect_but_those_that_are_allowed_to_the_letter(client: httpx2.AsyncClient, target: str) -> None:
    for headers in ({}, HTML):
        answer = await client.get("/api/auth/authorize", params={**REQUEST, "redirect_uri": target}, headers=headers)
        assert answer.status_code == 400
        assert "location" not in answer.headers


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/api/auth/device", {"user_code": SCRIPT}),
        ("/api/auth/device/complete", {"code": SCRIPT, "state": SCRIPT}),
        ("/api/auth/device/complete", {"error": SCRIPT, "error_description": SCRIPT, "state": SCRIPT}),
        ("/api/auth/authorize", {**REQUEST, "scope": SCRIPT}),
        ("/api/auth/authorize", {**REQUEST, "scope": f"vo:{SCRIPT}"}),
        ("/api/auth/authorize", {**REQUEST, "scope": f"vo:voa group:{SCRIPT}"}),
        ("/api/auth/authorize", {**REQUEST, "client_id": SCRIPT}),
        ("/api/auth/authorize/complete", {"code": SCRIPT, "state": SCRIPT}),
        ("/api/auth/authorize/complete", {"state": SCRIPT}),
    ],
)
async def test_pages_show_nothing_as_markup(client: httpx2.AsyncClient, path: str, query: dict[str, str]) -> None:
    page = await client.get(path, params=query, headers=HTML)
    assert page.headers["content-type"].startswith("text/html")
    assert "<script" not in page.text
    assert "<img" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    plain = await client.get(path, params=query)
    assert plain.headers["content-type"] == "application/json"


async def test_a_state_that_would_split_the_header_comes_back_as_one_value(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/api/auth/authorize", params={**REQUEST, "state": "x\r\nSet-Cookie: a=b"})
    assert "set-cookie" not in answer.headers
    assert "\n" not in answer.headers["location"]


async def test_an_address_is_not_changed_by_saying_so(
    start_application: Callable[..., Awaitable[Application]],
) -> None:
    application = await start_application(logins_per_minute=3)
    scope = {"client_id": CLIENT_ID, "scope": "vo:voa"}
    statuses = [
        (
            await application.client.post(
                "/api/auth/device",
                params=scope,
                headers={"X-Forwarded-For": f"203.0.113.{number}", "X-Real-IP": f"203.0.113.{number}"},
            )
        ).status_code
        for number in range(5)
    ]
    assert statuses == [200, 200, 200, 429, 429]


@pytest.mark.parametrize("verifier", ["", " ", "é" * 43, "x" * 10_000, "plain", REQUEST["code_challenge"]])
async def test_no_other_verifier_redeems_a_code(client: httpx2.AsyncClient, verifier: str) -> None:
    code = await code_for(client)
    answer = await redeem(client, code=code, code_verifier=verifier)
    assert answer.status_code == 400
    # Asking for the weaker method at the end does not help either.
    assert (await redeem(client, code=code, code_verifier=verifier, code_challenge_method="plain")).status_code == 400


async def test_a_code_of_one_flow_is_none_of_the_other(client: httpx2.AsyncClient) -> None:
    code = await code_for(client)
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "client_id": CLIENT_ID, "device_code": code}
    assert (await client.post("/api/auth/token", data=form)).status_code == 400
    device = (await client.post("/api/auth/device", params={"client_id": CLIENT_ID, "scope": "vo:voa"})).json()
    for stolen in (device["device_code"], device["user_code"]):
        assert (await redeem(client, code=stolen)).status_code == 400
    assert (await redeem(client, code=code)).status_code == 200
