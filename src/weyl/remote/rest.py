"""HTTP to a system outside: bounded in time and size, and every fault is a sentence for its administrator."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx2

from weyl.kit import json
from weyl.remote.errors import RemoteError

T = TypeVar("T")

CONNECT_TIMEOUT_S = 15.0
ANSWER_BYTES_MAX = 64 * 1024 * 1024
CONNECTIONS_MAX = 8
SHOWN_CHARACTERS = 300
TAIL_BYTES = 1024 * 1024
"""What is kept of a file: its end."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Where a system listens, how it is trusted, and how we prove who we are."""

    url: str
    timeout_s: float
    """How long one operation may take, however many requests it is made of."""
    ca: Path | None = None
    """A file, or a directory with hashed names, of certificate authorities; None: those of this machine."""
    token: str | None = field(default=None, repr=False)
    certificate: Path | None = None
    """A PEM file with a certificate, its key, and its chain: also what a proxy is."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a system answered."""

    status: int
    reason: str
    content: bytes

    @property
    def is_good(self) -> bool:
        """Whether the request was fulfilled."""
        return 200 <= self.status < 300

    @property
    def words(self) -> str:
        """What is said of it in a message: status, reason, the beginning of the text."""
        text = " ".join(self.content[: 4 * SHOWN_CHARACTERS].decode(errors="replace").split())
        return f"{self.status} {self.reason} {text}".strip()[:SHOWN_CHARACTERS]


class Rest:
    """An open connection to a system, for one operation."""

    def __init__(self, client: httpx2.AsyncClient, url: str) -> None:
        self._client = client
        self._url = url.rstrip("/")

    def below(self, path: str) -> "Rest":
        """Return the same connection for what is below a path."""
        return Rest(self._client, f"{self._url}/{path}")

    async def ask(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request and read its answer; raises `RemoteError` if there is none, or no end of it."""
        chunks, size = [], 0
        async with self._stream(method, path, content=content, headers=headers, params=params) as response:
            async for chunk in response.aiter_bytes():
                size += len(chunk)
                if size > ANSWER_BYTES_MAX:
                    raise RemoteError(f"{self._url} answers with more than {ANSWER_BYTES_MAX} bytes")
                chunks.append(chunk)
        return Answer(response.status_code, response.reason_phrase, b"".join(chunks))

    async def ask_json(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> tuple[Answer, Any]:
        """Send and receive JSON; the document is None if the answer is a refusal or empty."""
        content = None if body is None else json.dumps(body)
        headers = {"Accept": JSON, "Content-Type": JSON, **(headers or {})}
        answer = await self.ask(method, path, content=content, headers=headers, params=params)
        return answer, self.document(answer)

    def document(self, answer: Answer) -> Any:
        """Return the JSON of an answer; None if it is a refusal or empty."""
        if not answer.is_good or not answer.content.strip():
            return None
        try:
            return json.loads(answer.content)
        except ValueError as error:
            raise RemoteError(f"{self._url} answers no JSON but: {answer.words}") from error

    async def tail(self, path: str) -> bytes | None:
        """Return the end of a file; None if there is no such file."""
        kept = b""
        async with self._stream("GET", path) as response:
            if response.status_code == 404:
                return None
            if response.status_code >= 300:
                raise RemoteError(f"{self._url} answers {response.status_code} {response.reason_phrase}")
            async for chunk in response.aiter_bytes():
                kept = (kept + chunk)[-TAIL_BYTES:]
        return kept

    @asynccontextmanager
    async def _stream(self, method: str, path: str, **request: Any) -> AsyncIterator[httpx2.Response]:
        try:
            url = f"{self._url}/{path}" if path else self._url
            async with self._client.stream(method, url, **request) as response:
                yield response
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise RemoteError(f"{self._url} does not answer: {str(error) or type(error).__name__}") from error


JSON = "application/json"


@asynccontextmanager
async def connected(peer: Peer) -> AsyncIterator[Rest]:
    """Open connections for one operation, and end it with `RemoteError` when its time is over."""
    if peer.token is not None and not (peer.token.isascii() and peer.token.isprintable()):
        raise RemoteError(f"What is configured as the token for {peer.url} is no token")
    headers = {"Authorization": f"Bearer {peer.token}"} if peer.token else {}
    context = await asyncio.to_thread(_tls, peer)
    try:
        async with (
            asyncio.timeout(peer.timeout_s),
            httpx2.AsyncClient(
                headers=headers,
                verify=context,
                # Before the time of the operation is over: a handshake that is cancelled leaves its socket open.
                timeout=httpx2.Timeout(peer.timeout_s, connect=min(CONNECT_TIMEOUT_S, peer.timeout_s / 2)),
                limits=httpx2.Limits(max_connections=CONNECTIONS_MAX),
            ) as client,
        ):
            yield Rest(client, peer.url)
    except TimeoutError as error:
        raise RemoteError(f"{peer.url} was given up: it took more than {peer.timeout_s:g} s") from error


async def one_by_one(work: Callable[[T], Coroutine[Any, Any, str | None]], items: Iterable[T]) -> list[str | None]:
    """Do something for each item, some at a time; returns in order what each gave, or the sentence of its fault."""
    gate = asyncio.Semaphore(CONNECTIONS_MAX)

    async def guarded(item: T) -> str | None:
        async with gate:
            try:
                return await work(item)
            except RemoteError as error:
                return str(error)

    async with asyncio.TaskGroup() as group:
        running = [group.create_task(guarded(item)) for item in items]
    return [task.result() for task in running]


def _tls(peer: Peer) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(
            cafile=str(peer.ca) if peer.ca is not None and not peer.ca.is_dir() else None,
            capath=str(peer.ca) if peer.ca is not None and peer.ca.is_dir() else None,
        )
        if peer.ca is not None:
            # Many an authority of the grid has a certificate from before the extensions that Python 3.13 demands;
            # chain, dates and host name are checked all the same.
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if peer.certificate is not None:
            context.load_cert_chain(peer.certificate)
    except OSError as error:  # ssl.SSLError is one
        raise RemoteError(f"No TLS to {peer.url}: {error} (CA {peer.ca}, certificate {peer.certificate})") from error
    return context
