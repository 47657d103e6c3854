"""The device flow over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from weyl.auth.models import InitiateDeviceFlowResponse
from weyl.auth.pages import enter_code_page, finished_page
from weyl.auth.routes.browser import (
    PAGE,
    SENT_ON,
    BrowserRoute,
    ProviderCallback,
    is_sent_by_another_site,
    page,
    send_on,
)
from weyl.auth.routes.context import ClientAddress, CurrentAuthority
from weyl.auth.service import device
from weyl.auth.service.attempts import admit
from weyl.kit.http import CurrentDatabase, Now, WriteTx
from weyl.kit.openapi import refusals

router = APIRouter(prefix="/api/auth", tags=["auth"])
_pages = APIRouter(route_class=BrowserRoute)
_callbacks = APIRouter(route_class=ProviderCallback)

# Who says to have sent the browser back (RFC 9207); no part of the contract's document.
Issuer = Annotated[str | None, Query(include_in_schema=False)]


@router.post("/device", operation_id="auth_initiate_device_flow", responses=refusals(429))
async def initiate_device_flow(
    tx: WriteTx,
    authority: CurrentAuthority,
    response: Response,
    *,
    address: ClientAddress,
    now: Now,
    client_id: str,
    scope: str,
) -> InitiateDeviceFlowResponse:
    """Begin a login on a device: a code for its user and one for itself."""
    response.headers["Cache-Control"] = "no-store"
    await admit(tx, authority, address)
    return await device.start(tx, authority, client_id=client_id, scope=scope, now=now)


@_pages.get("/device", operation_id="auth_do_device_flow", response_model=None, responses=SENT_ON)
async def do_device_flow(
    db: CurrentDatabase,
    authority: CurrentAuthority,
    request: Request,
    *,
    address: ClientAddress,
    now: Now,
    user_code: str,
) -> Response:
    """Send the browser of whoever has the user code to the identity provider."""
    if is_sent_by_another_site(request):
        # It may bring the code of its own device, and whoever is logged in at the provider would notice nothing.
        return page(enter_code_page(device.PATH, user_code))
    # Counted so that nobody finds a stranger's code by trying.
    async with db.read() as tx:
        await admit(tx, authority, address)
    return send_on(await device.login_url(db, authority, user_code=user_code, now=now))


@_callbacks.get("/device/complete", operation_id="auth_finish_device_flow", response_model=None, responses=SENT_ON)
async def finish_device_flow(
    db: CurrentDatabase,
    authority: CurrentAuthority,
    *,
    now: Now,
    code: str,
    state: str,
    error: str | None = None,
    iss: Issuer = None,
) -> Response:
    """Take the browser back from the identity provider."""
    if error is not None:
        await device.refuse(db, authority, state=state, now=now)
    await device.finish(db, authority, code=code, state=state, iss=iss, now=now)
    return send_on(authority.url(f"{device.PATH}/complete/finished"))


@router.get("/device/complete/finished", operation_id="auth_finished", response_model=None, responses=PAGE)
async def finished() -> Response:
    """Tell the user to go back to the device."""
    return page(finished_page())


router.include_router(_pages)
router.include_router(_callbacks)
