"""Pilots that are to finish what they have and stop: who they are, and that they hear of it soon."""

from datetime import datetime
from typing import Any

import structlog

from weyl.jobs.service.drain import ask_pilots, withdraw
from weyl.kit.db import Tx, notify
from weyl.pilots.errors import BadPilotRequest
from weyl.pilots.models import Drained, PilotDrain
from weyl.pilots.permits import PilotAdministrator
from weyl.pilots.queries import draining as queries

log = structlog.get_logger(__name__)

CHANNEL = "weyl_pilots"
"""Notices on this channel say that pilots were revoked, drained or let go on; what they carry does not matter."""


async def drain(tx: Tx, administrator: PilotAdministrator, wanted: PilotDrain, *, now: datetime) -> Drained:
    """Let pilots take no more jobs, or take that back; those that come later are not meant."""
    filters = _filters(administrator, wanted)
    if wanted.undo:
        stamps = await queries.undrain(tx, filters)
        await withdraw(tx, stamps)
    else:
        speaking = await queries.drain(tx, filters, now=now)
        stamps = list(speaking)
        # A pilot whose node is full does not ask for jobs: its payloads' reports are answered with the order.
        await ask_pilots(tx, [stamp for stamp, has_spoken in speaking.items() if has_spoken], now=now)
    if stamps:
        await notify(tx, CHANNEL, "drain")
    log.info("pilots.drained", by=administrator.subject, undo=wanted.undo, stamps=len(stamps))
    return Drained(stamps=sorted(stamps))


def _filters(administrator: PilotAdministrator, wanted: PilotDrain) -> dict[str, Any]:
    given = wanted.model_dump(exclude_none=True, exclude={"undo"})
    if not given.keys() - {"vo"}:
        raise BadPilotRequest("Say which: stamps, host, ce or site")
    return {**given, "vo": administrator.vo} if administrator.vo is not None else given
