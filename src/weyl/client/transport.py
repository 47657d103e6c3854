"""The only module that knows an HTTP library, loaded at the first send: drives exchanges, turns JSON into types."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar, cast

import httpx2
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from weyl.client.errors import UnexpectedAnswer, UsageFault
from weyl.client.exchange import ConnectionFault, Exchange, Incoming, Outgoing, Received, Send, Sleep
from weyl.client.streams import begin

R = TypeVar("R")

CONNECT_TIMEOUT_S = 10.0
COMPLAINT_MAX = 4096
UNTYPED = (Any, list[Any], dict[str, Any], list[dict[str, Any]])

# Told of every request, for --debug: what was sent, what came of it, after how many seconds.
Observe = Callable[[Send, Received | ConnectionFault, float], None]


@dataclass(frozen=True, slots=True)
class Options:
    """How requests travel."""

    timeout_s: float
    ca_path: str | None = None
    observe: Observe | None = None
    # Stands in for the network: an application of the same process.
    transport: Any = None


@dataclass(frozen=True, slots=True)
class _End:
    value: Any


def user_agent() -> str:
    """Return how this client introduces itself."""
    try:
        return f"weyl/{version('weyl')}"
    except PackageNotFoundError:
        return "weyl"


def sync_http(options: Options) -> httpx2.Client:
    """Return the library's client for `options`."""
    return httpx2.Client(**_arguments(options))


def async_http(options: Options) -> httpx2.AsyncClient:
    """Return the library's asynchronous client for `options`."""
    return httpx2.AsyncClient(**_arguments(options))


def drive(exchange: Exchange[R], http: httpx2.Client, options: Options) -> R:
    """Carry out an exchange, waiting on the way."""
    outcome: Received | ConnectionFault | None = None
    try:
        while not isinstance(action := _advance(exchange, outcome), _End):
            if isinstance(action, Sleep):
                time.sleep(action.seconds)
                outcome = None
            else:
                outcome = _send(action, http, options)
        return cast(R, action.value)
    finally:
        # Releases the lock that the exchange may hold when we are interrupted.
        exchange.close()


async def drive_async(exchange: Exchange[R], http: httpx2.AsyncClient, options: Options) -> R:
    """Carry out an exchange without blocking the event loop."""
    outcome: Received | ConnectionFault | None = None
    try:
        while not isinstance(action := _advance(exchange, outcome), _End):
            if isinstance(action, Sleep):
                await asyncio.sleep(action.seconds)
                outcome = None
            else:
                outcome = await _send_async(action, http, options)
        return cast(R, action.value)
    finally:
        exchange.close()


def decode(returns: Any, content: bytes) -> Any:
    """Turn the bytes of an answer into what its call says that it returns."""
    if returns is None:
        return None
    if returns is bytes:
        return content
    if returns is str:
        return content.decode(errors="replace")
    try:
        if returns in UNTYPED:
            return from_json(content)
        return TypeAdapter(returns).validate_json(content)
    except (ValidationError, ValueError) as error:
        raise UnexpectedAnswer(f"The server's answer is not what this version of weyl expects: {error}") from error


def _advance(exchange: Exchange[Any], outcome: Received | ConnectionFault | None) -> Send | Sleep | _End:
    try:
        if isinstance(outcome, ConnectionFault):
            return exchange.throw(outcome)
        return exchange.send(outcome)
    except StopIteration as end:
        return _End(end.value)


def _send(send: Send, http: httpx2.Client, options: Options) -> Received | ConnectionFault:
    started = time.monotonic()
    outcome: Received | ConnectionFault
    try:
        with _request_arguments(send) as arguments, http.stream(**arguments) as response:
            if send.sink is not None and response.is_success:
                with _taking(send.sink, response) as take:
                    for chunk in response.iter_bytes():
                        take(chunk)
                outcome = _received(response, b"")
            else:
                outcome = _received(response, _complaint(response) if _is_of_file(send) else response.read())
    except httpx2.RequestError as error:
        outcome = _fault(error)
    except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
        raise UsageFault(f"Not a usable address: {send.url}: {error}", hint="Correct WEYL_URL.") from error
    if options.observe is not None:
        options.observe(send, outcome, time.monotonic() - started)
    return outcome


