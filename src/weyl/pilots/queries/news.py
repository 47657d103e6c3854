"""SQL of which pilots have changed lately."""

from datetime import datetime
from typing import NamedTuple

from weyl.kit.db import Tx
from weyl.kit.sql import Sql


class Changed(NamedTuple):
    """A pilot as it is since its last change."""

    pilot_stamp: str
    vo: str
    status: str
    last_update_time: datetime


_SELECT_CHANGED = Sql(
    """
    SELECT pilot_stamp, vo, status, last_update_time FROM pilots WHERE last_update_time > :since
    ORDER BY last_update_time LIMIT :limit
    """,
    Changed,
)


async def select_changed(tx: Tx, since: datetime, *, limit: int) -> list[Changed]:
    """Return the pilots that were updated after a time, the earliest first."""
    return await _SELECT_CHANGED.rows(tx, since=since, limit=limit)
