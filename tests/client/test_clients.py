"""Both clients over a real socket: the same calls, the same answers, the same errors."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from weyl.client import AsyncClient, Call, Client, MemoryCredentials, Refused, TokenSet, UnexpectedAnswer, Unreachable


class Thing(BaseModel):
    """Something that the echo returns."""

    method: str
    path: str
    body: Any = None


@dataclass
class Echo:
    """A small HTTP server that says what it received; what weyl itself answers is tested in the flows."""

    url: str
    bodies: list[bytes] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)


@pytest.fixture
def echo() -> Iterator[Echo]:
    state = Echo("")

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            state.bodies.append(body)
            status = state.failures.pop(0) if state.failures else 200
            is_json = self.headers.get("Content-Type") == "application/json"
            content = {
                "method": self.command,
                "path": self.path,
                "body": json.loads(body) if is_json else None,
                "authorization": self.headers.get("Authorization"),
                "agent": self.headers.get("User-Agent"),
                "detail": "as asked",
            }
            data = b"x" * 3_000_000 if self.path == "/large" else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

        def log_message(self, *arguments: Any) -> None:
            """Keeps quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


STORE = MemoryCredentials(TokenSet("e30.e30.x", None, 2**53))

Do = Callable[[str, Callable[[Any], Any]], Any]


@pytest.fixture(params=["sync", "async"])
def do(request: pytest.FixtureRequest) -> Do:
    """Runs one action with a client of either kind."""

    def run(url: str, action: Callable[[Any], Any]) -> Any:
        if request.param == "sync":
            with Client(url, STORE, timeout_s=10) as client:
                return action(client)

        async def inside() -> Any:
            async with AsyncClient(url, STORE, timeout_s=10) as client:
                result = action(client)
                return await result if isinstance(result, Awaitable) else result

        return asyncio.run(inside())

    return run


def test_a_call_is_sent_and_its_answer_parsed(echo: Echo, do: Do) -> None:
    thing = do(echo.url, lambda c: c.send(Call("POST", "/a", Thing, query={"q": ["x y", "z"], "b": True}, body=[1])))
    assert thing == Thing(method="POST", path="/a?q=x+y&q=z&b=true", body=[1])


def test_models_travel_by_their_wire_names(echo: Echo, do: Do) -> None:
    body = {"5": Thing(method="GET", path="/"), "none": None}
    do(echo.url, lambda c: c.send(Call("PATCH", "/a", Any, body=body)))
    sent = json.loads(echo.bodies[0])
    assert sent["5"] == {"method": "GET", "path": "/"}


def test_bytes_travel_as_the_json_that_they_are(echo: Echo, do: Do) -> None:
    do(echo.url, lambda c: c.send(Call("POST", "/a", Any, body=b'{"x": 1.0E5}')))
    assert echo.bodies == [b'{"x": 1.0E5}']


def test_raw_and_empty_answers(echo: Echo, do: Do) -> None:
    assert isinstance(do(echo.url, lambda c: c.send(Call("GET", "/a", bytes))), bytes)
    assert isinstance(do(echo.url, lambda c: c.send(Call("GET", "/a", str))), str)
    assert do(echo.url, lambda c: c.send(Call("GET", "/a", None))) is None


def test_the_token_and_the_name_of_the_client_go_along(echo: Echo, do: Do) -> None:
    answer = do(echo.url, lambda c: c.send(Call("GET", "/a", dict[str, Any])))
    assert answer["authorization"] == "Bearer e30.e30.x"
    assert answer["agent"].startswith("weyl")


def test_a_refusal_is_raised(echo: Echo, do: Do) -> None:
    echo.failures = [400]
    with pytest.raises(Refused, match="as asked"):
        do(echo.url, lambda c: c.send(Call("POST", "/a", Any)))


def test_a_passing_failure_is_not_seen(echo: Echo, do: Do) -> None:
    echo.failures = [503, 502]
    assert do(echo.url, lambda c: c.send(Call("GET", "/a", dict[str, Any])))["method"] == "GET"
    assert len(echo.bodies) == 3


def test_an_answer_of_another_shape_is_told(echo: Echo, do: Do) -> None:
    with pytest.raises(UnexpectedAnswer):
        do(echo.url, lambda c: c.send(Call("GET", "/a", list[Thing])))


def test_nobody_at_home_is_unreachable(do: Do) -> None:
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"):
        do("http://127.0.0.1:9", lambda c: c.send(Call("GET", "/a", Any)))


def test_a_file_is_posted_after_the_fields_of_its_form(echo: Echo, do: Do, tmp_path: Path) -> None:
    path = tmp_path / "s.tar.zst"
    path.write_bytes(b"content")
    do(echo.url, lambda c: c.upload(f"{echo.url}/bucket", {"key": "k", "policy": "p"}, path))
    body = echo.bodies[0]
    assert body.index(b'name="key"') < body.index(b'name="policy"') < body.index(b'name="file"')
    assert b"content" in body


def test_a_download_appears_when_it_is_complete(echo: Echo, do: Do, tmp_path: Path) -> None:
    target = tmp_path / "large"
    do(echo.url, lambda c: c.download(f"{echo.url}/large", target))
    assert target.stat().st_size == 3_000_000
    echo.failures = [403]
    with pytest.raises(Refused):
        do(echo.url, lambda c: c.download(f"{echo.url}/large", tmp_path / "other"))
    assert sorted(tmp_path.iterdir()) == [target]
