"""Files from the network and to it, with flat memory: what answers is believed in nothing.

A download that breaks goes on by range. Redirects are followed without what opens the first address; of what a storage
says in its errors only the number is told, since the rest is anybody's text and may hold what was sent.
"""

from __future__ import annotations

import http.client
import ipaddress
import os
import random
import re
import socket
import stat
import time
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path
from typing import IO, Dict, Mapping, Optional, Union
from urllib.parse import urljoin, urlsplit

from weyl_pilot.connection import BACKOFF_MAX_S, BLOCK, RETRIED_STATUSES, Answer, Connections, FileBody, Request
from weyl_pilot.errand import Errand
from weyl_pilot.sums import SumsAside, strongest

ERROR_BYTES_MAX = 64 << 10
REDIRECTS_MAX = 3
REDIRECTS = frozenset({301, 302, 303, 307, 308})
KEPT_BODY = frozenset({307, 308})
HARMLESS = frozenset({"range", "user-agent", "content-type"})
"""Headers that go to whoever an address leads to."""
_RANGE = re.compile(r"bytes (\d{1,19})-\d{1,19}/(?:\d{1,19}|\*)")


class TransferFailed(Exception):
    """A file could not be had from one place, or not be put there; the text names no address."""

    def __init__(self, text: str, status: Optional[int] = None) -> None:
        super().__init__(text)
        self.status = status
        """What the storage answered."""


class DiskFault(Exception):
    """The disk of this machine does not take the bytes."""


@dataclass(frozen=True)
class Wanted:
    """What a file must be, as far as that is known."""

    size: Optional[int] = None
    checksums: Mapping[str, Optional[str]] = field(default_factory=dict)
    """In hexadecimal digits, by name; only the strongest is compared."""
    bytes_max: Optional[int] = None
    """How many bytes there is room for."""

    def limit(self) -> float:
        """No more bytes than this are taken."""
        known = [limit for limit in (self.size, self.bytes_max) if limit is not None]
        return min(known) if known else float("inf")


@dataclass(frozen=True)
class Patience:
    """How long the network may take."""

    silence_s: float = 30.0
    """For each piece of a download, and for the head of its answer."""
    answer_s: float = 300.0
    """For the answer to an upload, and for each piece of it to be taken."""
    no_progress_s: float = 60.0
    """Until a download that breaks again and again is given up, since its last new byte."""
    window_s: float = 60.0
    window_bytes: int = 60_000
    """Fewer bytes in a window are as good as none."""


class Streams:
    """Moves files of one job. It has no tokens, so that it can give none away."""

    def __init__(
        self,
        connections: Connections,
        errand: Optional[Errand] = None,
        *,
        agent: str,
        patience: Optional[Patience] = None,
    ) -> None:
        self.errand = errand or Errand()
        self.patience = patience or Patience()
        self._connections = connections
        self._agent = agent

    def fetch(self, url: str, headers: Mapping[str, str], sink: Path, wanted: Wanted) -> None:
        """Brings a file and compares it; raises TransferFailed, DiskFault or Halted, and then leaves nothing."""
        request = Request("GET", url, self._headers(headers))
        with _new_file(sink) as stream:
            self._bring(_Fetch(self, request, stream, wanted), sink)

    def copy(self, source: Path, sink: Path, wanted: Wanted) -> None:
        """Brings a file from a directory that this machine has mounted; raises as `fetch` does."""
        with _new_file(sink) as stream:
            self._bring(_Copy(self, source, stream, wanted), sink)

    def _bring(self, incoming: Union[_Fetch, _Copy], sink: Path) -> None:
        try:
            incoming.run()
        except BaseException:
            os.unlink(str(sink))
            raise
        finally:
            incoming.close()

    def put(self, method: str, url: str, headers: Mapping[str, str], body: FileBody) -> Answer:
        """Sends a file, once; returns a good answer; raises TransferFailed, Halted, or OSError of the file itself."""
        body = replace(body, errand=self.errand)
        try:
            answer = self.send(Request(method, url, self._headers(headers), body, self.patience.answer_s, is_once=True))
        except (http.client.HTTPException, ValueError, OSError) as error:
            self.errand.check()
            raise TransferFailed(trouble(error)) from error
        if answer.status >= 300:
            raise TransferFailed(told(answer.status), answer.status)
        return answer

    def send(self, request: Request) -> Answer:
        """Sends a request, and again to where it is sent on."""
        request = replace(request, errand=self.errand, answer_max=ERROR_BYTES_MAX)
        for _ in range(REDIRECTS_MAX + 1):
            answer = self._connections.send(request)
            if answer.status not in REDIRECTS:
                return answer
            request = redirected(request, answer)
        raise TransferFailed("it sends from one address to the next")

    def _headers(self, headers: Mapping[str, str]) -> Dict[str, str]:
        return {"User-Agent": self._agent, **headers}


