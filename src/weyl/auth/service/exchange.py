"""The legacy exchange: a DIRAC server, known by a secret, gets tokens for the owner of a proxy that it has checked."""

from base64 import urlsafe_b64decode
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from hmac import compare_digest

from weyl.auth.errors import (
    ExchangeDisabled,
    InvalidExchange,
    InvalidExchangeHeader,
    InvalidExchangeSecret,
    InvalidScope,
)
from weyl.auth.models import TokenResponse
from weyl.auth.service.authority import Authority
from weyl.auth.service.tokens import LOGIN_LIFE_MAX, begin_login
from weyl.kit.db import Tx

SCHEME = "Bearer diracx:legacy:"


@dataclass(frozen=True)
class ExchangeRequest:
    """For whom a DIRAC server wants tokens."""

    preferred_username: str
    scope: str
    expires_minutes: int | None = None


async def exchange(
    tx: Tx, authority: Authority, *, request: ExchangeRequest, authorization: str | None, now: datetime
) -> TokenResponse:
    """Issue tokens to whom the DIRAC server names; their refresh token is not rotated."""
    _check_secret(authority, authorization)
    try:
        asked = authority.scope(request.scope)
    except InvalidScope as error:
        raise InvalidExchange from error
    subject = _subject(authority, asked.vo, preferred_username=request.preferred_username)
    asked_minutes = request.expires_minutes
    minutes = authority.settings.refresh_token_minutes if asked_minutes is None else asked_minutes
    if not 1 <= minutes <= LOGIN_LIFE_MAX.total_seconds() / 60:
        raise InvalidExchange(f"expires_minutes must lie between 1 and {int(LOGIN_LIFE_MAX.total_seconds() / 60)}")
    granted, identity = authority.grant(request.scope, subject)
    return await begin_login(tx, authority, identity=identity, scope=granted, now=now, legacy_minutes=minutes)


def _check_secret(authority: Authority, authorization: str | None) -> None:
    expected = authority.settings.legacy_exchange_hash
    if expected is None:
        raise ExchangeDisabled
    if not authorization or not authorization.startswith(SCHEME):
        raise InvalidExchangeHeader
    encoded = authorization.removeprefix(SCHEME)
    try:
        secret = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    except ValueError as error:
        raise InvalidExchangeHeader from error
    if not compare_digest(sha256(secret).hexdigest(), expected.get_secret_value().strip().lower()):
        raise InvalidExchangeSecret


def _subject(authority: Authority, vo: str, *, preferred_username: str) -> str:
    users = authority.config.current().config.registry[vo].users
    found = [subject for subject, user in users.items() if user.preferred_username == preferred_username]
    if len(found) != 1:
        raise InvalidExchange
    return found[0]
