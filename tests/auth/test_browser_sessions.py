"""What the login of a browser is good for, by the side of tokens, and how it ends."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import httpx2
import pytest
from sqlalchemy import text
from tests.auth.conftest import SUBJECTS, registry
from tests.infra.app import URL, Application, Installation, bearer
from tests.infra.browser import PAGE_OF_OURS, Browser, cookies_of
from tests.infra.login import device_login

from weyl.auth.service.sessions import FRESH_S, STALE_S, Sessions
from weyl.auth.tasks import tasks
from weyl.config.service import CONFIG
from weyl.demo.idp import DevProvider
from weyl.kit import http
from weyl.kit.clock import utcnow
from weyl.kit.db import DATABASE, Database
from weyl.kit.middleware import STRANGER_BODY_BYTES_MAX

ME, SWITCH, LOGOUT, SESSIONS = (f"/api/auth/web/{name}" for name in ("me", "switch", "logout", "sessions"))
CROSS = {"Sec-Fetch-Site": "cross-site"}
JOBS = {"search": []}


@pytest.fixture
async def alice(client: httpx2.AsyncClient) -> Browser:
    browser = Browser(client)
    assert (await browser.login()).status_code == 303
    return browser


async def change(db: Database, statement: str) -> None:
    async with db.transaction() as tx:
        await tx.execute(text(statement))


async def reconfigure(application: Application, installation: Installation, document: dict[str, object]) -> None:
    """Commit a configuration and let the application serve it."""
    installation.commit_config(document, "Change")
    await application.services[CONFIG].refresh()


async def test_it_is_worth_what_a_token_of_the_same_group_is(alice: Browser, client: httpx2.AsyncClient) -> None:
    tokens = await device_login(client, "vo:voa group:user")
    by_token = await client.get("/api/auth/userinfo", headers=bearer(tokens["access_token"]))
    by_cookie = await alice.get("/api/auth/userinfo")
    assert by_cookie.json() == by_token.json()
    submitted = await alice.send("POST", "/api/jobs/jdl", json=['Executable = "/bin/true";'])
    assert submitted.status_code == 201, submitted.text
    assert len((await alice.send("POST", "/api/jobs/search", json=JOBS)).json()) == 1
    for path in ("/api/tasks", "/api/config/history"):
        assert (await alice.get(path)).status_code == 403
        assert (await client.get(path, headers=bearer(tokens["access_token"]))).status_code == 403


async def test_a_token_goes_before_the_cookie_good_or_bad(alice: Browser, application: Application) -> None:
    bob = {**PAGE_OF_OURS, **application.login("bob", vo="vob")}
    assert (await alice.get("/api/auth/userinfo", headers=bob)).json()["preferred_username"] == "bob"
    for wrong, status in (("Bearer x", 401), ("Bearer ", 400), ("Basic eDp5", 400)):
        answer = await alice.get("/api/auth/userinfo", headers={**PAGE_OF_OURS, "Authorization": wrong})
        assert answer.status_code == status
    for method, path in (("GET", ME), ("POST", SWITCH)):
        answer = await alice.send(method, path, headers=bob, json={"group": "user"})
        assert (answer.status_code, answer.json()["error"]) == (401, "login_required")


async def test_no_pilot_and_no_grant_of_tokens_is_reached_by_cookie(alice: Browser) -> None:
    offer = await alice.send("POST", "/api/matcher/match", json={})
    assert (offer.status_code, offer.json()["detail"]) == (401, "Authorization header is missing")
    assert (await alice.send("POST", "/api/pilots/logs", json=[])).status_code in (401, 422)
    form = {"grant_type": "refresh_token", "client_id": "myDIRACClientID", "refresh_token": alice.session}
    assert (await alice.send("POST", "/api/auth/token", data=form)).status_code == 401
    assert (await alice.send("POST", "/api/auth/revoke", data={"token": alice.session})).status_code == 200
    refused = await alice.send("POST", "/api/pilots/token", json={"secret": alice.session, "host": "x"})
    assert refused.status_code in (400, 401, 403)
    assert (await alice.get("/api/auth/legacy-exchange?preferred_username=alice&scope=vo:voa")).status_code == 503
    assert (await alice.get("/api/auth/userinfo", headers=bearer(alice.session))).status_code == 401
    assert (await alice.get(ME)).status_code == 200


@pytest.mark.parametrize(
    ("said", "is_ours"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "same-origin", "Origin": URL}, True),
        ({"Origin": URL}, True),
        ({}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "https://evil.example.org"}, False),
        ({"Origin": f"{URL}.evil.example.org"}, False),
        ({"Sec-Fetch-Site": "same-site", "Origin": URL}, False),
        ({"Sec-Fetch-Site": "cross-site", "Origin": URL}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Referer": f"{URL}/jobs"}, False),
        ({"Host": "evil.example.org", "Origin": "http://evil.example.org"}, False),
    ],
)
async def test_other_pages_change_nothing(
    alice: Browser, application: Application, said: dict[str, str], is_ours: bool
) -> None:
    jdl = ['Executable = "/bin/true";']
    answer = await alice.send("POST", "/api/jobs/jdl", headers=said, json=jdl)
    assert answer.status_code == (201 if is_ours else 403), answer.text
    for method, path, body in (
        ("DELETE", f"{SESSIONS}/01890a5d-ac96-774b-bcce-b302099a8057", None),
        ("PATCH", "/api/jobs/metadata", {"1": {"Site": "x"}}),
        ("POST", SWITCH, {"group": "none"}),
    ):
        answer = await alice.send(method, path, headers=said, json=body)
        assert (answer.status_code == 403 and "page" in answer.json()["detail"]) != is_ours, (path, answer.text)
    # Reading is what every page may send for, and none but ours gets to see; a token is not sent by a browser itself.
    assert (await alice.get(ME, headers=said)).status_code == 200
    with_token = {**said, **application.login("alice", vo="voa")}
    assert (await alice.send("POST", "/api/jobs/jdl", headers=with_token, json=jdl)).status_code == 201


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
async def test_what_a_form_could_send_is_refused(alice: Browser, content_type: str) -> None:
    said = {**PAGE_OF_OURS, "Content-Type": content_type}
    answer = await alice.send("POST", "/api/jobs/search", headers=said, content=b'{"search": []}')
    assert answer.status_code in (403, 422)
    assert (await alice.send("POST", LOGOUT, headers=said, content=b"x=1")).status_code == 403
    assert (await alice.get(ME)).status_code == 200


async def test_pages_elsewhere_are_not_told_that_they_may_use_cookies(start_application: object) -> None:
    application = await start_application(cors_origins=["https://page.example.org"])  # type: ignore[operator]
    origin = {"Origin": "https://page.example.org"}
    asked = {**origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    for answer in (
        await application.client.options("/api/jobs/search", headers=asked),
        await application.client.get("/.well-known/dirac-metadata", headers=origin),
    ):
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "https://page.example.org"
        assert "access-control-allow-credentials" not in answer.headers


async def test_logging_out_ends_it_at_once_and_clears_what_the_browser_kept(alice: Browser, db: Database) -> None:
    kept = dict(alice.cookies)
    assert (await alice.send("POST", LOGOUT, headers=CROSS)).status_code == 403
    assert (await alice.get(LOGOUT)).status_code == 405
    answer = await alice.send("POST", LOGOUT)
    assert answer.status_code == 204
    assert answer.headers["clear-site-data"] == '"cache", "storage"'
    assert cookies_of(answer)["__Host-session"]["max-age"] == "0"
    assert (await Browser(alice.client, kept).get(ME)).status_code == 401
    async with db.read() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM browser_sessions")) == 0
    assert (await alice.send("POST", LOGOUT, headers={})).status_code == 204


@pytest.mark.parametrize(
    ("age", "is_alive"),
    [
        ("last_used_at = now() - interval '719 minutes'", True),
        ("last_used_at = now() - interval '721 minutes'", False),
        ("expires_at = now() + interval '1 minute'", True),
        ("expires_at = now()", False),
    ],
)
async def test_it_ends_when_nobody_uses_it_and_in_any_case(
    alice: Browser, db: Database, start_application: Callable[..., Awaitable[Application]], age: str, is_alive: bool
) -> None:
    await change(db, f"UPDATE browser_sessions SET {age}")
    other = await start_application()
    answer = await Browser(other.client, alice.cookies).get(ME)
    assert answer.status_code == (200 if is_alive else 401)
    (bound,) = (bound for bound in tasks(db, session_idle_minutes=720) if bound.task.name == "auth.sessions")
    await bound.handler(None)
    async with db.read() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM browser_sessions")) == int(is_alive)


async def test_it_lasts_seven_days_at_most_and_twelve_hours_without_a_request(alice: Browser) -> None:
    me = (await alice.get(ME)).json()
    assert me["idle_minutes"] == 720
    assert abs(datetime.fromisoformat(me["expires_at"]) - utcnow() - timedelta(days=7)) < timedelta(minutes=1)


async def test_the_limits_are_settings(start_application: Callable[..., Awaitable[Application]]) -> None:
    application = await start_application(session_idle_minutes=10, session_hours=0.5)
    browser = Browser(application.client)
    await browser.login()
    me = (await browser.get(ME)).json()
    assert me["idle_minutes"] == 10
    (row,) = (await browser.get(SESSIONS)).json()
    assert row["expires_at"] == me["expires_at"]
    assert row["expires_at"][:10] >= row["created_at"][:10]


async def test_requests_cost_the_database_one_statement_now_and_then(alice: Browser, application: Application) -> None:
    with application.services[DATABASE].count_statements() as count:
        await asyncio.gather(*(alice.get("/api/auth/userinfo") for _ in range(50)))
        for _ in range(50):
            await alice.get("/api/auth/userinfo")
    assert len(count) == 1


async def test_its_use_is_noted_once_a_minute(
    alice: Browser, db: Database, start_application: Callable[..., Awaitable[Application]]
) -> None:
    for age_s, is_noted in ((50, False), (70, True)):
        await change(db, f"UPDATE browser_sessions SET last_used_at = now() - interval '{age_s} seconds'")
        other = await start_application()
        assert (await Browser(other.client, alice.cookies).get(ME)).status_code == 200
        async with db.read() as tx:
            left = await tx.scalar(text("SELECT extract(epoch FROM now() - last_used_at)::int FROM browser_sessions"))
        assert (left < 10) == is_noted


async def test_another_process_learns_within_seconds_that_it_has_ended(
    alice: Browser, application: Application, db: Database
) -> None:
    """The look-ups of a second process, by a clock of ours."""
    elapsed = [0.0]
    second = Sessions(db, application.services[CONFIG], application.settings, clock=lambda: elapsed[0])
    header = f"__Host-session={alice.session}"
    assert await second.find(header) is not None
    assert (await alice.send("POST", LOGOUT)).status_code == 204
    elapsed[0] = FRESH_S / 2
    assert await second.find(header) is not None
    elapsed[0] = STALE_S
    assert await second.find(header) is None
    assert STALE_S <= 60


async def test_a_group_that_one_is_not_in_is_403_and_changes_nothing(alice: Browser) -> None:
    session = alice.session
    for wrong, status in (
        ({"group": "admin"}, 403),
        ({"group": "production"}, 403),
        ({"group": "none"}, 400),
        ({"group": "user", "properties": ["JobAdministrator"]}, 403),
        ({"group": "user", "properties": ["Nonsense"]}, 400),
        ({"group": "user", "vo": "voc"}, 400),
        ({"group": "admin", "vo": "vob"}, 403),
        ({"group": "user property:JobAdministrator"}, 422),
        ({"group": "user", "admin": True}, 422),
        ({}, 422),
    ):
        answer = await alice.send("POST", SWITCH, json=wrong)
        assert answer.status_code == status, (wrong, answer.text)
        assert cookies_of(answer) == {}
    assert alice.session == session
    assert (await alice.get(ME)).json()["group"] == "user"


async def test_another_group_comes_with_another_cookie_and_the_old_one_is_dead_at_once(
    client: httpx2.AsyncClient,
) -> None:
    browser = Browser(client)
    await browser.login("max")
    before, first = dict(browser.cookies), (await browser.get(ME)).json()
    answer = await browser.send("POST", SWITCH, json={"group": "production"})
    assert answer.status_code == 200
    (cookie,) = cookies_of(answer).values()
    assert {"secure": True, "httponly": True, "samesite": "Lax"}.items() <= cookie.items()
    assert answer.json()["properties"] == ["ProductionManagement"]
    assert (await Browser(client, before).get(ME)).status_code == 401
    me = (await browser.get(ME)).json()
    assert me == answer.json()
    assert [me[name] for name in ("session_id", "created_at", "expires_at")] == [
        first[name] for name in ("session_id", "created_at", "expires_at")
    ]
    before = dict(browser.cookies)
    wider = {"group": "user", "properties": ["ProductionManagement"]}
    assert (await browser.send("POST", SWITCH, json=wider)).json()["properties"] == [
        "NormalUser",
        "ProductionManagement",
    ]
    assert (await Browser(client, before).get(ME)).status_code == 401


async def test_of_two_switches_at_once_one_wins(client: httpx2.AsyncClient) -> None:
    browser = Browser(client)
    await browser.login("max")
    twins = [Browser(client, dict(browser.cookies)) for _ in range(4)]
    answers = await asyncio.gather(*(twin.send("POST", SWITCH, json={"group": "production"}) for twin in twins))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]


async def test_another_vo_of_the_same_provider_may_be_gone_on_in(alice: Browser) -> None:
    assert (await alice.get(ME)).json()["groups"].keys() == {"voa", "vob"}
    me = (await alice.send("POST", SWITCH, json={"vo": "vob", "group": "user"})).json()
    assert (me["vo"], me["sub"]) == ("vob", f"vob:{SUBJECTS['alice']}")
    assert (await alice.get("/api/auth/userinfo")).json()["vo"] == "vob"


async def test_a_subject_of_one_provider_is_nobody_at_another(
    alice: Browser, application: Application, installation: Installation, provider: DevProvider
) -> None:
    document = registry(provider.issuer)
    document["Registry"]["vob"]["IdP"]["ClientID"] = "other"  # type: ignore[index]
    await reconfigure(application, installation, document)
    answer = await alice.send("POST", SWITCH, json={"vo": "vob", "group": "user"})
    assert answer.status_code == 403
    assert "vo=vob" in answer.json()["detail"]
    assert (await alice.get(ME)).json()["groups"].keys() == {"voa"}


async def test_what_the_configuration_takes_away_is_gone_at_once(
    client: httpx2.AsyncClient, application: Application, installation: Installation, provider: DevProvider
) -> None:
    browser = Browser(client)
    await browser.login("max", group="production")
    document = registry(provider.issuer)
    del document["Registry"]["voa"]["Groups"]["production"]  # type: ignore[index]
    await reconfigure(application, installation, document)
    answer = await browser.get("/api/auth/userinfo")
    assert (answer.status_code, answer.json()["error"]) == (403, "access_denied")
    suspended = registry(provider.issuer)
    suspended["Registry"]["voa"]["Users"][SUBJECTS["max"]]["Suspended"] = ["voa"]  # type: ignore[index]
    await reconfigure(application, installation, suspended)
    assert (await browser.get("/api/auth/userinfo")).status_code == 403
    assert (await browser.send("POST", LOGOUT)).status_code == 204


async def test_people_see_and_end_their_own_and_administrators_those_of_their_vo(
    alice: Browser, client: httpx2.AsyncClient
) -> None:
    bob, ada, foreign = Browser(client), Browser(client), Browser(client)
    await bob.login("bob")
    await ada.login("ada", group="admin")
    await foreign.login("ada", vo="vob", group="admin")
    (own,) = (await alice.get(SESSIONS)).json()
    assert own["current"]
    assert own["sub"] == f"voa:{SUBJECTS['alice']}"
    (bobs,) = (await bob.get(SESSIONS)).json()
    absent = await alice.send("DELETE", f"{SESSIONS}/01890a5d-ac96-774b-bcce-b302099a8057")
    for stranger in (alice, foreign):
        answer = await stranger.send("DELETE", f"{SESSIONS}/{bobs['session_id']}")
        assert answer.status_code == absent.status_code == 404
        assert answer.json()["detail"] == absent.json()["detail"].replace(
            "01890a5d-ac96-774b-bcce-b302099a8057", bobs["session_id"]
        )
    assert (await alice.send("DELETE", f"{SESSIONS}/x")).status_code == 400
    assert [row["sub"] for row in (await foreign.get(SESSIONS)).json()] == [f"vob:{SUBJECTS['ada']}"]
    seen = {row["sub"]: row["session_id"] for row in (await ada.get(SESSIONS)).json()}
    assert seen.keys() == {f"voa:{SUBJECTS[name]}" for name in ("alice", "bob", "ada")}
    assert (await ada.send("DELETE", f"{SESSIONS}/{bobs['session_id']}")).status_code == 204
    assert (await bob.get(ME)).status_code == 401
    assert (await alice.send("DELETE", f"{SESSIONS}/{own['session_id']}")).status_code == 204
    assert (await alice.get(ME)).status_code == 401


async def test_a_token_lists_and_ends_browsers_too(alice: Browser, client: httpx2.AsyncClient) -> None:
    headers = bearer((await device_login(client, "vo:voa"))["access_token"])
    (row,) = (await client.get(SESSIONS, headers=headers)).json()
    assert not row["current"]
    assert (await client.delete(f"{SESSIONS}/{row['session_id']}", headers=headers)).status_code == 204
    assert (await alice.get(ME)).status_code == 401


async def test_a_large_body_is_read_of_who_is_logged_in(alice: Browser, client: httpx2.AsyncClient) -> None:
    large = {"search": [], "ignored": "x" * STRANGER_BODY_BYTES_MAX}
    assert (await alice.send("POST", "/api/jobs/search", json=large)).status_code == 200
    assert (await alice.send("POST", "/api/jobs/search", json=large, headers=CROSS)).status_code == 403
    stranger = Browser(client, {"__Host-session": "x" * 43})
    assert (await stranger.send("POST", "/api/jobs/search", json=large)).status_code == 401
    unknown = Browser(client, {"of_something_else": "x" * 43})
    assert (await unknown.send("POST", "/api/jobs/search", json=large)).status_code == 413


async def test_a_database_that_is_away_is_not_a_login_that_has_ended(application: Application, alice: Browser) -> None:
    gone = Database("postgresql://nobody@127.0.0.1:1/none", pool_size=1)
    application.put(http.SESSIONS, Sessions(gone, application.services[CONFIG], application.settings))
    answer = await alice.get(ME)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    await gone.close()
