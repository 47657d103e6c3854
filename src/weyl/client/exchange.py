"""What happens around one call, without I/O: fresh token, retries, the meaning of answers; drives both clients.

A generator yields `Send` and `Sleep` and is sent back what came of it; a `ConnectionFault` is thrown into it.
"""

import json
import os
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from weyl.client.credentials import REFRESH_BELOW_S, TokenLock, TokenSet, TokenStore, claims_of
from weyl.client.errors import (
    ClientError,
    Forbidden,
    NotFound,
    NotLoggedIn,
    Refused,
    UnexpectedAnswer,
    Unreachable,
)
from weyl.kit.call import Call
from weyl.kit.oauth import CLIENT_ID, GRANT_REFRESH

ATTEMPTS_MAX = 5
RETRIED_STATUSES = frozenset({429, 502, 503, 504})
# S3 answers 500 when it is busy with itself, and asks to be asked again.
STORE_RETRIED_STATUSES = RETRIED_STATUSES | {500}
RETRY_AFTER_MAX_S = 60.0
LOCK_POLL_S = 0.05
NO_ROUTE = (
    "Check WEYL_URL, the address of the installation without any path, and that client and server fit: weyl doctor"
)


class Outgoing(Protocol):
    """Bytes of a file that are the body of a request."""

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes, from their beginning each time."""


class Incoming(Protocol):
    """What takes the bytes of an answer."""

    def begin(self, offset: int) -> None:
        """Note where in the file the bytes begin that come now."""

    def write(self, chunk: bytes) -> None:
        """Take the next bytes; what is raised ends the transfer."""


@dataclass(frozen=True, slots=True)
class Send:
    """One HTTP request: `body` travels as JSON, bytes as they are, `file` last in a form; a success goes to `sink`."""

    method: str
    url: str
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    form: Mapping[str, str] | None = None
    file: Path | None = None
    piece: Outgoing | None = None
    sink: Path | Incoming | None = None


@dataclass(frozen=True, slots=True)
class Sleep:
    """A pause before going on."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Received:
    """An answer; the names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class ConnectionFault(Exception):
    """Thrown in by the driver: no answer. `was_sent` is false if the request cannot have reached the server."""

    def __init__(self, message: str, *, was_sent: bool) -> None:
        super().__init__(message)
        self.was_sent = was_sent


R = TypeVar("R")
Exchange = Generator[Send | Sleep, Received | None, R]


@dataclass(frozen=True, slots=True)
class Setting:
    """What all exchanges of a client share; time and chance come in as functions."""

    url: str
    store: TokenStore
    now: Callable[[], float]
    chance: Callable[[], float]


def call_exchange(call: Call[Any], setting: Setting) -> Exchange[Received]:
    """Send a call with a fresh token and return its answer, or raise what it means."""
    headers = dict(call.headers)
    vo = None
    if not call.anonymous:
        tokens = yield from fresh_tokens(setting)
        headers["Authorization"] = f"Bearer {tokens.access_token}"
        vo = claims_of(tokens.access_token).get("vo")
    query = {key: value for key, value in call.query.items() if value is not None}
    request = Send(call.method, setting.url + call.path, query, headers, call.body, call.form)
    received = yield from attempts(request, repeatable=call.may_repeat(), chance=setting.chance)
    is_unchanged = received.status == 304
    is_beyond_end = received.status == 416 and call.unit is not None
    if received.status < 300 or is_unchanged or is_beyond_end:
        return received
    raise error_of(received, vo=vo)


def attempts(
    request: Send,
    *,
    repeatable: bool,
    chance: Callable[[], float],
    retried: frozenset[int] = RETRIED_STATUSES,
) -> Exchange[Received]:
    """Send until there is a lasting answer; what may not be repeated is sent again only if it cannot have arrived."""
    for attempt in range(ATTEMPTS_MAX):
        is_last = attempt == ATTEMPTS_MAX - 1
        delay_s = (0.2 * 2**attempt) * (0.75 + 0.5 * chance())
        try:
            received = yield request
            assert received is not None
        except ConnectionFault as fault:
            if is_last or (fault.was_sent and not repeatable):
                host = request.url.split("/")[2]
                raise Unreachable(f"Cannot reach {host}: {fault}.") from fault
        else:
            # 429 and 503 are given before anything was done; after 502 and 504 nobody knows.
            may_retry = repeatable or received.status in (429, 503)
            if received.status not in retried or is_last or not may_retry:
                return received
            delay_s = retry_after_s(received.headers.get("retry-after"), delay_s)
        yield Sleep(delay_s)
    raise AssertionError("the last attempt returns or raises")


def retry_after_s(header: str | None, otherwise_s: float) -> float:
    """Read Retry-After in seconds, bounded; the date form is not used by our server."""
    if header is None or not header.strip().isdigit():
        return otherwise_s
    return min(float(header), RETRY_AFTER_MAX_S)


def fresh_tokens(setting: Setting) -> Exchange[TokenSet]:
    """Return tokens with enough life left, refreshing them under the store's lock if need be."""
    tokens = setting.store.load()
    if tokens is None:
        raise NotLoggedIn("You are not logged in.")
    if tokens.seconds_left(setting.now()) >= REFRESH_BELOW_S:
        return tokens
    if not tokens.refresh_token:
        return tokens
    try:
        lock = setting.store.try_lock()
        while lock is None:
            yield Sleep(LOCK_POLL_S)
            lock = setting.store.try_lock()
    except FileNotFoundError as error:
        raise NotLoggedIn("You are not logged in.") from error
    try:
        return (yield from _refresh_locked(lock, setting))
    finally:
        lock.release()