def redirected(request: Request, answer: Answer) -> Request:
    """The request to where an answer leads: elsewhere without credentials, never to a weaker place or to ourselves."""
    url = urljoin(request.url, answer.headers.get("location", ""))
    before, after = urlsplit(request.url), urlsplit(url)
    is_same = (before.scheme, before.netloc) == (after.scheme, after.netloc)
    is_weaker = after.scheme != "https" and (after.scheme != "http" or before.scheme == "https")
    is_into_here = _is_local(after.hostname) and not _is_local(before.hostname)
    is_lost = request.body is not None and answer.status not in KEPT_BODY
    if is_weaker or is_into_here or is_lost or "@" in after.netloc or not after.netloc:
        raise TransferFailed("it sends on to where a file must not go", answer.status)
    if is_same:
        return replace(request, url=url)
    return replace(request, url=url, headers={k: v for k, v in request.headers.items() if k.lower() in HARMLESS})


def _is_local(host: Optional[str]) -> bool:
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        return (host or "").lower() == "localhost"
    return address.is_loopback or address.is_link_local or address.is_unspecified


class _Incoming:
    """A file as it comes in: written, counted and hashed block by block."""

    def __init__(self, streams: Streams, stream: IO[bytes], wanted: Wanted) -> None:
        self.errand = streams.errand
        self._stream = stream
        self.wanted = wanted
        self._best = strongest(wanted.checksums)
        self._sums: Optional[SumsAside] = None
        self._start_over()

    def close(self) -> None:
        """Ends what makes checksums."""
        if self._sums is not None:
            self._sums.close()

    def _start_over(self) -> None:
        self.close()
        self._sums = SumsAside([self._best]) if self._best else None
        self.received = 0
        self._stream.seek(0)
        self._stream.truncate()

    def take(self, block: bytes) -> None:
        """Takes the next bytes."""
        self.errand.check()
        self.received += len(block)
        self.errand.moved += len(block)
        if self.received > self.wanted.limit():
            raise TransferFailed("it has more than %d bytes" % self.wanted.limit())
        if self._sums is not None:
            self._sums.update(block)
        try:
            self._stream.write(block)
        except OSError as error:
            raise DiskFault(trouble(error)) from error

    def finish(self) -> None:
        """Compares the whole; raises TransferFailed when it is another file."""
        try:
            self._stream.flush()
        except OSError as error:
            raise DiskFault(trouble(error)) from error
        if self.wanted.size is not None and self.received != self.wanted.size:
            raise TransferFailed("it has %d bytes, not %d" % (self.received, self.wanted.size))
        if self._sums is not None and self._best is not None:
            expected = str(self.wanted.checksums[self._best]).lower()
            if self._sums.values()[self._best] != expected:
                raise TransferFailed("its %s is another" % self._best)


