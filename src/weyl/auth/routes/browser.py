"""Routes that people reach with a browser: refusals become pages if the browser asks for HTML."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute

from weyl.auth.pages import HEADERS, enter_code_page, error_page
from weyl.auth.service.device import PATH as DEVICE_PATH
from weyl.kit.errors import WeylError
from weyl.kit.openapi import refusals

_HTML = {"content": {"text/html": {"schema": {"type": "string"}}}}
PAGE: dict[int | str, dict[str, Any]] = {200: {"description": "A page", **_HTML}}
"""What a route that shows a page declares beside the contract's answer."""
SENT_ON: dict[int | str, dict[str, Any]] = {
    **PAGE,
    307: {"description": "The browser is sent on", "headers": {"Location": {"schema": {"type": "string"}}}},
    **refusals(429, 502),
}
"""What a route that sends browsers elsewhere declares; its refusals are pages for whoever accepts HTML."""


SENT_ON_HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


def page(html: str, *, status: int = 200) -> Response:
    """Return a page with the headers that keep foreign content and frames out."""
    return HTMLResponse(html, status_code=status, headers=HEADERS)


def send_on(url: str) -> Response:
    """Return a redirect that no cache keeps: what it carries is good for one browser and a few minutes."""
    return RedirectResponse(url, headers=SENT_ON_HEADERS)


def is_sent_by_another_site(request: Request) -> bool:
    """Tell whether a page of somebody else sent the browser here, not its user or a page of ours."""
    return request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin")


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def is_browser(request: Request) -> bool:
    """Tell whether a person may sit in front of what sends this; browsers say `Sec-Fetch-Site` with every request."""
    return _wants_page(request) or "sec-fetch-site" in request.headers


class BrowserRoute(APIRoute):
    """Answers people with pages and programs with the contract's JSON."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the route so that its refusals are readable."""
        handler = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handler(request)
            except WeylError as error:
                if not _wants_page(request):
                    raise
                response = page(error_page(str(error.detail)), status=error.status)
                response.headers.update(error.headers)
                return response
            except RequestValidationError:
                if not _wants_page(request):
                    raise
                return self._incomplete(request)

        return answer

    def _incomplete(self, request: Request) -> Response:
        if request.url.path == DEVICE_PATH:
            # The bare address that the device shows beside its code.
            return page(enter_code_page(DEVICE_PATH))
        return page(error_page("This address or form is not complete. Start the login again."), status=422)


class ProviderCallback(BrowserRoute):
    """A route that an identity provider sends browsers back to, with a code or with an error.

    The contract declares `code` required, while a provider that refuses sends `error` in its place (RFC 6749, 4.1.2.1).
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Give a refusal the empty code that the declaration wants."""
        handler = super().get_route_handler()

        async def answer(request: Request) -> Response:
            if "error" in request.query_params and "code" not in request.query_params:
                query = request.scope["query_string"] + b"&code="
                request = Request({**request.scope, "query_string": query}, request.receive)
            return await handler(request)

        return answer
