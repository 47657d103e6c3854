"""The code flow at the door, as DiracX's web page drives it."""

from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from tests.auth.conftest import PAGE, SUBJECTS
from tests.infra.app import URL, Application
from tests.infra.login import CLIENT_ID, browse

from weyl.demo.idp import DevProvider
from weyl.kit.db import Database

START = "/api/auth/authorize"
VERIFIER = "a-verifier-of-the-page_" * 3
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
REQUEST = {
    "response_type": "code",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
    "client_id": CLIENT_ID,
    "redirect_uri": PAGE,
    "scope": "vo:voa group:user",
    "state": "0123456789abcdef",
}
HTML = {"Accept": "text/html"}


async def go(client: httpx2.AsyncClient, user: str = "alice", **changes: str) -> str:
    address = str(client.build_request("GET", START, params={**REQUEST, **changes}).url)
    page = await browse(address, user, inside=client, stop_at=PAGE)
    assert page.url.startswith(PAGE), page
    return page.url


async def code_for(client: httpx2.AsyncClient, user: str = "alice", **changes: str) -> str:
    url = await go(client, user, **changes)
    (code,) = parse_qs(url.removeprefix(f"{PAGE}?"))["code"]
    return code


async def redeem(client: httpx2.AsyncClient, **changes: Any) -> httpx2.Response:
    form = {
        "grant_type": "authorization_code",
        "client_id": CLIENT_ID,
        "redirect_uri": PAGE,
        "code_verifier": VERIFIER,
        **changes,
    }
    return await client.post("/api/auth/token", data={name: it for name, it in form.items() if it is not None})


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uri": "https://evil.example.org/"},
        {"redirect_uri": PAGE + "x"},
        {"redirect_uri": PAGE.split("#", maxsplit=1)[0]},
        {"redirect_uri": ""},
        {"client_id": "other"},
        {"response_type": "token"},
        {"code_challenge_method": "plain"},
        {"code_challenge": "short"},
        {"code_challenge": CHALLENGE + "="},
        {"scope": "openid"},
        {"scope": "vo:voc"},
        {"scope": "vo:voa group:none"},
    ],
)
async def test_a_wrong_request_does_not_start(client: httpx2.AsyncClient, changes: dict[str, str]) -> None:
    answer = await client.get(START, params={**REQUEST, **changes})
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert answer.json()["detail"]
    assert (await client.get(START, params={**REQUEST, **changes}, headers=HTML)).status_code == 400


@pytest.mark.parametrize("changes", [{"code_verifier": "x" * 43}, {"redirect_uri": PAGE + "x"}, {"client_id": "other"}])
async def test_a_wrong_proof_is_refused_and_does_not_burn_the_code(
    client: httpx2.AsyncClient, changes: dict[str, str]
) -> None:
    code = await code_for(client)
    answer = await redeem(client, code=code, **changes)
    assert answer.status_code == 400
    assert answer.json().keys() == {"error", "detail"}
    assert (await redeem(client, code=code)).status_code == 200


async def test_a_code_is_good_once(client: httpx2.AsyncClient) -> None:
    code = await code_for(client)
    assert (await redeem(client, code=code)).status_code == 200
    again = await redeem(client, code=code)
    assert again.status_code == 400
    assert again.json() == {"error": "invalid_grant", "detail": "Code was already used"}


async def test_an_unknown_code_is_refused(client: httpx2.AsyncClient) -> None:
    answer = await redeem(client, code="unknown")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


async def test_an_expired_code_is_refused(client: httpx2.AsyncClient, db: Database) -> None:
    code = await code_for(client)
    async with db.transaction() as tx:
        await tx.exec_driver_sql("UPDATE authorization_flows SET expires_at = now()")
    answer = await redeem(client, code=code)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


async def test_a_code_lives_as_long_as_the_setting_says(client: httpx2.AsyncClient, db: Database) -> None:
    await code_for(client)
    async with db.read() as tx:
        left = await tx.exec_driver_sql("SELECT extract(epoch FROM expires_at - now())::int FROM authorization_flows")
        assert 290 <= left.scalar_one() <= 300


