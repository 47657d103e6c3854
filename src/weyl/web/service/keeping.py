"""What people keep in the pages: preferences and dashboards, each bounded."""

from datetime import datetime
from typing import Any
from uuid import UUID

from weyl.kit import json
from weyl.kit.db import Tx
from weyl.kit.ids import uuid7
from weyl.web import queries
from weyl.web.errors import BadDocument, DashboardChanged, DashboardNotFound, TooMuchKept
from weyl.web.models import Dashboard, DashboardChange, DashboardParams, Preferences
from weyl.web.permits import Keeper

PREFERENCES_BYTES_MAX = 32 * 1024
DASHBOARD_BYTES_MAX = 128 * 1024
DASHBOARDS_MAX = 200
"""That one person keeps."""


async def preferences(tx: Tx, keeper: Keeper) -> Preferences:
    """Return what a person has chosen; nothing at first."""
    return Preferences.model_validate(await queries.select_preferences(tx, keeper) or {})


async def keep_preferences(tx: Tx, keeper: Keeper, document: dict[str, Any], *, now: datetime) -> Preferences:
    """Keep what a person has chosen now."""
    _check_size(document, PREFERENCES_BYTES_MAX, "Preferences")
    await queries.put_preferences(tx, keeper, document, now=now)
    return Preferences(document=document, updated_at=now)


async def add_dashboard(tx: Tx, keeper: Keeper, params: DashboardParams, *, now: datetime) -> Dashboard:
    """Keep a new dashboard."""
    _check_size(params.document, DASHBOARD_BYTES_MAX, "A dashboard")
    if await queries.lock_shelf(tx, keeper) >= DASHBOARDS_MAX:
        raise TooMuchKept(f"You have {DASHBOARDS_MAX} dashboards and saved views: delete some that you need no more")
    row = {"id": uuid7(), **params.model_dump(), "revision": 1, "created_at": now, "updated_at": now}
    await queries.insert_dashboard(tx, keeper, row)
    return Dashboard(**row, owner=keeper.name, mine=True)


async def read_dashboard(tx: Tx, keeper: Keeper, dashboard_id: UUID) -> Dashboard:
    """Return a dashboard that a person owns, or that is shared in the VO."""
    found = await queries.select_dashboard(tx, keeper, dashboard_id)
    if found is None:
        raise DashboardNotFound(f"There is no dashboard {dashboard_id}, or it is not shared with you")
    return Dashboard.model_validate(found)


async def change_dashboard(
    tx: Tx, keeper: Keeper, dashboard_id: UUID, change: DashboardChange, *, now: datetime
) -> Dashboard:
    """Keep a dashboard in place of the revision that was read; only its owner changes it."""
    _check_size(change.document, DASHBOARD_BYTES_MAX, "A dashboard")
    row = {**change.model_dump(exclude={"revision"}), "updated_at": now}
    if not await queries.update_dashboard(tx, keeper, dashboard_id, revision=change.revision, row=row):
        there = await read_dashboard(tx, keeper, dashboard_id)
        if not there.mine:
            raise DashboardNotFound(f"Dashboard {dashboard_id} is {there.owner}'s: save a copy of your own")
        raise DashboardChanged(
            f"This dashboard was changed meanwhile, it is at revision {there.revision}: read it anew"
        )
    return await read_dashboard(tx, keeper, dashboard_id)


async def delete_dashboard(tx: Tx, keeper: Keeper, dashboard_id: UUID) -> None:
    """Delete a dashboard for good."""
    if not await queries.delete_dashboard(tx, keeper, dashboard_id):
        raise DashboardNotFound(f"There is no dashboard {dashboard_id} that you may delete")


def _check_size(document: dict[str, Any], bytes_max: int, what: str) -> None:
    try:
        size = len(json.dumps(document))
    except TypeError as error:  # a whole number that readers of JSON would not read as it was
        raise BadDocument(f"{what} cannot be kept: {error}") from error
    if size > bytes_max:
        raise TooMuchKept(f"{what} may have {bytes_max // 1024} kB at most")
