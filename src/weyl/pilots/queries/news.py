"""SQL of which pilots have changed lately."""

from datetime import datetime
from typing import Any

from weyl.kit.db import Tx, fetch_text

_SELECT_CHANGED = (
    "SELECT pilot_stamp, vo, status, last_update_time FROM pilots WHERE last_update_time > $1"
    " ORDER BY last_update_time LIMIT $2"
)


async def select_changed(tx: Tx, since: datetime, *, limit: int) -> list[Any]:
    """Return the pilots that were updated after a time, the earliest first."""
    return await fetch_text(tx, _SELECT_CHANGED, since, limit)
