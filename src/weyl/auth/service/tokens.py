"""Tokens: a login begins with a pair, each refresh trades the pair for a new one, and a replay ends the login."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from weyl.auth.errors import (
    ForeignToken,
    InvalidRefreshToken,
    InvalidToken,
    NotAnIdentifier,
    TokenRefused,
    UnknownRefreshToken,
    UnrecognisedClient,
    UnsupportedTokenType,
)
from weyl.auth.models import TokenResponse
from weyl.auth.permits import TokenScope
from weyl.auth.queries import tokens as queries
from weyl.auth.queries.tokens import RefreshRow, TokenStatus
from weyl.auth.scopes import Scope
from weyl.auth.service.authority import Authority, seconds
from weyl.auth.service.names import hold_name
from weyl.auth.tokens import Identity, access_claims, refresh_claims
from weyl.kit.db import Tx
from weyl.kit.errors import WeylError
from weyl.kit.ids import has_same_key, keyed_uuid7, uuid7
from weyl.kit.oauth import CLIENT_ID

# What the partitions of the refresh tokens reach ahead, with two months to spare.
LOGIN_LIFE_MAX = timedelta(days=365)
# In the contract's words, which its clients match.
REPLAYED = "Revoked refresh token reused: potential attack detected. You must authenticate again"

log = structlog.get_logger(__name__)


async def begin_login(
    tx: Tx,
    authority: Authority,
    *,
    identity: Identity,
    scope: Scope,
    now: datetime,
    legacy_minutes: int | None = None,
) -> TokenResponse:
    """Issue the first pair of tokens of a login; with `legacy_minutes` one whose refresh token is not rotated."""
    minutes = authority.settings.refresh_token_minutes if legacy_minutes is None else legacy_minutes
    life = min(timedelta(minutes=minutes), LOGIN_LIFE_MAX)
    jti = uuid7()
    row = RefreshRow(
        jti=jti,
        family=jti,
        created_at=now,
        expires_at=datetime.fromtimestamp(seconds(now) + int(life.total_seconds()), UTC),
        vo=identity.vo,
        subject=identity.subject,
        scope=scope.text,
        legacy=legacy_minutes is not None,
    )
    await hold_name(tx, identity, now=now)
    await queries.insert_refresh_token(tx, row)
    return _pair(authority, identity, row=row, now=now)


async def refresh(
    tx: Tx, authority: Authority, *, token: str, client_id: str, now: datetime, key: str | None = None
) -> TokenResponse | WeylError:
    """Trade a refresh token for a new pair; a replay is returned as a refusal, so that its revocation is committed.

    A client that sends a secret `key` may repeat a refresh whose answer was lost: while the new token is unused, the
    same key gets it again. Whoever has the old token only does not know the key.
    """
    if client_id != CLIENT_ID:
        raise TokenRefused("invalid_client", "Unrecognised client_id")
    claims = authority.keys.decode_refresh(token)
    jti, expires_at = _place(claims)
    new_jti = uuid7() if key is None else keyed_uuid7(f"{jti}:{key}")
    following = await queries.rotate_token(tx, jti, expires_at=expires_at, following=new_jti, now=now)
    if following is not None:
        # A user who is not granted the login any more keeps the old token: what raises here is rolled back.
        return await _refreshed(tx, authority, following, now=now)
    row = await queries.select_refresh_token(tx, jti, expires_at=expires_at)
    if row is None:
        raise InvalidRefreshToken("This refresh token is unknown: log in again")
    if row.status == TokenStatus.REVOKED:
        living = None if key is None else await queries.select_living_token(tx, row.family, expires_at=expires_at)
        if living is None or not has_same_key(living.jti, new_jti):
            return await _replayed(tx, row)
        row = living
    return await _refreshed(tx, authority, row, now=now)


async def _refreshed(tx: Tx, authority: Authority, row: RefreshRow, *, now: datetime) -> TokenResponse:
    """Return the next pair of a login whose user has its group, properties and name still."""
    _, identity = authority.grant(row.scope, row.subject.removeprefix(f"{row.vo}:"))
    await hold_name(tx, identity, now=now)
    return _pair(authority, identity, row=row, now=now)


async def _replayed(tx: Tx, row: RefreshRow) -> WeylError:
    revoked = await queries.revoke_family(tx, row.family, expires_at=row.expires_at)
    if revoked:
        log.warning("refresh_token_replayed", subject=row.subject, family=str(row.family), revoked=revoked)
    return InvalidRefreshToken(REPLAYED)


async def revoke(tx: Tx, authority: Authority, *, token: str, client_id: str, hint: str | None) -> None:
    """End the login of a refresh token; anything else that is sent is none of our tokens, so it is revoked already."""
    if hint == "access_token":
        raise UnsupportedTokenType
    if client_id != CLIENT_ID:
        raise UnrecognisedClient
    try:
        claims = authority.keys.decode_refresh(token, expired=True)
    except InvalidToken:
        return
    jti, expires_at = _place(claims)
    await queries.lock_family(tx, jti, expires_at=expires_at)
    row = await queries.select_refresh_token(tx, jti, expires_at=expires_at)
    if row is not None:
        await queries.revoke_family(tx, row.family, expires_at=row.expires_at)


async def revoke_by_id(tx: Tx, scope: TokenScope, jti: str) -> None:
    """End the login that a listed refresh token belongs to."""
    try:
        identifier = UUID(jti)
    except ValueError as error:
        raise NotAnIdentifier(f"{jti!r} is not the id of a refresh token: it must be a UUID") from error
    row = await queries.select_refresh_token_of_vo(tx, scope, jti=identifier)
    if row is None:
        raise UnknownRefreshToken(f"There is no refresh token {identifier}")
    if scope.subject not in (None, row.subject):
        raise ForeignToken("This refresh token belongs to somebody else")
    await queries.lock_family(tx, row.jti, expires_at=row.expires_at)
    await queries.revoke_family(tx, row.family, expires_at=row.expires_at)


def _place(claims: Mapping[str, Any]) -> tuple[UUID, datetime]:
    return UUID(claims["jti"]), datetime.fromtimestamp(claims["exp"], UTC)


def _pair(authority: Authority, identity: Identity, *, row: RefreshRow, now: datetime) -> TokenResponse:
    life_s = authority.settings.access_token_minutes * 60
    access = access_claims(identity, token_id=uuid7(), now=seconds(now), lifetime_s=life_s)
    refresh = refresh_claims(row.jti, expires_at=seconds(row.expires_at), legacy_exchange=row.legacy)
    return TokenResponse(
        access_token=authority.keys.sign(access),
        expires_in=life_s,
        refresh_token=authority.keys.sign(refresh, issued=False),
    )
