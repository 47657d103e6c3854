"""What every request passes: the client's version, and the limit of its body; plain ASGI for speed."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from typing import Any

from packaging.version import InvalidVersion, Version
from starlette.exceptions import HTTPException
from starlette.requests import Request

from weyl.kit import json
from weyl.kit.body_limits import BodyLimits
from weyl.kit.errors import BadRequest, TooLarge, WeylError
from weyl.kit.http import VERIFIER, User, bearer_token, by_cookie

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_VERSION_LENGTH_MAX = 100


@lru_cache(maxsize=256)
def client_version(text: str) -> Version | None:
    """Return a version by the rules of PEP 440, so that `v0.7` is 0.7.0; none if it is not a version."""
    if len(text) > _VERSION_LENGTH_MAX:
        return None
    try:
        return Version(text)
    except InvalidVersion:
        return None


# JSON is parsed before a route asks who sent it, and takes many times its size: from strangers only a little is read.
STRANGER_BODY_BYTES_MAX = 64 * 1024
_DIGITS_MAX = 18
# How long the next piece of a body may take, over whatever line.
PIECE_S = 30.0


class BodyRefused(HTTPException):
    """The body grew beyond what its sender may send; FastAPI lets only this kind of error through its parser."""


class RequestGuard:
    """Refuses clients that are too old and bodies that are too large."""

    def __init__(self, app: App, *, client_version_min: str, body_bytes_max: int, limits: BodyLimits) -> None:
        self._app = app
        self._client_version_min = Version(client_version_min)
        self._body_bytes_max = body_bytes_max
        self._unasked_bytes_max = min(STRANGER_BODY_BYTES_MAX, body_bytes_max)
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        allowed = self._unasked_bytes_max
        try:
            size = self._checked(headers)
            if size > allowed:
                allowed = await self._allowed(scope, size)
        except WeylError as problem:
            await _answer(send, problem)
            return
        await self._app(scope, self._limited(scope, receive, allowed), send)

    def _checked(self, headers: dict[bytes, bytes]) -> int:
        """Return how large the body is said to be; raises what is wrong with the headers."""
        version = headers.get(b"diracx-client-version")
        if version is not None:
            text = version.decode("latin-1").strip()
            parsed, oldest = client_version(text), self._client_version_min
            if parsed is None:
                shown = text[:_VERSION_LENGTH_MAX]
                raise BadRequest(
                    f"DiracX-Client-Version is not a version number: {shown} (expected something like {oldest})"
                )
            if parsed < oldest:
                raise BadRequest(f"Client version {text} is too old for this server: upgrade it to {oldest} or newer")
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or len(length) > _DIGITS_MAX:
            raise BadRequest("Header Content-Length is not a number of bytes")
        return int(length)

    async def _allowed(self, scope: Scope, size: int) -> int:
        """Return how large the body may become; raises why one of this size is not read, if it is not."""
        if size > self._body_bytes_max:
            raise TooLarge(f"The body is larger than {self._body_bytes_max} bytes: send it in several requests")
        sender = await _sender(scope)
        if sender is None:
            raise TooLarge(
                f"Without a login a body may have at most {STRANGER_BODY_BYTES_MAX} bytes: log in, or send less"
            )
        allowed = min(self._limits.of(scope, sender), self._body_bytes_max)
        if size > allowed:
            raise TooLarge(f"This route takes at most {allowed} bytes from you: split the body into several requests")
        return allowed

    def _limited(self, scope: Scope, receive: Receive, allowed: int) -> Receive:
        read, is_whole = 0, False

        async def limited() -> Message:
            nonlocal read, allowed, is_whole
            if is_whole:  # what comes now is that the client has gone, whenever that is
                return await receive()
            try:
                async with asyncio.timeout(PIECE_S):
                    message = await receive()
            except TimeoutError:
                raise BodyRefused(408, f"The rest of the body did not arrive within {PIECE_S:g} s") from None
            is_whole = not message.get("more_body", False)
            read += len(message.get("body", b""))
            if read > allowed:
                try:
                    allowed = await self._allowed(scope, read)
                except WeylError as problem:
                    raise BodyRefused(problem.status, str(problem.detail), problem.headers) from None
            return message

        return limited


async def _sender(scope: Scope) -> User | None:
    """Return whose token or cookie the request brings, none if it has neither; raises if they are not accepted."""
    header = dict(scope["headers"]).get(b"authorization")
    if header is None:
        return await by_cookie(Request(scope))
    return VERIFIER.of(Request(scope)).verify(bearer_token(header.decode("latin-1")))


async def _answer(send: Send, problem: WeylError) -> None:
    body = json.dumps(problem.body())
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **problem.headers}
    lines = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": lines})
    await send({"type": "http.response.body", "body": body})
