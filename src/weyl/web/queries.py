"""All SQL of what people keep in the web pages."""

from datetime import datetime
from typing import Any, TypedDict
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from weyl.kit.db import Tx
from weyl.kit.json import Document
from weyl.kit.sql import fetch_as, first_as
from weyl.web.permits import Keeper
from weyl.web.tables import web_dashboards, web_preferences

_BOARD = web_dashboards.c
_SHOWN = [_BOARD[name] for name in ("id", "kind", "title", "shared", "owner", "revision", "created_at", "updated_at")]


class Chosen(TypedDict):
    """What a person has chosen."""

    document: Document
    updated_at: datetime


class Shown(TypedDict):
    """A dashboard in a list."""

    id: UUID
    kind: str
    title: str
    shared: bool
    owner: str
    revision: int
    created_at: datetime
    updated_at: datetime
    mine: bool


class Whole(Shown):
    """A dashboard with what it holds."""

    document: Document


async def select_preferences(tx: Tx, keeper: Keeper) -> Chosen | None:
    """Return what a person has chosen."""
    statement = sa.select(web_preferences.c.document, web_preferences.c.updated_at).where(
        web_preferences.c.vo == keeper.vo, web_preferences.c.subject == keeper.subject
    )
    return await first_as(tx, Chosen, statement)


async def put_preferences(tx: Tx, keeper: Keeper, document: Document, *, now: datetime) -> None:
    """Store what a person has chosen in place of what was there."""
    made = insert(web_preferences).values(vo=keeper.vo, subject=keeper.subject, document=document, updated_at=now)
    changed = {"document": made.excluded.document, "updated_at": made.excluded.updated_at}
    await tx.execute(made.on_conflict_do_update(index_elements=["vo", "subject"], set_=changed))


def _mine(keeper: Keeper) -> sa.ColumnElement[bool]:
    return sa.and_(_BOARD.vo == keeper.vo, _BOARD.subject == keeper.subject)


def _visible(keeper: Keeper) -> sa.ColumnElement[bool]:
    return sa.and_(_BOARD.vo == keeper.vo, sa.or_(_BOARD.subject == keeper.subject, _BOARD.shared))


async def lock_shelf(tx: Tx, keeper: Keeper) -> int:
    """Return how many dashboards a person has; whoever adds one for the same person waits until we end."""
    key = f"{keeper.vo}\x1f{keeper.subject}"
    await tx.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(key, 0))))
    # A statement of its own: it must see what the one that held the lock has committed.
    statement = sa.select(sa.func.count()).select_from(web_dashboards).where(_mine(keeper))
    return int((await tx.execute(statement)).scalar_one())


async def insert_dashboard(tx: Tx, keeper: Keeper, row: dict[str, Any]) -> None:
    """Store a new dashboard."""
    owned = {"vo": keeper.vo, "subject": keeper.subject, "owner": keeper.name}
    await tx.execute(sa.insert(web_dashboards).values(**row, **owned))


async def select_dashboards(tx: Tx, keeper: Keeper, *, kind: str | None, limit: int) -> list[Shown]:
    """Return a person's own dashboards, and then those that others share, the last changed first."""
    mine = (_BOARD.subject == keeper.subject).label("mine")
    statement = sa.select(*_SHOWN, mine).where(_visible(keeper))
    if kind is not None:
        statement = statement.where(_BOARD.kind == kind)
    statement = statement.order_by(mine.desc(), _BOARD.updated_at.desc(), _BOARD.id).limit(limit)
    return await fetch_as(tx, Shown, statement)


async def select_dashboard(tx: Tx, keeper: Keeper, dashboard_id: UUID) -> Whole | None:
    """Return a dashboard that a person may see."""
    mine = (_BOARD.subject == keeper.subject).label("mine")
    statement = sa.select(*_SHOWN, mine, _BOARD.document).where(_visible(keeper), _BOARD.id == dashboard_id)
    return await first_as(tx, Whole, statement)


async def update_dashboard(tx: Tx, keeper: Keeper, dashboard_id: UUID, *, revision: int, row: dict[str, Any]) -> bool:
    """Store a dashboard in place of the revision that its owner has read; tells whether that was the last one."""
    statement = sa.update(web_dashboards).where(_mine(keeper), _BOARD.id == dashboard_id, _BOARD.revision == revision)
    return (await tx.execute(statement.values(**row, revision=revision + 1))).rowcount == 1


async def delete_dashboard(tx: Tx, keeper: Keeper, dashboard_id: UUID) -> bool:
    """Delete a dashboard that one owns, or, as a moderator, one that is shared; tells whether there was one."""
    allowed = _mine(keeper)
    if keeper.is_moderator:
        allowed = sa.or_(allowed, sa.and_(_BOARD.vo == keeper.vo, _BOARD.shared))
    statement = sa.delete(web_dashboards).where(allowed, _BOARD.id == dashboard_id)
    return (await tx.execute(statement)).rowcount == 1
