"""The code flow over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from weyl.auth.routes.browser import SENT_ON, SENT_ON_HEADERS, BrowserRoute, ProviderCallback, send_on
from weyl.auth.routes.context import ClientAddress, CurrentAuthority
from weyl.auth.service import authorization
from weyl.auth.service.attempts import admit
from weyl.auth.service.authorization import AuthorizationRequest
from weyl.kit.bounds import Text, Token
from weyl.kit.http import CurrentDatabase, Now

router = APIRouter(prefix="/api/auth", tags=["auth"])
_pages = APIRouter(route_class=BrowserRoute)
_callbacks = APIRouter(route_class=ProviderCallback)


@_pages.get("/authorize", operation_id="auth_initiate_authorization_flow", response_model=None, responses=SENT_ON)
async def initiate_authorization_flow(
    db: CurrentDatabase,
    authority: CurrentAuthority,
    *,
    address: ClientAddress,
    now: Now,
    request: Annotated[AuthorizationRequest, Depends()],
) -> Response:
    """Send a browser to the identity provider on behalf of a web page."""
    async with db.read() as tx:
        await admit(tx, authority, address)
    return send_on(await authorization.start(db, authority, request=request, now=now))


@_callbacks.get(
    "/authorize/complete", operation_id="auth_complete_authorization_flow", response_model=None, responses=SENT_ON
)
async def complete_authorization_flow(
    db: CurrentDatabase,
    authority: CurrentAuthority,
    *,
    now: Now,
    code: Token,
    state: Token,
    error: Text | None = None,
    iss: Annotated[str | None, Query(include_in_schema=False)] = None,
) -> Response:
    """Take the browser back from the identity provider and send it on to the web page, with a code."""
    if error is not None:
        return _verbatim(await authorization.refuse(db, authority, state=state, now=now))
    return _verbatim(await authorization.finish(db, authority, code=code, state=state, iss=iss, now=now))


def _verbatim(location: str) -> Response:
    # Not RedirectResponse, which quotes again: the page compares what it gets character by character.
    return Response(status_code=307, headers={"Location": location, **SENT_ON_HEADERS})


router.include_router(_pages)
router.include_router(_callbacks)
