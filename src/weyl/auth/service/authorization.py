"""The code flow: a web page sends its user here, and gets a code that only it can redeem."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from hmac import compare_digest

from weyl.auth.drivers.idp import code_challenge
from weyl.auth.errors import InvalidState, TokenRefused
from weyl.auth.models import TokenResponse
from weyl.auth.queries import flows as queries
from weyl.auth.queries.flows import AuthorizationFlow, FlowStatus
from weyl.auth.sealing import Journey
from weyl.auth.service.authority import Authority, with_query
from weyl.auth.service.tokens import begin_login
from weyl.kit.bounds import Name, Text, Token
from weyl.kit.db import Database, Tx
from weyl.kit.ids import new_secret, uuid7
from weyl.kit.oauth import CLIENT_ID, LOOPBACK_REDIRECT

PATH = "/api/auth/authorize"
S256_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class AuthorizationRequest:
    """What a web page asks for."""

    response_type: Name
    code_challenge: Name
    code_challenge_method: Name
    client_id: Name
    redirect_uri: Text
    scope: Text
    state: Token


@dataclass(frozen=True)
class CodeProof:
    """What comes with a code to show that it is redeemed by whoever asked for it."""

    client_id: str
    redirect_uri: str
    code_verifier: str


async def start(db: Database, authority: Authority, *, request: AuthorizationRequest, now: datetime) -> str:
    """Begin a login in a browser; returns where it goes next."""
    _check(request, authority)
    scope = authority.scope(request.scope)
    flow = AuthorizationFlow(
        flow_id=uuid7(),
        created_at=now,
        expires_at=now + timedelta(seconds=authority.login_life_s()),
        client_id=request.client_id,
        scope=request.scope,
        redirect_uri=request.redirect_uri,
        client_state=request.state,
        code_challenge=request.code_challenge,
    )
    journey = Journey("authorize", scope.vo, flow.flow_id, verifier=new_secret(48))
    url = await authority.login_page(journey, path=PATH)
    async with db.transaction() as tx:
        await queries.insert_authorization_flow(tx, flow)
    return url


def _check(request: AuthorizationRequest, authority: Authority) -> None:
    if request.client_id != CLIENT_ID:
        raise TokenRefused("invalid_client", "Unrecognised client_id")
    is_own_machine = LOOPBACK_REDIRECT.fullmatch(request.redirect_uri) is not None
    if not is_own_machine and request.redirect_uri not in authority.settings.allowed_redirects:
        raise TokenRefused("invalid_request", "Unrecognised redirect_uri")
    if request.response_type != "code":
        raise TokenRefused("unsupported_response_type", "response_type must be code")
    if request.code_challenge_method != "S256":
        raise TokenRefused("invalid_request", "code_challenge_method must be S256")
    if not S256_CHALLENGE.fullmatch(request.code_challenge):
        raise TokenRefused("invalid_request", "code_challenge must be 43 characters of base64url")


async def finish(db: Database, authority: Authority, *, code: str, state: str, iss: str | None, now: datetime) -> str:
    """Take up the browser that comes back from the identity provider; returns the page to send it on to."""
    journey = authority.sealer.open(state, kind="authorize", age_max_s=authority.login_life_s())
    subject = await authority.come_back(journey, path=PATH, code=code, iss=iss, now=now)
    own_code = new_secret(32)
    expires_at = now + timedelta(seconds=authority.settings.authorization_code_s)
    async with db.transaction() as tx:
        flow = await queries.update_authorization_flow(
            tx,
            journey.flow_id,
            now=now,
            status=FlowStatus.READY,
            subject=subject,
            code=(sha256(own_code.encode()).digest(), expires_at),
        )
    if flow is None:
        raise InvalidState
    return with_query(flow.redirect_uri, code=own_code, state=flow.client_state)


async def refuse(db: Database, authority: Authority, *, state: str, now: datetime) -> str:
    """Take up a browser whose user said no at the identity provider; returns the page to send it on to."""
    journey = authority.sealer.open(state, kind="authorize", age_max_s=authority.login_life_s())
    async with db.transaction() as tx:
        flow = await queries.update_authorization_flow(tx, journey.flow_id, now=now, status=FlowStatus.DENIED)
    if flow is None:
        raise InvalidState
    return with_query(flow.redirect_uri, error="access_denied", state=flow.client_state)


async def redeem(tx: Tx, authority: Authority, *, code: str, proof: CodeProof, now: datetime) -> TokenResponse:
    """Trade an authorization code for tokens; a wrong proof does not use it up."""
    flow = await queries.select_authorization_flow(tx, sha256(code.encode("utf-8", "replace")).digest())
    if flow is None or flow.subject is None:
        raise TokenRefused("invalid_grant", "Unknown authorization code")
    if flow.client_id != proof.client_id:
        raise TokenRefused("invalid_client", "Unrecognised client_id")
    if flow.redirect_uri != proof.redirect_uri:
        raise TokenRefused("invalid_grant", "redirect_uri is not the one that the code was asked for with")
    if not compare_digest(code_challenge(proof.code_verifier).encode(), flow.code_challenge.encode()):
        raise TokenRefused("invalid_grant", "code_verifier does not fit the code_challenge")
    if flow.status == FlowStatus.DONE:
        raise TokenRefused("invalid_grant", "Code was already used")
    if flow.expires_at <= now:
        raise TokenRefused("invalid_grant", "The authorization code has expired")
    scope, identity = authority.grant(flow.scope, flow.subject)
    if not await queries.spend_authorization_flow(tx, flow.flow_id):
        raise TokenRefused("invalid_grant", "Code was already used")
    return await begin_login(tx, authority, identity=identity, scope=scope, now=now)
