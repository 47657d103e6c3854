"""Refresh tokens, and the logins that they are families of."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, TypedDict
from uuid import UUID

from sqlalchemy import Text, case, cast, func, insert, select, update

from weyl.auth.permits import TokenScope
from weyl.auth.tables import refresh_tokens
from weyl.kit.db import Tx
from weyl.kit.sql import Sql, fetch_as, first_as


class TokenStatus(StrEnum):
    """Whether a refresh token may still be used."""

    CREATED = "CREATED"
    REVOKED = "REVOKED"


WIRE_STATUS = {TokenStatus.CREATED: 1, TokenStatus.REVOKED: 2}
"""The contract has numbers in lists."""


class RefreshRow(NamedTuple):
    """A refresh token; all tokens of one login are a family."""

    jti: UUID
    family: UUID
    created_at: datetime
    expires_at: datetime
    vo: str
    subject: str
    scope: str
    legacy: bool
    status: str = TokenStatus.CREATED


class ListedToken(TypedDict):
    """A refresh token as it goes over the wire."""

    JTI: str
    Status: int
    Scope: str
    Sub: str


_COLUMNS = [refresh_tokens.c[name] for name in RefreshRow._fields]


async def insert_refresh_token(tx: Tx, row: RefreshRow) -> None:
    """Store a refresh token."""
    await tx.execute(insert(refresh_tokens).values(row._asdict()))


_ROTATE = Sql(
    """
    -- The lock that `lock_family` takes, the end of the old token and the new one in one statement: most refreshes need
    -- no other. A refresh that has waited for the lock finds its token revoked by then, because UPDATE reads the row
    -- anew.
    WITH login AS MATERIALIZED (
      SELECT family, pg_advisory_xact_lock(hashtextextended(CAST(family AS text), 0))
      FROM refresh_tokens WHERE jti = :jti AND expires_at = :expires_at
    ), used AS (
      UPDATE refresh_tokens AS token SET status = 'REVOKED' FROM login
      WHERE token.jti = :jti AND token.expires_at = :expires_at AND token.family = login.family
        AND token.status = 'CREATED' AND NOT token.legacy
      RETURNING token.*
    )
    INSERT INTO refresh_tokens (jti, expires_at, created_at, family, vo, subject, scope, status, legacy)
    SELECT :following, expires_at, :now, family, vo, subject, scope, 'CREATED', legacy FROM used
    RETURNING jti, family, created_at, expires_at, vo, subject, scope, legacy, status
    """,
    RefreshRow,
)


async def rotate_token(tx: Tx, jti: UUID, *, expires_at: datetime, following: UUID, now: datetime) -> RefreshRow | None:
    """Uses a refresh token up and stores the one that follows; none if it cannot be used so, with its login locked."""
    return await _ROTATE.first(tx, jti=jti, expires_at=expires_at, following=following, now=now)


async def lock_family(tx: Tx, jti: UUID, *, expires_at: datetime) -> None:
    """Wait for whoever refreshes or revokes the same login.

    Without it, a replay that revokes the family could miss the token that a refresh running beside it is about to
    store. A statement of its own: the next one must see what the other transaction committed.
    """
    family = cast(refresh_tokens.c.family, Text)
    statement = select(func.pg_advisory_xact_lock(func.hashtextextended(family, 0))).where(
        refresh_tokens.c.jti == jti, refresh_tokens.c.expires_at == expires_at
    )
    await tx.execute(statement)


async def select_refresh_token(tx: Tx, jti: UUID, *, expires_at: datetime) -> RefreshRow | None:
    """Return a refresh token; its expiry says in which partition it lies."""
    statement = select(*_COLUMNS).where(refresh_tokens.c.jti == jti, refresh_tokens.c.expires_at == expires_at)
    return await first_as(tx, RefreshRow, statement)


async def select_living_token(tx: Tx, family: UUID, *, expires_at: datetime) -> RefreshRow | None:
    """Return the token of a login that may still be used; there is one at most."""
    statement = select(*_COLUMNS).where(
        refresh_tokens.c.family == family,
        refresh_tokens.c.expires_at == expires_at,
        refresh_tokens.c.status == TokenStatus.CREATED,
    )
    return await first_as(tx, RefreshRow, statement)


async def select_refresh_token_of_vo(tx: Tx, scope: TokenScope, *, jti: UUID) -> RefreshRow | None:
    """Return a refresh token of the VO, whoever's it is."""
    statement = select(*_COLUMNS).where(refresh_tokens.c.jti == jti, refresh_tokens.c.vo == scope.vo)
    return await first_as(tx, RefreshRow, statement)


async def revoke_token(tx: Tx, jti: UUID, *, expires_at: datetime) -> None:
    """Mark one refresh token as used up."""
    await tx.execute(
        update(refresh_tokens)
        .where(refresh_tokens.c.jti == jti, refresh_tokens.c.expires_at == expires_at)
        .values(status=TokenStatus.REVOKED)
    )


async def revoke_family(tx: Tx, family: UUID, *, expires_at: datetime) -> int:
    """End a login: revoke whatever of its refresh tokens could still be used; returns how many.

    All tokens of a login have the expiry of the first, so they lie in one partition.
    """
    statement = (
        update(refresh_tokens)
        .where(
            refresh_tokens.c.family == family,
            refresh_tokens.c.expires_at == expires_at,
            refresh_tokens.c.status == TokenStatus.CREATED,
        )
        .values(status=TokenStatus.REVOKED)
    )
    return (await tx.execute(statement)).rowcount


async def select_refresh_tokens(tx: Tx, scope: TokenScope, *, now: datetime, living: bool) -> list[ListedToken]:
    """Return the refresh tokens in `scope` that have not expired, newest first, by their wire names.

    Those that were used or revoked are among them unless only `living` ones are asked for.
    """
    columns = refresh_tokens.c
    statement = (
        select(
            cast(columns.jti, Text).label("JTI"),
            case(WIRE_STATUS, value=columns.status).label("Status"),
            columns.scope.label("Scope"),
            columns.subject.label("Sub"),
        )
        .where(columns.vo == scope.vo, columns.expires_at > now)
        .order_by(columns.jti.desc())
    )
    if living:
        statement = statement.where(columns.status == TokenStatus.CREATED)
    if scope.subject is not None:
        statement = statement.where(columns.subject == scope.subject)
    return await fetch_as(tx, ListedToken, statement)
