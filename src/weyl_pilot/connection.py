"""HTTP with connections that stay open, retries with back-off, and JSON; nothing here knows weyl."""

from __future__ import annotations

import http.client
import json
import random
import shutil
import ssl
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple
from urllib.parse import urlsplit

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
class Request:
    """One HTTP request; the timeout is for each wait on the network, not for the whole."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Optional[bytes] = None
    timeout_s: float = 60.0
    sink: Optional[Path] = None
    """The file that a good answer goes to; the answer is empty then."""


_Key = Tuple[str, str]


class Connections:
    """Pool of open connections, shared by all threads of the pilot."""

    def __init__(self, ca_file: Optional[str] = None) -> None:
        self._context = ssl.create_default_context(cafile=ca_file)
        self._idle: Dict[_Key, List[http.client.HTTPConnection]] = {}
        self._lock = threading.Lock()

    def send(self, request: Request) -> Answer:
        """Sends one request and reads the answer; a kept connection that the other side closed is replaced once."""
        parts = urlsplit(request.url)
        key = (parts.scheme, parts.netloc)
        kept = self._take(key)
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
            connection.timeout = request.timeout_s
            if connection.sock is not None:
                connection.sock.settimeout(request.timeout_s)
            connection.request(request.method, target, body=request.body, headers=dict(request.headers))
            response = connection.getresponse()
            body = response.read() if request.sink is None or response.status >= 300 else _save(response, request.sink)
            answer = Answer(response.status, body, {k.lower(): v for k, v in response.getheaders()})
        except BaseException:
            connection.close()
            raise
        if response.will_close:
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


def _save(response: http.client.HTTPResponse, sink: Path) -> bytes:
    with open(str(sink), "wb") as stream:
        shutil.copyfileobj(response, stream)
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)
    return b""


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


def multipart(fields: Mapping[str, str], content: bytes, *, filename: str) -> Tuple[bytes, str]:
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
    body = "".join(parts).encode() + content + ("\r\n--%s--\r\n" % boundary).encode()
    return body, "multipart/form-data; boundary=" + boundary
