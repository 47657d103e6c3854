"""Logs in through the forms of the development identity provider, as a browser would, without a browser."""

import asyncio
from dataclasses import dataclass
from http.cookies import SimpleCookie
from ipaddress import IPv4Network
from urllib.parse import urljoin

import httpx2

from tests.infra.app import Application
from weyl.auth.service.attempts import slot_of
from weyl.auth.service.authority import AUTHORITY
from weyl.demo.browser import Form

CLIENT_ID = "myDIRACClientID"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
STEPS_MAX = 12
ADDRESSES = IPv4Network("198.18.0.0/15")
"""Addresses to call from, of those that are kept for tests (RFC 2544)."""


@dataclass(frozen=True)
class Page:
    """Where a browser has ended, and what it shows."""

    url: str
    status: int
    text: str


async def browse(
    url: str,
    user: str,
    *,
    password: str | None = None,
    decision: str = "allow",
    inside: httpx2.AsyncClient | None = None,
    stop_at: str | None = None,
    cookies: dict[str, str] | None = None,
) -> Page:
    """Follows redirects from `url` and fills in every form as `user` until a page without a form is reached.

    Requests to the base URL of `inside` go through that client (an application in this process). A redirect to an
    address that begins with `stop_at` is not followed: that page is returned without text. `cookies` are those that the
    browser has, and gets: it keeps cookies marked `Secure` also from plain HTTP, as browsers do on this machine.
    """
    kept = {} if cookies is None else cookies
    answers = {"login": user, "password": user if password is None else password, "decision": decision}
    headers = {"Accept": "text/html"}
    async with httpx2.AsyncClient() as outside:
        method, data = "GET", None
        for _ in range(STEPS_MAX):
            if stop_at is not None and url.startswith(stop_at):
                return Page(url, 0, "")
            http = inside if inside is not None and url.startswith(str(inside.base_url).rstrip("/")) else outside
            cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in kept.items())} if kept else {}
            answer = await http.request(method, url, data=data, headers={**headers, **cookie}, follow_redirects=False)
            http.cookies.clear()
            kept.update(cookies_of(answer))
            method, data = "GET", None
            if answer.is_redirect:
                # Joined as text unless relative: what follows a `#` must arrive untouched.
                location = answer.headers["location"]
                url = location if "://" in location else urljoin(url, location)
                continue
            form = Form()
            form.feed(answer.text)
            if form.action is None or answer.status_code >= 400:
                return Page(url, answer.status_code, answer.text)
            url = urljoin(url, form.action)
            method, data = "POST", {name: answers.get(name, value) for name, value in form.fields.items()}
    raise AssertionError(f"no end after {STEPS_MAX} steps, at {url}")


def cookies_of(answer: httpx2.Response) -> dict[str, str]:
    """Return the cookies that an answer sets, by name."""
    found: SimpleCookie = SimpleCookie()
    for line in answer.headers.get_list("set-cookie"):
        found.load(line)
    return {name: morsel.value for name, morsel in found.items()}


async def device_login(
    client: httpx2.AsyncClient, scope: str, *, user: str = "alice", inside: bool = True
) -> dict[str, str]:
    """Logs in by the device flow; returns the answer of the token endpoint.

    `inside` says that `client` is an application in this process; for a server of its own pass False.
    """
    started = await client.post("/api/auth/device", params={"client_id": CLIENT_ID, "scope": scope})
    assert started.status_code == 200, started.text
    device = started.json()
    page = await browse(device["verification_uri_complete"], user, inside=client if inside else None)
    assert page.status == 200, page
    return await redeem_device(client, device["device_code"])


async def redeem_device(client: httpx2.AsyncClient, device_code: str) -> dict[str, str]:
    """Trades a device code whose user has logged in for tokens."""
    form = {"grant_type": DEVICE_GRANT, "client_id": CLIENT_ID, "device_code": device_code}
    answer = await client.post("/api/auth/token", data=form)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def browse_blocking(url: str, user: str) -> Page:
    """Does the same as `browse`, for tests without an event loop."""
    return asyncio.run(browse(url, user))


def addresses(application: Application, number: int) -> list[str]:
    """Return addresses each of which shares its attempts with none of the others, whatever the key of the hash is."""
    found: dict[int, str] = {}
    candidates = map(str, ADDRESSES)
    while len(found) < number:
        address = next(candidates)
        found.setdefault(slot_of(application.services[AUTHORITY], address), address)
    return list(found.values())


def sharing_addresses(application: Application) -> tuple[str, str]:
    """Return two addresses that share their attempts."""
    found: dict[int, str] = {}
    for address in map(str, ADDRESSES):
        other = found.setdefault(slot_of(application.services[AUTHORITY], address), address)
        if other != address:
            return other, address
    raise AssertionError("130,000 addresses, and no two share a slot")
