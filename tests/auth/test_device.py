"""The device flow at the door: refusals first, then the whole way through a real identity provider."""

import re
from collections.abc import Awaitable, Callable
from hashlib import sha256
from urllib.parse import parse_qs, quote, urlsplit

import httpx2
import pytest
from tests.auth.conftest import SUBJECTS
from tests.infra.app import URL, Application, Installation
from tests.infra.login import CLIENT_ID, DEVICE_GRANT, browse, device_login

from weyl.config.service import CONFIG
from weyl.demo.idp import DevProvider
from weyl.kit.db import Database

HTML = {"Accept": "text/html,application/xhtml+xml"}
START = "/api/auth/device"


async def start(client: httpx2.AsyncClient, scope: str = "vo:voa", client_id: str = CLIENT_ID) -> httpx2.Response:
    return await client.post(START, params={"client_id": client_id, "scope": scope})


async def poll(client: httpx2.AsyncClient, device_code: str, client_id: str = CLIENT_ID) -> httpx2.Response:
    form = {"grant_type": DEVICE_GRANT, "client_id": client_id, "device_code": device_code}
    return await client.post("/api/auth/token", data=form)


@pytest.mark.parametrize("scope", ["", "openid", "vo:voc", "group:user", "vo:voa vo:vob", "vo:voa group:none"])
async def test_a_login_with_a_wrong_scope_does_not_start(client: httpx2.AsyncClient, scope: str) -> None:
    answer = await start(client, scope)
    assert answer.status_code == 400
    assert answer.json().keys() == {"error", "detail"}


async def test_another_client_is_refused(client: httpx2.AsyncClient) -> None:
    assert (await start(client, client_id="other")).status_code == 400


async def test_an_unknown_device_code_is_refused(client: httpx2.AsyncClient) -> None:
    for code in ("unknown", "x" * 5000, "ü\x00"):
        answer = await poll(client, code)
        assert answer.status_code == 400
        assert answer.json()["error"] == "invalid_grant"


async def test_another_client_does_not_get_the_tokens(client: httpx2.AsyncClient) -> None:
    device = (await start(client)).json()
    await browse(device["verification_uri_complete"], "alice", inside=client)
    assert (await poll(client, device["device_code"], "other")).status_code == 400
    assert (await poll(client, device["device_code"])).status_code == 200


async def test_a_device_that_nobody_has_confirmed_waits_with_the_exact_answer(client: httpx2.AsyncClient) -> None:
    device = (await start(client)).json()
    answer = await poll(client, device["device_code"])
    assert (answer.status_code, answer.json()) == (400, {"error": "authorization_pending"})


@pytest.mark.parametrize("user_code", ["BCDFGHJK", "", "x" * 5000, "\x00", "AEIOUAEI"])
async def test_an_unknown_user_code_is_refused_as_json_or_as_a_page(client: httpx2.AsyncClient, user_code: str) -> None:
    answer = await client.get(START, params={"user_code": user_code})
    assert answer.status_code == 400
    assert answer.json() == {
        "detail": "No row was found when one was required",
        "error_description": "This code is unknown, used or too old. Start the login again on your device",
    }
    page = await client.get(START, params={"user_code": user_code}, headers=HTML)
    assert page.status_code == 400
    assert page.headers["content-type"].startswith("text/html")
    assert "This code is unknown, used or too old" in page.text


async def test_a_code_is_good_once(client: httpx2.AsyncClient) -> None:
    device = (await start(client)).json()
    await browse(device["verification_uri_complete"], "alice", inside=client)
    assert (await poll(client, device["device_code"])).status_code == 200
    again = await poll(client, device["device_code"])
    assert again.status_code == 400
    assert again.json() == {"error": "invalid_grant", "detail": "Code was already used"}


async def test_a_user_code_is_good_until_its_login_is_finished(client: httpx2.AsyncClient) -> None:
    device = (await start(client)).json()
    await browse(device["verification_uri_complete"], "alice", inside=client)
    assert (await client.get(START, params={"user_code": device["user_code"]})).status_code == 400


async def test_an_expired_login_says_so(client: httpx2.AsyncClient, db: Database) -> None:
    waiting, ready = (await start(client)).json(), (await start(client)).json()
    await browse(ready["verification_uri_complete"], "alice", inside=client)
    async with db.transaction() as tx:
        await tx.exec_driver_sql("UPDATE device_flows SET expires_at = now() - interval '1 second'")
    for device in (waiting, ready):
        answer = await poll(client, device["device_code"])
        assert (answer.status_code, answer.json()["error"]) == (400, "expired_token")
    assert (await client.get(START, params={"user_code": waiting["user_code"]})).status_code == 400