async def _send_async(send: Send, http: httpx2.AsyncClient, options: Options) -> Received | ConnectionFault:
    started = time.monotonic()
    outcome: Received | ConnectionFault
    try:
        with _request_arguments(send) as arguments:
            if send.piece is not None:
                arguments["content"] = _chunks(send.piece)
            async with http.stream(**arguments) as response:
                if send.sink is not None and response.is_success:
                    with _taking(send.sink, response) as take:
                        async for chunk in response.aiter_bytes():
                            take(chunk)
                    outcome = _received(response, b"")
                else:
                    is_of_file = _is_of_file(send)
                    outcome = _received(response, await (_complaint_async if is_of_file else _whole)(response))
    except httpx2.RequestError as error:
        outcome = _fault(error)
    except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
        raise UsageFault(f"Not a usable address: {send.url}: {error}", hint="Correct WEYL_URL.") from error
    if options.observe is not None:
        options.observe(send, outcome, time.monotonic() - started)
    return outcome


@contextmanager
def _request_arguments(send: Send) -> Iterator[dict[str, Any]]:
    headers = dict(send.headers)
    arguments: dict[str, Any] = {"method": send.method, "url": send.url, "headers": headers}
    if send.query:
        arguments["params"] = _query(send.query)
    if send.body is not None:
        is_ready = isinstance(send.body, bytes)
        arguments["content"] = send.body if is_ready else to_json(send.body, by_alias=True, exclude_none=True)
        headers.setdefault("Content-Type", "application/json")
    if send.piece is not None:
        arguments["content"] = send.piece.chunks()
    if send.form is not None:
        arguments["data"] = dict(send.form)
    if send.file is None:
        yield arguments
        return
    with send.file.open("rb") as file:
        yield {**arguments, "files": {"file": (send.file.name, file, "application/octet-stream")}}


def _query(query: Any) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for key, value in query.items():
        values = value if isinstance(value, (list, tuple)) else [value]
        pairs += [(key, str(item).lower() if isinstance(item, bool) else str(item)) for item in values]
    return pairs


def _is_of_file(send: Send) -> bool:
    """Tell whether bytes of a file travel: what storage says beside them is nobody's to keep."""
    return send.piece is not None or (send.sink is not None and not isinstance(send.sink, Path))


def _complaint(response: httpx2.Response) -> bytes:
    """Return the beginning of what storage complains of: it may go on for ever."""
    return next(response.iter_bytes(COMPLAINT_MAX), b"")


async def _complaint_async(response: httpx2.Response) -> bytes:
    return await anext(response.aiter_bytes(COMPLAINT_MAX), b"")


async def _whole(response: httpx2.Response) -> bytes:
    return await response.aread()


async def _chunks(piece: Outgoing) -> AsyncIterator[bytes]:
    for chunk in piece.chunks():
        yield chunk


@contextmanager
def _taking(sink: Path | Incoming, response: httpx2.Response) -> Iterator[Callable[[bytes], object]]:
    """Return what takes the bytes of a successful answer."""
    if isinstance(sink, Path):
        with _replacing(sink) as file:
            yield file.write
        return
    begin(sink, _received(response, b""))
    yield sink.write


@contextmanager
def _replacing(path: Path) -> Iterator[Any]:
    """Open a file that takes the place of `path` only when it is complete."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _received(response: httpx2.Response, content: bytes) -> Received:
    return Received(response.status_code, {key.lower(): value for key, value in response.headers.items()}, content)


def _fault(error: httpx2.RequestError) -> ConnectionFault:
    was_sent = not isinstance(error, (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout))
    if isinstance(error, httpx2.TimeoutException):
        return ConnectionFault("no answer in time", was_sent=was_sent)
    return ConnectionFault(str(error) or type(error).__name__, was_sent=was_sent)


def _arguments(options: Options) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "headers": {"User-Agent": user_agent()},
        "timeout": httpx2.Timeout(options.timeout_s, connect=min(CONNECT_TIMEOUT_S, options.timeout_s)),
        "follow_redirects": False,
    }
    if options.transport is not None:
        arguments["transport"] = options.transport
    if options.ca_path:
        try:
            arguments["verify"] = ssl.create_default_context(cafile=options.ca_path)
        except (OSError, ssl.SSLError) as error:
            raise UsageFault(
                f"Cannot use the certificates in {options.ca_path}: {error}", hint="Correct or unset WEYL_CA_PATH."
            ) from error
    return arguments
