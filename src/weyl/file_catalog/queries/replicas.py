"""SQL of the status of replicas."""

from collections.abc import Sequence

from weyl.kit.db import Tx
from weyl.kit.sql import Sql

_UPDATE = Sql(
    """
    WITH held AS MATERIALIZED (
      SELECT r.file_id, r.se_id, r.status FROM replicas r JOIN se_names s USING (se_id)
      WHERE s.name = :se AND r.file_id = ANY(CAST(:file_ids AS bigint[])) ORDER BY r.file_id FOR UPDATE OF r
    ), changed AS (
      UPDATE replicas r SET status = :status FROM held h
      WHERE r.file_id = h.file_id AND r.se_id = h.se_id AND h.status <> :status
    )
    SELECT file_id, CAST(status AS text) FROM held
    """,
    tuple[int, str],
)


async def update_status(tx: Tx, file_ids: Sequence[int], *, se: str, status: str) -> dict[int, str]:
    """Set the status of the replicas of files at a storage element; returns what it was, by file."""
    return dict(await _UPDATE.rows(tx, file_ids=list(file_ids), se=se, status=status))
