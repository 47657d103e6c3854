"""A database full of jobs that nobody submitted: a month of a large VO, written with COPY."""

import random
import time
from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import text

from weyl.failures import queries as failures
from weyl.jobs.queries import search
from weyl.jobs.tables import jobs
from weyl.kit.clock import utcnow
from weyl.kit.db import Database, copy_rows
from weyl.migrations import migrate

COLUMNS = ("job_group", "site", "job_name", "owner", "owner_group", "vo", "submission_time", "last_update_time")
COLUMNS += ("start_exec_time", "heart_beat_time", "end_exec_time", "status", "minor_status", "application_status")
COLUMNS += ("description_id",)
MINOR = {
    "Done": "Execution Complete",
    "Failed": "Application Finished With Errors",
    "Waiting": "Pilot Agent Submission",
    "Running": "Application",
    "Killed": "Marked for termination",
}
STATUSES = ["Done"] * 60 + ["Failed"] * 15 + ["Waiting"] * 15 + ["Running"] * 8 + ["Killed"] * 2
# Nobody looks after the running ones: a sign of life that lies ahead keeps the watchdog of a worker from them.
ALIVE_FOR = timedelta(days=2)
NO_DESCRIPTION = 0
GROUP_JOBS = 5_000


def rows(count: int, vo: str) -> Iterator[tuple[object, ...]]:
    """Yield jobs of a month: 200 owners, 60 sites, 400 kinds of failures."""
    chance, now = random.Random(1), utcnow()
    for number in range(count):
        at = now - timedelta(days=30) * (1 - number / count)
        status, owner = chance.choice(STATUSES), f"user{int(200 * chance.random() ** 2):03}"
        said = f"Exited With Status {chance.randint(1, 200)} on wn{number}.site.org: cause {_word(chance)}"
        application = said if status == "Failed" else "Unknown"
        ended = at + timedelta(hours=1)
        life = now + ALIVE_FOR if status == "Running" else None
        yield (
            f"group{number // GROUP_JOBS}", f"LCG.Site{chance.randrange(60)}.org", f"job {number}", owner, "user", vo,
            at, ended, at, life, ended, status, MINOR[status], application, NO_DESCRIPTION,
        )  # fmt: skip


def _word(chance: random.Random) -> str:
    return "".join("ghijklmnop"[int(digit)] for digit in f"{int(400 * chance.random() ** 3):03}")


async def load(url: str, count: int, *, vo: str = "voa") -> dict[str, float]:
    """Fill the database; returns how long that took. No worker may run meanwhile: it would fold the same counts."""
    db = Database(url, pool_size=1, statement_timeout_s=600)
    await migrate.upgrade(db)
    began = time.perf_counter()
    async with db.transaction() as tx:
        await tx.execute(text("SET LOCAL statement_timeout = 0"))
        await copy_rows(tx, jobs, COLUMNS, rows(count, vo))
    loaded = time.perf_counter()
    async with db.transaction() as tx:
        await failures.fold_failures(tx)
        await search.fold_counts(tx)
    folded = time.perf_counter()
    async with db.transaction() as tx:
        await tx.execute(text("ANALYZE"))
    await db.close()
    return {"load_s": loaded - began, "fold_s": folded - loaded}
