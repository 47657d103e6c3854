"""The login of browsers over HTTP: what pages of ours use in place of tokens."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from weyl.auth.models import BrowserSession, GroupInfo, SessionChange, SessionInfo
from weyl.auth.policy import groups_of, own_tokens
from weyl.auth.routes.browser import SENT_ON_HEADERS, BrowserRoute, ProviderCallback
from weyl.auth.routes.context import ClientAddress, CurrentAuthority
from weyl.auth.service import browser_login
from weyl.auth.service.attempts import admit
from weyl.auth.service.browser_login import BrowserReturn, WebLogin
from weyl.auth.service.sessions import BROWSER_SESSIONS, Session, Sessions, Visitor, name_of, subject_of
from weyl.config.routes import CurrentConfig
from weyl.kit.bounds import Name, Text, Token
from weyl.kit.http import (
    CurrentDatabase,
    CurrentUser,
    Now,
    ReadTx,
    current_browser,
    json_response,
    refuse_forged,
)
from weyl.kit.openapi import refusals

router = APIRouter(prefix="/api/auth/web", tags=["auth"])
_pages = APIRouter(route_class=BrowserRoute)
_callbacks = APIRouter(route_class=ProviderCallback)

_LOCATION = {"Location": {"schema": {"type": "string"}}}
_NO_STORE = {"Cache-Control": "no-store"}


CurrentSessions = Annotated[Sessions, Depends(BROWSER_SESSIONS.dependency)]
CurrentSession = Annotated[Session, Depends(current_browser)]


@_pages.get(
    "/login",
    operation_id="auth_start_web_login",
    response_model=None,
    status_code=302,
    responses={
        302: {"description": "The browser is sent to the identity provider", "headers": _LOCATION},
        **refusals(429, 502),
    },
)
async def start_web_login(
    db: CurrentDatabase,
    authority: CurrentAuthority,
    known: CurrentSessions,
    *,
    address: ClientAddress,
    login: Annotated[WebLogin, Depends()],
) -> Response:
    """Send a browser to the identity provider of a VO; it comes back logged in."""
    async with db.read() as tx:
        await admit(tx, authority, address)
    url, kept = await browser_login.start(authority, login=login)
    response = RedirectResponse(url, status_code=302, headers=SENT_ON_HEADERS)
    response.headers.append("Set-Cookie", known.pending.line(kept, age_max_s=authority.login_life_s()))
    return response


@_callbacks.get(
    "/complete",
    operation_id="auth_finish_web_login",
    response_model=None,
    status_code=303,
    responses={
        303: {"description": "The browser is logged in, and sent on", "headers": _LOCATION},
        **refusals(401, 403, 502),
    },
)
async def finish_web_login(
    request: Request,
    authority: CurrentAuthority,
    known: CurrentSessions,
    *,
    address: ClientAddress,
    now: Now,
    code: Token,
    state: Token,
    error: Text | None = None,
    iss: Annotated[str | None, Query(include_in_schema=False)] = None,
) -> Response:
    """Take the browser back from the identity provider and log it in."""
    headers = request.headers
    visitor = Visitor.of(address, headers.get("user-agent"))
    back = BrowserReturn(state, code, error, iss, cookies=headers.get("cookie"), visitor=visitor)
    cookie, path = await browser_login.finish(authority, known, back=back, now=now)
    response = RedirectResponse(authority.url(path), status_code=303, headers=SENT_ON_HEADERS)
    response.headers.append("Set-Cookie", known.cookie.line(cookie))
    response.headers.append("Set-Cookie", known.pending.clearing())
    return response


@router.get("/me", operation_id="auth_get_web_session", response_model=SessionInfo)
async def get_web_session(session: CurrentSession, known: CurrentSessions) -> Response:
    """Say who is logged in with this browser."""
    return json_response(_info(session, known).model_dump(), headers=_NO_STORE)


@router.post("/switch", operation_id="auth_switch_web_session", response_model=SessionInfo)
async def switch_web_session(
    session: CurrentSession, authority: CurrentAuthority, known: CurrentSessions, *, change: SessionChange, now: Now
) -> Response:
    """Go on in another group, with other properties or in another VO; the browser gets another cookie."""
    cookie, switched = await browser_login.switch(authority, known, session, change=change, now=now)
    response = json_response(_info(switched, known).model_dump(), headers=_NO_STORE)
    response.headers.append("Set-Cookie", known.cookie.line(cookie))
    return response


def _info(session: Session, known: Sessions) -> SessionInfo:
    row, user = session.row, session.user
    groups = groups_of(session.config, vo=row.vo, subject=subject_of(row))
    return SessionInfo(
        session_id=str(row.session_id),
        sub=user.subject,
        preferred_username=user.preferred_username,
        vo=user.vo,
        group=user.group,
        properties=sorted(user.properties),
        created_at=row.created_at,
        expires_at=row.expires_at,
        idle_minutes=int(known.idle.total_seconds() // 60),
        groups={
            vo: {group: GroupInfo(properties=sorted(properties)) for group, properties in each.items()}
            for vo, each in groups.items()
        },
    )


@router.post("/logout", operation_id="auth_end_web_session", status_code=204, responses=refusals(403))
async def end_web_session(request: Request, known: CurrentSessions) -> Response:
    """Log this browser out; it may have been logged out before."""
    cookies = request.headers.get("cookie")
    if cookies is not None and await known.find(cookies) is not None:
        refuse_forged(request)
    await known.end(cookies)
    response = Response(status_code=204, headers=_NO_STORE | {"Clear-Site-Data": '"cache", "storage"'})
    response.headers.append("Set-Cookie", known.cookie.clearing())
    return response


@router.get("/sessions", operation_id="auth_list_web_sessions", response_model=list[BrowserSession])
async def list_web_sessions(
    request: Request, user: CurrentUser, known: CurrentSessions, config: CurrentConfig, *, tx: ReadTx, now: Now
) -> Response:
    """List the caller's browsers that are logged in; with ProxyManagement those of everybody in the VO."""
    session: Session | None = request.scope.get("weyl.session")
    own = None if session is None else session.row.session_id
    rows = await known.listed(tx, own_tokens(user), now=now)
    return json_response(
        [
            {
                "session_id": str(row.session_id),
                "sub": row.subject,
                "user": name_of(config, row),
                "vo": row.vo,
                "group": row.group_name,
                "properties": row.properties,
                "created_at": row.created_at,
                "last_used_at": row.last_used_at,
                "expires_at": row.expires_at,
                "user_agent": row.user_agent,
                "address": row.address,
                "current": row.session_id == own,
            }
            for row in rows
        ]
    )


@router.delete("/sessions/{session_id}", operation_id="auth_end_web_session_by_id", status_code=204)
async def end_web_session_by_id(user: CurrentUser, known: CurrentSessions, session_id: Name) -> Response:
    """Log a browser out from elsewhere."""
    await known.end_by_id(own_tokens(user), session_id)
    return Response(status_code=204)


router.include_router(_pages)
router.include_router(_callbacks)
