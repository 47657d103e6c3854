"""HTTP to a storage element: bounded in time and size, and faults in words that hold no secret."""

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

import aiohttp
from yarl import URL

from weyl.storage.drivers.driver import CHUNK_BYTES, StorageContext
from weyl.storage.drivers.redirects import REDIRECTS_MAX, Ask, Misled, is_redirect, led_to
from weyl.storage.errors import AlreadyThere, Corrupt, NoSpace, NotAllowed, NotThere, StorageError, Unreachable

T = TypeVar("T")
R = TypeVar("R")

ANSWER_BYTES_MAX = 32 * 1024 * 1024
ANSWER_S = 60.0
CHECKSUM_S = 300.0
"""Longest wait for an answer that may take a storage to read a whole file."""
REPLAYED_BYTES_MAX = 1024 * 1024
"""What is written is kept in memory up to this, so that it can be sent once more to where a door sends on to.

To ask first, with `Expect: 100-continue`, does not work everywhere: XRootD says with its 100 that it closes.
"""
STREAM_S = 300.0
SLOWEST_BYTES_PER_S = 100_000
"""A stream that brings less than this, on average after the first minutes, is given up."""
SIDE_BY_SIDE = 8
TIMEOUT = aiohttp.ClientTimeout(total=None, connect=15, sock_read=60)


