"""Jobs that run, for what is kept of them when they end."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from weyl.jobs.tables import job_descriptions, jobs
from weyl.kit.db import Database

BEGAN = datetime(2026, 11, 20, 10, 30, tzinfo=UTC)

MakeJob = Callable[..., Awaitable[int]]


@pytest.fixture
def make_job(db: Database) -> MakeJob:
    """Return `make_job(**columns)` -> the id of a job that runs since half past ten."""

    async def make(**columns: Any) -> int:
        async with db.transaction() as tx:
            added = await tx.execute(
                sa.insert(job_descriptions).values(jdl="", document={}).returning(job_descriptions.c.description_id)
            )
            row = {
                "vo": "voa", "owner": "alice", "owner_group": "user", "job_type": "User", "site": "A",
                "status": "Running",
                "submission_time": BEGAN - timedelta(hours=1), "last_update_time": BEGAN, "start_exec_time": BEGAN,
                "allocated": {"cores": 4}, "pilot_stamp": "a" * 32, "description_id": added.scalar_one(), **columns,
            }  # fmt: skip
            made = await tx.execute(sa.insert(jobs).values(row).returning(jobs.c.job_id))
            return int(made.scalar_one())

    return make