def _refresh_locked(lock: TokenLock, setting: Setting) -> Exchange[TokenSet]:
    tokens = lock.load()
    if tokens is None:
        raise NotLoggedIn("You are not logged in.")
    if tokens.seconds_left(setting.now()) >= REFRESH_BELOW_S or not tokens.refresh_token:
        return tokens
    key = tokens.refresh_key or os.urandom(16).hex()
    if tokens.refresh_key is None:
        # A refresh token used twice ends the login, but with the key that came first. It is kept before anything is
        # sent, so that after a lost answer this program, the next one or one beside it repeats the same refresh.
        lock.save(replace(tokens, refresh_key=key))
    form = {"grant_type": GRANT_REFRESH, "refresh_token": tokens.refresh_token, "client_id": CLIENT_ID}
    headers = {"Idempotency-Key": key}
    request = Send("POST", setting.url + "/api/auth/token", headers=headers, form=form)
    has_expired = tokens.seconds_left(setting.now()) <= 0
    try:
        # While the access token is good the next call repeats it.
        received = yield from attempts(request, repeatable=has_expired, chance=setting.chance)
    except Unreachable:
        if tokens.seconds_left(setting.now()) > 0:
            return tokens
        raise
    if received.status >= 500 or received.status == 429:
        if tokens.seconds_left(setting.now()) > 0:
            return tokens
        raise error_of(received)
    if received.status != 200:
        vo = claims_of(tokens.access_token).get("vo")
        raise NotLoggedIn(f"Your login has ended: {detail_text(received)}", hint=login_hint(vo), status=received.status)
    renewed = TokenSet.from_answer(_json(received), setting.now())
    lock.save(renewed)
    return renewed


def login_hint(vo: str | None) -> str:
    """Return what to type to log in again."""
    return f"Log in with: weyl login {vo}" if vo else "Log in with: weyl login"


def upload_exchange(url: str, fields: Mapping[str, str], file: Path, setting: Setting) -> Exchange[Received]:
    """Post a file by a presigned form. It carries no token: the object store is not ours to trust with it."""
    request = Send("POST", url, form=fields, file=file)
    received = yield from attempts(request, repeatable=True, chance=setting.chance, retried=STORE_RETRIED_STATUSES)
    if received.status < 300:
        return received
    raise store_error(received)


def download_exchange(url: str, sink: Path, setting: Setting) -> Exchange[Received]:
    """Fetch a presigned URL into a file, without a token."""
    received = yield from attempts(
        Send("GET", url, sink=sink), repeatable=True, chance=setting.chance, retried=STORE_RETRIED_STATUSES
    )
    if received.status < 300:
        return received
    raise store_error(received)


def store_error(received: Received) -> ClientError:
    """Return what a refusal of the object store means."""
    word = received.content.decode(errors="replace")
    code = word.partition("<Code>")[2].partition("</Code>")[0] or f"HTTP {received.status}"
    if received.status == 404:
        return NotFound("The object store does not have this sandbox (any more).", status=404)
    if received.status >= 500:
        return Unreachable(f"The object store failed: {code}.", status=received.status)
    return Refused(
        f"The object store refused the transfer: {code}.", hint="Try again; the address it got is short-lived."
    )


def error_of(received: Received, *, vo: str | None = None) -> ClientError:
    """Return the error that an answer stands for."""
    status, detail = received.status, detail_text(received)
    request_id = received.headers.get("x-request-id")
    details = _details(_json(received))
    if status == 401:
        return NotLoggedIn(f"The server does not accept your login: {detail}", hint=login_hint(vo), status=status)
    kind, hint = {403: (Forbidden, None), 404: (NotFound, None)}.get(status, (Refused, None))
    if status == 404 and detail == "Not Found":
        # Of the server itself, which has no such route; rooms say what they have not found.
        detail, hint = "The server has nothing at this address.", NO_ROUTE
    elif status == 429:
        kind, hint = Unreachable, "The server is asking for fewer requests. Wait a little, then try again."
    elif status >= 500:
        kind, detail = Unreachable, f"The server failed ({status}): {detail}"
        hint = "Try again in a minute; if it stays, tell your administrators the request id."
    elif status < 400:
        return UnexpectedAnswer(f"Unexpected status {status} from the server.", request_id=request_id, status=status)
    return kind(detail, hint=hint, request_id=request_id, details=details, status=status)


def _details(document: dict[str, Any]) -> Any:
    """Return what an answer says beside its sentence, such as a list of problems; else what its `detail` is."""
    detail = document.get("detail")
    more = {key: value for key, value in document.items() if key != "detail"}
    return more if more and isinstance(detail, str) else detail


def detail_text(received: Received) -> str:
    """Return one line that says what the server said."""
    document = _json(received)
    detail = document.get("detail", document.get("error"))
    if isinstance(detail, str):
        return detail
    if isinstance(detail, list):
        return "; ".join(_malformed_text(item) for item in detail)
    if isinstance(detail, dict) and isinstance(detail.get("failed"), dict):
        parts = [f"{key}: {_reason(value)}" for key, value in list(detail["failed"].items())[:5]]
        more = len(detail["failed"]) - len(parts)
        return "; ".join(parts) + (f"; and {more} more" if more else "")
    if detail is not None:
        return json.dumps(detail)
    text = received.content[:200].decode(errors="replace").strip()
    return text.splitlines()[0] if text and not text.startswith("<") else f"HTTP status {received.status}"


def _malformed_text(item: Any) -> str:
    if not isinstance(item, dict):
        return str(item)
    place = ".".join(str(part) for part in item.get("loc", ()))
    return f"{place}: {item.get('msg', item)}"


def _reason(value: Any) -> str:
    return str(value.get("detail", value)) if isinstance(value, dict) else str(value)


def _json(received: Received) -> dict[str, Any]:
    try:
        document = json.loads(received.content)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
