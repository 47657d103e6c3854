"""Usage as it is kept: old enough it is nothing, and no row can become too large or too small for a number."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from weyl.kit.db import Database
from weyl.task_queues.queries import usage as queries
from weyl.task_queues.tables import share_usage

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
OLD, FRESH = ("voa", "user", "old"), ("voa", "user", "fresh")


async def usage(db: Database) -> dict[str, float]:
    async with db.read() as tx:
        return {row.owner: row.usage for row in await queries.select_usage(tx, since=None)}


@pytest.mark.parametrize("write", [queries.add_usage, queries.raise_usage])
async def test_usage_of_many_half_lives_ago_is_nothing(db: Database, write: Any) -> None:
    async with db.transaction() as tx:
        row = {"vo": "voa", "owner_group": "user", "owner": "old", "usage": 1e12, "at": NOW - timedelta(days=60)}
        await tx.execute(sa.insert(share_usage).values(row))
        await write(tx, {OLD: 5.0, FRESH: 7.0}, half_lives={"voa": 3_600.0}, now=NOW)
    assert await usage(db) == pytest.approx({"old": 5.0, "fresh": 7.0})


@pytest.mark.parametrize("stored", ["Infinity", "NaN", "1.7e308"])
async def test_usage_that_is_no_number_becomes_one_and_decays(db: Database, stored: str) -> None:
    async with db.transaction() as tx:
        row = {"vo": "voa", "owner_group": "user", "owner": "old", "usage": float(stored), "at": NOW}
        await tx.execute(sa.insert(share_usage).values(row))
        await queries.add_usage(tx, {OLD: 1.7e308}, half_lives={"voa": 3_600.0}, now=NOW + timedelta(hours=1))
        await queries.add_usage(tx, {OLD: 5.0}, half_lives={"voa": 3_600.0}, now=NOW + timedelta(hours=301))
    assert await usage(db) == pytest.approx({"old": 5.0})
