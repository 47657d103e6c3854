"""Hot writes of one process: status reports and heartbeats that arrive together share a transaction."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import structlog

from weyl.config.service import ConfigStore
from weyl.jobs.queries.commands import Command
from weyl.jobs.service.heartbeat import HeartbeatRequest, add_heartbeats
from weyl.jobs.service.retry import report_statuses
from weyl.jobs.service.status import Outcome, StatusRequest
from weyl.kit.coalesce import Coalescer
from weyl.kit.db import Database, Tx, is_transient
from weyl.kit.services import Key

log = structlog.get_logger(__name__)

ATTEMPTS = 3

Request = TypeVar("Request")
Answer = TypeVar("Answer")


class JobWrites:
    """Takes reports that a policy has admitted; each caller gets its own answer once all of the batch is committed."""

    def __init__(self, db: Database, config: ConfigStore) -> None:
        async def report(tx: Tx, requests: Sequence[StatusRequest]) -> Sequence[Outcome]:
            return await report_statuses(tx, requests, config=config.current().config)

        self._statuses = Coalescer[StatusRequest, Outcome](_in_transaction(db, report))
        self._heartbeats = Coalescer[HeartbeatRequest, list[Command]](_in_transaction(db, add_heartbeats))

    async def set_statuses(self, request: StatusRequest) -> Outcome:
        """Apply status reports."""
        return await self._statuses.submit(request)

    async def add_heartbeats(self, request: HeartbeatRequest) -> list[Command]:
        """Store heartbeats and return the commands that wait for these jobs."""
        return await self._heartbeats.submit(request)


def _in_transaction(
    db: Database, apply: Callable[[Tx, Sequence[Request]], Awaitable[Sequence[Answer]]]
) -> Callable[[Sequence[Request]], Awaitable[Sequence[Answer | Exception]]]:
    """Run `apply` in a transaction of its own; one that lost a deadlock is run again."""

    async def flush(requests: Sequence[Request]) -> Sequence[Answer | Exception]:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with db.transaction() as tx:
                    return await apply(tx, requests)
            except Exception as error:
                if attempt == ATTEMPTS or not is_transient(error):
                    raise
                log.info("jobs.write_repeated", attempt=attempt, error=str(error)[:200])
        raise AssertionError("the last attempt returns or raises")

    return flush


JOB_WRITES: Key[JobWrites] = Key("the shared writes of jobs")
