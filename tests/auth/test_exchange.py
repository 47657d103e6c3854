"""The legacy exchange at the door."""

import time
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable
from hashlib import sha256

import httpx2
import pytest
from tests.auth.conftest import SUBJECTS
from tests.infra.app import Application
from tests.infra.login import CLIENT_ID

from weyl.auth.keys import KeySet

SECRET = b"a secret that only the DIRAC server knows \xff\xfe"
ENCODED = urlsafe_b64encode(SECRET).decode()
PATH = "/api/auth/legacy-exchange"


@pytest.fixture
async def application(start_application: Callable[..., Awaitable[Application]]) -> Application:
    """The application with the exchange on."""
    return await start_application(legacy_exchange_hash=sha256(SECRET).hexdigest())


async def exchange(
    client: httpx2.AsyncClient, header: str | None = f"Bearer diracx:legacy:{ENCODED}", **query: str
) -> httpx2.Response:
    parameters = {"preferred_username": "alice", "scope": "vo:voa group:user", **query}
    return await client.get(PATH, params=parameters, headers={} if header is None else {"Authorization": header})


async def refresh(client: httpx2.AsyncClient, token: str) -> httpx2.Response:
    form = {"grant_type": "refresh_token", "client_id": CLIENT_ID, "refresh_token": token}
    return await client.post("/api/auth/token", data=form)


async def test_without_the_setting_it_is_off(start_application: Callable[..., Awaitable[Application]]) -> None:
    application = await start_application()
    answer = await exchange(application.client)
    assert (answer.status_code, answer.json()) == (503, {"detail": "Legacy exchange is not enabled"})
    assert "retry-after" not in answer.headers


@pytest.mark.parametrize(
    "header", [None, "", "Basic abc", "Bearer abc", f"Bearer {ENCODED}", "diracx:legacy:abc", "Bearer diracx:legacy:a"]
)
async def test_a_header_of_another_form_is_400(client: httpx2.AsyncClient, header: str | None) -> None:
    answer = await exchange(client, header)
    assert (answer.status_code, answer.json()) == (400, {"detail": "Invalid authorization header"})


@pytest.mark.parametrize("secret", [b"", b"another secret", SECRET[:-1], sha256(SECRET).hexdigest().encode()])
async def test_another_secret_is_401(client: httpx2.AsyncClient, secret: bytes) -> None:
    answer = await exchange(client, f"Bearer diracx:legacy:{urlsafe_b64encode(secret).decode()}")
    assert (answer.status_code, answer.json()) == (401, {"detail": "Invalid credentials"})


@pytest.mark.parametrize(
    "query",
    [
        {"preferred_username": "mallory"},
        {"preferred_username": ""},
        {"scope": ""},
        {"scope": "vo:voc"},
        {"scope": "vo:voa group:none"},
        {"preferred_username": "max", "scope": "vo:vob"},
    ],
)
async def test_an_unknown_user_or_scope_is_400(client: httpx2.AsyncClient, query: dict[str, str]) -> None:
    answer = await exchange(client, **query)
    assert (answer.status_code, answer.json()) == (400, {"detail": "Invalid scope or preferred_username"})


@pytest.mark.parametrize("minutes", ["0", "-5", "1000000000"])
async def test_a_life_that_no_login_can_have_is_400(client: httpx2.AsyncClient, minutes: str) -> None:
    assert (await exchange(client, expires_minutes=minutes)).status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        {"scope": "vo:voa group:admin"},
        {"scope": "vo:voa property:TrustedHost"},
        {"preferred_username": "nobody", "scope": "vo:voa"},
    ],
)
async def test_who_is_not_in_the_group_is_403(client: httpx2.AsyncClient, query: dict[str, str]) -> None:
    assert (await exchange(client, **query)).status_code == 403


async def test_its_refresh_token_is_used_again_and_again_until_it_is_revoked(
    client: httpx2.AsyncClient, application: Application
) -> None:
    tokens = (await exchange(client)).json()
    assert application.keys.decode(tokens["access_token"])["sub"] == f"voa:{SUBJECTS['alice']}"
    assert application.keys.decode_refresh(tokens["refresh_token"])["legacy_exchange"] is True
    for _ in range(2):
        answer = await refresh(client, tokens["refresh_token"])
        assert answer.status_code == 200
        assert answer.json()["refresh_token"] == tokens["refresh_token"]
    assert (await client.post("/api/auth/revoke", data={"token": tokens["refresh_token"]})).status_code == 200
    assert (await refresh(client, tokens["refresh_token"])).status_code == 401


async def test_the_dirac_server_may_say_how_long(client: httpx2.AsyncClient, application: Application) -> None:
    keys: KeySet = application.keys
    for query, minutes in (
        ({}, 7 * 1440),
        ({"expires_minutes": "1440"}, 1440),
        ({"expires_minutes": "525600"}, 525_600),
    ):
        tokens = (await exchange(client, **query)).json()
        left_s = keys.decode_refresh(tokens["refresh_token"])["exp"] - time.time()
        assert minutes * 60 - 30 < left_s <= minutes * 60
        assert tokens["expires_in"] == 1200
        assert (await refresh(client, tokens["refresh_token"])).status_code == 200
