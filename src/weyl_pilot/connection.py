"""HTTP with connections that stay open, retries with back-off, and JSON; nothing here knows weyl."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import ssl
import threading
import time
from dataclasses import dataclass, field, replace
from typing import IO, Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple, Union
from urllib.parse import urlsplit

from weyl_pilot.errand import Errand, cut

BLOCK = 256 << 10
GRID_CERTIFICATES = "/etc/grid-security/certificates"
RETRIED_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
BACKOFF_MAX_S = 30.0


class Unreachable(Exception):
    """No answer, or one that says to come back later, for as long as the caller was willing to try."""


class Refused(Exception):
    """The server answered that this request will not do; repeating it does not help."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__("%d: %s" % (status, detail))
        self.status = status
        self.detail = detail


class Dismissed(Refused):
    """The server does not know this pilot any more, and hears nothing that it or its jobs say."""


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, read completely."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        """The body as JSON, None when it is empty."""
        return json.loads(self.body) if self.body else None

    def detail(self) -> str:
        """What the server said went wrong, short enough for a status line."""
        text = self.body[:2000].decode("utf-8", "replace")
        try:
            document = json.loads(text)
        except ValueError:
            return text[:200]
        detail = document.get("detail", document) if isinstance(document, dict) else document
        return detail[:200] if isinstance(detail, str) else json.dumps(detail)[:200]


@dataclass(frozen=True)
class FileBody:
    """A part of a file as the body of a request, between bytes from memory; each attempt reads it anew."""

    source: Callable[[], IO[bytes]]
    """Opens the file; raises OSError."""
    size: int
    offset: int = 0
    head: bytes = b""
    tail: bytes = b""
    errand: Errand = field(default_factory=Errand)

    @property
    def length(self) -> int:
        """Bytes of the whole body."""
        return len(self.head) + self.size + len(self.tail)

    def __iter__(self) -> Iterator[bytes]:
        if self.head:
            yield self.head
        left = self.size
        with self.source() as stream:
            stream.seek(self.offset)
            while left:
                self.errand.check()
                block = stream.read(min(BLOCK, left))
                if not block:
                    raise OSError("the file has become shorter while it was sent")
                left -= len(block)
                yield block
                self.errand.moved += len(block)
        if self.tail:
            yield self.tail


Sink = Callable[[http.client.HTTPResponse], None]


@dataclass(frozen=True)
class Request:
    """One HTTP request; the timeout is for each wait on the network, not for the whole."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Union[bytes, FileBody, None] = None
    timeout_s: float = 60.0
    sink: Optional[Sink] = None
    """What reads a good answer; the body of the answer is empty then."""
    answer_max: Optional[int] = None
    """Bytes of an answer that are read into memory; with it the head and those must come within the timeout."""
    errand: Errand = field(default_factory=Errand)
    is_once: bool = False
    """Whether it is sent on a connection of its own, and so never a second time unseen."""


_Key = Tuple[str, str]


class Connections:
    """Pool of open connections, shared by all threads of the pilot."""

    def __init__(self, ca_file: Optional[str] = None) -> None:
        self._context = ssl.create_default_context(cafile=ca_file)
        grid = os.environ.get("X509_CERT_DIR") or GRID_CERTIFICATES
        if ca_file is None and os.path.isdir(grid):
            # Whoever runs the node trusts them, and the storage elements of the grid have no others.
            self._context.load_verify_locations(capath=grid)
        self._idle: Dict[_Key, List[http.client.HTTPConnection]] = {}
        self._lock = threading.Lock()

    def send(self, request: Request) -> Answer:
        """Sends one request and reads the answer; a kept connection that the other side closed is replaced once."""
        parts = urlsplit(request.url)
        key = (parts.scheme, parts.netloc)
        kept = None if request.is_once else self._take(key)
        if kept is not None:
            try:
                return self._exchange(kept, request, key=key)
            except (ConnectionError, http.client.BadStatusLine, http.client.CannotSendRequest):
                kept.close()
        return self._exchange(self._open(key, request.timeout_s), request, key=key)

    def close(self) -> None:
        """Closes those that are not in use."""
        with self._lock:
            idle, self._idle = self._idle, {}
        for connections in idle.values():
            for connection in connections:
                connection.close()

    def _exchange(self, connection: http.client.HTTPConnection, request: Request, *, key: _Key) -> Answer:
        parts = urlsplit(request.url)
        target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
        try:
            with request.errand.over(connection):
                connection.timeout = request.timeout_s
                if connection.sock is None:
                    connection.connect()
                    request.errand.check()
                connection.sock.settimeout(request.timeout_s)
                broken = _ask(connection, request, target)
                response, answer = _answer(connection, request, broken)
        except BaseException:
            connection.close()
            raise
        if response.will_close or broken is not None or request.is_once or not response.isclosed():
            connection.close()
        else:
            with self._lock:
                self._idle.setdefault(key, []).append(connection)
        return answer

    def _take(self, key: _Key) -> Optional[http.client.HTTPConnection]:
        with self._lock:
            idle = self._idle.get(key)
            return idle.pop() if idle else None

    def _open(self, key: _Key, timeout_s: float) -> http.client.HTTPConnection:
        scheme, netloc = key
        if scheme == "https":
            return http.client.HTTPSConnection(netloc, timeout=timeout_s, context=self._context)
        return http.client.HTTPConnection(netloc, timeout=timeout_s)


