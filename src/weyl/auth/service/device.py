"""The device flow: a code for the terminal, a login in whatever browser is at hand."""

import re
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import NoReturn

from weyl.auth.errors import (
    AuthorizationPending,
    LoginOver,
    NotAsked,
    NotThisBrowser,
    RefusedByProvider,
    TokenRefused,
    UnknownUserCode,
)
from weyl.auth.models import InitiateDeviceFlowResponse, TokenResponse
from weyl.auth.pages import Question
from weyl.auth.queries import flows as queries
from weyl.auth.queries.flows import DeviceFlow, FlowStatus
from weyl.auth.scopes import Scope
from weyl.auth.sealing import Journey, digest_of_kept
from weyl.auth.service.authority import Authority
from weyl.auth.service.sessions import Visitor
from weyl.auth.service.tokens import begin_login
from weyl.kit.db import Database, Tx
from weyl.kit.errors import Unavailable
from weyl.kit.ids import new_secret, uuid7
from weyl.kit.oauth import CLIENT_ID

# No vowels, so that no code spells a word, and nothing that is read as a digit.
USER_CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
USER_CODE_LENGTH = 8
USER_CODE_ATTEMPTS = 3
USER_CODE = re.compile(f"[{USER_CODE_LETTERS}]{{{USER_CODE_LENGTH}}}")
PATH = "/api/auth/device"
POLL_EVERY_S = 2


@dataclass(frozen=True)
class DeviceReturn:
    """What comes back from the identity provider: a browser, or a program that follows redirects."""

    state: str
    code: str
    iss: str | None
    kept: str | None
    is_browser: bool


async def start(
    tx: Tx, authority: Authority, *, client_id: str, scope: str, visitor: Visitor, now: datetime
) -> InitiateDeviceFlowResponse:
    """Begin a login on a device; nothing is asked of the identity provider yet."""
    if client_id != CLIENT_ID:
        raise TokenRefused("invalid_client", "Unrecognised client_id")
    authority.scope(scope)
    device_code = new_secret(32)
    life_s = authority.settings.device_code_s
    for _ in range(USER_CODE_ATTEMPTS):
        user_code = "".join(secrets.choice(USER_CODE_LETTERS) for _ in range(USER_CODE_LENGTH))
        flow = DeviceFlow(
            flow_id=uuid7(),
            created_at=now,
            expires_at=now + timedelta(seconds=life_s),
            user_code=authority.sealer.hashes(user_code)[0],
            device_code_hash=sha256(device_code.encode()).digest(),
            client_id=client_id,
            scope=scope,
            address=visitor.address,
            user_agent=visitor.user_agent,
        )
        if await queries.insert_device_flow(tx, flow):
            break
    else:
        raise Unavailable("No user code is free now; try again in a moment")
    return InitiateDeviceFlowResponse(
        user_code=user_code,
        device_code=device_code,
        verification_uri=authority.url(PATH),
        verification_uri_complete=authority.url(f"{PATH}?user_code={user_code}"),
        expires_in=life_s,
        interval=POLL_EVERY_S,
    )


async def login_url(db: Database, authority: Authority, *, user_code: str, now: datetime) -> str:
    """Return where a program that brings `user_code` logs in; browsers are asked before."""
    flow, scope = await _waiting(db, authority, user_code=_letters(user_code), now=now)
    journey = Journey("device", scope.vo, flow.flow_id, verifier=new_secret(48))
    return await authority.login_page(journey, path=PATH)


async def ask(db: Database, authority: Authority, *, user_code: str, kept: str, now: datetime) -> Question:
    """Return what the browser that brings `user_code` is asked; only this one, which keeps `kept`, can answer."""
    letters = _letters(user_code)
    flow, scope = await _waiting(db, authority, user_code=letters, now=now)
    group = authority.config.current().config.registry[scope.vo].groups[scope.group]
    journey = Journey("question", scope.vo, flow.flow_id, verifier="", browser=digest_of_kept(kept))
    return Question(
        vo=scope.vo,
        group=scope.group,
        properties=group.properties | scope.asked,
        client=flow.client_id,
        program=flow.user_agent,
        address=flow.address,
        started_at=flow.created_at,
        user_code=letters,
        token=authority.sealer.seal(journey),
    )


