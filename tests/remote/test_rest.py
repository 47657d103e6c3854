"""Computing elements that answer garbage, too much, too late or not at all: a sentence, and in bounded time."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from weyl.remote import rest
from weyl.remote.errors import RemoteError
from weyl.remote.rest import Peer, connected, one_by_one

Serve = Callable[[Callable[[web.Request], Awaitable[web.StreamResponse]]], Awaitable[str]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts a server of one answer; returns its address."""
    runners: list[web.AppRunner] = []

    async def start(answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> str:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        return f"http://{host}:{port}/ce"

    yield start
    for runner in runners:
        await runner.cleanup()


async def fault(url: str, *, timeout_s: float = 20, tail: bool = False) -> str:
    """What is said of the computing element."""
    with pytest.raises(RemoteError) as raised:
        async with connected(Peer(url, timeout_s, token="t")) as peer:
            await (peer.tail("x") if tail else peer.ask_json("GET", "x"))
    return str(raised.value)


async def test_what_is_asked_arrives(serve: Serve) -> None:
    async def echo(request: web.Request) -> web.Response:
        said = [request.method, request.path_qs, request.headers["Authorization"], (await request.read()).decode()]
        return web.json_response(said)

    async with connected(Peer(await serve(echo), 20, token="t")) as peer:
        _, answer = await peer.below("v1").ask_json("POST", "jobs", body={"a": 1}, params={"action": "new"})
        assert answer == ["POST", "/ce/v1/jobs?action=new", "Bearer t", '{"a":1}']
        assert (await peer.ask_json("GET", ""))[1][1] == "/ce"


async def test_garbage_is_quoted(serve: Serve) -> None:
    async def garbage(_: web.Request) -> web.Response:
        return web.Response(body=b"<html>\n\xff maintenance </html>" * 100)

    said = await fault(await serve(garbage))
    assert "answers no JSON" in said
    assert "maintenance" in said
    assert len(said) < 500


async def test_a_refusal_has_no_document(serve: Serve) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=500, reason="User can't be assigned configuration", text="{}")

    async with connected(Peer(await serve(refuse), 20)) as peer:
        answer, document = await peer.ask_json("GET", "x")
        assert (answer.status, answer.reason, document) == (500, "User can't be assigned configuration", None)
        with pytest.raises(RemoteError, match="500"):
            await peer.tail("x")


async def test_one_that_hangs_is_given_up(serve: Serve) -> None:
    async def hang(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    said = await fault(await serve(hang), timeout_s=0.3)
    assert "given up" in said or "does not answer" in said


async def test_one_that_dribbles_is_given_up_too(serve: Serve) -> None:
    async def dribble(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.05)

    assert "more than 0.5 s" in await fault(await serve(dribble), timeout_s=0.5)


async def test_too_much_is_not_read(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    async def flood(request: web.Request) -> web.StreamResponse:
        return web.Response(body=bytes(200_000))

    monkeypatch.setattr(rest, "ANSWER_BYTES_MAX", 100_000)
    assert "more than 100000 bytes" in await fault(await serve(flood))


async def test_of_a_long_file_the_end_is_kept(serve: Serve) -> None:
    async def long(_: web.Request) -> web.Response:
        return web.Response(body=bytes(3 * 1024 * 1024) + b"the end")

    async with connected(Peer(await serve(long), 20)) as peer:
        tail = await peer.tail("x")
    assert tail is not None
    assert len(tail) == 1024 * 1024
    assert tail.endswith(b"the end")


async def test_a_connection_that_breaks_is_a_fault(serve: Serve) -> None:
    async def break_off(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    url = await serve(break_off)
    assert url in await fault(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://", "nonsense://x", "http://[::bad/"])
async def test_an_address_where_nobody_is_is_a_fault(url: str) -> None:
    assert await fault(url)


async def test_what_is_no_token_is_not_sent(serve: Serve) -> None:
    with pytest.raises(RemoteError, match="no token"):
        async with connected(Peer("http://127.0.0.1:1", 5, token="a\r\nX: y")):
            pass


async def test_certificates_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    broken = tmp_path / "ca.pem"
    broken.write_text("no certificate")
    for peer in (Peer("https://127.0.0.1:1", 5, ca=broken), Peer("https://127.0.0.1:1", 5, certificate=broken)):
        with pytest.raises(RemoteError, match=r"ca\.pem"):
            async with connected(peer):
                pass
    assert issubclass(ssl.SSLError, OSError)


async def test_one_fault_among_many_is_one_fault() -> None:
    async def work(number: int) -> str | None:
        if number == 3:
            raise RemoteError("three")
        return None

    assert await one_by_one(work, range(5)) == [None, None, None, "three", None]