def _ask(connection: http.client.HTTPConnection, request: Request, target: str) -> Optional[OSError]:
    """Sends a request; returns what broke off its body: who refuses one has answered, and has not read all of it."""
    headers = dict(request.headers)
    if isinstance(request.body, FileBody):
        headers = {name: value for name, value in headers.items() if name.lower() != "content-length"}
        headers["Content-Length"] = str(request.body.length)
    try:
        connection.request(request.method, target, body=request.body, headers=headers)
    except (BrokenPipeError, ConnectionResetError) as error:
        if not isinstance(request.body, FileBody):
            raise
        return error
    return None


def _answer(
    connection: http.client.HTTPConnection, request: Request, broken: Optional[OSError]
) -> Tuple[http.client.HTTPResponse, Answer]:
    bounds = contextlib.nullcontext() if request.answer_max is None else _within(request.timeout_s, connection)
    with bounds:
        try:
            response = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise (broken or error) from error
        is_streamed = request.sink is not None and response.status < 300
        body = b"" if is_streamed else response.read(request.answer_max)
    if is_streamed:
        assert request.sink is not None
        request.sink(response)
    return response, Answer(response.status, body, {k.lower(): v for k, v in response.getheaders()})


@contextlib.contextmanager
def _within(seconds: float, connection: http.client.HTTPConnection) -> Iterator[None]:
    """Breaks a connection that takes longer: each byte of a head that never ends comes in time."""
    timer = threading.Timer(seconds, cut, [connection])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def persist(
    attempt: Callable[[], Answer],
    *,
    patience_s: float,
    sleep: Callable[[float], object] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> Answer:
    """Repeats an attempt while the network or the server is the trouble, and no longer than `patience_s`."""
    give_up = monotonic() + patience_s
    pause_s = 0.5
    while True:
        wanted_s: Optional[float] = None
        try:
            answer = attempt()
            if answer.status < 400:
                return answer
            if answer.status not in RETRIED_STATUSES:
                raise Refused(answer.status, answer.detail())
            wanted_s = _retry_after(answer)
            trouble = "%d: %s" % (answer.status, answer.detail())
        except (OSError, http.client.HTTPException) as error:
            trouble = "%s: %s" % (type(error).__name__, error)
        pause_s = min(pause_s * 2, BACKOFF_MAX_S)
        wait_s = max(wanted_s or 0.0, pause_s * random.uniform(0.8, 1.2))
        if monotonic() + wait_s > give_up:
            raise Unreachable(trouble)
        sleep(wait_s)


def _retry_after(answer: Answer) -> Optional[float]:
    try:
        return min(float(answer.headers.get("retry-after", "")), 120.0)
    except ValueError:
        return None


def multipart(fields: Mapping[str, str], content: FileBody, *, filename: str) -> Tuple[FileBody, str]:
    """Body and content type of a form post whose last part is the file, as object stores demand."""
    boundary = "weyl-%032x" % random.getrandbits(128)
    parts = [
        '--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (boundary, name, value)
        for name, value in fields.items()
    ]
    parts.append(
        '--%s\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n" % (boundary, filename)
    )
    body = replace(content, head="".join(parts).encode(), tail=("\r\n--%s--\r\n" % boundary).encode())
    return body, "multipart/form-data; boundary=" + boundary
