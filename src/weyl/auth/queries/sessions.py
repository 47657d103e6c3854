"""Browsers that are logged in, each known by the hash of its cookie."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Delete, delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from weyl.auth.permits import TokenScope
from weyl.auth.tables import browser_sessions
from weyl.kit.db import Tx
from weyl.kit.sql import Sql, fetch_as


class SessionRow(NamedTuple):
    """A browser that is logged in; `properties` are those asked for beyond the group's."""

    session_id: UUID
    cookie_hash: bytes
    vo: str
    subject: str
    group_name: str
    properties: list[str]
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    user_agent: str
    address: str
    user_name: str | None
    """The name that was kept for the person when they logged in."""


_USE = Sql(
    f"""
    -- Who uses a session is noted once a while, with the look-up that is made anyway. Rows that another process notes
    -- now, or that are being changed, are left alone: nobody waits for anybody here.
    WITH used AS (
      SELECT session_id FROM browser_sessions
      WHERE cookie_hash = ANY(:cookie_hashes) AND expires_at > :now
        AND last_used_at > :idle_since AND last_used_at <= :noted_before
      FOR UPDATE SKIP LOCKED
    ), noted AS (
      UPDATE browser_sessions AS session SET last_used_at = :now FROM used WHERE session.session_id = used.session_id
    )
    SELECT {", ".join(SessionRow._fields)} FROM browser_sessions
    WHERE cookie_hash = ANY(:cookie_hashes) AND expires_at > :now AND last_used_at > :idle_since
    """,
    SessionRow,
)


async def use_sessions(
    tx: Tx, cookie_hashes: Sequence[bytes], *, now: datetime, idle: timedelta, noted_every: timedelta
) -> dict[bytes, SessionRow]:
    """Return the living sessions of these cookies, and note that they are used."""
    rows = await _USE.rows(
        tx, cookie_hashes=cookie_hashes, now=now, idle_since=now - idle, noted_before=now - noted_every
    )
    return {row.cookie_hash: row for row in rows}


async def insert_session(tx: Tx, row: SessionRow) -> bool:
    """Store a session; tells whether there was none of this id, which a login has had from its beginning."""
    statement = insert(browser_sessions).values(row._asdict())
    done = await tx.execute(statement.on_conflict_do_nothing().returning(browser_sessions.c.session_id))
    return done.first() is not None


async def rotate_session(tx: Tx, row: SessionRow, *, was: bytes) -> bool:
    """Give a session another cookie, group and properties; tells whether it still had the cookie that it had."""
    columns = browser_sessions.c
    statement = (
        update(browser_sessions)
        .where(columns.session_id == row.session_id, columns.cookie_hash == was)
        .values(
            cookie_hash=row.cookie_hash,
            vo=row.vo,
            subject=row.subject,
            group_name=row.group_name,
            user_name=row.user_name,
            properties=row.properties,
            last_used_at=row.last_used_at,
        )
    )
    return (await tx.execute(statement)).rowcount == 1


async def select_sessions(tx: Tx, scope: TokenScope, *, now: datetime, idle: timedelta) -> list[SessionRow]:
    """Return the living sessions in `scope`, newest first."""
    columns = browser_sessions.c
    statement = (
        select(*(columns[name] for name in SessionRow._fields))
        .where(*_within(scope), columns.expires_at > now, columns.last_used_at > now - idle)
        .order_by(columns.session_id.desc())
    )
    return await fetch_as(tx, SessionRow, statement)


async def delete_session(tx: Tx, scope: TokenScope, session_id: UUID) -> list[bytes]:
    """End a session in `scope`; returns the hash of its cookie, or nothing if there is none."""
    return await _deleted(
        tx, delete(browser_sessions).where(*_within(scope), browser_sessions.c.session_id == session_id)
    )


async def delete_session_of_cookie(tx: Tx, cookie_hash: bytes) -> list[bytes]:
    """End the session of a cookie; returns its hash, or nothing if there is none."""
    return await _deleted(tx, delete(browser_sessions).where(browser_sessions.c.cookie_hash == cookie_hash))


async def delete_dead_sessions(tx: Tx, *, now: datetime, idle: timedelta) -> int:
    """Remove the sessions that have ended by themselves; returns how many."""
    columns = browser_sessions.c
    dead = or_(columns.expires_at <= now, columns.last_used_at <= now - idle)
    return (await tx.execute(delete(browser_sessions).where(dead))).rowcount


def _within(scope: TokenScope) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [browser_sessions.c.vo == scope.vo]
    if scope.subject is not None:
        conditions.append(browser_sessions.c.subject == scope.subject)
    return conditions


async def _deleted(tx: Tx, statement: Delete) -> list[bytes]:
    return list((await tx.execute(statement.returning(browser_sessions.c.cookie_hash))).scalars())
