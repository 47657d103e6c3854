"""Jobs belong to names, so a name stays with the person who has logged in with it: successors need an administrator."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from tests.auth.conftest import SUBJECTS
from tests.auth.test_device import poll, start
from tests.auth.test_exchange import SECRET, exchange
from tests.auth.test_refresh import headers_of, refresh
from tests.infra.app import Application, Installation
from tests.infra.browser import Browser
from tests.infra.login import browse, device_login

from weyl.config.service import CONFIG
from weyl.kit.db import Database

Users = dict[str, dict[str, Any]]
Reconfigure = Callable[[Callable[[Users], None]], Awaitable[None]]
ALICE, BOB = SUBJECTS["alice"], SUBJECTS["bob"]
HTML = {"Accept": "text/html"}


@pytest.fixture
async def application(start_application: Callable[..., Awaitable[Application]]) -> Application:
    """The application with the legacy exchange on."""
    return await start_application(legacy_exchange_hash=sha256(SECRET).hexdigest())


@pytest.fixture
def reconfigure(application: Application, installation: Installation) -> Reconfigure:
    """Change the users of voa."""

    async def reconfigure(change: Callable[[Users], None]) -> None:
        document = json.loads((installation.config_directory / "default.yml").read_text())
        change(document["Registry"]["voa"]["Users"])
        installation.commit_config(document, "Change users")
        await application.services[CONFIG].refresh()
        assert not application.services[CONFIG].warnings

    return reconfigure


def bob_becomes_alice(users: Users) -> None:
    """Take alice out, and give bob her name."""
    del users[ALICE]
    users[BOB] = {"PreferedUsername": "alice"}


def bob_succeeds_alice(users: Users) -> None:
    """Take alice out, and let bob have her name and jobs."""
    bob_becomes_alice(users)
    users[BOB]["PreviousSubjects"] = ["somebody-else", ALICE]


async def log_in(client: httpx2.AsyncClient, user: str, scope: str = "vo:voa") -> httpx2.Response:
    """Log in by the device flow; returns the answer of the token endpoint."""
    device = (await start(client, scope)).json()
    await browse(device["verification_uri_complete"], user, inside=client)
    return await poll(client, device["device_code"])


async def test_a_name_that_somebody_else_had_is_refused_at_login(
    client: httpx2.AsyncClient, reconfigure: Reconfigure
) -> None:
    await device_login(client, "vo:voa")
    await reconfigure(bob_becomes_alice)
    refused = await log_in(client, "bob")
    assert (refused.status_code, refused.json()["error"]) == (403, "access_denied")
    detail = refused.json()["detail"]
    assert "user name alice of VO voa" in detail
    assert "ask the support" in detail
    assert ALICE not in detail
    # Names are those of one VO, and bob is still bob in the other.
    assert (await log_in(client, "bob", "vo:vob")).status_code == 200


async def test_a_name_that_nobody_has_logged_in_with_is_free(
    client: httpx2.AsyncClient, reconfigure: Reconfigure
) -> None:
    await reconfigure(bob_becomes_alice)
    assert (await log_in(client, "bob")).status_code == 200


async def test_a_refresh_does_not_bring_the_name_of_somebody_else(
    client: httpx2.AsyncClient, application: Application, reconfigure: Reconfigure
) -> None:
    await device_login(client, "vo:voa")
    bob = await device_login(client, "vo:voa", user="bob")
    await reconfigure(bob_becomes_alice)
    refused = await refresh(client, bob["refresh_token"])
    assert (refused.status_code, refused.json()["error"]) == (403, "access_denied")

    def bob_is_bob(users: Users) -> None:
        users[BOB] = {"PreferedUsername": "bob"}

    await reconfigure(bob_is_bob)
    # The refusal has not used the token up.
    again = await refresh(client, bob["refresh_token"])
    assert again.status_code == 200
    assert application.keys.decode(again.json()["access_token"])["preferred_username"] == "bob"


async def test_the_legacy_exchange_does_not_give_the_name_of_somebody_else(
    client: httpx2.AsyncClient, reconfigure: Reconfigure
) -> None:
    first = (await exchange(client)).json()
    await reconfigure(bob_becomes_alice)
    assert (await exchange(client)).status_code == 403
    assert (await refresh(client, first["refresh_token"])).status_code == 403
    await reconfigure(lambda users: users[BOB].update(PreviousSubjects=[ALICE]))
    assert (await exchange(client)).status_code == 200


async def test_a_browser_whose_user_has_another_name_now_logs_in_again(
    client: httpx2.AsyncClient, reconfigure: Reconfigure
) -> None:
    alice, bob = Browser(client), Browser(client)
    await alice.login()
    await bob.login("bob")
    await reconfigure(bob_becomes_alice)
    answer = await bob.get("/api/auth/userinfo")
    assert (answer.status_code, answer.json()["error"]) == (401, "login_required")
    refused = await bob.get(await bob.go("bob", vo="voa"), headers=HTML)
    assert refused.status_code == 403
    assert "user name alice of VO voa" in refused.text
    await reconfigure(lambda users: users[BOB].update(PreviousSubjects=[ALICE]))
    assert (await bob.login("bob")).status_code == 303
    assert (await bob.get("/api/auth/userinfo")).json()["preferred_username"] == "alice"


async def test_a_switch_of_vo_does_not_bring_the_name_of_somebody_else(
    client: httpx2.AsyncClient, reconfigure: Reconfigure
) -> None:
    await device_login(client, "vo:voa")
    bob = Browser(client)
    await bob.login("bob", vo="vob")
    await reconfigure(bob_becomes_alice)
    refused = await bob.send("POST", "/api/auth/web/switch", json={"vo": "voa", "group": "user"})
    assert refused.status_code == 403
    assert (await bob.get("/api/auth/userinfo")).json()["preferred_username"] == "bob"


async def test_an_administrator_lets_a_successor_have_the_name_and_the_jobs(
    client: httpx2.AsyncClient, reconfigure: Reconfigure
) -> None:
    alice = await device_login(client, "vo:voa")
    submitted = await client.post("/api/jobs/jdl", json=['Executable = "/bin/true";'], headers=headers_of(alice))
    assert submitted.status_code == 201, submitted.text
    await reconfigure(bob_succeeds_alice)
    bob = (await log_in(client, "bob")).json()
    found = await client.post("/api/jobs/search", json={"search": []}, headers=headers_of(bob))
    assert [job["Owner"] for job in found.json()] == ["alice"]

    def alice_comes_back(users: Users) -> None:
        users[ALICE] = {"PreferedUsername": "alice"}
        users[BOB] = {"PreferedUsername": "bob"}

    await reconfigure(alice_comes_back)
    assert (await log_in(client, "alice")).status_code == 403


async def test_who_gets_another_name_keeps_the_one_before(
    client: httpx2.AsyncClient, reconfigure: Reconfigure, db: Database
) -> None:
    await device_login(client, "vo:voa")
    for name in ("alicia", "alice"):
        await reconfigure(lambda users, name=name: users[ALICE].update(PreferedUsername=name))  # type: ignore[misc]
        assert (await log_in(client, "alice")).status_code == 200
    async with db.read() as tx:
        rows = await tx.execute(text("SELECT vo, name, subject FROM user_names ORDER BY name"))
        assert [tuple(row) for row in rows] == [("voa", name, f"voa:{ALICE}") for name in ("alice", "alicia")]


async def test_a_person_may_log_in_for_the_first_time_several_times_at_once(client: httpx2.AsyncClient) -> None:
    devices = [(await start(client)).json() for _ in range(4)]
    for device in devices:
        await browse(device["verification_uri_complete"], "alice", inside=client)
    answers = await asyncio.gather(*(poll(client, device["device_code"]) for device in devices))
    assert [answer.status_code for answer in answers] == [200] * 4
