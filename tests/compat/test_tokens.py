"""Refreshing, revoking and refusing tokens (flows 27 to 30 and 32)."""

import base64
import json
import time
from typing import Any

import httpx2
import pytest

from tests.compat.clients import Json, People, Person
from tests.compat.installation import EXCHANGE_SECRET
from weyl.auth.keys import KeySet, generate_keys

pytestmark = pytest.mark.xdist_group("compat")

CLIENT = {"client_id": "myDIRACClientID"}


def claims_of(token: str) -> Json:
    """Return the claims of a token, unverified."""
    part = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))


def nearly_expired(person: Person, **changes: object) -> None:
    """Make the client believe that its access token ends in 100 s."""
    person.credentials.write_text(json.dumps({**person.tokens, "expires_on": int(time.time()) + 100, **changes}))


def refresh(http: httpx2.Client, token: str, **changes: str) -> httpx2.Response:
    return http.post(
        "/api/auth/token", data={"grant_type": "refresh_token", "refresh_token": token, **CLIENT, **changes}
    )


def test_a_command_refreshes_in_time_and_the_login_ends_when_it_would_have(people: People) -> None:
    person = people.newly_logged_in()
    before = person.tokens
    nearly_expired(person)
    assert person.dirac_json("whoami")["vo"] == "voa"
    after = person.tokens
    assert after["access_token"] != before["access_token"]
    assert after["refresh_token"] != before["refresh_token"]
    assert claims_of(after["refresh_token"])["exp"] == claims_of(before["refresh_token"])["exp"]
    assert after["expires_on"] > time.time() + 1000


def test_two_commands_at_once_refresh_one_after_the_other(people: People) -> None:
    person = people.newly_logged_in()
    nearly_expired(person)
    with person.start("whoami") as first, person.start("whoami") as second:
        for process in (first, second):
            out, err = process.communicate(timeout=60)
            assert json.loads(out)["preferred_username"] == "alice", err
    assert person.dirac_json("whoami")["vo"] == "voa"


def test_the_library_refreshes_too(people: People, mode: str) -> None:
    person = people.newly_logged_in()
    before = person.tokens
    nearly_expired(person)
    assert person.call(mode, "auth.userinfo").ok()["vo"] == "voa"
    assert person.tokens["refresh_token"] != before["refresh_token"]


def test_an_old_refresh_token_ends_its_login_and_no_other(people: People) -> None:
    person, other = people.newly_logged_in(), people.newly_logged_in()
    old = person.tokens
    nearly_expired(person)
    person.dirac_json("whoami")
    newer = person.tokens
    nearly_expired(person, refresh_token=old["refresh_token"])
    done = person.dirac("whoami")
    anonymous = people.stranger().http
    refused = refresh(anonymous, old["refresh_token"])
    assert refused.status_code == 401
    assert refused.json()["detail"]
    assert refused.json()["detail"].split(":")[0].split(".")[0] in " ".join(done.stderr.split())
    assert "preferred_username" not in done.stdout
    assert refresh(anonymous, newer["refresh_token"]).status_code == 401
    assert refresh(anonymous, other.tokens["refresh_token"]).status_code == 200


def test_a_refresh_token_is_good_for_its_own_client_only(people: People) -> None:
    person = people.newly_logged_in()
    http = people.stranger().http
    assert refresh(http, person.tokens["refresh_token"], client_id="another").status_code == 400
    assert refresh(http, "garbage").status_code == 401
    assert refresh(http, person.tokens["access_token"]).status_code == 401


def jtis(listed: list[Json]) -> set[str]:
    return {row["JTI"] for row in listed}


def test_one_lists_and_ends_ones_own_logins(people: People, mode: str) -> None:
    person, elsewhere = people.newly_logged_in(), people.newly_logged_in()
    listed = person.call(mode, "auth.get_refresh_tokens").ok()
    mine, other = (claims_of(who.tokens["refresh_token"])["jti"] for who in (person, elsewhere))
    assert {mine, other} <= jtis(listed)
    assert {row["Sub"] for row in listed} == {claims_of(person.tokens["access_token"])["sub"]}
    assert all(row.keys() >= {"JTI", "Status", "Scope", "Sub"} for row in listed)
    person.call(mode, "auth.revoke_refresh_token_by_jti", other).ok()
    assert refresh(person.http, elsewhere.tokens["refresh_token"]).status_code == 401
    assert other not in jtis(person.call(mode, "auth.get_refresh_tokens").ok())


