"""Refresh tokens at the door: rotation, replay, revocation, and whose they are."""

import asyncio
import base64
import json
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from tests.auth.conftest import SUBJECTS
from tests.infra.app import Application, Installation, bearer
from tests.infra.login import CLIENT_ID, device_login

from weyl.auth.keys import KeySet, generate_keys
from weyl.auth.tokens import Identity, access_claims, refresh_claims
from weyl.config.service import CONFIG
from weyl.kit.clock import Anchor, go_by, utcnow
from weyl.kit.db import DATABASE, Database
from weyl.kit.ids import uuid7

FAR = 4_000_000_000
REPLAYED = "Revoked refresh token reused: potential attack detected. You must authenticate again"
CREATED, REVOKED = 1, 2


async def refresh(
    client: httpx2.AsyncClient, token: str, client_id: str = CLIENT_ID, *, key: str | None = None
) -> httpx2.Response:
    form = {"grant_type": "refresh_token", "client_id": client_id, "refresh_token": token}
    return await client.post("/api/auth/token", data=form, headers={"Idempotency-Key": key} if key else None)


async def revoke(client: httpx2.AsyncClient, token: str, **more: str) -> httpx2.Response:
    return await client.post("/api/auth/revoke", data={"token": token, "client_id": CLIENT_ID, **more})


def claims_of(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))


def headers_of(tokens: dict[str, str]) -> dict[str, str]:
    return bearer(tokens["access_token"])


# who may not


async def test_garbage_a_foreign_key_an_access_token_and_an_expired_one_are_401(
    client: httpx2.AsyncClient, application: Application
) -> None:
    tokens = await device_login(client, "vo:voa")
    foreign = KeySet(generate_keys(), issuer=application.settings.issuer)
    for token in (
        "garbage",
        "a.b.c",
        foreign.sign(refresh_claims(uuid7(), expires_at=FAR), issued=False),
        application.keys.sign(refresh_claims(uuid7(), expires_at=1), issued=False),
        tokens["access_token"],
    ):
        answer = await refresh(client, token)
        assert answer.status_code == 401, token
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_refused_refresh_token_says_what_is_wrong_in_the_words_of_the_contract(
    client: httpx2.AsyncClient, application: Application
) -> None:
    foreign = KeySet(generate_keys(), issuer=application.settings.issuer)
    expired = await refresh(client, application.keys.sign(refresh_claims(uuid7(), expires_at=1), issued=False))
    assert expired.json()["detail"] == "expired_token: The token is expired"
    unknown = await refresh(client, foreign.sign(refresh_claims(uuid7(), expires_at=FAR), issued=False))
    assert "No key for kid" in unknown.json()["detail"]
    assert (await refresh(client, "garbage")).json()["detail"] == "Invalid JWT"
    access = await client.get("/api/auth/userinfo", headers=bearer(foreign.sign({"exp": FAR})))
    assert access.json()["detail"] == "Invalid JWT"


async def test_an_unknown_id_is_401(client: httpx2.AsyncClient, application: Application) -> None:
    token = application.keys.sign(refresh_claims(uuid7(), expires_at=FAR), issued=False)
    assert (await refresh(client, token)).status_code == 401


async def test_another_client_is_refused_and_the_login_lives_on(client: httpx2.AsyncClient) -> None:
    tokens = await device_login(client, "vo:voa")
    assert (await refresh(client, tokens["refresh_token"], "other")).status_code == 400
    assert (await refresh(client, tokens["refresh_token"])).status_code == 200


