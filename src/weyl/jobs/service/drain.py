"""Tells pilots by way of their payloads' reports that they are to take no more jobs."""

from collections.abc import Sequence
from datetime import datetime

from weyl.jobs.queries import commands as queries
from weyl.kit.db import Tx


async def ask_pilots(tx: Tx, stamps: Sequence[str], *, now: datetime) -> None:
    """Leave the order for one job of each pilot; the pilot needs to hear it once."""
    if stamps:
        await queries.insert_drains(tx, stamps, now)


async def withdraw(tx: Tx, stamps: Sequence[str]) -> None:
    """Take back what no pilot has heard yet."""
    if stamps:
        await queries.delete_drains(tx, stamps)