async def test_a_login_that_comes_back_too_late_is_not_taken_up(client: httpx2.AsyncClient, db: Database) -> None:
    device = (await start(client)).json()
    kept: dict[str, str] = {}
    end = f"{URL}{START}/complete"
    back = await browse(device["verification_uri_complete"], "alice", inside=client, stop_at=end, cookies=kept)
    async with db.transaction() as tx:
        await tx.exec_driver_sql("UPDATE device_flows SET expires_at = now() - interval '1 second'")
    late = await browse(back.url, "alice", inside=client, cookies=kept)
    assert late.status == 400
    assert "has expired" in late.text


@pytest.mark.parametrize("query", ["code=x&state=x", "code=x&state=", "error=access_denied&state=x"])
async def test_a_state_that_is_not_ours_is_refused(client: httpx2.AsyncClient, query: str) -> None:
    answer = await client.get(f"{START}/complete?{query}")
    assert (answer.status_code, answer.json()) == (400, {"detail": "Invalid state"})


async def test_a_code_that_the_provider_refuses_is_401(client: httpx2.AsyncClient) -> None:
    device = (await start(client)).json()
    kept: dict[str, str] = {}
    end = f"{URL}{START}/complete"
    back = await browse(device["verification_uri_complete"], "alice", inside=client, stop_at=end, cookies=kept)
    (state,) = parse_qs(urlsplit(back.url).query)["state"]
    forged = await browse(f"{end}?code=forged&state={quote(state)}", "alice", inside=client, cookies=kept)
    assert forged.status == 401
    # and the login can still be finished
    assert (await browse(back.url, "alice", inside=client, cookies=kept)).status == 200


async def test_who_says_no_at_the_provider_ends_the_wait_of_the_device(client: httpx2.AsyncClient) -> None:
    device = (await start(client)).json()
    page = await browse(device["verification_uri_complete"], "alice", inside=client, decision="deny")
    assert page.status == 401
    answer = await poll(client, device["device_code"])
    assert (answer.status_code, answer.json()["error"]) == (400, "access_denied")


@pytest.mark.parametrize(
    ("user", "scope"),
    [
        ("nobody", "vo:voa"),
        ("alice", "vo:voa group:admin"),
        ("alice", "vo:voa property:JobAdministrator"),
        ("alice", "vo:voa property:TrustedHost"),
        ("max", "vo:vob"),
    ],
)
async def test_who_may_not_have_what_the_scope_names_is_refused_at_the_end(
    client: httpx2.AsyncClient, user: str, scope: str
) -> None:
    device = (await start(client, scope)).json()
    await browse(device["verification_uri_complete"], user, inside=client)
    answer = await poll(client, device["device_code"])
    assert answer.status_code == 403
    assert "access_token" not in answer.text


async def test_refused_properties_are_named_in_the_words_of_the_contract(client: httpx2.AsyncClient) -> None:
    device = (await start(client, "vo:voa property:NormalUser property:ProxyManagement")).json()
    await browse(device["verification_uri_complete"], "alice", inside=client)
    unallowed = (await poll(client, device["device_code"])).json()["detail"]
    assert "ProxyManagement are not valid properties for user alice" in unallowed
    unknown = (await start(client, "vo:voa property:Unheard property:NormalUser")).json()["detail"]
    assert "{'Unheard'} are not valid properties" in unknown


async def test_a_suspended_user_is_refused_at_login_and_with_a_token(
    client: httpx2.AsyncClient, application: Application, installation: Installation
) -> None:
    tokens = await device_login(client, "vo:voa")
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert (await client.get("/api/auth/userinfo", headers=headers)).status_code == 200
    document = (installation.config_directory / "default.yml").read_text()
    suspended = document.replace('"PreferedUsername": "alice"', '"PreferedUsername": "alice", "Suspended": ["voa"]', 1)
    installation.commit_config(suspended, "Suspend alice")
    await application.services[CONFIG].refresh()
    assert (await client.get("/api/auth/userinfo", headers=headers)).status_code == 403
    device = (await start(client)).json()
    await browse(device["verification_uri_complete"], "alice", inside=client)
    assert (await poll(client, device["device_code"])).status_code == 403
    refresh = {"grant_type": "refresh_token", "client_id": CLIENT_ID, "refresh_token": tokens["refresh_token"]}
    assert (await client.post("/api/auth/token", data=refresh)).status_code == 403
    assert (await device_login(client, "vo:vob"))["access_token"]


