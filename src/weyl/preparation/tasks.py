"""What brings jobs from submission to waiting: checks, requests for files on tape, a look at those that are held."""

from datetime import timedelta
from typing import Any

from weyl.config.service import ConfigStore
from weyl.jobs.service import holds
from weyl.jobs.service.check_queue import CHECK_JOBS
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.kit.task import BoundTask, Task
from weyl.preparation import queries
from weyl.preparation.additions import PreparationRules
from weyl.preparation.service import checks, staging

# The name is older than this room: operators switch the task off by it.
HELD_JOBS = Task("jobs.held_jobs", every=timedelta(seconds=10), lock="jobs.held_jobs")
HOUSEKEEPING = Task("preparation.housekeeping", every=timedelta(hours=1), lock="preparation.housekeeping")

STAGE_REQUESTS_KEPT = timedelta(days=90)


def tasks(db: Database, config: ConfigStore, *, rules: PreparationRules = checks.NO_RULES) -> list[BoundTask]:
    """Return the tasks of this room, bound to a database and the configuration."""

    async def check_jobs(payload: dict[str, Any]) -> None:
        await checks.check_jobs(db, payload["ranges"], config=config.current().config, now=utcnow(), rules=rules)

    async def stage(payload: dict[str, Any]) -> None:
        known = config.current().config
        await staging.stage(db, rules.stagers, payload["request_ids"], config=known, now=utcnow())

    async def look_for_held_jobs(_: object) -> None:
        now = utcnow()
        async with db.transaction() as tx:
            await holds.wake(tx, config.current().config, now)
            await staging.hand_out_again(tx, now)

    async def keep_house(_: object) -> None:
        async with db.transaction() as tx:
            await queries.delete_old(tx, utcnow() - STAGE_REQUESTS_KEPT)

    return [
        CHECK_JOBS.bind(check_jobs),
        staging.STAGE.bind(stage),
        HELD_JOBS.bind(look_for_held_jobs, is_needed=queries.has_waiting),
        HOUSEKEEPING.bind(keep_house),
    ]
