"""Jobs that are held before they may wait: they stay visible, and go on when what they wait for is there again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from weyl.config.models import Config
from weyl.jobs.holds import Hold, opened, tries_of
from weyl.jobs.queries import holds as queries
from weyl.jobs.queries.checks import LockedJob
from weyl.jobs.service.check_queue import check_soon
from weyl.kit.clock import utcnow
from weyl.kit.db import Database, Tx
from weyl.kit.following import Follower
from weyl.resource_status.service.board import StatusBoard
from weyl.resource_status.service.looks import read_claims

WAKE_MAX = 100_000
"""How many jobs go on in one transaction; the rest follows with the next look."""
# A check that was enqueued and has not ended by now is taken for lost.
LOST_AFTER = timedelta(hours=1)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Held:
    """A job that is held now, and how often it was for the same reason."""

    job_id: int
    vo: str
    hold: Hold
    tries: int = 0
    request_id: int | None = None


async def settle(
    tx: Tx, decided: Sequence[tuple[LockedJob, Hold | None]], *, requests: Mapping[int, int], now: datetime
) -> None:
    """Hold those jobs of a batch that have a hold, and forget what held the others; `requests` are stage requests."""
    previous = await queries.select_tries(tx, [row.job_id for row, _ in decided])
    free = [row.job_id for row, hold in decided if hold is None and row.job_id in previous]
    if free:
        await queries.delete_holds(tx, free)
    found = [
        Held(
            row.job_id,
            row.vo,
            hold,
            tries_of(hold, previous.get(row.job_id)),
            requests.get(row.job_id),
        )
        for row, hold in decided
        if hold is not None
    ]
    await put(tx, found, now=now)


async def hold_anew(tx: Tx, job_ids: Sequence[int], later: Sequence[tuple[int, str, Hold]], *, now: datetime) -> None:
    """Forget what held jobs that begin anew; some of them are held at once, as (job, VO, hold)."""
    await queries.delete_holds(tx, job_ids)
    await put(tx, [Held(job_id, vo, hold) for job_id, vo, hold in later], now=now)


async def put(tx: Tx, found: Sequence[Held], *, now: datetime) -> None:
    """Write holds, each distinct one once."""
    if not found:
        return
    kinds: dict[Hold, int] = {}
    rows: dict[str, Sequence[Any]] = {
        "job_ids": [each.job_id for each in found],
        "vos": [each.vo for each in found],
        "numbers": [kinds.setdefault(each.hold, len(kinds)) for each in found],
        "after": [each.hold.seconds(each.tries) for each in found],
        "tries": [each.tries for each in found],
        "requests": [each.request_id for each in found],
    }
    told = [
        {"number": number, "reason": hold.reason, "text": hold.text, "names": list(hold.names)}
        for hold, number in kinds.items()
    ]
    await queries.put_holds(tx, rows, told, now)


async def wake(tx: Tx, config: Config, now: datetime) -> int:
    """Let jobs go on whose time has come, or that wait for something that may be used now; returns how many."""
    named = await queries.select_named(tx)
    open_now = opened(named, config, await read_claims(tx, now), now) if named else []
    job_ids = await queries.wake(tx, open_now, now=now, lost=now - LOST_AFTER, limit=WAKE_MAX)
    await check_soon(tx, job_ids)
    return len(job_ids)


async def wake_waiting_for(tx: Tx, vo: str, names: Sequence[str], *, now: datetime) -> None:
    """Let those jobs of a VO go on that wait for one of these names."""
    await check_soon(tx, await queries.wake_named(tx, vo, names, now=now, limit=WAKE_MAX))


class Waker:
    """Wakes held jobs as soon as a site or a storage element may be used again; the worker's look is only the net."""

    def __init__(self, db: Database, board: StatusBoard) -> None:
        self.follower = Follower("held jobs", self._wake, every_s=None)
        self._db = db
        self._board = board
        board.on_change(self.follower.wake)

    async def _wake(self) -> None:
        async with self._db.read() as tx:
            if not await queries.has_holds(tx):
                return
        async with self._db.transaction() as tx:
            woken = await wake(tx, self._board.config.current().config, utcnow())
        log.info("jobs.woken", jobs=woken)
