"""The login of a browser: what it is sent, what it must bring back, and who else cannot use any of it."""

from http.cookies import Morsel
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from sqlalchemy import text
from tests.auth.conftest import SUBJECTS, registry
from tests.infra.app import URL, Application, Installation
from tests.infra.browser import COMPLETE, LOGIN, Browser, cookies_of
from tests.infra.login import browse

from weyl.config.service import CONFIG
from weyl.demo.idp import DevProvider
from weyl.kit.db import Database

HTML = {"Accept": "text/html", "Sec-Fetch-Site": "cross-site"}


@pytest.fixture
def browser(client: httpx2.AsyncClient) -> Browser:
    return Browser(client)


async def sessions(db: Database) -> int:
    async with db.read() as tx:
        return int(await tx.scalar(text("SELECT count(*) FROM browser_sessions")) or 0)


def flags(cookie: Morsel[str]) -> dict[str, object]:
    return {name: value for name, value in cookie.items() if value}


async def test_who_is_not_logged_in_is_told_so(browser: Browser) -> None:
    answer = await browser.get("/api/auth/web/me")
    assert answer.status_code == 401
    assert answer.json() == {
        "error": "login_required",
        "detail": "This browser is not logged in, or not any more: log in",
    }
    for cookie in ("x" * 43, "x", ""):
        browser.cookies["__Host-session"] = cookie
        for path in ("/api/auth/web/me", "/api/auth/userinfo"):
            again = await browser.get(path)
            assert (again.status_code, again.json()) == (401, answer.json())
    browser.cookies = {"of_something_else": "x" * 43}
    assert (await browser.get("/api/auth/userinfo")).json() == {"detail": "Authorization header is missing"}


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"vo": "voc"},
        {"vo": ""},
        {"vo": "voa group:admin"},
        {"vo": "voa", "group": "none"},
        {"vo": "voa", "group": "user property:JobAdministrator"},
        {"vo": "voa", "return_to": "//evil.example.org"},
        {"vo": "voa", "return_to": "https://evil.example.org"},
        {"vo": "voa", "return_to": "/\\evil.example.org"},
        {"vo": "voa", "return_to": "/jobs\r\nSet-Cookie: a=b"},
        {"vo": "voa", "return_to": "/api/auth/device?user_code=BCDFGHJK"},
    ],
)
async def test_a_wrong_request_does_not_start(browser: Browser, query: dict[str, str]) -> None:
    for headers in ({}, HTML):
        answer = await browser.get(LOGIN, headers=headers, **query)
        assert answer.status_code == 400
        assert "location" not in answer.headers
        assert cookies_of(answer) == {}


async def test_a_login_starts_with_a_cookie_and_our_own_challenge(browser: Browser, provider: DevProvider) -> None:
    answer = await browser.get(LOGIN, headers={"Host": "evil.example.org"}, vo="voa", return_to="/jobs")
    assert answer.status_code == 302
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["location"].startswith(f"{provider.issuer}/authorize?")
    query = {name: value for name, (value,) in parse_qs(urlsplit(answer.headers["location"]).query).items()}
    assert query["redirect_uri"] == f"{URL}{COMPLETE}"
    assert query["code_challenge_method"] == "S256"
    assert len(query["code_challenge"]) == 43
    (pending,) = cookies_of(answer).values()
    assert pending.key == "__Host-weyl-login"
    assert flags(pending) == {"path": "/", "secure": True, "httponly": True, "samesite": "Lax", "max-age": "600"}
    assert len(pending.value) == 43
    assert pending.value not in answer.headers["location"]


async def test_it_ends_where_it_began_with_a_cookie_that_no_page_can_read(browser: Browser) -> None:
    answer = await browser.login(return_to="/jobs?f=Status:in:Failed&sel=1#x")
    assert answer.status_code == 303
    assert answer.headers["location"] == f"{URL}/jobs?f=Status:in:Failed&sel=1#x"
    assert answer.headers["cache-control"] == "no-store"
    cookies = cookies_of(answer)
    session, pending = cookies["__Host-session"], cookies["__Host-weyl-login"]
    assert flags(session) == {"path": "/", "secure": True, "httponly": True, "samesite": "Lax"}
    assert len(session.value) == 43
    assert (pending.value, pending["max-age"]) == ("", "0")
    me = (await browser.get("/api/auth/web/me")).json()
    assert me["sub"] == f"voa:{SUBJECTS['alice']}"
    assert (me["vo"], me["group"], me["properties"]) == ("voa", "user", ["NormalUser"])
    assert me["idle_minutes"] == 12 * 60
    assert me["groups"]["voa"] == {"user": {"properties": ["NormalUser"]}}
    assert "session" not in me.keys() - {"session_id"}


async def test_the_page_of_the_start_is_where_it_ends_without_another(browser: Browser) -> None:
    assert (await browser.login()).headers["location"] == f"{URL}/"


async def test_a_stolen_address_is_no_use_in_another_browser(browser: Browser, client: httpx2.AsyncClient) -> None:
    address = await browser.go(vo="voa")
    thief = Browser(client)
    assert (await thief.get(address)).status_code == 400
    await thief.get(LOGIN, vo="voa")
    answer = await thief.get(address, headers=HTML)
    assert answer.status_code == 400
    assert "not begun in this browser" in answer.text
    assert "__Host-session" not in cookies_of(answer)
    # Nor has it spoilt the login of whom it was taken from.
    assert (await browser.get(address)).status_code == 303


