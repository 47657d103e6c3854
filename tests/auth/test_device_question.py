"""Before a device may log in, a page of ours says what it asks for, and only the browser that was asked can answer."""

import re
from dataclasses import dataclass, field
from html import unescape
from urllib.parse import urlsplit

import httpx2
import pytest
from tests.auth.test_device import START, poll, start
from tests.auth.test_pages import is_fenced
from tests.infra.app import URL, Application, calling_from
from tests.infra.browser import Browser, cookies_of
from tests.infra.login import CLIENT_ID, browse

from weyl.demo.browser import Form
from weyl.demo.idp import DevProvider
from weyl.kit.db import Database

ANSWER = f"{START}/answer"
FROM_A_MAIL = {"Accept": "text/html,application/xhtml+xml", "Sec-Fetch-Site": "none"}
FROM_A_CHAT = {**FROM_A_MAIL, "Sec-Fetch-Site": "cross-site"}
OUR_PAGE = {**FROM_A_MAIL, "Sec-Fetch-Site": "same-origin"}


@dataclass
class Asked:
    """A browser, and the page that it shows."""

    browser: Browser
    page: httpx2.Response
    form: Form = field(default_factory=Form)

    def __post_init__(self) -> None:
        self.form.feed(self.page.text)

    async def answer(self, answer: str, headers: dict[str, str] | None = None, **changes: str) -> httpx2.Response:
        """Press a button of the page."""
        assert self.form.action == ANSWER
        data = {**self.form.fields, "answer": answer, **changes}
        return await self.browser.send("POST", ANSWER, headers=headers or OUR_PAGE, data=data)


async def ask(client: httpx2.AsyncClient, code: str, headers: dict[str, str] | None = None) -> Asked:
    """Open the link that a device shows in a browser of its own."""
    browser = Browser(client)
    page = await browser.get(START, headers=headers or FROM_A_MAIL, user_code=code)
    assert page.status_code == 200, page.text
    return Asked(browser, page)


def facts(page: str) -> dict[str, str]:
    """Return what a page says of the device."""
    return {unescape(name): unescape(value) for name, value in re.findall("<dt>(.*)</dt><dd>(.*)</dd>", page)}


@pytest.mark.parametrize("headers", [FROM_A_MAIL, FROM_A_CHAT, OUR_PAGE, {"Accept": "text/html"}])
async def test_every_browser_is_asked_before_it_goes_to_the_provider(
    client: httpx2.AsyncClient, headers: dict[str, str]
) -> None:
    device = (await start(client)).json()
    asked = await ask(client, device["user_code"], headers)
    assert is_fenced(asked.page)
    assert "location" not in asked.page.headers
    answer = await poll(client, device["device_code"])
    assert answer.json() == {"error": "authorization_pending"}