def test_logins_of_others_are_for_those_with_proxy_management(people: People, admin: Person, mode: str) -> None:
    bob, stranger = people.newly_logged_in("bob"), people.newly_logged_in("bob", "vob")
    alice = people("alice")
    bobs, foreign = (claims_of(who.tokens["refresh_token"])["jti"] for who in (bob, stranger))
    assert bobs not in jtis(alice.call(mode, "auth.get_refresh_tokens").ok())
    alice.call(mode, "auth.revoke_refresh_token_by_jti", bobs).refused(403)
    alice.call(mode, "auth.revoke_refresh_token_by_jti", "00000000-0000-7000-8000-000000000000").refused(404)
    alice.call(mode, "auth.revoke_refresh_token_by_jti", "nonsense").refused(400)
    listed = jtis(admin.call(mode, "auth.get_refresh_tokens").ok())
    assert bobs in listed
    assert foreign not in listed
    assert admin.call(mode, "auth.revoke_refresh_token_by_jti", foreign).status in (403, 404)
    admin.call(mode, "auth.revoke_refresh_token_by_jti", bobs).ok()
    assert refresh(alice.http, bob.tokens["refresh_token"]).status_code == 401
    assert refresh(alice.http, stranger.tokens["refresh_token"]).status_code == 200


def exchange(http: httpx2.Client, secret: bytes = EXCHANGE_SECRET, **params: object) -> httpx2.Response:
    encoded = base64.urlsafe_b64encode(secret).decode()
    wanted: dict[str, Any] = {"preferred_username": "alice", "scope": "vo:voa group:user", **params}
    headers = {"Authorization": f"Bearer diracx:legacy:{encoded}"}
    return http.get("/api/auth/legacy-exchange", params=wanted, headers=headers)


def test_a_dirac_server_gets_tokens_that_it_may_refresh_again_and_again(people: People) -> None:
    http = people.stranger().http
    answer = exchange(http, expires_minutes=30)
    assert answer.status_code == 200, answer.text
    token = answer.json()["refresh_token"]
    claims = claims_of(token)
    assert claims["legacy_exchange"] is True
    assert abs(claims["exp"] - time.time() - 1800) < 30
    for _ in range(2):
        refreshed = refresh(http, token)
        assert refreshed.status_code == 200
        assert refreshed.json()["refresh_token"] == token
        assert claims_of(refreshed.json()["access_token"])["preferred_username"] == "alice"
    assert http.post("/api/auth/revoke", data={"token": token, **CLIENT}).status_code == 200
    assert refresh(http, token).status_code == 401


def test_the_exchange_refuses_what_it_must(people: People) -> None:
    http = people.stranger().http
    assert exchange(http, secret=b"another").status_code == 401
    assert exchange(http, scope="vo:nowhere").status_code == 400
    assert exchange(http, preferred_username="unheard-of").status_code == 400
    assert exchange(http, preferred_username="max").status_code == 403
    wrong = {"Authorization": "Bearer something"}
    params = {"preferred_username": "alice", "scope": "vo:voa"}
    assert http.get("/api/auth/legacy-exchange", params=params, headers=wrong).status_code == 400


def userinfo(person: Person, token: str | None, **headers: str) -> httpx2.Response:
    authorization = {"Authorization": token} if token is not None else {}
    return httpx2.get(f"{person.stack.url}/api/auth/userinfo", headers={**authorization, **headers})


def unsigned(token: str) -> str:
    header = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
    return f"{header}.{token.split('.')[1]}."


def test_what_is_no_token_of_ours_is_refused(alice: Person) -> None:
    token = alice.tokens["access_token"]
    issuer = alice.stack.url + "/"
    ours = KeySet(alice.stack.files.keys.read_text(), issuer=issuer)
    other = KeySet(generate_keys(), issuer=issuer)
    claims = claims_of(token)
    assert userinfo(alice, f"Bearer {ours.sign(claims)}").status_code == 200
    missing = userinfo(alice, None)
    assert (missing.status_code, missing.json()["detail"]) == (401, "Authorization header is missing")
    assert missing.headers["www-authenticate"] == "Bearer"
    assert userinfo(alice, "Basic YTpi").status_code == 400
    expired = ours.sign({**claims, "exp": int(time.time()) - 60})
    for bad in (expired, other.sign(claims), unsigned(token), "garbage", alice.tokens["refresh_token"]):
        answer = userinfo(alice, f"Bearer {bad}")
        assert (answer.status_code, answer.json()["detail"]) == (401, "Invalid JWT"), bad


@pytest.mark.parametrize(("version", "status"), [("0.0.0", 400), ("x", 400), ("0.7.0", 200), (None, 200)])
def test_clients_that_are_too_old_are_told(alice: Person, version: str | None, status: int) -> None:
    headers = {"DiracX-Client-Version": version} if version is not None else {}
    answer = userinfo(alice, f"Bearer {alice.tokens['access_token']}", **headers)
    assert answer.status_code == status, answer.text
