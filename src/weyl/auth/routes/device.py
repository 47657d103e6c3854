"""The device flow over HTTP."""

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from weyl.auth.models import InitiateDeviceFlowResponse
from weyl.auth.pages import finished_page
from weyl.auth.routes.browser import BrowserRoute, ProviderCallback, page
from weyl.auth.routes.context import ClientAddress, CurrentAuthority
from weyl.auth.service import device
from weyl.auth.service.attempts import admit
from weyl.kit.http import CurrentDatabase, Now, WriteTx

router = APIRouter(prefix="/api/auth", tags=["auth"])
_pages = APIRouter(route_class=BrowserRoute)
_callbacks = APIRouter(route_class=ProviderCallback)


@router.post("/device", operation_id="auth_initiate_device_flow")
async def initiate_device_flow(
    tx: WriteTx, authority: CurrentAuthority, *, address: ClientAddress, now: Now, client_id: str, scope: str
) -> InitiateDeviceFlowResponse:
    """Begin a login on a device: a code for its user and one for itself."""
    await admit(tx, authority, address)
    return await device.start(tx, authority, client_id=client_id, scope=scope, now=now)


@_pages.get("/device", operation_id="auth_do_device_flow", response_model=None)
async def do_device_flow(
    db: CurrentDatabase,
    authority: CurrentAuthority,
    *,
    address: ClientAddress,
    now: Now,
    user_code: str,
) -> Response:
    """Send the browser of whoever has the user code to the identity provider."""
    # Counted so that nobody finds a stranger's code by trying.
    async with db.read() as tx:
        await admit(tx, authority, address)
    return RedirectResponse(await device.login_url(db, authority, user_code=user_code, now=now))


@_callbacks.get("/device/complete", operation_id="auth_finish_device_flow", response_model=None)
async def finish_device_flow(
    db: CurrentDatabase, authority: CurrentAuthority, *, now: Now, code: str, state: str, error: str | None = None
) -> Response:
    """Take the browser back from the identity provider."""
    if error is not None:
        await device.refuse(db, authority, state=state, now=now)
    await device.finish(db, authority, code=code, state=state, now=now)
    return RedirectResponse(authority.url(f"{device.PATH}/complete/finished"))


@router.get("/device/complete/finished", operation_id="auth_finished", response_model=None)
async def finished() -> Response:
    """Tell the user to go back to the device."""
    return page(finished_page())


router.include_router(_pages)
router.include_router(_callbacks)