def open_session() -> aiohttp.ClientSession:
    """Return the connections of a process to all storage elements."""
    return aiohttp.ClientSession(
        timeout=TIMEOUT,
        cookie_jar=aiohttp.DummyCookieJar(),
        connector=aiohttp.TCPConnector(limit=256, limit_per_host=64),
        auto_decompress=False,
        trust_env=False,
        max_line_size=8190,
        max_field_size=8190,
        skip_auto_headers=("User-Agent", "Content-Type"),
        # What is stored is bytes: nobody is to pack them on the way.
        headers={"Accept-Encoding": "identity"},
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """What a storage answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


class Door:
    """The way to one door of a storage element."""

    def __init__(
        self, session: aiohttp.ClientSession, name: str, *, url: str, ca: str | None = None, follows: bool = False
    ) -> None:
        self.name = name
        self.url = url
        self._follows = follows
        self._session = session
        self._tls = _tls_of(ca, name)

    @classmethod
    def of(cls, context: StorageContext, *, follows: bool = False) -> "Door":
        """Return the way to the door that a driver is made for; it `follows` where that sends on to, or refuses."""
        endpoint = context.endpoint
        name = f"{context.element} ({endpoint.name})"
        return cls(context.session, name, url=str(endpoint.url), ca=endpoint.ca, follows=follows)

    async def ask(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        *,
        body: bytes | AsyncIterator[bytes] | None = None,
        seconds: float | None = None,
    ) -> Answer:
        """Send a request and read its answer; raises `Unreachable`, or `Corrupt` if that is too large."""
        async with self.stream(method, url, headers, body=body, seconds=seconds) as response:
            content = bytearray()
            async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                content += chunk
                if len(content) > ANSWER_BYTES_MAX:
                    raise Corrupt(f"{self.name} answers {method} with more than {ANSWER_BYTES_MAX} bytes")
            return Answer(response.status, response.headers, bytes(content))

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        *,
        body: bytes | AsyncIterator[bytes] | None = None,
        seconds: float | None = None,
        is_long: bool = False,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request and yield its answer; a fault on the way, or time that is over, raises `Unreachable`.

        The time is for the whole answer, or, of a long one, for its beginning. Where the door sends on to is followed
        as long as the body can be sent again.
        """
        ask, is_stream = Ask(method, url, headers), isinstance(body, AsyncIterator)
        try:
            async with asyncio.timeout(seconds or ANSWER_S) as limit, AsyncExitStack() as stack:
                for _ in range(REDIRECTS_MAX + 1):
                    response = await stack.enter_async_context(
                        self._session.request(
                            method, ask.url, headers=ask.headers, data=body, allow_redirects=False, ssl=self._tls
                        )
                    )
                    if not self._follows or is_stream or not is_redirect(method, response.status):
                        break
                    ask = self._led(ask, response)
                    response.close()
                else:
                    raise NotAllowed(f"{self.name} sends {method} from one address to the next")
                if is_long:
                    limit.reschedule(None)
                yield response
        except TimeoutError as error:
            raise Unreachable(f"{self.name} did not answer {method} in time") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unreachable(f"{self.name} did not answer {method}: {_fault(error)}") from error

    def _led(self, ask: Ask, response: aiohttp.ClientResponse) -> Ask:
        try:
            return led_to(ask, response.headers.get("Location", ""))
        except Misled as error:
            told = f"{self.name} answered {response.status} to {ask.method}"
            raise NotAllowed(f"{told}: it sends on {error}, which is not followed") from error

    def refusal(self, method: str, status: int, code: str = "") -> StorageError:
        """Return what an answer stands for that is none of those that a driver expects."""
        told = f"{self.name} answered {status} {_phrase(status)} to {method}{f' ({code})' if code else ''}"
        match status:
            case 401 | 403:
                return NotAllowed(told)
            case 404 | 410:
                return NotThere(told)
            case 409 | 412:
                return AlreadyThere(told)
            case 413 | 507:
                return NoSpace(told)
            case 408 | 425 | 429:
                return Unreachable(told)
        if 300 <= status < 400:
            return NotAllowed(f"{told}: it sends on to another address, which is not followed")
        return Unreachable(told) if status >= 500 else StorageError(told)

    @asynccontextmanager
    async def download(
        self, url: URL, headers: Mapping[str, str], *, offset: int, code: Callable[[bytes], str] | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a file for reading from `offset` on; raises what the answer stands for."""
        ranged = {**headers, "Range": f"bytes={offset}-"} if offset else dict(headers)
        async with self.stream("GET", url, ranged, is_long=True) as response:
            if response.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                yield _nothing()
                return
            if response.status not in (200, 206):
                beginning = await response.content.read(65_536) if code is not None else b""
                raise self.refusal("GET", response.status, code(beginning) if code is not None else "")
            if response.status == 206 and not response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
                raise Corrupt(f"{self.name} answers another part of the file than was asked for")
            skipped = offset if response.status == 200 else 0
            yield self._pieces(response, skipped)

    async def _pieces(self, response: aiohttp.ClientResponse, skipped: int) -> AsyncIterator[bytes]:
        """Yield the bytes of an answer, as long as they come fast enough; those before the offset are dropped."""
        loop = asyncio.get_running_loop()
        began, seen = loop.time(), 0
        async for chunk in response.content.iter_chunked(CHUNK_BYTES):
            seen += len(chunk)
            if loop.time() - began > STREAM_S + seen / SLOWEST_BYTES_PER_S:
                raise Unreachable(f"{self.name} sends less than {SLOWEST_BYTES_PER_S} bytes in a second")
            dropped = min(skipped, len(chunk))
            skipped -= dropped
            if len(chunk) > dropped:
                yield chunk[dropped:]


class Counted:
    """Chunks on their way out, whose last piece is held back until size and checksum are right.

    A storage that has not been sent all bytes keeps nothing, so that what is wrong is never there.
    """

    def __init__(self, chunks: AsyncIterator[bytes], *, size: int, sha256: str) -> None:
        self._chunks, self._size, self._sha256 = chunks, size, sha256
        self.fault: StorageError | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        digest, sent, held = hashlib.sha256(), 0, b""
        try:
            async for chunk in self._chunks:
                digest.update(chunk)
                sent += len(chunk)
                if sent > self._size:
                    break
                if held:
                    yield held
                held = chunk
        except StorageError as error:
            self.fault = error
            raise ConnectionError("not read to the end") from error
        if sent != self._size or digest.hexdigest() != self._sha256:
            self.fault = Corrupt("What was to be stored is not what was announced: size or checksum differ")
            raise ConnectionError("not sent to the end")
        if held:
            yield held

    async def body(self) -> bytes | AsyncIterator[bytes]:
        """Return what is to be sent: all of it where that is little, which can be sent more than once."""
        if self._size > REPLAYED_BYTES_MAX:
            return aiter(self)
        try:
            return b"".join([chunk async for chunk in self])
        except ConnectionError as error:
            raise self.fault or Unreachable("What was to be stored cannot be read to its end") from error


async def side_by_side(work: Callable[[T], Awaitable[R]], items: Sequence[T]) -> list[R]:
    """Do something for each item, some at a time; returns in order what each gave. The first error ends it."""
    done: dict[int, R] = {}
    waiting = iter(enumerate(items))

    async def one_after_another() -> None:
        for place, item in waiting:
            done[place] = await work(item)

    # Not a task for each item: a request that is made without asking anybody takes less than that.
    tasks = [asyncio.ensure_future(one_after_another()) for _ in items[:SIDE_BY_SIDE]]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
    return [done[place] for place in range(len(items))]


def upload_seconds(size: int) -> float:
    """Return how long sending a file may take."""
    return STREAM_S + size / SLOWEST_BYTES_PER_S


async def _nothing() -> AsyncIterator[bytes]:
    for chunk in list[bytes]():
        yield chunk


def _fault(error: Exception) -> str:
    """Return the kind of a fault; what libraries say of it may hold the URL, and that a signature."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error.strerror or type(error.os_error).__name__
    return type(error).__name__


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _tls_of(ca: str | None, name: str) -> ssl.SSLContext | bool:
    if ca is None:
        return True
    place = Path(ca)
    try:
        context = ssl.create_default_context(
            cafile=None if place.is_dir() else str(place), capath=str(place) if place.is_dir() else None
        )
    except OSError as error:  # ssl.SSLError is one
        raise NotAllowed(f"{name}: the certificate authorities in {ca} cannot be read: {error.strerror}") from error
    # Many an authority of the grid has a certificate from before the extensions that Python 3.13 demands; chain, dates
    # and host name are checked all the same.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
