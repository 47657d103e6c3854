"""SQL of what happens to jobs, in the order in which it is written down."""

from collections.abc import Sequence
from typing import Any

from weyl.kit.db import Tx, fetch_text

_SELECT_END = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END AS position FROM job_history_id_seq"
_SELECT_ARRIVED = (
    "WITH arrived AS ("
    " (SELECT history_id, job_id FROM job_history WHERE history_id > $1 ORDER BY history_id LIMIT $2)"
    " UNION ALL SELECT h.history_id, h.job_id FROM unnest($3::bigint[], $4::bigint[]) AS gap(low, high)"
    " JOIN job_history h ON h.history_id BETWEEN gap.low AND gap.high)"
    " SELECT a.history_id, a.job_id, j.vo, j.owner, j.status, j.class_ids"
    " FROM arrived a LEFT JOIN jobs j USING (job_id)"
)


async def select_history_end(tx: Tx) -> int:
    """Return the highest number that a record of any history has taken, committed or not."""
    [row] = await fetch_text(tx, _SELECT_END)
    return int(row["position"])


async def select_arrived(tx: Tx, position: int, *, gaps: Sequence[tuple[int, int]], limit: int) -> list[Any]:
    """Return the records behind a position and in gaps before it, each with its job as that is now."""
    lows, highs = [low for low, _ in gaps], [high for _, high in gaps]
    return await fetch_text(tx, _SELECT_ARRIVED, position, limit, lows, highs)