@pytest.mark.parametrize("missing", ["code", "redirect_uri", "code_verifier"])
async def test_a_missing_parameter_of_the_grant_is_400(client: httpx2.AsyncClient, missing: str) -> None:
    answer = await redeem(client, **{"code": "x", missing: None})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("grant", ["password", "", "authorization_code "])
async def test_an_unknown_grant_is_422(client: httpx2.AsyncClient, grant: str) -> None:
    assert (await redeem(client, code="x", grant_type=grant)).status_code == 422


async def test_who_is_not_in_the_group_is_refused_and_nothing_is_issued(
    client: httpx2.AsyncClient, db: Database
) -> None:
    code = await code_for(client, scope="vo:voa group:admin")
    assert (await redeem(client, code=code)).status_code == 403
    async with db.read() as tx:
        assert (await tx.exec_driver_sql("SELECT count(*) FROM refresh_tokens")).scalar_one() == 0


async def test_a_state_of_the_device_flow_does_not_finish_a_code_flow(client: httpx2.AsyncClient) -> None:
    started = await client.post("/api/auth/device", params={"client_id": CLIENT_ID, "scope": "vo:voa"})
    end = f"{URL}/api/auth/device/complete"
    back = await browse(started.json()["verification_uri_complete"], "alice", inside=client, stop_at=end)
    answer = await client.get(f"{START}/complete?{urlsplit(back.url).query}")
    assert (answer.status_code, answer.json()) == (400, {"detail": "Invalid state"})


async def test_coming_back_from_the_provider_twice_gives_one_code(client: httpx2.AsyncClient) -> None:
    address = str(client.build_request("GET", START, params=REQUEST).url)
    back = await browse(address, "alice", inside=client, stop_at=f"{URL}{START}/complete")
    first, second = await client.get(back.url), await client.get(back.url)
    assert first.status_code == 307
    assert second.status_code == 401


async def test_who_says_no_at_the_provider_goes_back_to_the_page(client: httpx2.AsyncClient) -> None:
    address = str(client.build_request("GET", START, params=REQUEST).url)
    page = await browse(address, "alice", inside=client, decision="deny", stop_at=PAGE)
    assert page.url == f"{PAGE}?error=access_denied&state=0123456789abcdef"


async def test_the_answer_is_appended_to_the_redirect_as_text(client: httpx2.AsyncClient) -> None:
    url = await go(client)
    rest = url.removeprefix(f"{PAGE}?code=")
    code, _, state = rest.partition("&state=")
    assert len(code) == 43
    assert state == REQUEST["state"]


async def test_a_state_with_odd_characters_comes_back_whole_and_injects_nothing(client: httpx2.AsyncClient) -> None:
    odd = "a b&code=stolen#x=\r\nSet-Cookie: a=b ü"
    url = await go(client, state=odd)
    parameters = parse_qs(url.removeprefix(f"{PAGE}?"))
    assert parameters["state"] == [odd]
    assert len(parameters["code"]) == 1


async def test_unknown_query_parameters_are_ignored(client: httpx2.AsyncClient) -> None:
    assert (await client.get(START, params={**REQUEST, "nonce": "n"})).status_code == 307


async def test_the_provider_gets_our_own_challenge_and_redirect(
    client: httpx2.AsyncClient, provider: DevProvider
) -> None:
    answer = await client.get(START, params=REQUEST, headers={"Host": "evil.example.org"})
    assert answer.status_code == 307
    assert answer.headers["location"].startswith(f"{provider.issuer}/authorize?")
    query = {name: value for name, (value,) in parse_qs(urlsplit(answer.headers["location"]).query).items()}
    assert query["redirect_uri"] == f"{URL}{START}/complete"
    assert query["code_challenge"] != CHALLENGE
    assert query["state"] != REQUEST["state"]


async def test_the_whole_way_ends_with_the_claims_that_the_page_reads(
    client: httpx2.AsyncClient, application: Application
) -> None:
    tokens = (await redeem(client, code=await code_for(client, "bob", scope="vo:vob group:user"))).json()
    claims = application.keys.decode(tokens["access_token"])
    assert claims["sub"] == f"vob:{SUBJECTS['bob']}"
    read = {"preferred_username", "vo", "dirac_group", "dirac_properties", "exp", "sub"}
    assert read <= claims.keys()
    assert claims["iss"] == f"{URL}/"
