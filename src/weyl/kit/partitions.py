"""Monthly partitions of tables: made ahead, and dropped whole once what is in them is no longer kept."""

import re
from datetime import datetime

from sqlalchemy import text

from weyl.kit.db import Tx


def month_start(at: datetime, months: int = 0) -> datetime:
    """Return the first instant of the month that lies `months` after that of `at`."""
    index = at.year * 12 + at.month - 1 + months
    return at.replace(year=index // 12, month=index % 12 + 1, day=1, hour=0, minute=0, second=0, microsecond=0)


async def ensure_month_partitions(tx: Tx, table: str, now: datetime, *, ahead: int = 2) -> None:
    """Create the partitions of `table` (by range of a time) for this month and the `ahead` next ones."""
    for offset in range(ahead + 1):
        start, end = month_start(now, offset), month_start(now, offset + 1)
        await tx.execute(
            text(
                f'CREATE TABLE IF NOT EXISTS "{table}_{start:%Y_%m}" PARTITION OF "{table}" '
                f"FOR VALUES FROM ('{start:%Y-%m-%d}') TO ('{end:%Y-%m-%d}')"
            )
        )


async def drop_month_partitions(tx: Tx, table: str, before: datetime) -> list[str]:
    """Drop the monthly partitions of `table` that end before `before`; returns their names.

    Whoever uses the table waits for us while we wait for the longest read of it, so we give up after two seconds.
    """
    await tx.execute(text("SET LOCAL lock_timeout = '2s'"))
    names = await tx.execute(
        text(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
            "WHERE i.inhparent = to_regclass(:t)"
        ),
        {"t": table},
    )
    last_kept = f"{table}_{month_start(before):%Y_%m}"
    expired = sorted(name for (name,) in names if re.fullmatch(rf"{table}_\d{{4}}_\d\d", name) and name < last_kept)
    for name in expired:
        await tx.execute(text(f'DROP TABLE "{name}"'))
    return expired
