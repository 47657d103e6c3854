"""Fetches what pilots that are over have written down of the payloads that they started."""

from collections.abc import Mapping

import structlog

from weyl.jobs.service.end_of_pilot import with_jobs
from weyl.jobs.starts import NO_WORD, Starts
from weyl.pilots.service.guarded import GuardedElement
from weyl.pilots.service.yard import Yard
from weyl.remote.errors import RemoteError
from weyl_pilot.starts import STARTS, read_starts

log = structlog.get_logger(__name__)

BYTES_MAX = 1 << 20


async def starts_left(yard: Yard, driver: GuardedElement, ended: Mapping[str, str]) -> Starts:
    """Return the starts of those pilots (stamp: handle) that have jobs and left a word; they start nothing any more."""
    if not ended or not driver.can_carry:
        return NO_WORD
    async with yard.db.read() as tx:
        asked = {stamp: ended[stamp] for stamp in await with_jobs(tx, ended)}
    if not asked:
        return NO_WORD
    try:
        carried = await driver.carry(asked.values(), [STARTS], bytes_max=BYTES_MAX)
    except (RemoteError, OSError) as error:
        log.warning("pilots.starts_not_read", pilots=len(asked), error=str(error))
        return NO_WORD
    found = {stamp: read_starts(carried[handle].get(STARTS)) for stamp, handle in asked.items()}
    return {stamp: started for stamp, started in found.items() if started is not None}