async def test_without_a_refresh_token_it_is_400(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/api/auth/token", data={"grant_type": "refresh_token", "client_id": CLIENT_ID})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_a_refresh_token_is_not_accepted_as_a_bearer_token(client: httpx2.AsyncClient) -> None:
    tokens = await device_login(client, "vo:voa")
    assert (await client.get("/api/auth/userinfo", headers=bearer(tokens["refresh_token"]))).status_code == 401


async def test_who_has_lost_the_group_is_refused(
    client: httpx2.AsyncClient, application: Application, installation: Installation
) -> None:
    tokens = await device_login(client, "vo:voa group:production", user="max")
    document = json.loads((installation.config_directory / "default.yml").read_text())
    del document["Registry"]["voa"]["Groups"]["production"]
    installation.commit_config(document, "No production any more")
    await application.services[CONFIG].refresh()
    assert (await refresh(client, tokens["refresh_token"])).status_code == 403


# rotation and replay


async def test_each_refresh_gives_a_new_pair_with_the_first_expiry_and_scope(
    client: httpx2.AsyncClient, application: Application
) -> None:
    first = await device_login(client, "vo:voa property:ProductionManagement", user="max")
    second = (await refresh(client, first["refresh_token"])).json()
    third = (await refresh(client, second["refresh_token"])).json()
    expiries = {claims_of(tokens["refresh_token"])["exp"] for tokens in (first, second, third)}
    identifiers = {claims_of(tokens["refresh_token"])["jti"] for tokens in (first, second, third)}
    assert (len(expiries), len(identifiers)) == (1, 3)
    claims = application.keys.decode(third["access_token"])
    assert claims["dirac_properties"] == ["NormalUser", "ProductionManagement"]
    assert claims_of(third["refresh_token"]).keys() == {"jti", "exp", "legacy_exchange", "dirac_policies"}


async def test_a_login_lasts_seven_days_however_often_it_is_refreshed(client: httpx2.AsyncClient) -> None:
    began = utcnow()
    tokens = await device_login(client, "vo:voa")
    end = claims_of(tokens["refresh_token"])["exp"]
    assert abs(end - began.timestamp() - 7 * 86_400) < 60
    try:
        for day in range(1, 7):
            go_by(Anchor(began + timedelta(days=day), time.monotonic()))
            assert (await client.get("/api/auth/userinfo", headers=headers_of(tokens))).status_code == 401
            tokens = (await refresh(client, tokens["refresh_token"])).json()
            assert claims_of(tokens["refresh_token"])["exp"] == end
            assert (await client.get("/api/auth/userinfo", headers=headers_of(tokens))).status_code == 200
        go_by(Anchor(began + timedelta(days=7, minutes=1), time.monotonic()))
        assert (await refresh(client, tokens["refresh_token"])).status_code == 401
    finally:
        go_by(None)


async def test_how_long_a_login_lasts_is_a_setting(start_application: Callable[..., Awaitable[Application]]) -> None:
    application = await start_application(refresh_token_minutes=30)
    tokens = await device_login(application.client, "vo:voa")
    assert abs(claims_of(tokens["refresh_token"])["exp"] - utcnow().timestamp() - 1800) < 60


async def test_a_refresh_whose_answer_was_lost_may_be_repeated_with_its_key(client: httpx2.AsyncClient) -> None:
    tokens = await device_login(client, "vo:voa")
    key = uuid7().hex
    lost, again = [(await refresh(client, tokens["refresh_token"], key=key)).json() for _ in range(2)]
    assert claims_of(again["refresh_token"])["jti"] == claims_of(lost["refresh_token"])["jti"]
    following = await refresh(client, again["refresh_token"], key=uuid7().hex)
    assert following.status_code == 200
    # What follows is in use: now the same repetition is a replay.
    assert (await refresh(client, tokens["refresh_token"], key=key)).status_code == 401
    assert (await refresh(client, following.json()["refresh_token"])).status_code == 401


@pytest.mark.parametrize("key", [None, "another key of those who have the old token only"])
async def test_without_its_key_a_repeated_refresh_is_a_replay(client: httpx2.AsyncClient, key: str | None) -> None:
    tokens = await device_login(client, "vo:voa")
    new = (await refresh(client, tokens["refresh_token"], key=uuid7().hex)).json()
    replay = await refresh(client, tokens["refresh_token"], key=key)
    assert (replay.status_code, replay.json()["detail"]) == (401, REPLAYED)
    assert (await refresh(client, new["refresh_token"])).status_code == 401


async def test_a_key_brings_no_login_back_that_was_ended(client: httpx2.AsyncClient) -> None:
    tokens = await device_login(client, "vo:voa")
    key = uuid7().hex
    new = (await refresh(client, tokens["refresh_token"], key=key)).json()
    assert (await revoke(client, new["refresh_token"])).status_code == 200
    assert (await refresh(client, tokens["refresh_token"], key=key)).status_code == 401
    assert (await refresh(client, tokens["refresh_token"], key="short")).status_code == 422


async def test_of_repetitions_at_once_with_one_key_all_get_the_same_token(client: httpx2.AsyncClient) -> None:
    tokens = await device_login(client, "vo:voa")
    key = uuid7().hex
    answers = await asyncio.gather(*(refresh(client, tokens["refresh_token"], key=key) for _ in range(4)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({claims_of(answer.json()["refresh_token"])["jti"] for answer in answers}) == 1


async def test_a_replay_ends_its_login_for_good_and_no_other(client: httpx2.AsyncClient, db: Database) -> None:
    first, other = await device_login(client, "vo:voa"), await device_login(client, "vo:voa")
    second = (await refresh(client, first["refresh_token"])).json()
    replay = await refresh(client, first["refresh_token"])
    assert replay.status_code == 401
    assert replay.json()["detail"] == REPLAYED
    async with db.read() as tx:
        # really committed, not rolled back with the refusal
        rows = await tx.exec_driver_sql("SELECT status, count(*) FROM refresh_tokens GROUP BY status ORDER BY status")
        assert [tuple(row) for row in rows] == [("CREATED", 1), ("REVOKED", 2)]
    assert (await refresh(client, second["refresh_token"])).status_code == 401
    assert (await refresh(client, other["refresh_token"])).status_code == 200


async def test_of_two_refreshes_at_once_one_wins_and_the_login_ends(client: httpx2.AsyncClient, db: Database) -> None:
    for _ in range(5):
        tokens = await device_login(client, "vo:voa")
        answers = await asyncio.gather(*(refresh(client, tokens["refresh_token"]) for _ in range(4)))
        assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]
        (winner,) = [answer.json() for answer in answers if answer.status_code == 200]
        assert (await refresh(client, winner["refresh_token"])).status_code == 401
    async with db.read() as tx:
        alive = await tx.exec_driver_sql("SELECT count(*) FROM refresh_tokens WHERE status = 'CREATED'")
        assert alive.scalar_one() == 0


async def test_a_refresh_takes_few_statements(client: httpx2.AsyncClient, application: Application) -> None:
    tokens = await device_login(client, "vo:voa")
    with application.services[DATABASE].count_statements() as statements:
        assert (await refresh(client, tokens["refresh_token"])).status_code == 200
    assert len(statements) <= 4


# revoke, list, delete


async def test_anything_can_be_revoked_without_telling_what_it_was(
    client: httpx2.AsyncClient, application: Application
) -> None:
    tokens = await device_login(client, "vo:voa")
    foreign = KeySet(generate_keys(), issuer=application.settings.issuer)
    for token in (
        "garbage",
        tokens["access_token"],
        foreign.sign(refresh_claims(uuid7(), expires_at=FAR), issued=False),
        application.keys.sign(refresh_claims(uuid7(), expires_at=1), issued=False),
        application.keys.sign(refresh_claims(uuid7(), expires_at=FAR), issued=False),
    ):
        answer = await revoke(client, token)
        assert (answer.status_code, answer.json()) == (200, "Refresh token revoked")
    assert (await refresh(client, tokens["refresh_token"])).status_code == 200


async def test_a_revoked_login_cannot_be_refreshed(client: httpx2.AsyncClient) -> None:
    tokens, other = await device_login(client, "vo:voa"), await device_login(client, "vo:voa")
    answer = await client.post("/api/auth/revoke", data={"token": tokens["refresh_token"]})
    assert answer.status_code == 200
    assert (await refresh(client, tokens["refresh_token"])).status_code == 401
    assert (await refresh(client, other["refresh_token"])).status_code == 200


async def test_hints_and_clients_of_revoke(client: httpx2.AsyncClient) -> None:
    tokens = await device_login(client, "vo:voa")
    token = tokens["refresh_token"]
    hinted = await revoke(client, token, token_type_hint="access_token")
    assert hinted.status_code == 400
    assert hinted.json() == {
        "error": "unsupported_token_type",
        "detail": "unsupported_token_type",
        "error_description": "Access tokens cannot be revoked: they expire by themselves within minutes",
    }
    wrong = await revoke(client, token, client_id="other")
    assert (wrong.status_code, wrong.json()["detail"]) == (401, "Unrecognised client_id")
    assert (await client.post("/api/auth/revoke", data={})).status_code == 422
    assert (await revoke(client, token, token_type_hint="anything")).status_code == 200
    assert (await refresh(client, token)).status_code == 401


async def test_nobody_lists_or_deletes_without_a_users_token(
    client: httpx2.AsyncClient, application: Application
) -> None:
    for headers in ({}, application.pilot("ab" * 16), application.payload(1, stamp="ab" * 16)):
        expected = 403 if headers else 401
        assert (await client.get("/api/auth/refresh-tokens", headers=headers)).status_code == expected
        assert (await client.delete(f"/api/auth/refresh-tokens/{uuid7()}", headers=headers)).status_code == expected
        assert (await client.get("/api/auth/userinfo", headers=headers)).status_code == expected


async def test_everybody_sees_their_own_living_logins(client: httpx2.AsyncClient) -> None:
    alice, bob = await device_login(client, "vo:voa"), await device_login(client, "vo:voa", user="bob")
    elsewhere = await device_login(client, "vo:vob")
    alice = (await refresh(client, alice["refresh_token"])).json()
    rows = (await client.get("/api/auth/refresh-tokens", headers=headers_of(alice))).json()
    assert rows == [
        {
            "JTI": claims_of(alice["refresh_token"])["jti"],
            "Status": CREATED,
            "Scope": "vo:voa group:user",
            "Sub": f"voa:{SUBJECTS['alice']}",
        }
    ]
    # Pages and the command line show names, which the contract's answer does not have.
    living = await client.get("/api/auth/refresh-tokens", params={"living": True}, headers=headers_of(alice))
    assert living.json() == [{**rows[0], "User": "alice"}]
    assert len((await client.get("/api/auth/refresh-tokens", headers=headers_of(bob))).json()) == 1
    (other,) = (await client.get("/api/auth/refresh-tokens", headers=headers_of(elsewhere))).json()
    assert other["Sub"] == f"vob:{SUBJECTS['alice']}"


async def test_proxy_management_sees_and_ends_all_of_its_own_vo_only(client: httpx2.AsyncClient) -> None:
    alice = await device_login(client, "vo:voa")
    foreign = await device_login(client, "vo:vob")
    admin = await device_login(client, "vo:voa group:admin", user="ada")
    rows = (await client.get("/api/auth/refresh-tokens", headers=headers_of(admin))).json()
    assert {row["Sub"] for row in rows} == {f"voa:{SUBJECTS['alice']}", f"voa:{SUBJECTS['ada']}"}
    for tokens, expected in ((foreign, 404), (alice, 200)):
        identifier = claims_of(tokens["refresh_token"])["jti"]
        answer = await client.delete(f"/api/auth/refresh-tokens/{identifier}", headers=headers_of(admin))
        assert answer.status_code == expected
    assert (await refresh(client, foreign["refresh_token"])).status_code == 200
    assert (await refresh(client, alice["refresh_token"])).status_code == 401


async def test_proxy_management_sees_rotated_tokens_too_unless_it_asks_for_living_ones(
    client: httpx2.AsyncClient, db: Database
) -> None:
    async def listed(tokens: dict[str, str], **query: object) -> dict[str, int]:
        answer = await client.get("/api/auth/refresh-tokens", headers=headers_of(tokens), params=query)
        return {row["JTI"]: row["Status"] for row in answer.json()}

    def jti(tokens: dict[str, str]) -> str:
        return str(claims_of(tokens["refresh_token"])["jti"])

    first = await device_login(client, "vo:voa")
    admin = await device_login(client, "vo:voa group:admin", user="ada")
    second = (await refresh(client, first["refresh_token"])).json()
    assert await listed(second) == {jti(second): CREATED}
    assert await listed(admin) == {jti(first): REVOKED, jti(second): CREATED, jti(admin): CREATED}
    assert await listed(admin, living=True) == {jti(second): CREATED, jti(admin): CREATED}
    async with db.transaction() as tx:
        await tx.exec_driver_sql("UPDATE refresh_tokens SET expires_at = now() - interval '1 second'")
    assert await listed(admin) == {}


async def test_deleting_own_foreign_unknown_and_nonsense(client: httpx2.AsyncClient) -> None:
    alice, bob = await device_login(client, "vo:voa"), await device_login(client, "vo:voa", user="bob")
    elsewhere = await device_login(client, "vo:vob", user="bob")

    async def delete(identifier: object) -> httpx2.Response:
        return await client.delete(f"/api/auth/refresh-tokens/{identifier}", headers=headers_of(alice))

    assert (await delete("nonsense")).status_code == 400
    assert (await delete(uuid7())).status_code == 404
    assert (await delete(claims_of(bob["refresh_token"])["jti"])).status_code == 403
    # of another VO: as if it did not exist
    assert (await delete(claims_of(elsewhere["refresh_token"])["jti"])).status_code == 404
    own = await delete(claims_of(alice["refresh_token"])["jti"])
    assert (own.status_code, own.json()) == (200, "Refresh token revoked")
    assert (await refresh(client, alice["refresh_token"])).status_code == 401
    assert (await refresh(client, bob["refresh_token"])).status_code == 200


async def test_userinfo_says_who_the_token_speaks_for(client: httpx2.AsyncClient) -> None:
    tokens = await device_login(client, "vo:voa group:admin", user="ada")
    assert (await client.get("/api/auth/userinfo", headers=headers_of(tokens))).json() == {
        "sub": f"voa:{SUBJECTS['ada']}",
        "vo": "voa",
        "dirac_group": "admin",
        "policies": {},
        "properties": ["JobAdministrator", "NormalUser", "ProxyManagement"],
        "preferred_username": "ada",
    }


# the header


@pytest.mark.parametrize(
    ("header", "status", "detail"),
    [
        (None, 401, "Authorization header is missing"),
        ("Basic abc", 400, "Invalid authorization header"),
        ("Bearer", 400, "Invalid authorization header"),
        ("Bearer a b", 400, "Invalid authorization header"),
        ("Bearer garbage", 401, "Invalid JWT"),
    ],
)
async def test_headers_that_carry_no_good_token(
    client: httpx2.AsyncClient, header: str | None, status: int, detail: str
) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = await client.get("/api/auth/userinfo", headers=headers)
    assert (answer.status_code, answer.json()["detail"]) == (status, detail)
    assert ("www-authenticate" in answer.headers) == (status == 401)


async def test_a_token_for_another_resource_or_of_a_vo_that_is_gone_is_refused(
    client: httpx2.AsyncClient, application: Application
) -> None:
    identity = Identity("voa:x", "voa", "x", "user", frozenset({"NormalUser"}))
    claims = access_claims(identity, token_id=uuid7(), now=FAR, lifetime_s=1200)
    for changes, expected in (({}, 200), ({"aud": "https://weyl.test/mcp"}, 401), ({"vo": "voz"}, 403)):
        headers = bearer(application.keys.sign({**claims, **changes}))
        assert (await client.get("/api/auth/userinfo", headers=headers)).status_code == expected
