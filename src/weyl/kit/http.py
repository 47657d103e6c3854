"""The edge: who calls, in which transaction, and how an answer is written."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache
from typing import Annotated, Any, Literal, Protocol, cast

from fastapi import Depends, Header, Query, Request, Response
from fastapi.security import OpenIdConnect

from weyl.kit import json
from weyl.kit.bounds import Text
from weyl.kit.clock import utcnow
from weyl.kit.csrf import MULTIPART, SAFE_METHODS, body_problem, origin_of, origin_problem
from weyl.kit.db import DATABASE, Database, Tx
from weyl.kit.errors import BadRequest, Forbidden, LoginRequired, Unauthorized
from weyl.kit.paging import CURSOR_LENGTH_MAX, Asked, Listed, Part, next_link, wanted_count
from weyl.kit.search import PER_PAGE_MAX
from weyl.kit.searching import SEARCHES, SearchDesk
from weyl.kit.services import Key

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class User:
    """Who a verified token speaks for: a person, a pilot, or the payload of one job."""

    kind: Literal["user", "pilot", "job"]
    subject: str
    vo: str
    preferred_username: str
    group: str
    properties: frozenset[str]
    token_id: str
    expires_at: int
    policies: Mapping[str, Any] = field(default_factory=dict)
    pilot_stamp: str | None = None
    job_id: int | None = None
    site: str | None = None
    ce: str | None = None
    queue: str | None = None

    def has(self, *names: str) -> bool:
        """Tell whether the user holds at least one of these properties."""
        return not self.properties.isdisjoint(names)


class Verifier(Protocol):
    """Turns the text of a bearer token into the user it speaks for, or raises `Unauthorized` or `Forbidden`."""

    def verify(self, token: str) -> User: ...


class BrowserSession(Protocol):
    """A browser that is logged in."""

    @property
    def user(self) -> User:
        """Who has logged in there; raises `Forbidden` if they may not be served any more."""


class Sessions(Protocol):
    """Knows which browsers are logged in, by the cookies that they send."""

    async def find(self, cookies: str) -> BrowserSession | None:
        """Return the living session that a Cookie header names."""

    def is_named_in(self, cookies: str) -> bool:
        """Tell whether a Cookie header names a session, living or not."""


VERIFIER: Key[Verifier] = Key("the verifier of tokens")
SESSIONS: Key[Sessions] = Key("the sessions of browsers")
PUBLIC_URL: Key[str] = Key("the public URL")

_bearer = OpenIdConnect(
    openIdConnectUrl="/.well-known/openid-configuration", auto_error=False, scheme_name="OpenIdConnect"
)


def bearer_token(header: str | None) -> str:
    """Return the token of an Authorization header; 401 without one, 400 if it is not a bearer's."""
    if not header:
        raise Unauthorized("Authorization header is missing")
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token or " " in token:
        raise BadRequest("Invalid authorization header")
    return token


def _by_token(request: Request, authorization: str | None) -> User:
    actor = request.scope["weyl.actor"] = VERIFIER.of(request).verify(bearer_token(authorization))
    return actor


async def by_cookie(request: Request) -> User | None:
    """Return the person whose browser sent a request without a token, if it is logged in.

    Refuses what a page of somebody else may have made the browser send.
    """
    cookies = request.headers.get("cookie")
    if cookies is None:
        return None
    sessions = SESSIONS.of(request)
    session = await sessions.find(cookies)
    if session is None:
        if sessions.is_named_in(cookies):
            raise LoginRequired
        return None
    if request.method not in SAFE_METHODS:
        refuse_forged(request)
    request.scope["weyl.session"] = session
    actor: User = session.user
    request.scope["weyl.actor"] = actor
    return actor


