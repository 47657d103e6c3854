"""What an identity provider may do wrong, and what comes of it: 401 if it refuses or lies, 502 if it fails."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from weyl.auth.drivers.idp import IdentityProviders
from weyl.auth.errors import ProviderFailed, RefusedByProvider
from weyl.config.registry import IdP
from weyl.demo.idp import issuer_of, open_socket

KEY = RSAKey.generate_key(2048, {"kid": "one"}, private=True)
OTHER = RSAKey.generate_key(2048, {"kid": "two"}, private=True)


class Provider:
    """An identity provider that answers what a test tells it to; a real one cannot be made to misbehave."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.metadata: dict[str, Any] = {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/authorize?tenant=1",
            "token_endpoint": f"{issuer}/token",
            "jwks_uri": f"{issuer}/jwks",
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
        }
        self.keys = [KEY]
        self.status = 200
        self.answer: dict[str, Any] | str = {"id_token": self.token()}
        self.asked: list[str] = []

    def token(self, key: RSAKey = KEY, **changes: Any) -> str:
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": "weyl", "sub": "alice", "iat": now, "exp": now + 60, **changes}
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode({"alg": "RS256", "kid": key.kid}, claims, key, algorithms=["RS256"])

    async def serve(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        if request.path == "/token":
            if isinstance(self.answer, str):
                return web.Response(text=self.answer, status=self.status)
            return web.json_response(self.answer, status=self.status)
        if request.path == "/jwks":
            return web.json_response({"keys": [key.as_dict(private=False) for key in self.keys]})
        return web.json_response(self.metadata)


@asynccontextmanager
async def _running(provider: Provider, bound: Any) -> AsyncIterator[Provider]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", provider.serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.SockSite(runner, bound).start()
    yield provider
    await runner.cleanup()


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    bound = open_socket()
    async with _running(Provider(issuer_of(bound)), bound) as running:
        yield running


@pytest.fixture
async def providers() -> AsyncIterator[IdentityProviders]:
    providers = IdentityProviders()
    yield providers
    await providers.close()


async def redeem(providers: IdentityProviders, provider: Provider) -> str:
    return await providers.redeem(
        IdP(url=provider.issuer, client_id="weyl"),
        code="c",
        iss=None,
        redirect_uri="https://weyl.test/x",
        verifier="v",
        now=datetime.now(UTC),
    )


async def login_url(providers: IdentityProviders, provider: Provider) -> str:
    idp = IdP(url=provider.issuer + "/", client_id="weyl")
    return await providers.login_url(idp, redirect_uri="https://weyl.test/x", state="s", verifier="v")


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://elsewhere.example.org"},
        {"iss": None},
        {"aud": "other"},
        {"aud": ["other"]},
        {"aud": None},
        {"aud": ["weyl", "other"], "azp": "other"},
        {"exp": 1},
        {"exp": None},
        {"exp": "tomorrow"},
        {"iat": None},
        {"iat": 4_000_000_000},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
    ],
)
async def test_an_identity_that_is_not_for_us_or_not_good_is_refused(
    providers: IdentityProviders, provider: Provider, changes: dict[str, Any]
) -> None:
    provider.answer = {"id_token": provider.token(**changes)}
    with pytest.raises(RefusedByProvider):
        await redeem(providers, provider)


async def test_an_identity_under_a_foreign_key_unsigned_or_with_a_shared_secret_is_refused(
    providers: IdentityProviders, provider: Provider
) -> None:
    good = provider.token()
    stranger = RSAKey.generate_key(2048, {"kid": "one"}, private=True)
    secret = OctKey.import_key("a shared secret of decent length")
    claims = {"iss": provider.issuer, "aud": "weyl", "sub": "alice"}
    shared = jwt.encode({"alg": "HS256", "kid": "one"}, claims, secret, algorithms=["HS256"])
    unsigned = "eyJhbGciOiJub25lIiwia2lkIjoib25lIn0." + good.split(".")[1] + "."
    for token in (provider.token(stranger), shared, unsigned, good[:-8], "garbage", 7, None):
        provider.answer = {"id_token": token}
        with pytest.raises(RefusedByProvider):
            await redeem(providers, provider)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 302])
async def test_a_provider_that_refuses_is_401(providers: IdentityProviders, provider: Provider, status: int) -> None:
    provider.status, provider.answer = status, {"error": "invalid_grant"}
    with pytest.raises(RefusedByProvider) as caught:
        await redeem(providers, provider)
    assert caught.value.status == 401


@pytest.mark.parametrize(
    ("status", "answer"), [(500, {}), (503, "down"), (200, "no json"), (200, "[]"), (200, "x" * 2_000_000)]
)
async def test_a_provider_that_fails_is_502(
    providers: IdentityProviders, provider: Provider, status: int, answer: dict[str, Any] | str
) -> None:
    provider.status, provider.answer = status, answer
    with pytest.raises(ProviderFailed) as caught:
        await redeem(providers, provider)
    assert caught.value.status == 502


@pytest.mark.parametrize("missing", ["issuer", "token_endpoint", "jwks_uri", "id_token_signing_alg_values_supported"])
async def test_a_discovery_document_that_lacks_something_is_502(
    providers: IdentityProviders, provider: Provider, missing: str
) -> None:
    del provider.metadata[missing]
    with pytest.raises(ProviderFailed):
        await login_url(providers, provider)


async def test_a_provider_that_says_it_is_another_is_502(providers: IdentityProviders, provider: Provider) -> None:
    provider.metadata["issuer"] = "https://elsewhere.example.org"
    with pytest.raises(ProviderFailed):
        await login_url(providers, provider)


async def test_discovery_and_keys_are_asked_for_once(providers: IdentityProviders, provider: Provider) -> None:
    for _ in range(3):
        assert await redeem(providers, provider) == "alice"
    assert provider.asked.count("/.well-known/openid-configuration") == 1
    assert provider.asked.count("/jwks") == 1


async def test_keys_that_the_provider_has_rotated_are_asked_for_again(
    providers: IdentityProviders, provider: Provider
) -> None:
    await redeem(providers, provider)
    provider.keys, provider.answer = [OTHER], {"id_token": provider.token(OTHER)}
    assert await redeem(providers, provider) == "alice"


async def test_a_list_of_audiences_and_a_query_in_the_endpoint_are_fine(
    providers: IdentityProviders, provider: Provider
) -> None:
    provider.answer = {"id_token": provider.token(aud=["weyl", "other"], azp="weyl")}
    assert await redeem(providers, provider) == "alice"
    assert (await login_url(providers, provider)).startswith(
        f"{provider.issuer}/authorize?tenant=1&response_type=code&"
    )
