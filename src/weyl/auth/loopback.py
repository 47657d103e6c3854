"""The place on this machine to which a browser comes back from a login, with the code that the program redeems."""

import secrets
import socket
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest
from urllib.parse import parse_qs, urlencode, urlsplit

from weyl.kit.oauth import CLIENT_ID, LOOPBACK_PATH

HEADERS_BYTES_MAX = 16_384
# A browser that connects beforehand and says nothing must not hold up the one that comes back.
SILENCE_MAX_S = 5.0

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>weyl</title>
<p style="font: 1.2em sans-serif; margin: 3em">{}</p></html>"""


@dataclass(frozen=True, slots=True)
class Proof:
    """What only the program that began a login knows: the verifier of its challenge, and its state."""

    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    state: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def challenge(self) -> str:
        """Return the challenge of the verifier (S256)."""
        return urlsafe_b64encode(sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()

    def page(self, url: str, *, scope: str, redirect_uri: str) -> str:
        """Return the address at which the browser begins."""
        query = {
            "response_type": "code",
            "code_challenge": self.challenge(),
            "code_challenge_method": "S256",
            "client_id": CLIENT_ID,
            "redirect_uri": redirect_uri,
            "scope": scope,
            "state": self.state,
        }
        return f"{url}/api/auth/authorize?{urlencode(query)}"

    def is_of(self, answer: Mapping[str, str]) -> bool:
        """Say whether an answer belongs to this login, and not to one that somebody else began."""
        return compare_digest(answer.get("state", ""), self.state)


class Listener:
    """A port of the loopback address that answers one login."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))

    @property
    def redirect_uri(self) -> str:
        """Where the browser shall come back to."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}{LOOPBACK_PATH}"

    def wait(self, proof: Proof, timeout_s: float) -> Mapping[str, str] | None:
        """Return the query with which the browser of this login comes back; None: it did not, in that time."""
        deadline = time.monotonic() + timeout_s
        while (left_s := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left_s)
            try:
                connection, _ = self._socket.accept()
            except TimeoutError:
                break
            with connection:
                connection.settimeout(min(SILENCE_MAX_S, left_s))
                try:
                    answer = _answer(connection, proof)
                except OSError:
                    # The browser went away, or said nothing.
                    continue
            if answer is not None:
                return answer
        return None

    def close(self) -> None:
        """Give the port back."""
        self._socket.close()


def _answer(connection: socket.socket, proof: Proof) -> Mapping[str, str] | None:
    """Read one request and answer it; returns its query if it is the one that is waited for."""
    received = b""
    while b"\r\n\r\n" not in received and len(received) < HEADERS_BYTES_MAX:
        piece = connection.recv(4096)
        if not piece:
            return None
        received += piece
    method, _, rest = received.partition(b"\r\n")[0].decode("ascii", errors="replace").partition(" ")
    target = urlsplit(rest.partition(" ")[0])
    answer = {name: values[-1] for name, values in parse_qs(target.query).items()}
    if method != "GET" or target.path != LOOPBACK_PATH or not proof.is_of(answer):
        _reply(connection, "404 Not Found", "There is nothing here.")
        return None
    is_good = "code" in answer
    _reply(
        connection,
        "200 OK",
        f"The login is {'done' if is_good else 'refused'}. Go back to the terminal; close this page.",
    )
    return answer


def _reply(connection: socket.socket, status: str, sentence: str) -> None:
    body = PAGE.format(sentence).encode()
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n\r\n"
    )
    connection.sendall(head.encode() + body)
