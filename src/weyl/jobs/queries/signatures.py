"""SQL that signs failed jobs: a trigger does it, these find those that failed before there was one."""

import sqlalchemy as sa

from weyl.kit.db import Tx

_UNSIGNED = "SELECT job_id FROM jobs WHERE status = 'Failed' AND signature IS NULL"


async def has_unsigned(tx: Tx) -> bool:
    """Tell whether there are jobs that failed before failures were signed."""
    return bool(await tx.scalar(sa.text(f"SELECT EXISTS ({_UNSIGNED})")))


async def sign_jobs(tx: Tx, *, limit: int) -> int:
    """Let the trigger sign some of the jobs that failed before there was one; returns how many."""
    statement = (
        f"UPDATE jobs SET signature = NULL WHERE job_id IN ({_UNSIGNED} ORDER BY job_id LIMIT :limit"
        " FOR UPDATE SKIP LOCKED)"
    )
    return (await tx.execute(sa.text(statement), {"limit": limit})).rowcount
