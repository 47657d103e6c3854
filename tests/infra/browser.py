"""A browser as the server sees it: it keeps cookies, says where a request comes from, and logs in at the provider."""

from dataclasses import dataclass, field
from http.cookies import Morsel, SimpleCookie

import httpx2

from tests.infra.login import browse

LOGIN, COMPLETE = "/api/auth/web/login", "/api/auth/web/complete"
PAGE_OF_OURS = {"Sec-Fetch-Site": "same-origin"}


def cookies_of(answer: httpx2.Response) -> dict[str, Morsel[str]]:
    """Return the cookies that an answer sets."""
    found: dict[str, Morsel[str]] = {}
    for line in answer.headers.get_list("set-cookie"):
        found.update(SimpleCookie(line))
    return found


@dataclass
class Browser:
    """One profile; the client that it uses must keep no cookies of its own."""

    client: httpx2.AsyncClient
    cookies: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Where the server is."""
        return str(self.client.base_url).rstrip("/")

    @property
    def session(self) -> str:
        """The cookie of the login."""
        return next(value for name, value in self.cookies.items() if name.endswith("-session"))

    async def send(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **content: object
    ) -> httpx2.Response:
        """Send a request as a page of ours does; headers given replace what it says of itself."""
        said = PAGE_OF_OURS if headers is None else headers
        cookie = (
            {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())} if self.cookies else {}
        )
        answer = await self.client.request(
            method,
            path,
            headers={**cookie, **said},
            follow_redirects=False,
            **content,  # type: ignore[arg-type]
        )
        self.client.cookies.clear()
        for name, morsel in cookies_of(answer).items():
            if morsel["max-age"] == "0":
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = morsel.value
        return answer

    async def get(self, path: str, *, headers: dict[str, str] | None = None, **query: str) -> httpx2.Response:
        """Send a GET."""
        return (
            await self.send("GET", path, headers=headers, params=query)
            if query
            else await self.send("GET", path, headers=headers)
        )

    async def go(self, user: str = "alice", *, decision: str = "allow", **query: str) -> str:
        """Begin a login and play the user at the provider; returns where the provider sends the browser back to."""
        started = await self.get(LOGIN, **query)
        assert started.status_code == 302, started.text
        back = await browse(started.headers["location"], user, decision=decision, stop_at=f"{self.address}{COMPLETE}")
        assert back.status == 0, back
        return back.url

    async def login(self, user: str = "alice", **query: str) -> httpx2.Response:
        """Log in; returns the last answer, which sends the browser on."""
        return await self.get(await self.go(user, **{"vo": "voa", **query}))
