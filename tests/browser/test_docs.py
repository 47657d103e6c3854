"""The API's document is read and tried in a browser, which asks nobody but the server."""

from urllib.parse import urlsplit

from tests.browser.conftest import Login
from tests.infra.expectations import expect


def test_the_page_of_the_api_asks_nobody_else_and_calls_with_the_browsers_login(logged_in: Login) -> None:
    page = logged_in("/")
    own, origins = urlsplit(page.url).netloc, set()
    page.on("request", lambda request: origins.add(urlsplit(request.url).netloc))
    page.goto("/api/docs")
    expect(page.locator(".opblock").first).to_be_visible()
    page.locator("[id$=userinfo]").first.click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table .response .response-col_status").first).to_contain_text("200")
    assert origins - {""} == {own}
