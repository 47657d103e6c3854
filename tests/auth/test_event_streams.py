"""A page is told of changes as long as its browser is logged in."""

import asyncio
from collections.abc import Awaitable, Callable

from tests.infra.app import Application
from tests.infra.browser import Browser
from tests.web.streams import page


async def test_a_stream_ends_when_its_browser_logs_out(
    start_application: Callable[..., Awaitable[Application]],
) -> None:
    application = await start_application(events_every_s=0.05)
    browser = Browser(application.client)
    assert (await browser.login()).status_code == 303
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    async with page(application, {"Cookie": cookie, "Sec-Fetch-Site": "same-origin"}) as opened:
        assert opened.status == 200
        await opened.next("ready")
        assert (await browser.send("POST", "/api/auth/web/logout")).status_code == 204
        assert "log in again" in (await opened.next("end"))["reason"]
        await asyncio.wait_for(opened.ended.wait(), 10)
    async with page(application, {"Cookie": cookie}) as refused:
        assert refused.status == 401