async def agree(authority: Authority, *, token: str, kept: str | None) -> str:
    """Take up a yes; returns where the browser logs in."""
    asked = _asked(authority, token=token, kept=kept)
    return await authority.login_page(replace(asked, kind="device", verifier=new_secret(48)), path=PATH)


async def deny(tx: Tx, authority: Authority, *, token: str, kept: str | None, now: datetime) -> None:
    """Take up a no: the device learns of it when it asks next."""
    await _settle(tx, _asked(authority, token=token, kept=kept), status=FlowStatus.DENIED, subject=None, now=now)


def _letters(user_code: str) -> str:
    return "".join(letter for letter in user_code.upper() if letter not in " -")


async def _waiting(db: Database, authority: Authority, *, user_code: str, now: datetime) -> tuple[DeviceFlow, Scope]:
    flow = None
    if USER_CODE.fullmatch(user_code):
        async with db.read() as tx:
            flow = await queries.select_waiting_device(tx, authority.sealer.hashes(user_code), now=now)
    if flow is None:
        raise UnknownUserCode("This code is unknown, used or too old. Start the login again on your device")
    return flow, authority.scope(flow.scope)


def _asked(authority: Authority, *, token: str, kept: str | None) -> Journey:
    journey = authority.sealer.open(token, kind="question", age_max_s=authority.login_life_s())
    if not journey.is_begun_with(kept):
        raise NotThisBrowser
    return journey


def _on_its_way(authority: Authority, back: DeviceReturn) -> Journey:
    """Return the journey of what comes back; its code is not used yet.

    Programs may come back without having been asked, but nobody can send a browser on a way that begins behind
    the question, nor on one that another browser has agreed to.
    """
    journey = authority.sealer.open(back.state, kind="device", age_max_s=authority.login_life_s())
    if journey.browser:
        if not journey.is_begun_with(back.kept):
            raise NotThisBrowser
    elif back.is_browser:
        raise NotAsked
    return journey


async def finish(db: Database, authority: Authority, *, back: DeviceReturn, now: datetime) -> None:
    """Take up what comes back from the identity provider; the device learns of it when it asks next."""
    journey = _on_its_way(authority, back)
    subject = await authority.come_back(journey, path=PATH, code=back.code, iss=back.iss, now=now)
    async with db.transaction() as tx:
        await _settle(tx, journey, status=FlowStatus.READY, subject=subject, now=now)


async def refuse(db: Database, authority: Authority, *, back: DeviceReturn, now: datetime) -> NoReturn:
    """Take up a browser whose user said no at the identity provider: the device learns of it, and the browser too."""
    journey = _on_its_way(authority, back)
    async with db.transaction() as tx:
        await _settle(tx, journey, status=FlowStatus.DENIED, subject=None, now=now)
    raise RefusedByProvider("The identity provider did not let you in, or you did not agree")


async def _settle(tx: Tx, journey: Journey, *, status: FlowStatus, subject: str | None, now: datetime) -> None:
    if not await queries.update_device_flow(tx, journey.flow_id, status=status, subject=subject, now=now):
        raise LoginOver


async def redeem(tx: Tx, authority: Authority, *, device_code: str, client_id: str, now: datetime) -> TokenResponse:
    """Trade a device code for tokens, once its user has logged in."""
    flow = await queries.select_device_flow(tx, sha256(device_code.encode("utf-8", "replace")).digest())
    if flow is None:
        raise TokenRefused("invalid_grant", "Unknown device code")
    if flow.client_id != client_id:
        raise TokenRefused("invalid_client", "Unrecognised client_id")
    if flow.status == FlowStatus.DONE:
        raise TokenRefused("invalid_grant", "Code was already used")
    if flow.expires_at <= now:
        raise TokenRefused("expired_token", "The device code has expired: start the login again")
    if flow.status == FlowStatus.DENIED:
        raise TokenRefused("access_denied", "The login was denied in the browser or at the identity provider")
    if flow.status == FlowStatus.PENDING or flow.subject is None:
        raise AuthorizationPending
    scope, identity = authority.grant(flow.scope, flow.subject)
    if not await queries.spend_device_flow(tx, flow.flow_id):
        raise TokenRefused("invalid_grant", "Code was already used")
    return await begin_login(tx, authority, identity=identity, scope=scope, now=now)