async def test_a_provider_that_cannot_be_reached_is_502(
    client: httpx2.AsyncClient, application: Application, installation: Installation, provider: DevProvider
) -> None:
    document = (installation.config_directory / "default.yml").read_text()
    installation.commit_config(document.replace(provider.issuer, "http://127.0.0.1:1"), "A provider that is not there")
    await application.services[CONFIG].refresh()
    device = (await start(client)).json()
    answer = await client.get(device["verification_uri_complete"])
    assert answer.status_code == 502
    page = await browse(device["verification_uri_complete"], "alice", inside=client)
    assert page.status == 502
    assert "cannot be reached" in page.text


async def test_the_answer_has_the_codes_of_the_contract(client: httpx2.AsyncClient) -> None:
    answer = await client.post(
        START, params={"client_id": CLIENT_ID, "scope": "vo:voa"}, headers={"Host": "evil.example.org"}
    )
    device = answer.json()
    assert re.fullmatch("[BCDFGHJKLMNPQRSTVWXZ]{8}", device["user_code"])
    assert len(device["device_code"]) >= 43
    assert device["verification_uri"] == f"{URL}{START}"
    assert device["verification_uri_complete"] == f"{URL}{START}?user_code={device['user_code']}"
    assert device["expires_in"] == 600


async def test_neither_of_the_codes_is_stored(client: httpx2.AsyncClient, db: Database) -> None:
    device = (await start(client)).json()
    async with db.read() as tx:
        rows = (await tx.exec_driver_sql("SELECT device_flows::text FROM device_flows")).scalars().all()
    assert len(rows) == 1
    assert device["device_code"] not in rows[0]
    # Eight letters are found from a plain hash in a minute.
    assert device["user_code"] not in rows[0]
    assert sha256(device["user_code"].encode()).hexdigest() not in rows[0]


async def test_the_browser_goes_to_the_provider_with_pkce_and_a_state_that_says_nothing(
    client: httpx2.AsyncClient, provider: DevProvider
) -> None:
    device = (await start(client)).json()
    answer = await client.get(device["verification_uri_complete"])
    assert answer.status_code == 307
    target = urlsplit(answer.headers["location"])
    assert f"{target.scheme}://{target.netloc}" == provider.issuer
    query = {name: value for name, (value,) in parse_qs(target.query).items()}
    assert query["scope"] == "openid profile"
    assert query["code_challenge_method"] == "S256"
    assert query["redirect_uri"] == f"{URL}{START}/complete"
    assert device["user_code"] not in query["state"]


async def test_the_address_without_a_code_shows_a_form_to_people(client: httpx2.AsyncClient) -> None:
    page = await client.get(START, headers=HTML)
    assert page.status_code == 200
    assert '<label for="user_code">' in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert (await client.get(START)).status_code == 422


async def test_a_code_may_be_typed_with_small_letters_and_dashes(client: httpx2.AsyncClient) -> None:
    code = (await start(client)).json()["user_code"]
    typed = f"{code[:4].lower()}-{code[4:]} "
    assert (await client.get(START, params={"user_code": typed})).status_code == 307


async def test_the_whole_way_ends_with_tokens_for_the_user(
    client: httpx2.AsyncClient, application: Application
) -> None:
    device = (await start(client, "vo:voa group:user")).json()
    page = await browse(device["verification_uri_complete"], "max", inside=client)
    assert page.url == f"{URL}{START}/complete/finished"
    assert "Please close the window and go back to your device" in page.text
    answer = await poll(client, device["device_code"])
    assert answer.headers["cache-control"] == "no-store"
    tokens = answer.json()
    assert tokens.keys() == {"access_token", "expires_in", "token_type", "refresh_token"}
    assert (tokens["expires_in"], tokens["token_type"]) == (1200, "Bearer")
    claims = application.keys.decode(tokens["access_token"])
    assert claims["sub"] == f"voa:{SUBJECTS['max']}"
    assert (claims["vo"], claims["dirac_group"], claims["preferred_username"]) == ("voa", "user", "max")
    assert (claims["dirac_properties"], claims["dirac_policies"]) == (["NormalUser"], {})


async def test_a_property_held_through_another_group_can_be_asked_for(
    client: httpx2.AsyncClient, application: Application
) -> None:
    tokens = await device_login(client, "property:ProductionManagement vo:voa", user="max")
    claims = application.keys.decode(tokens["access_token"])
    assert claims["dirac_properties"] == ["NormalUser", "ProductionManagement"]


async def test_fifty_logins_in_a_row_are_fine_and_then_the_address_is_told_to_wait(
    start_application: Callable[..., Awaitable[Application]],
) -> None:
    application = await start_application(logins_per_minute=50)
    for _ in range(50):
        assert (await start(application.client)).status_code == 200
    answer = await start(application.client)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) >= 1
    assert (await application.client.get(START, params={"user_code": "BCDFGHJK"})).status_code == 429
