"""An identity provider with the forms of Dex, at which DiracX's published tests log in.

Dex is a Go program that we cannot install here. This is our development provider with its forms: a page that takes
`login` and `password`, then one whose address holds `req` and that takes `approval`.
"""

import asyncio
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

from aiohttp import web

from weyl.demo.idp import CODE_LIFE_S, DevProvider, DevUser, Grant, issuer_of, open_socket

ADMIN = DevUser("admin@example.com", "Admin", ())
PASSWORD = "password"
VO = "diracAdmin"
"""The VO in which the published tests log in, by this provider."""


class DexForms(DevProvider):
    """The development provider, with one user and the forms of Dex."""

    def __init__(self, issuer: str) -> None:
        super().__init__(issuer, redirects=(), passwords={})
        self._users = {ADMIN.name: ADMIN}

    def app(self) -> web.Application:
        """Return the web application."""
        app = super().app()
        app.add_routes([web.get("/approval", self._ask), web.post("/approval", self._approve)])
        return app

    async def _login(self, request: web.Request) -> web.Response:
        interaction, form = self._interaction(request), await request.post()
        if interaction is None or (form.get("login"), form.get("password")) != (ADMIN.name, PASSWORD):
            raise web.HTTPUnauthorized
        interaction.user = ADMIN
        raise web.HTTPSeeOther(f"/approval?req={request.match_info['id']}")

    async def _ask(self, request: web.Request) -> web.Response:
        return web.Response(text='<form method="post"><input type="hidden" name="approval" value="approve"></form>')

    async def _approve(self, request: web.Request) -> web.Response:
        form = await request.post()
        interaction = self._interactions.pop(str(form.get("req")), None)
        if interaction is None or interaction.user is None or form.get("approval") != "approve":
            raise web.HTTPBadRequest
        code, ends_at = secrets.token_urlsafe(32), time.time() + CODE_LIFE_S
        self._grants[code] = Grant(
            interaction.redirect_uri, interaction.challenge, interaction.nonce, interaction.user, ends_at
        )
        answer = urlencode({"code": code, "state": interaction.state, "iss": self.issuer})
        raise web.HTTPSeeOther(f"{interaction.redirect_uri}?{answer}")


@contextmanager
def running_dex() -> Iterator[DexForms]:
    """Serve the provider for the length of the block; where it may redirect to is told to it by `redirects`."""
    bound = open_socket()
    provider, loop = DexForms(issuer_of(bound)), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="dex")
    thread.start()
    try:
        runner = asyncio.run_coroutine_threadsafe(_serve(provider, bound), loop).result()
        yield provider
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        bound.close()


async def _serve(provider: DexForms, bound: socket.socket) -> web.AppRunner:
    runner = web.AppRunner(provider.app(), access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.SockSite(runner, bound).start()
    return runner
