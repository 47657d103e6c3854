"""The API's document is read and tried in a browser, which asks nobody but the server."""

from urllib.parse import urlsplit

from playwright.sync_api import Page

from tests.browser.conftest import Login
from tests.infra.expectations import expect
from tests.infra.waiting import await_that


def _scrolled_to(page: Page, place: str) -> bool:
    """Turn the wheel by less than a window, and tell whether the place is drawn."""
    page.mouse.wheel(0, 400)
    return page.locator(place).count() > 0


def test_the_page_of_the_api_asks_nobody_else_and_calls_with_the_browsers_login(logged_in: Login) -> None:
    page = logged_in("/")
    own, origins = urlsplit(page.url).netloc, set()
    page.on("request", lambda request: origins.add(urlsplit(request.url).netloc))
    page.goto("/api/docs")
    expect(page.locator(".opblock").first).to_be_visible()
    # Of a page of this length only what is in sight is drawn.
    page.mouse.move(400, 400)
    await_that(lambda: _scrolled_to(page, "[id$=userinfo]"), "the operation comes into sight")
    page.locator("[id$=userinfo]").first.click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table .response .response-col_status").first).to_contain_text("200")
    assert origins - {""} == {own}
