"""What every request passes: the client's version, and the limit of its body; plain ASGI for speed."""

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.exceptions import HTTPException

from weyl.kit import json

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_VERSION = re.compile(
    rb"(\d{1,6})\.(\d{1,6})\.(\d{1,6})(?:(a|b|rc|\.dev|\.post)(\d{1,6}))?(?:[.+-][0-9A-Za-z.+-]{0,80})?"
)
_STAGES = {b".dev": 0, b"a": 1, b"b": 2, b"rc": 3, None: 4, b".post": 5}


def version_key(version: bytes) -> tuple[int, ...] | None:
    """Return a version as a key that orders (PEP 440's common forms); none if it is not a version."""
    match = _VERSION.fullmatch(version.strip())
    if match is None:
        return None
    major, minor, patch, stage, number = match.groups()
    return int(major), int(minor), int(patch), _STAGES[stage], int(number or 0)


class BodyTooLarge(HTTPException):
    """The body grew beyond the limit while it was read; FastAPI lets only this kind of error through its parser."""


class RequestGuard:
    """Refuses clients that are too old and bodies that are too large."""

    def __init__(self, app: App, *, client_version_min: str, body_bytes_max: int) -> None:
        self._app = app
        self._client_version_min = version_key(client_version_min.encode()) or (0,)
        self._body_bytes_max = body_bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        problem = self._problem(dict(scope["headers"]))
        if problem is not None:
            await _answer(send, *problem)
            return
        await self._app(scope, self._limited(receive), send)

    def _problem(self, headers: dict[bytes, bytes]) -> tuple[int, str] | None:
        version = headers.get(b"diracx-client-version")
        if version is not None:
            key = version_key(version)
            if key is None:
                return 400, "Header DiracX-Client-Version is not a version"
            if key < self._client_version_min:
                return 400, "This client is too old for the server: upgrade it"
        length = headers.get(b"content-length", b"0")
        if not length.isdigit():
            return 400, "Header Content-Length is not a number"
        if int(length) > self._body_bytes_max:
            return 413, self._too_large()
        return None

    def _too_large(self) -> str:
        return f"The body is larger than {self._body_bytes_max} bytes: send it in several requests"

    def _limited(self, receive: Receive) -> Receive:
        read = 0

        async def limited() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._body_bytes_max:
                raise BodyTooLarge(413, self._too_large())
            return message

        return limited


async def _answer(send: Send, status: int, detail: str) -> None:
    body = json.dumps({"detail": detail})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
