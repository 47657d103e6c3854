"""Replicas of files: where they are, which of them can be used now, and what is said of them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from weyl.config.models import Config
from weyl.file_catalog.models.files import Code, Failure, Outcome, ReplicaLookup, ReplicaStatusChange
from weyl.file_catalog.modes import WRITE
from weyl.file_catalog.permits import Member
from weyl.file_catalog.queries.lookup import Replica
from weyl.file_catalog.queries.replicas import update_status
from weyl.file_catalog.queries.trash import Act, log_act, select_vo
from weyl.file_catalog.service.reading import admitted, readable_copies
from weyl.kit.db import Tx

Closed = Callable[[str], str | None]
"""Why a storage element cannot be read now, or None."""

_ORDER = {"Good": 0, "Suspect": 1, "Bad": 2}


async def replicas(tx: Tx, member: Member, lookup: ReplicaLookup, *, config: Config, closed: Closed) -> Outcome:
    """Return the replicas of files, those first that should be read first."""
    rows = await readable_copies(tx, member, lookup.lfns, config=config)
    each = {lfn: row.replicas for lfn, row in rows.good.items()}
    return Outcome(dict(in_order(each, config=config, site=lookup.site, closed=closed)), rows.failed)


def in_order(
    files: Mapping[str, Sequence[Replica]], *, config: Config, site: str | None, closed: Closed
) -> dict[str, list[dict[str, Any]]]:
    """Return the replicas of each file as they are shown: good ones first, then usable ones, then those at the site."""
    elements = config.resources.storage_elements
    near = {se for se, element in elements.items() if site is not None and site in element.sites}
    reasons = {se: closed(se) for se in {replica.se for each in files.values() for replica in each}}

    def place(replica: Replica) -> tuple[Any, ...]:
        return _ORDER[replica.status], reasons[replica.se] is not None, replica.se not in near, replica.se

    return {
        name: [_shown(replica, reasons[replica.se]) for replica in sorted(each, key=place)]
        for name, each in files.items()
    }


def _shown(replica: Replica, closed: str | None) -> dict[str, Any]:
    reason = "The replica is bad" if replica.status == "Bad" else closed
    shown = {
        "se": replica.se,
        "status": replica.status,
        "pfn": replica.path,
        "verified_at": replica.verified_at,
        "usable": reason is None,
    }
    return shown if reason is None else {**shown, "reason": reason}


async def set_status(tx: Tx, member: Member, change: ReplicaStatusChange, *, config: Config, now: datetime) -> Outcome:
    """Say of the replicas of files on one storage element whether they are good; who did, and why, is kept."""
    rows = await admitted(tx, member, change.lfns, WRITE, config=config)
    outcome = Outcome(failed=rows.failed)
    vo_id = await select_vo(tx, member.vo)
    if not rows.good or vo_id is None:
        return outcome
    ids = {row.file_id or 0: lfn for lfn, row in rows.good.items()}
    found = await update_status(tx, sorted(ids), se=change.se, status=change.status)
    for file_id, lfn in ids.items():
        if file_id in found:
            outcome.success[lfn] = {"se": change.se, "status": change.status}
        else:
            outcome.failed[lfn] = Failure(Code.NOT_FOUND, f"The file has no replica at {change.se}")
    if changed := sorted(file_id for file_id, was in found.items() if was != change.status):
        detail = {"se": change.se, "status": change.status}
        await log_act(tx, Act(vo_id, member.username, change.reason, now), "status", changed, detail=detail)
    return outcome
