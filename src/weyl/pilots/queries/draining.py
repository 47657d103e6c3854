"""SQL of pilots that are to finish what they have and take nothing more."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select, update

from weyl.kit.db import Tx
from weyl.pilots.tables import LIVE_STATUSES, pilots


async def drain(tx: Tx, filters: Mapping[str, Any], *, now: datetime) -> dict[str, bool]:
    """Let the living pilots that fit all filters take nothing more; returns them, and whether each has spoken."""
    statement = update(pilots).where(
        *_fitting(filters), pilots.c.status.in_(LIVE_STATUSES), pilots.c.drain_at.is_(None)
    )
    rows = await tx.execute(statement.values(drain_at=now).returning(pilots.c.pilot_stamp, pilots.c.spoke_at))
    return {stamp: spoke_at is not None for stamp, spoke_at in rows}


async def undrain(tx: Tx, filters: Mapping[str, Any]) -> list[str]:
    """Let the pilots that fit all filters go on as before; returns their stamps."""
    statement = update(pilots).where(*_fitting(filters), pilots.c.drain_at.is_not(None)).values(drain_at=None)
    return list((await tx.execute(statement.returning(pilots.c.pilot_stamp))).scalars())


async def select_draining(tx: Tx) -> set[str]:
    """Return the living pilots that are to take nothing more."""
    statement = select(pilots.c.pilot_stamp).where(pilots.c.drain_at.is_not(None), pilots.c.status.in_(LIVE_STATUSES))
    return set((await tx.execute(statement)).scalars())


def _fitting(filters: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    columns: dict[str, ColumnElement[bool]] = {
        "stamps": pilots.c.pilot_stamp.in_(filters.get("stamps") or ()),
        "host": pilots.c.host == filters.get("host"),
        "ce": pilots.c.destination_site == filters.get("ce"),
        "site": pilots.c.grid_site == filters.get("site"),
        "vo": pilots.c.vo == filters.get("vo"),
    }
    return [columns[name] for name in filters]
