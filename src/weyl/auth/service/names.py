"""A user name stays with the person who has logged in with it: jobs belong to it."""

from datetime import datetime

import structlog

from weyl.auth.errors import NotGranted
from weyl.auth.queries import names as queries
from weyl.auth.tokens import Identity
from weyl.kit.db import Tx

log = structlog.get_logger(__name__)


async def hold_name(tx: Tx, identity: Identity, *, now: datetime) -> None:
    """Keep the name of a login for its person, or raise `NotGranted` if somebody else has it.

    A successor gets it whose entry in the configuration lists the other one among its `PreviousSubjects`.
    """
    vo, name, subject = identity.vo, identity.preferred_username, identity.subject
    holder = await queries.select_holder(tx, vo, name)
    if holder == subject:
        return
    if not await queries.take_name(tx, vo, name, subject=subject, predecessors=identity.predecessors, now=now):
        log.warning("user_name_refused", vo=vo, name=name, subject=subject, holder=holder)
        raise NotGranted(
            f"The user name {name} of VO {vo} belongs to somebody else, and so do its jobs: "
            "ask the support of your VO for another name, or to take over this one"
        )
    if holder is not None:
        log.info("user_name_taken_over", vo=vo, name=name, subject=subject, predecessor=holder)