@pytest.mark.parametrize("mode", ["no-cors", "cors"])
async def test_a_page_elsewhere_cannot_load_its_way_past_the_question(client: httpx2.AsyncClient, mode: str) -> None:
    """An image or a script's request accepts no HTML, but the browser says that it sends it."""
    device = (await start(client)).json()
    headers = {"Accept": "*/*", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": mode}
    assert (await client.get(device["verification_uri_complete"], headers=headers)).status_code == 200


async def test_a_program_that_takes_no_pages_is_sent_on_at_once(
    client: httpx2.AsyncClient, provider: DevProvider
) -> None:
    device = (await start(client)).json()
    for accept in ("*/*", "application/json"):
        answer = await client.get(device["verification_uri_complete"], headers={"Accept": accept})
        assert answer.status_code == 307
        assert answer.headers["location"].startswith(f"{provider.issuer}/authorize?")
        assert "set-cookie" not in answer.headers


async def test_the_question_tells_what_the_device_gets_and_where_it_is(application: Application) -> None:
    scope = "vo:voa group:production property:NormalUser"
    async with calling_from(application, "192.0.2.77") as device:
        device.headers["User-Agent"] = "somebodys-program/1.0 <b>"
        code = (await start(device, scope)).json()["user_code"]
    asked = await ask(application.client, code)
    told = facts(asked.page.text)
    assert re.fullmatch(r"less than a minute ago \(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\)", told.pop("Started"))
    assert told == {
        "VO": "voa",
        "Group": "production",
        "Properties": "NormalUser, ProductionManagement",
        "Client": CLIENT_ID,
        "Program": "somebodys-program/1.0 <b>",
        "From address": "192.0.2.77",
    }
    assert f"{code[:4]}-{code[4:]}" in asked.page.text
    assert "Deny if you did not start this login yourself" in asked.page.text
    assert "<script" not in asked.page.text


async def test_the_cookie_of_the_question_is_for_this_host_and_for_no_page(client: httpx2.AsyncClient) -> None:
    asked = await ask(client, (await start(client)).json()["user_code"])
    (cookie,) = cookies_of(asked.page).values()
    assert cookie.key == "__Host-weyl-device"
    flags = {name: value for name, value in cookie.items() if value}
    assert flags == {"path": "/", "secure": True, "httponly": True, "samesite": "Lax", "max-age": "600"}
    assert len(cookie.value) == 43
    assert cookie.value not in asked.page.text


async def test_who_continues_logs_in_and_the_device_gets_its_tokens(client: httpx2.AsyncClient) -> None:
    device = (await start(client)).json()
    asked = await ask(client, device["user_code"])
    sent_on = await asked.answer("continue")
    assert sent_on.status_code == 303
    assert (sent_on.headers["cache-control"], sent_on.headers["referrer-policy"]) == ("no-store", "no-referrer")
    page = await browse(sent_on.headers["location"], "alice", inside=client, cookies=asked.browser.cookies)
    assert "Please close the window" in page.text
    assert (await poll(client, device["device_code"])).status_code == 200


async def test_who_denies_ends_the_login_of_the_device(client: httpx2.AsyncClient) -> None:
    device = (await start(client)).json()
    asked = await ask(client, device["user_code"])
    page = await asked.answer("deny")
    assert page.status_code == 200
    assert is_fenced(page)
    assert "The device was not logged in" in page.text
    answer = await poll(client, device["device_code"])
    assert (answer.status_code, answer.json()["error"]) == (400, "access_denied")
    assert (await asked.answer("deny")).status_code == 400
    again = await asked.browser.get(START, headers=FROM_A_MAIL, user_code=device["user_code"])
    assert again.status_code == 400


@pytest.mark.parametrize("answer", ["continue", "deny"])
async def test_only_the_browser_that_was_asked_can_answer(client: httpx2.AsyncClient, answer: str) -> None:
    device = (await start(client)).json()
    asked, other = await ask(client, device["user_code"]), await ask(client, device["user_code"])
    stranger = Asked(Browser(client), asked.page)
    for refused in (
        await stranger.answer(answer),
        await other.answer(answer, token=asked.form.fields["token"]),
        await asked.answer(answer, token="x"),
        await asked.answer(answer, headers={**OUR_PAGE, "Sec-Fetch-Site": "cross-site"}),
        await asked.answer(answer, headers={**OUR_PAGE, "Sec-Fetch-Site": "same-site"}),
    ):
        assert refused.status_code in (400, 403)
        assert is_fenced(refused)
    assert (await poll(client, device["device_code"])).json() == {"error": "authorization_pending"}
    assert (await asked.answer(answer)).status_code in (200, 303)


async def test_an_incomplete_answer_is_a_page_too(client: httpx2.AsyncClient) -> None:
    asked = await ask(client, (await start(client)).json()["user_code"])
    assert is_fenced(await asked.answer("perhaps"))
    page = await asked.browser.send("POST", ANSWER, headers=OUR_PAGE, data={})
    assert page.status_code == 422
    assert is_fenced(page)
    assert (await client.post(ANSWER, data={})).status_code == 422


async def test_two_devices_are_answered_in_one_browser(client: httpx2.AsyncClient) -> None:
    first, second = (await start(client)).json(), (await start(client)).json()
    asked = await ask(client, first["user_code"])
    page = await asked.browser.get(START, headers=FROM_A_MAIL, user_code=second["user_code"])
    also = Asked(asked.browser, page)
    assert (await asked.answer("continue")).status_code == 303
    assert (await also.answer("deny")).status_code == 200
    assert (await poll(client, first["device_code"])).json()["error"] == "authorization_pending"
    assert (await poll(client, second["device_code"])).json()["error"] == "access_denied"


# phishing: somebody else brings a browser behind the question


async def test_a_browser_that_was_not_asked_finishes_nothing(client: httpx2.AsyncClient, db: Database) -> None:
    """Somebody asks as a program, and sends the address of the provider to a victim who sees only its forms."""
    device = (await start(client)).json()
    sent_on = await client.get(device["verification_uri_complete"])
    victim: dict[str, str] = {}
    page = await browse(sent_on.headers["location"], "alice", inside=client, cookies=victim)
    assert page.status == 400
    assert "Open the address that your device shows" in page.text
    assert (await poll(client, device["device_code"])).json() == {"error": "authorization_pending"}


async def test_a_browser_does_not_finish_what_another_one_has_agreed_to(client: httpx2.AsyncClient) -> None:
    device = (await start(client)).json()
    attacker = await ask(client, device["user_code"])
    sent_on = await attacker.answer("continue")
    victim = await ask(client, device["user_code"])
    for cookies in ({}, dict(victim.browser.cookies)):
        end = f"{URL}{START}/complete"
        back = await browse(sent_on.headers["location"], "alice", inside=client, cookies=cookies, stop_at=end)
        page = await browse(back.url, "alice", inside=client, cookies=cookies)
        assert page.status == 400
        assert "not begun in this browser" in page.text
        # Nor does a program that comes back in place of the browser.
        assert (await client.get(f"{START}/complete?{urlsplit(back.url).query}")).status_code == 400
    assert (await poll(client, device["device_code"])).json() == {"error": "authorization_pending"}


async def test_the_token_of_a_question_is_no_way_back_from_the_provider(client: httpx2.AsyncClient) -> None:
    asked = await ask(client, (await start(client)).json()["user_code"])
    answer = await asked.browser.get(f"{START}/complete", code="x", state=asked.form.fields["token"])
    assert (answer.status_code, answer.json()) == (400, {"detail": "Invalid state"})
