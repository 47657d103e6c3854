"""Clients that send a byte now and then: given up, while others are served."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from weyl.kit import http_protocol, middleware
from weyl.kit.body_limits import BodyLimits
from weyl.kit.http_protocol import PatientProtocol
from weyl.kit.middleware import RequestGuard
from weyl.server import listen

QUICK = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LIMIT_S = 0.5


async def echo(scope: Any, receive: Any, send: Any) -> None:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def refusing(scope: Any, receive: Any, send: Any) -> None:
    """Answer a refused body as FastAPI does."""
    try:
        await echo(scope, receive, send)
    except middleware.BodyRefused as error:
        await send({"type": "http.response.start", "status": error.status_code, "headers": [(b"connection", b"close")]})
        await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def serving() -> AsyncIterator[int]:
    app = RequestGuard(refusing, client_version_min="0.0.1a1", body_bytes_max=1 << 20, limits=BodyLimits([]))
    config = uvicorn.Config(app, http=PatientProtocol, lifespan="off", log_config=None, timeout_keep_alive=30)
    running = uvicorn.Server(config)
    listener = listen("127.0.0.1", 0)
    task = asyncio.create_task(running.serve(sockets=[listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        running.should_exit = True
        await task


@pytest.fixture(autouse=True)
def limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_S", LIMIT_S)
    monkeypatch.setattr(middleware, "PIECE_S", LIMIT_S)


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bytes:
    writer.write(request)
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\nok"), 30)
    return answer.splitlines()[0]


@pytest.mark.parametrize("start", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\nX-A: b\r\n"])
async def test_a_head_that_never_ends_is_given_up(start: bytes) -> None:
    async with serving() as port:
        slow_reader, slow_writer = await asyncio.open_connection("127.0.0.1", port)
        slow_writer.write(start)
        # As it is on a connection that has served a request before.
        kept_reader, kept_writer = await asyncio.open_connection("127.0.0.1", port)
        assert await ask(kept_reader, kept_writer, QUICK) == b"HTTP/1.1 200 OK"
        kept_writer.write(QUICK[:10])
        for reader, writer in ((slow_reader, slow_writer), (kept_reader, kept_writer)):
            assert await asyncio.wait_for(reader.read(), 30) == b""
            writer.close()


async def test_a_connection_between_two_requests_is_kept() -> None:
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await ask(reader, writer, QUICK) == b"HTTP/1.1 200 OK"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 3 * LIMIT_S)
        assert await ask(reader, writer, QUICK) == b"HTTP/1.1 200 OK"
        writer.close()


async def test_a_blank_line_after_an_answer_keeps_no_connection_open() -> None:
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await ask(reader, writer, QUICK) == b"HTTP/1.1 200 OK"
        writer.write(b"\r\n")
        assert await asyncio.wait_for(reader.read(), 20) == b""
        writer.close()


async def test_a_body_that_does_not_go_on_is_given_up() -> None:
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
        answer = await asyncio.wait_for(reader.read(), 30)
        assert answer.startswith(b"HTTP/1.1 408")
        writer.close()


async def test_the_rest_of_a_refused_body_is_not_awaited_for_ever() -> None:
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 100_000)
        answer = await asyncio.wait_for(reader.read(), 30)
        assert answer.startswith(b"HTTP/1.1 413")
        writer.close()