def refuse_forged(request: Request) -> None:
    """Refuse a change that the cookie speaks for unless a page of ours has sent it, in the form that pages of ours use.

    The types of a form's body are looked at where the route is known; the guard of large bodies asks before that.
    """
    headers, route = request.headers, request.scope.get("route")
    own_origin = origin_of(PUBLIC_URL.of(request))
    problem = origin_problem(
        request.method, site=headers.get("sec-fetch-site"), origin=headers.get("origin"), own_origin=own_origin
    )
    if problem is None:
        declared = getattr(getattr(getattr(route, "body_field", None), "field_info", None), "media_type", None)
        problem = body_problem(
            headers.get("content-type"),
            has_body=headers.get("content-length", "0") != "0" or "transfer-encoding" in headers,
            is_multipart_declared=route is None or declared == MULTIPART,
        )
    if problem is not None:
        raise Forbidden(problem)


async def current_actor(request: Request, authorization: Annotated[str | None, Depends(_bearer)]) -> User:
    """Return whoever calls: a person, a pilot or a payload. A token goes before a cookie, good or bad."""
    if authorization is None and (person := await by_cookie(request)) is not None:
        return person
    return _by_token(request, authorization)


# Not dependencies on `current_actor`: each level that FastAPI has to solve costs some 15 us a request.
async def current_user(request: Request, authorization: Annotated[str | None, Depends(_bearer)]) -> User:
    """Return the person who calls; tokens of pilots and payloads are refused."""
    actor = await current_actor(request, authorization)
    if actor.kind != "user":
        raise Forbidden("This route is for people: pilot and job tokens are not accepted")
    return actor


async def current_pilot(request: Request, authorization: Annotated[str | None, Depends(_bearer)]) -> User:
    """Return the pilot that calls; every other token is refused, and no cookie is looked at."""
    actor = _by_token(request, authorization)
    if actor.kind != "pilot":
        raise Forbidden("This route is for pilots: use a token from POST /api/pilots/token")
    return actor


async def sent_by_nodes() -> None:
    """Mark a route whose `max_body_size` holds for pilots and payloads too, though people may call it."""


async def current_browser(request: Request, authorization: Annotated[str | None, Depends(_bearer)]) -> BrowserSession:
    """Return the session of the browser that calls; who comes with a token has none."""
    if authorization is None and await by_cookie(request) is not None:
        return cast(BrowserSession, request.scope["weyl.session"])
    raise LoginRequired


WHO_CALLS = (current_actor, current_user, current_pilot, current_browser)
"""The dependencies that ask who calls; a route without any of them is open to everybody."""

CurrentActor = Annotated[User, Depends(current_actor)]
CurrentUser = Annotated[User, Depends(current_user)]
CurrentPilot = Annotated[User, Depends(current_pilot)]


async def write_transaction(request: Request) -> AsyncIterator[Tx]:
    """Open the request's transaction; it is committed before the answer leaves."""
    async with DATABASE.of(request).transaction() as tx:
        yield tx


async def read_connection(request: Request) -> AsyncIterator[Tx]:
    """Open a connection for reads of one statement, without a transaction."""
    async with DATABASE.of(request).read() as tx:
        yield tx


async def request_time() -> datetime:
    """Return the time of this request; the only clock that a route hands down."""
    return utcnow()


# scope="function": FastAPI would otherwise commit after the answer was sent, and hide a failed commit behind a 201
WriteTx = Annotated[Tx, Depends(write_transaction, scope="function")]
ReadTx = Annotated[Tx, Depends(read_connection, scope="function")]
CurrentDatabase = Annotated[Database, Depends(DATABASE.dependency)]
"""The pool, for routes that must not hold a connection all the time, and for the hottest ones: FastAPI takes some 60 us
a request for a dependency that it has to close."""
CurrentSearches = Annotated[SearchDesk, Depends(SEARCHES.dependency)]
Now = Annotated[datetime, Depends(request_time)]


