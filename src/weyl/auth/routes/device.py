"""The device flow over HTTP."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from weyl.auth.cookies import Cookie, device_cookie
from weyl.auth.models import InitiateDeviceFlowResponse
from weyl.auth.pages import denied_page, finished_page, question_page
from weyl.auth.routes.browser import (
    PAGE,
    SENT_ON,
    SENT_ON_HEADERS,
    BrowserRoute,
    ProviderCallback,
    is_browser,
    is_sent_by_another_site,
    page,
    send_on,
)
from weyl.auth.routes.context import ClientAddress, CurrentAuthority
from weyl.auth.service import device
from weyl.auth.service.attempts import admit
from weyl.auth.service.authority import Authority
from weyl.auth.service.device import DeviceReturn
from weyl.auth.service.sessions import Visitor, new_cookie
from weyl.kit.bounds import Name, Text, Token
from weyl.kit.errors import Forbidden
from weyl.kit.http import CurrentDatabase, Now, WriteTx
from weyl.kit.openapi import refusals

router = APIRouter(prefix="/api/auth", tags=["auth"])
_pages = APIRouter(route_class=BrowserRoute)
_callbacks = APIRouter(route_class=ProviderCallback)

ANSWER = f"{device.PATH}/answer"
ANSWERED: dict[int | str, dict[str, Any]] = {
    **PAGE,
    303: {
        "description": "The browser is sent to the identity provider",
        "headers": {"Location": {"schema": {"type": "string"}}},
    },
    **refusals(400, 403, 502),
}

# Who says to have sent the browser back (RFC 9207); no part of the contract's document.
Issuer = Annotated[str | None, Query(include_in_schema=False)]


@router.post("/device", operation_id="auth_initiate_device_flow", responses=refusals(429))
async def initiate_device_flow(
    tx: WriteTx,
    authority: CurrentAuthority,
    request: Request,
    response: Response,
    *,
    address: ClientAddress,
    now: Now,
    client_id: Name,
    scope: Text,
) -> InitiateDeviceFlowResponse:
    """Begin a login on a device: a code for its user and one for itself."""
    response.headers["Cache-Control"] = "no-store"
    await admit(tx, authority, address)
    visitor = Visitor.of(address, request.headers.get("user-agent"))
    return await device.start(tx, authority, client_id=client_id, scope=scope, visitor=visitor, now=now)


@_pages.get("/device", operation_id="auth_do_device_flow", response_model=None, responses=SENT_ON)
async def do_device_flow(
    db: CurrentDatabase,
    authority: CurrentAuthority,
    request: Request,
    *,
    address: ClientAddress,
    now: Now,
    user_code: Token,
) -> Response:
    """Ask the user in the browser whether the device may log in; redirect programs to the identity provider at once."""
    # Counted so that nobody finds a stranger's code by trying.
    async with db.read() as tx:
        await admit(tx, authority, address)
    if not is_browser(request):
        return send_on(await device.login_url(db, authority, user_code=user_code, now=now))
    cookie = _cookie(authority)
    kept = cookie.own_value_in(request.headers.get("cookie")) or new_cookie()
    question = await device.ask(db, authority, user_code=user_code, kept=kept, now=now)
    response = page(question_page(ANSWER, question, now=now))
    response.headers.append("Set-Cookie", cookie.line(kept, age_max_s=authority.login_life_s()))
    return response


@_pages.post("/device/answer", operation_id="auth_answer_device_flow", response_model=None, responses=ANSWERED)
async def answer_device_flow(
    db: CurrentDatabase,
    authority: CurrentAuthority,
    request: Request,
    *,
    now: Now,
    token: Annotated[Token, Form(description="As the page has it")],
    answer: Annotated[Literal["continue", "deny"], Form(description="Whether the device may log in")],
) -> Response:
    """Continue or deny the login of a device, as the user answered."""
    if is_sent_by_another_site(request):
        raise Forbidden("Another site sent this answer. Open the address that your device shows and answer there")
    kept = _cookie(authority).value_in(request.headers.get("cookie"))
    if answer == "continue":
        url = await device.agree(authority, token=token, kept=kept)
        return RedirectResponse(url, status_code=303, headers=SENT_ON_HEADERS)
    async with db.transaction() as tx:
        await device.deny(tx, authority, token=token, kept=kept, now=now)
    return page(denied_page())


def _cookie(authority: Authority) -> Cookie:
    return device_cookie(is_secure=not authority.settings.insecure_cookies)


@_callbacks.get("/device/complete", operation_id="auth_finish_device_flow", response_model=None, responses=SENT_ON)
async def finish_device_flow(
    db: CurrentDatabase,
    authority: CurrentAuthority,
    request: Request,
    *,
    now: Now,
    code: Token,
    state: Token,
    error: Text | None = None,
    iss: Issuer = None,
) -> Response:
    """Take the browser back from the identity provider."""
    kept = _cookie(authority).value_in(request.headers.get("cookie"))
    back = DeviceReturn(state, code, iss, kept, is_browser=is_browser(request))
    if error is not None:
        await device.refuse(db, authority, back=back, now=now)
    await device.finish(db, authority, back=back, now=now)
    return send_on(authority.url(f"{device.PATH}/complete/finished"))


@router.get("/device/complete/finished", operation_id="auth_finished", response_model=None, responses=PAGE)
async def finished() -> Response:
    """Tell the user to go back to the device."""
    return page(finished_page())


router.include_router(_pages)
router.include_router(_callbacks)
