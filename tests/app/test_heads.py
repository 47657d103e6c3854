"""Heads of requests without end: the connection is closed after 64 kB, whatever the bytes are called."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from weyl.kit.http_protocol import HEAD_BYTES_MAX, HEADERS_MAX, PatientProtocol
from weyl.server import listen

START = b"GET / HTTP/1.1\r\nHost: x\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
PIECE = b"x" * 65_536
SENT_MAX = 10 << 20


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the length of the body."""
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    body = str(size).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect to a server of its own."""
    config = uvicorn.Config(echo, http=PatientProtocol, lifespan="off", log_config=None, timeout_keep_alive=30)
    running = uvicorn.Server(config)
    listener = listen("127.0.0.1", 0)
    task = asyncio.create_task(running.serve(sockets=[listener]))
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.getsockname()[1])
    try:
        yield reader, writer
    finally:
        writer.close()
        running.should_exit = True
        await task


async def sent_until_closed(writer: asyncio.StreamWriter, start: bytes, piece: bytes = PIECE) -> int:
    """Send a start and then pieces until the other side has closed; returns the number of bytes that went out."""
    writer.write(start)
    sent = len(start)
    try:
        while sent < SENT_MAX:
            writer.write(piece)
            sent += len(piece)
            await asyncio.wait_for(writer.drain(), 30)
    except ConnectionError:
        pass
    return sent


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(b"", id="method"),
        pytest.param(b"GET /", id="path"),
        pytest.param(b"GET /?a=", id="query"),
        pytest.param(START + b"x", id="header-name"),
        pytest.param(START + b"Cookie: ", id="header-value"),
        pytest.param(CHUNKED + b"1\r\nx\r\n1;", id="chunk-extension"),
        pytest.param(CHUNKED + b"1\r\nx\r\n0\r\nX-Trailer: ", id="trailer"),
        pytest.param(START + b"\r\n" + START + b"Cookie: ", id="pipelined"),
    ],
)
async def test_a_head_without_end_is_cut_off_while_it_arrives(start: bytes) -> None:
    async with connected() as (_, writer):
        assert await sent_until_closed(writer, start) < SENT_MAX


@pytest.mark.parametrize("start", [START, CHUNKED + b"0\r\n"], ids=["headers", "trailers"])
async def test_small_headers_without_end_are_cut_off(start: bytes) -> None:
    async with connected() as (_, writer):
        assert await sent_until_closed(writer, start, b"a: b\r\n" * 10_000) < SENT_MAX


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(START + b"A: " + b"x" * (HEAD_BYTES_MAX + 1) + b"\r\n\r\n", id="long"),
        pytest.param(START + b"A: b\r\n" * HEADERS_MAX + b"\r\n", id="many"),
        pytest.param(b"GET /?" + b"x" * (HEAD_BYTES_MAX + 1) + b" HTTP/1.1\r\nHost: x\r\n\r\n", id="query"),
    ],
)
async def test_a_whole_head_that_is_too_large_is_answered_431(head: bytes) -> None:
    async with connected() as (reader, writer):
        writer.write(head)
        answer = await asyncio.wait_for(reader.read(), 30)
        assert answer.startswith(b"HTTP/1.1 431 ")
        assert b"connection: close" in answer
        assert b"64 kB" in answer


async def test_a_head_that_drips_is_counted_too() -> None:
    async with connected() as (reader, writer):
        writer.write(START)
        for _ in range(HEAD_BYTES_MAX // 5_000 + 1):
            writer.write(b"A: " + b"x" * 4_995 + b"\r\n")
            await asyncio.sleep(0)
        assert (await asyncio.wait_for(reader.read(), 30)).startswith(b"HTTP/1.1 431 ")


async def test_heads_below_the_limit_are_served_one_after_the_other() -> None:
    head = START + b"A: " + b"x" * (HEAD_BYTES_MAX - 100) + b"\r\n\r\n"
    body = b"1;name=value\r\nx\r\n" * 20_000
    async with connected() as (reader, writer):
        for _ in range(3):
            writer.write(head)
            assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n0"), 30)).startswith(b"HTTP/1.1 200")
        # Chunks and what belongs to them may be as many as there is body.
        writer.write(CHUNKED + body + b"0\r\nX-Trailer: x\r\n\r\n")
        assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n20000"), 30)).startswith(b"HTTP/1.1 200")


async def test_requests_that_come_together_are_all_answered() -> None:
    async with connected() as (reader, writer):
        writer.write((START + b"A: " + b"x" * 10_000 + b"\r\n\r\n") * 20)
        answers = b""
        while answers.count(b"HTTP/1.1 200") < 20:
            answers += await asyncio.wait_for(reader.read(65_536), 30)
