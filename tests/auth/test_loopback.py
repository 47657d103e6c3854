"""The port to which a browser comes back: it answers its own login only, whoever else knocks."""

import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping

import pytest

from weyl.auth.loopback import Listener, Proof
from weyl.kit.oauth import LOOPBACK_REDIRECT


class Waiting:
    """A listener that waits in a thread of its own."""

    def __init__(self, timeout_s: float = 60) -> None:
        self.proof, self.listener = Proof(), Listener()
        self.answer: Mapping[str, str] | None = None
        self._thread = threading.Thread(target=self._wait, args=(timeout_s,))
        self._thread.start()

    def _wait(self, timeout_s: float) -> None:
        self.answer = self.listener.wait(self.proof, timeout_s)

    def ask(self, query: str, path: str = "") -> int:
        """Opens an address there as a browser does; returns the status."""
        try:
            with urllib.request.urlopen(f"{path or self.listener.redirect_uri}?{query}", timeout=30) as answer:
                assert b"terminal" in answer.read()
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def end(self) -> Mapping[str, str] | None:
        """Returns what it has waited for."""
        self._thread.join(60)
        self.listener.close()
        return self.answer


@pytest.fixture
def waiting() -> Iterator[Waiting]:
    """A listener that waits."""
    one = Waiting()
    yield one
    if one.answer is None:
        one.ask(f"code=x&state={one.proof.state}")
    one.end()


def test_it_takes_the_code_of_its_own_login(waiting: Waiting) -> None:
    assert LOOPBACK_REDIRECT.fullmatch(waiting.listener.redirect_uri)
    assert waiting.ask(f"code=c0de&state={waiting.proof.state}") == 200
    assert waiting.end() == {"code": "c0de", "state": waiting.proof.state}


def test_it_hears_that_the_user_said_no(waiting: Waiting) -> None:
    assert waiting.ask(f"error=access_denied&state={waiting.proof.state}") == 200
    assert waiting.end() == {"error": "access_denied", "state": waiting.proof.state}


def test_strangers_get_nothing_and_do_not_end_it(waiting: Waiting) -> None:
    own = waiting.listener.redirect_uri
    assert waiting.ask("code=evil&state=other") == 404
    assert waiting.ask("code=evil") == 404
    assert waiting.ask(f"code=evil&state={waiting.proof.state}", own.replace("/weyl-login", "/favicon.ico")) == 404
    port = int(own.split(":")[2].split("/")[0])
    for noise in (b"", b"\x16\x03\x01\r\n\r\n", b"POST /weyl-login HTTP/1.1\r\n\r\n", b"x" * 40_000):
        with socket.create_connection(("127.0.0.1", port)) as stranger:
            stranger.sendall(noise)
    assert waiting.ask(f"code=mine&state={waiting.proof.state}") == 200
    answer = waiting.end()
    assert answer is not None
    assert answer["code"] == "mine"


def test_it_gives_up() -> None:
    one = Waiting(timeout_s=0.05)
    assert one.end() is None


@pytest.mark.parametrize(
    "redirect",
    [
        "http://127.0.0.1/weyl-login",
        "http://127.0.0.1:80@evil.example/weyl-login",
        "http://127.0.0.1:8000/other",
        "http://127.0.0.1:8000/weyl-login?x=1",
        "http://127.0.0.1:8000/weyl-login#x",
        "http://127.0.0.1.evil.example:80/weyl-login",
        "http://localhost:8000/weyl-login",
        "https://127.0.0.1:8000/weyl-login",
        "http://127.0.0.1:080000/weyl-login",
        "http://127.0.0.1:8000/weyl-login\n",
    ],
)
def test_nothing_else_is_this_machine(redirect: str) -> None:
    assert LOOPBACK_REDIRECT.fullmatch(redirect) is None
