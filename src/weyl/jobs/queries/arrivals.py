"""SQL of what happens to jobs, in the order in which it is written down."""

from collections.abc import Sequence
from typing import NamedTuple

from weyl.kit.db import Tx
from weyl.kit.sql import Sql


class Arrived(NamedTuple):
    """A record of the history with its job as that is now, if it is still there."""

    history_id: int
    job_id: int
    vo: str | None
    owner: str | None
    status: str | None
    class_ids: list[int] | None


_SELECT_END = Sql("SELECT CASE WHEN is_called THEN last_value ELSE 0 END AS position FROM job_history_id_seq", int)
_SELECT_ARRIVED = Sql(
    """
    WITH arrived AS (
      (SELECT history_id, job_id FROM job_history WHERE history_id > :position ORDER BY history_id LIMIT :limit)
      UNION ALL
      SELECT h.history_id, h.job_id FROM unnest(:lows::bigint[], :highs::bigint[]) AS gap(low, high)
      JOIN job_history h ON h.history_id BETWEEN gap.low AND gap.high
    )
    SELECT a.history_id, a.job_id, j.vo, j.owner, j.status, j.class_ids
    FROM arrived a LEFT JOIN jobs j USING (job_id)
    """,
    Arrived,
)


async def select_history_end(tx: Tx) -> int:
    """Return the highest number that a record of any history has taken, committed or not."""
    return await _SELECT_END.one(tx)


async def select_arrived(tx: Tx, position: int, *, gaps: Sequence[tuple[int, int]], limit: int) -> list[Arrived]:
    """Return the records behind a position and in gaps before it, each with its job as that is now."""
    lows, highs = [low for low, _ in gaps], [high for _, high in gaps]
    return await _SELECT_ARRIVED.rows(tx, position=position, limit=limit, lows=lows, highs=highs)
