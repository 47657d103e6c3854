"""The pages of a login on a device, in Chromium: they ask, they work without scripts, and everybody can use them."""

from collections.abc import Callable

import httpx2
import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.conftest import PICTURES, accessibility_problems
from tests.infra.login import CLIENT_ID, DEVICE_GRANT
from weyl.demo.stack import Stack

Open = Callable[..., BrowserContext]


def begin(stack: Stack) -> dict[str, str]:
    """Begin a login as a device does."""
    query = {"client_id": CLIENT_ID, "scope": "vo:hep group:user"}
    return dict(httpx2.post(f"{stack.url}/api/auth/device", params=query).json())


def poll(stack: Stack, device: dict[str, str]) -> dict[str, str]:
    """Ask for the tokens of a device."""
    form = {"grant_type": DEVICE_GRANT, "client_id": CLIENT_ID, "device_code": device["device_code"]}
    return dict(httpx2.post(f"{stack.url}/api/auth/token", data=form).json())


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_device_is_denied_on_pages_that_everybody_can_use(stack: Stack, open_context: Open, scheme: str) -> None:
    device = begin(stack)
    page = open_context(color_scheme=scheme, viewport={"width": 360, "height": 800}).new_page()
    page.goto(device["verification_uri"])
    assert accessibility_problems(page) == []
    page.goto(device["verification_uri_complete"])
    expect(page.get_by_role("heading", name="Let this device act in your name?")).to_be_visible()
    for fact in ("hep", "user", "NormalUser", "127.0.0.1"):
        expect(page.get_by_role("definition").filter(has_text=fact).first).to_be_visible()
    assert accessibility_problems(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"device-{scheme}.png")
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_text("The device was not logged in")).to_be_visible()
    assert accessibility_problems(page) == []
    assert poll(stack, device)["error"] == "access_denied"


def test_a_device_logs_in_without_scripts(stack: Stack, open_context: Open) -> None:
    device = begin(stack)
    page = open_context(java_script_enabled=False).new_page()
    page.goto(device["verification_uri"])
    page.get_by_label("Code shown on your device").fill(device["user_code"].lower())
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Continue to log in").click()
    page.locator("#login").fill("alice")
    page.locator("#password").fill("alice")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("button", name="Allow").click()
    expect(page.get_by_text("Please close the window")).to_be_visible()
    assert poll(stack, device)["access_token"]