class _Copy(_Incoming):
    """A file of a mounted directory."""

    def __init__(self, streams: Streams, source: Path, stream: IO[bytes], wanted: Wanted) -> None:
        super().__init__(streams, stream, wanted)
        self._source = source

    def run(self) -> None:
        """Copies it; never what a link leads to, or what is no file."""
        try:
            descriptor = os.open(str(self._source), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as source:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise TransferFailed("it is no file")
                for block in iter(lambda: source.read(BLOCK), b""):
                    self.take(block)
        except OSError as error:
            raise TransferFailed(trouble(error)) from error
        self.finish()


class _Fetch(_Incoming):
    """A download, however often it breaks."""

    def __init__(self, streams: Streams, request: Request, stream: IO[bytes], wanted: Wanted) -> None:
        super().__init__(streams, stream, wanted)
        self._streams = streams
        self._request = request
        self._patience = streams.patience
        self._window_at, self._window_bytes = time.monotonic(), 0

    def run(self) -> None:
        """Asks again as long as more of it comes."""
        most, pause_s, give_up = 0, 0.5, time.monotonic() + self._patience.no_progress_s
        while True:
            try:
                self._once()
                break
            except (OSError, http.client.HTTPException) as error:
                said = trouble(error)
            except ValueError as error:
                raise TransferFailed("its answer makes no sense") from error
            self.errand.check()
            if self.received > most:
                most, pause_s, give_up = self.received, 0.5, time.monotonic() + self._patience.no_progress_s
            wait_s = pause_s * random.uniform(0.8, 1.2)
            if time.monotonic() + wait_s > give_up:
                raise TransferFailed("%s after %d bytes" % (said, self.received))
            self.errand.pause(wait_s)
            pause_s = min(2 * pause_s, BACKOFF_MAX_S)
        self.finish()

    def _once(self) -> None:
        headers = dict(self._request.headers)
        if self.received:
            headers["Range"] = "bytes=%d-" % self.received
        request = replace(self._request, headers=headers, timeout_s=self._patience.silence_s, sink=self._receive)
        answer = self._streams.send(request)
        if answer.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and self.received:
            self._start_over()
            raise ConnectionError("it does not go on")
        if answer.status in RETRIED_STATUSES:
            raise ConnectionError(told(answer.status))
        if answer.status >= 300:
            raise TransferFailed(told(answer.status), answer.status)

    def _receive(self, response: http.client.HTTPResponse) -> None:
        start = _start_of(response)
        if start != self.received:
            if start:
                raise TransferFailed("it answers with other bytes than it was asked for")
            self._start_over()
        left = response.length
        whole = None if left is None else self.received + left
        if whole is not None and self.wanted.size is not None and whole != self.wanted.size:
            raise TransferFailed("it has %d bytes, not %d" % (whole, self.wanted.size))
        while left is None or left > 0:
            try:
                block = response.read1(BLOCK if left is None else min(BLOCK, left))
            except ConnectionError as error:
                # Of another class than what a kept connection ends in that was stale: this one is not to be repeated.
                raise http.client.IncompleteRead(b"", left) from error
            if not block:
                break
            left = None if left is None else left - len(block)
            self.take(block)
            self._keep_pace(len(block))
        if left:
            raise http.client.IncompleteRead(b"", left)
        # Not every Python counts what `read1` has read, and only a response that has been read lets the next begin.
        response.length = left
        response.read()

    def _keep_pace(self, count: int) -> None:
        self._window_bytes += count
        now = time.monotonic()
        if now - self._window_at < self._patience.window_s:
            return
        if self._window_bytes < self._patience.window_bytes:
            raise TransferFailed("it gives no more than %d bytes in %d s" % (self._window_bytes, now - self._window_at))
        self._window_at, self._window_bytes = now, 0


def _start_of(response: http.client.HTTPResponse) -> int:
    if response.status != HTTPStatus.PARTIAL_CONTENT:
        return 0
    found = _RANGE.fullmatch(response.headers.get("content-range", "").strip())
    if found is None:
        raise TransferFailed("it does not say which bytes it answers with")
    return int(found.group(1))


def _new_file(path: Path) -> IO[bytes]:
    """Makes a file that was not there; raises DiskFault."""
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.fdopen(os.open(str(path), flags, 0o600), "wb")
    except OSError as error:
        raise DiskFault(trouble(error)) from error


def told(status: int) -> str:
    """What a status means, in our words."""
    try:
        return "HTTP %d %s" % (status, HTTPStatus(status).phrase)
    except ValueError:
        return "HTTP %d" % status


def trouble(error: Exception) -> str:
    """What went wrong, in no words of whoever answered."""
    if isinstance(error, ConnectionError) and error.errno is None and type(error) is ConnectionError:
        return str(error)
    if isinstance(error, (socket.timeout, TimeoutError)):
        return "no answer in time"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return type(error).__name__


def is_final(status: Optional[int]) -> bool:
    """Whether a storage that answers so would answer the same again."""
    passing = (*RETRIED_STATUSES, HTTPStatus.LOCKED)
    return status is not None and 400 <= status < 500 and status not in passing
