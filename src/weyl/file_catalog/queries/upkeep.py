"""SQL of upkeep: what nobody has asked the outbox for, and which tables have a partition per month."""

from datetime import datetime

from weyl.file_catalog.tables import file_log, tombstones
from weyl.kit.db import Tx
from weyl.kit.sql import Sql

BY_MONTH = (file_log.name, tombstones.name)

_DELETE_OUTBOX = Sql(
    """
    DELETE FROM registration_outbox WHERE outbox_id IN (
      SELECT outbox_id FROM registration_outbox WHERE at < CAST(:before AS timestamptz)
      ORDER BY at LIMIT CAST(:limit AS integer) FOR UPDATE SKIP LOCKED)
    """
)


async def delete_outbox(tx: Tx, *, before: datetime, limit: int) -> int:
    """Delete old rows of the outbox; returns how many."""
    return await _DELETE_OUTBOX.run(tx, before=before, limit=limit)
