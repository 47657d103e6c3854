"""SQL of the pilots' logs: numbered pieces, each kept once."""

from datetime import datetime

from weyl.kit.db import Tx
from weyl.kit.sql import Sql

_INSERT = Sql(
    """
    INSERT INTO pilot_log_chunks (submission_time, pilot_stamp, number, received_at, content)
    SELECT submission_time, pilot_stamp, :number, :now, :content FROM pilots WHERE pilot_stamp = :stamp
    ON CONFLICT DO NOTHING
    """
)
_SELECT = Sql(
    """
    SELECT c.number, c.content FROM pilots p
    JOIN pilot_log_chunks c ON c.submission_time = p.submission_time AND c.pilot_stamp = p.pilot_stamp
    WHERE p.pilot_stamp = :stamp AND c.number >= :first ORDER BY c.number LIMIT :limit
    """,
    tuple[int, bytes],
)


async def insert_chunk(tx: Tx, stamp: str, *, number: int, content: bytes, now: datetime) -> None:
    """Keep a piece of a log; one that is there already stays as it is."""
    await _INSERT.run(tx, stamp=stamp, number=number, content=content, now=now)


async def select_chunks(tx: Tx, stamp: str, *, first: int, limit: int) -> list[tuple[int, bytes]]:
    """Return pieces of a log in order."""
    return await _SELECT.rows(tx, stamp=stamp, first=first, limit=limit)
