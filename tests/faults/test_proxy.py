"""The fault proxy does what it says: pass, delay, reset, black hole, switched while connections are open."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from tests.faults.proxy import FaultProxy


@pytest.fixture
async def echo() -> AsyncIterator[tuple[str, int]]:
    """A server that says what it is told."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()


@pytest.fixture
def proxy(echo: tuple[str, int]):
    with FaultProxy(echo) as running:
        yield running


async def say(connection, text: bytes, *, within_s: float = 10) -> bytes:
    reader, writer = connection
    writer.write(text)
    async with asyncio.timeout(within_s):
        return await reader.readline()


async def test_without_a_fault_everything_passes(proxy: FaultProxy) -> None:
    connection = await asyncio.open_connection(*proxy.address)
    assert await say(connection, b"hello\n") == b"hello\n"
    assert proxy.connections == 1
    connection[1].close()


async def test_delay_makes_answers_late(proxy: FaultProxy) -> None:
    connection = await asyncio.open_connection(*proxy.address)
    with proxy.fault("delay"):
        began = time.monotonic()
        assert await say(connection, b"hello\n") == b"hello\n"
        assert time.monotonic() - began >= proxy.delay_s
    connection[1].close()


async def test_reset_ends_open_connections_and_new_ones(proxy: FaultProxy) -> None:
    connection = await asyncio.open_connection(*proxy.address)
    assert await say(connection, b"hello\n") == b"hello\n"
    with proxy.fault("reset"):
        with pytest.raises(ConnectionResetError):
            await say(connection, b"hello\n")
        with pytest.raises(ConnectionResetError):
            await say(await asyncio.open_connection(*proxy.address), b"hello\n")
    connection = await asyncio.open_connection(*proxy.address)
    assert await say(connection, b"again\n") == b"again\n"
    connection[1].close()


async def test_a_black_hole_says_nothing_and_loses_nothing(proxy: FaultProxy) -> None:
    connection = await asyncio.open_connection(*proxy.address)
    with proxy.fault("black hole"):
        with pytest.raises(TimeoutError):
            await say(connection, b"hello\n", within_s=0.3)
        another = await asyncio.open_connection(*proxy.address)
        with pytest.raises(TimeoutError):
            await say(another, b"hello\n", within_s=0.3)
        another[1].close()
    async with asyncio.timeout(10):
        assert await connection[0].readline() == b"hello\n"
    connection[1].close()


async def test_without_a_component_connections_are_reset(proxy: FaultProxy) -> None:
    proxy.upstream = None
    with pytest.raises(ConnectionResetError):
        await say(await asyncio.open_connection(*proxy.address), b"hello\n")