def json_response(content: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return `content` serialised once, by orjson, with the contract's form of times."""
    return Response(json.dumps(content), status_code=status, headers=dict(headers or {}), media_type=JSON)


def page_response(rows: Sequence[Any], *, page: int, per_page: int, total: int, unit: str) -> Response:
    """Return one page of a search: 200 if it holds everything, 206 if not, 416 beyond the end.

    `Content-Range` counts from zero and both ends are inclusive.
    """
    first = (page - 1) * per_page
    if not rows and first and total <= first:
        return json_response([], status=416, headers={"Content-Range": f"{unit} */{total}"})
    if first == 0 and len(rows) == total:
        return json_response(rows)
    last = first + len(rows) - 1
    return json_response(rows, status=206, headers={"Content-Range": f"{unit} {first}-{last}/{total}"})


def list_response(listed: Listed, part: Part, *, path: str, unit: str) -> Response:
    """Return one page as `page_response` does; to clients that know of them, with a cursor, and `*` for no total."""
    if not part.is_told and listed.total is not None:
        return page_response(listed.rows, page=part.page, per_page=part.size, total=listed.total, unit=unit)
    headers = {"Preference-Applied": f"count={part.count.value}"} if part.count else {}
    if listed.following is not None:
        headers["Link"] = next_link(path, listed.following, {"per_page": part.size})
    total = "*" if listed.total is None else listed.total
    if not listed.rows and part.first:
        return json_response([], status=416, headers={**headers, "Content-Range": f"{unit} */{total}"})
    if not part.first and not listed.has_more and listed.total in (None, len(listed.rows)):
        return json_response(listed.rows, headers=headers)
    last = part.first + len(listed.rows) - 1
    return json_response(
        listed.rows, status=206, headers={**headers, "Content-Range": f"{unit} {part.first}-{last}/{total}"}
    )


async def list_part(
    page: Annotated[int, Query(ge=1)] = 1,
    per_page: Annotated[int, Query(ge=1, le=PER_PAGE_MAX)] = 100,
    cursor: Annotated[
        str | None, Query(max_length=CURSOR_LENGTH_MAX, description="From the header Link, in place of page")
    ] = None,
    prefer: Annotated[Text | None, Header(description="count=none, count=estimated or count=exact")] = None,
) -> Asked:
    """Return which page of a list is asked for."""
    return Asked(page, per_page, wanted_count(prefer), cursor)


CurrentPage = Annotated[Asked, Depends(list_part)]

PART: dict[int | str, dict[str, Any]] = {
    206: {
        "description": "A part of what matches",
        "model": list[dict[str, Any]],
        "headers": {
            "Content-Range": {"description": "Which part, of how many; * if not counted", "schema": {"type": "string"}},
            "Link": {"description": "The next part, to clients that ask for counts", "schema": {"type": "string"}},
        },
    }
}
"""What a list says of answers that hold a part of it."""


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON document that is ready to be sent, to everybody who may see it."""

    body: bytes
    etag: str
    modified: datetime


async def conditional_headers(
    if_none_match: Annotated[Text | None, Header()] = None,
    if_modified_since: Annotated[Text | None, Header()] = None,
) -> None:
    """Declare what `cached_response` reads from the request, so that the API's document has it."""


Conditional = Depends(conditional_headers)


@lru_cache(maxsize=64)
def http_date(at: datetime) -> str:
    """Return a time as HTTP headers write it (RFC 9110, 5.6.7)."""
    return format_datetime(at.replace(microsecond=0), usegmt=True)


def is_unchanged(request_headers: Mapping[str, str], *, etag: str, modified: datetime) -> bool:
    """Tell whether the client's copy is still good.

    `If-None-Match` may be bare, quoted, weak or a list. A later `If-Modified-Since` alone is enough, also with another
    ETag: the client may have spoken to a replica that is ahead of us (contract, section 4).
    """
    named = request_headers.get("if-none-match", "")
    if etag in {tag.strip().removeprefix("W/").strip('"') for tag in named.split(",")}:
        return True
    since = request_headers.get("if-modified-since")
    if not since:
        return False
    try:
        return parsedate_to_datetime(since) > modified.replace(microsecond=0)
    except (TypeError, ValueError, OverflowError):  # no date, or one without zone: ignored, as the contract says
        return False


def cached_response(request: Request, document: Document, *, headers: Mapping[str, str] | None = None) -> Response:
    """Return a document with its ETag, or 304 if the client has it."""
    answer_headers = {"ETag": document.etag, "Last-Modified": http_date(document.modified), **(headers or {})}
    if is_unchanged(request.headers, etag=document.etag, modified=document.modified):
        return Response(status_code=304, headers=answer_headers)
    return Response(document.body, headers=answer_headers, media_type=JSON)