async def test_nobody_is_logged_in_as_somebody_else_by_following_a_link(
    browser: Browser, client: httpx2.AsyncClient
) -> None:
    """Login CSRF: bob's finished journey is sent to alice's browser, which is logged in, or has begun to log in."""
    bobs = await Browser(client).go("bob", vo="voa")
    await browser.login()
    for _ in range(2):
        assert (await browser.get(bobs, headers=HTML)).status_code == 400
        assert (await browser.get("/api/auth/web/me")).json()["preferred_username"] == "alice"
        await browser.get(LOGIN, vo="voa")


async def test_coming_back_twice_logs_in_once(browser: Browser, db: Database) -> None:
    address = await browser.go(vo="voa")
    pending = dict(browser.cookies)
    assert (await browser.get(address)).status_code == 303
    assert (await browser.get(address)).status_code == 400
    browser.cookies.update(pending)
    assert (await browser.get(address)).status_code == 401
    assert await sessions(db) == 1


async def test_a_state_of_another_kind_of_login_does_not_finish_this_one(
    browser: Browser, application: Application
) -> None:
    await browser.get(LOGIN, vo="voa")
    request = {
        "response_type": "code",
        "code_challenge": "x" * 43,
        "code_challenge_method": "S256",
        "client_id": "myDIRACClientID",
        "redirect_uri": application.settings.allowed_redirects[0],
        "scope": "vo:voa",
        "state": "s",
    }
    start = str(browser.client.build_request("GET", "/api/auth/authorize", params=request).url)
    end = f"{URL}/api/auth/authorize/complete"
    back = await browse(start, "alice", inside=browser.client, stop_at=end)
    assert (await browser.get(back.url.replace(end, f"{URL}{COMPLETE}"))).status_code == 400
    # And the other way round.
    ours = await browser.go(vo="voa")
    assert (await browser.get(ours.replace(f"{URL}{COMPLETE}", end))).status_code == 400


@pytest.mark.parametrize("state", ["", "x", "gAAAAAB" + "x" * 200])
async def test_a_state_that_we_did_not_make_is_refused(browser: Browser, state: str) -> None:
    await browser.get(LOGIN, vo="voa")
    assert (await browser.get(COMPLETE, code="x", state=state)).status_code == 400


async def test_who_says_no_at_the_provider_is_not_logged_in(browser: Browser) -> None:
    address = await browser.go(vo="voa", decision="deny")
    answer = await browser.get(address, headers=HTML)
    assert answer.status_code == 401
    assert "did not agree" in answer.text
    assert "__Host-session" not in browser.cookies


@pytest.mark.parametrize(
    ("user", "group"), [("alice", "admin"), ("nobody", "user"), ("max", "admin"), ("bob", "production")]
)
async def test_who_is_not_in_the_group_is_refused_and_nothing_is_kept(
    browser: Browser, db: Database, user: str, group: str
) -> None:
    answer = await browser.login(user, group=group)
    assert answer.status_code == 403
    assert await sessions(db) == 0
    assert "__Host-session" not in browser.cookies


async def test_a_new_login_ends_the_one_before_it_in_this_browser_only(
    browser: Browser, client: httpx2.AsyncClient, db: Database
) -> None:
    other = Browser(client)
    await browser.login()
    await other.login()
    old = browser.session
    await browser.login("bob")
    assert browser.session != old
    assert (await browser.get("/api/auth/web/me")).json()["preferred_username"] == "bob"
    assert (await Browser(client, {"__Host-session": old}).get("/api/auth/web/me")).status_code == 401
    assert (await other.get("/api/auth/web/me")).status_code == 200
    assert await sessions(db) == 2


async def test_a_cookie_that_somebody_planted_is_not_kept(browser: Browser) -> None:
    browser.cookies["__Host-session"] = planted = "p" * 43
    await browser.login()
    assert browser.session != planted


async def test_the_database_has_no_cookie(browser: Browser, db: Database) -> None:
    await browser.login()
    async with db.read() as tx:
        row = str((await tx.execute(text("SELECT t::text FROM browser_sessions t"))).scalar_one())
    assert browser.session not in row
    assert browser.session.encode().hex() not in row


async def test_what_a_browser_says_of_itself_is_kept_as_text_and_short(browser: Browser, db: Database) -> None:
    address = await browser.go(vo="voa")
    await browser.get(address, headers={"User-Agent": "Odd\x1b[31m\t" + "x" * 5_000})
    (row,) = (await browser.get("/api/auth/web/sessions")).json()
    assert row["user_agent"].startswith("Odd[31mxx")
    assert len(row["user_agent"]) == 200
    assert row["user"] == "alice"


async def test_starts_are_counted_by_address(start_application: object, browser: Browser) -> None:
    limited = await start_application(logins_per_minute=3)  # type: ignore[operator]
    statuses = [(await limited.client.get(LOGIN, params={"vo": "voa"})).status_code for _ in range(5)]
    assert statuses == [302, 302, 302, 429, 429]


async def test_of_several_vos_one_must_be_named_and_of_one_none(
    browser: Browser, application: Application, installation: Installation, provider: DevProvider
) -> None:
    assert (await browser.get(LOGIN)).json()["detail"] == "Say in which VO (vo=); there are: voa, vob"
    document = registry(provider.issuer)
    del document["Registry"]["vob"]  # type: ignore[attr-defined]
    installation.commit_config(document, "One VO")
    await application.services[CONFIG].refresh()
    assert (await browser.get(LOGIN)).status_code == 302


async def test_cookies_without_secure_have_another_name(start_application: object) -> None:
    application = await start_application(insecure_cookies=True)  # type: ignore[operator]
    browser = Browser(application.client)
    await browser.login()
    assert list(browser.cookies) == ["insecure-session"]
    assert (await browser.get("/api/auth/web/me")).status_code == 200
    browser.cookies = {"__Host-session": browser.session}
    assert (await browser.get("/api/auth/web/me")).status_code == 401
