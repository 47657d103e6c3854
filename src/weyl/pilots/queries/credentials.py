"""SQL of secrets and sessions: made, redeemed once, rotated, revoked, and every attempt written down."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, insert, or_, select, true, update

from weyl.kit.db import Tx
from weyl.kit.sql import Sql, first_as
from weyl.pilots.tables import pilot_secret_uses, pilot_secrets, pilot_sessions, pilots


async def insert_secrets(tx: Tx, rows: Sequence[Mapping[str, object]]) -> None:
    """Keep the hashes of new secrets."""
    await tx.execute(insert(pilot_secrets), [dict(row) for row in rows])


class Redeemed(NamedTuple):
    """A secret of which a use was counted."""

    secret_id: UUID
    vo: str
    site: str | None
    ce: str | None
    queue: str | None
    pilot_stamp: str | None
    not_after: datetime


class KnownSecret(NamedTuple):
    """What tells why a secret was refused."""

    secret_id: UUID
    max_uses: int
    uses: int
    not_after: datetime
    revoked_at: datetime | None


class PilotSession(NamedTuple):
    """A session with its pilot, and the place for which it began."""

    session_id: UUID
    generation: int
    not_after: datetime
    pilot_stamp: str
    vo: str
    site: str | None
    ce: str | None
    queue: str | None


async def redeem_secret(tx: Tx, mac: bytes, *, stamp: str | None, now: datetime) -> Redeemed | None:
    """Count one use of a secret that is good for this stamp; none if it is not."""
    return await _REDEEM.first(tx, mac=mac, stamp=stamp, now=now)


_REDEEM = Sql(
    """
    -- one statement decides and counts, so that two pilots with one secret cannot both be first
    UPDATE pilot_secrets SET uses = uses + 1
    WHERE mac = :mac AND uses < max_uses AND not_after > :now AND revoked_at IS NULL
      AND (pilot_stamp IS NULL OR CAST(:stamp AS text) IS NULL OR pilot_stamp = :stamp)
    RETURNING secret_id, vo, site, ce, queue, pilot_stamp, not_after
    """,
    Redeemed,
)


async def select_secret(tx: Tx, mac: bytes) -> KnownSecret | None:
    """Return what is known of a secret, to tell why it was refused."""
    columns = (pilot_secrets.c[name] for name in KnownSecret._fields)
    return await first_as(tx, KnownSecret, select(*columns).where(pilot_secrets.c.mac == mac))


async def insert_use(tx: Tx, row: Mapping[str, object]) -> None:
    """Write down an attempt to use a secret."""
    await tx.execute(insert(pilot_secret_uses).values(dict(row)))


async def welcome_pilot(tx: Tx, stamp: str, *, host: str, not_after: datetime, now: datetime) -> str | None:
    """Note that a pilot has spoken, which makes it Running; returns its VO, or none if it was cancelled or revoked."""
    return await _WELCOME.first(tx, stamp=stamp, host=host, not_after=not_after, now=now)


_WELCOME = Sql(
    """
    UPDATE pilots SET status = 'Running', status_reason = 'Unknown', host = :host, not_after = :not_after,
        spoke_at = COALESCE(spoke_at, CAST(:now AS timestamptz)), ended_at = NULL, last_update_time = :now
    WHERE pilot_stamp = :stamp AND revoked_at IS NULL AND status NOT IN ('Done', 'Failed', 'Deleted')
    RETURNING vo
    """,
    str,
)


async def insert_session(tx: Tx, row: Mapping[str, object]) -> None:
    """Begin a family of refresh tokens."""
    await tx.execute(insert(pilot_sessions).values(dict(row)))


async def rotate_session(
    tx: Tx, session_id: UUID, *, generation: int, sender: str, now: datetime
) -> PilotSession | None:
    """Move a session from this generation to the next; none if it is not the one that is good."""
    return await _ROTATE.first(tx, session_id=session_id, generation=generation, sender=sender, now=now)


_GOOD = """
    s.session_id = :session_id AND s.revoked_at IS NULL AND s.not_after > :now
      AND o.secret_id = s.secret_id AND p.pilot_stamp = s.pilot_stamp AND p.revoked_at IS NULL
