"""SQL that signs failed jobs: a trigger does it, these find those that failed before there was one."""

from weyl.kit.db import Tx
from weyl.kit.sql import Sql

_UNSIGNED = "SELECT job_id FROM jobs WHERE status = 'Failed' AND signature IS NULL"
_HAS_UNSIGNED = Sql(f"SELECT EXISTS ({_UNSIGNED})", bool)
_SIGN = Sql(
    f"""
    UPDATE jobs SET signature = NULL
    WHERE job_id IN ({_UNSIGNED} ORDER BY job_id LIMIT :limit FOR UPDATE SKIP LOCKED)
    """
)


async def has_unsigned(tx: Tx) -> bool:
    """Tell whether there are jobs that failed before failures were signed."""
    return await _HAS_UNSIGNED.one(tx)


async def sign_jobs(tx: Tx, *, limit: int) -> int:
    """Let the trigger sign some of the jobs that failed before there was one; returns how many."""
    return await _SIGN.run(tx, limit=limit)