"""
_KNOWN = "s.session_id, s.generation, s.not_after, p.pilot_stamp, p.vo, o.site, o.ce, o.queue"
_ROTATE = Sql(
    f"""
    UPDATE pilot_sessions s SET generation = generation + 1, refreshed_at = :now, refreshed_from = :sender
    FROM pilots p, pilot_secrets o
    WHERE s.generation = :generation AND {_GOOD}
    RETURNING {_KNOWN}
    """,
    PilotSession,
)


async def select_repeatable(
    tx: Tx, session_id: UUID, *, generation: int, sender: str, since: datetime, now: datetime
) -> PilotSession | None:
    """Return a session whose good token was made for this one, a moment ago and for the same sender."""
    return await _SELECT_REPEATABLE.first(
        tx, session_id=session_id, generation=generation, sender=sender, since=since, now=now
    )


_SELECT_REPEATABLE = Sql(
    f"""
    SELECT {_KNOWN} FROM pilot_sessions s, pilots p, pilot_secrets o
    WHERE s.generation = :generation + 1 AND s.refreshed_from = :sender AND s.refreshed_at > :since AND {_GOOD}
    FOR UPDATE OF s
    """,
    PilotSession,
)


async def revoke_reused_session(tx: Tx, session_id: UUID, *, generation: int, now: datetime) -> str | None:
    """End the family of a refresh token that was used before; returns the stamp, if that was so."""
    statement = (
        update(pilot_sessions)
        .where(
            pilot_sessions.c.session_id == session_id,
            pilot_sessions.c.generation > generation,
            pilot_sessions.c.revoked_at.is_(None),
        )
        .values(revoked_at=now)
        .returning(pilot_sessions.c.pilot_stamp)
    )
    stamp: str | None = (await tx.execute(statement)).scalar_one_or_none()
    return stamp


async def revoke_sessions(tx: Tx, *, secret_id: UUID | None, stamps: Sequence[str], now: datetime) -> list[str]:
    """End every session that began with a secret, or that belongs to one of the pilots; returns their stamps."""
    statement = (
        update(pilot_sessions)
        .where(
            pilot_sessions.c.revoked_at.is_(None),
            or_(pilot_sessions.c.secret_id == secret_id, pilot_sessions.c.pilot_stamp.in_(stamps)),
        )
        .values(revoked_at=now)
        .returning(pilot_sessions.c.pilot_stamp)
    )
    return list((await tx.execute(statement)).scalars())


async def revoke_pilots(tx: Tx, filters: Mapping[str, Any], *, now: datetime) -> list[str]:
    """Take the right to speak from the pilots that fit all filters; returns their stamps."""
    of_secret = select(pilot_sessions.c.pilot_stamp).where(pilot_sessions.c.secret_id == filters.get("secret_id"))
    columns: dict[str, ColumnElement[bool]] = {
        "stamps": pilots.c.pilot_stamp.in_(filters.get("stamps") or ()),
        "host": pilots.c.host == filters.get("host"),
        "ce": pilots.c.destination_site == filters.get("ce"),
        "site": pilots.c.grid_site == filters.get("site"),
        "vo": pilots.c.vo == filters.get("vo"),
        "secret_id": pilots.c.pilot_stamp.in_(of_secret),
    }
    clauses = [columns[name] for name in filters]
    statement = update(pilots).where(and_(pilots.c.revoked_at.is_(None), *clauses)).values(revoked_at=now)
    return list((await tx.execute(statement.returning(pilots.c.pilot_stamp))).scalars())


async def revoke_secrets(tx: Tx, filters: Mapping[str, object], *, stamps: Sequence[str] | None, now: datetime) -> int:
    """Revoke unused rights to begin: the secrets that fit all filters, or those of the pilots named."""
    columns = {
        "secret_id": pilot_secrets.c.secret_id,
        "ce": pilot_secrets.c.ce,
        "site": pilot_secrets.c.site,
        "vo": pilot_secrets.c.vo,
    }
    clauses = [columns[name] == value for name, value in filters.items() if name in columns]
    if stamps is not None:
        clauses.append(pilot_secrets.c.pilot_stamp.in_(stamps))
    statement = update(pilot_secrets).where(and_(true(), pilot_secrets.c.revoked_at.is_(None), *clauses))
    return (await tx.execute(statement.values(revoked_at=now))).rowcount


async def delete_expired(tx: Tx, *, before: datetime) -> None:
    """Forget sessions that ended long ago, and secrets without any: a session is good where its secret says."""
    await tx.execute(pilot_sessions.delete().where(pilot_sessions.c.not_after < before))
    is_needed = exists().where(pilot_sessions.c.secret_id == pilot_secrets.c.secret_id)
    await tx.execute(pilot_secrets.delete().where(pilot_secrets.c.not_after < before, ~is_needed))
