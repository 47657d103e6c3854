"""Waiting jobs: how they enter and leave their classes, and who is told."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import structlog

from weyl.kit.db import Tx, notify
from weyl.task_queues.gates import SEPARATOR, Rule
from weyl.task_queues.permits import QueueKeeper
from weyl.task_queues.queries import classes as queries
from weyl.task_queues.queries import limits
from weyl.task_queues.requirements import RequirementClass

CHANNEL = "weyl_task_queues"
"""Notices on this channel name classes that jobs have entered, as numbers with commas between them."""

LIMITS_CHANNEL = "weyl_limits"
"""Notices on this channel name the edition of the limits that holds from now on."""

CLASSES_PER_NOTICE = 500
DEACTIVATE_BATCH = 1_000
WRONG_GATES_LOGGED = 20

log = structlog.get_logger(__name__)


async def enqueue_jobs(tx: Tx, pairs: Sequence[tuple[int, RequirementClass]]) -> dict[int, list[int]]:
    """Let jobs wait in their classes, of which a job with alternatives has several; returns the classes of each job.

    The class rows stay locked (shared, in order) until `tx` ends, so that nobody can declare a class empty between our
    look at it and our commit. Matchers are told once a class, not once a job: a notice a job would line up the commits.
    """
    if not pairs:
        return {}
    class_ids = await _locked_class_ids(tx, {made.hash: made for _, made in pairs})
    placed = [(class_ids[made.hash], job_id) for job_id, made in pairs]
    await queries.insert_jobs(tx, placed)
    await _announce(tx, (class_id for class_id, _ in placed))
    entered: dict[int, list[int]] = {}
    for class_id, job_id in placed:
        entered.setdefault(job_id, []).append(class_id)
    return entered


async def remove_jobs(tx: Tx, job_ids: Sequence[int]) -> int:
    """Take jobs out of the queue, before their rows are changed: everybody locks queue rows first, then jobs."""
    return await queries.delete_jobs(tx, job_ids) if job_ids else 0


async def return_jobs(tx: Tx, pairs: Sequence[tuple[int, int]]) -> None:
    """Put jobs back that `tx` itself took out, as (class, job); matchers that looked meanwhile are told."""
    if pairs:
        await queries.insert_jobs(tx, pairs)
        await _announce(tx, (class_id for class_id, _ in pairs))


async def deactivate_drained(tx: Tx) -> list[int]:
    """Mark empty classes as inactive.

    Two statements: the second looks at the queue after the lock is held. A single one would judge by a view that is
    older than its lock, and a job that entered between the two would wait for a sweep.
    """
    drained = await queries.lock_drained_classes(tx, DEACTIVATE_BATCH)
    return await queries.deactivate_classes(tx, drained) if drained else []


async def rebuild(tx: Tx, keeper: QueueKeeper) -> dict[int, int]:
    """Make the queue and its counts anew from the jobs that wait; matching pauses meanwhile."""
    waiting = await queries.refill_queue(tx)
    await _announce(tx, waiting)
    return waiting


async def _locked_class_ids(tx: Tx, classes: dict[bytes, RequirementClass]) -> dict[bytes, int]:
    """Find or make the classes and lock them.

    A shared lock cannot be raised to an exclusive one without risking a deadlock between two that try, so when a class
    is new or inactive the shared locks are given back first and all are taken again, exclusively.
    """
    hashes = sorted(classes)
    savepoint = await tx.begin_nested()
    found = await queries.lock_classes(tx, hashes, exclusive=False)
    if len(found) == len(hashes) and all(row.active for row in found):
        await savepoint.commit()
        return {row.hash: row.class_id for row in found}
    await savepoint.rollback()
    known = {row.hash for row in found}
    missing = [classes[digest] for digest in hashes if digest not in known]
    if missing:
        await queries.insert_classes(tx, _columns(missing))
    found = await queries.lock_classes(tx, hashes, exclusive=True)
    await queries.activate_classes(tx, [row.class_id for row in found])
    return {row.hash: row.class_id for row in found}


def _columns(classes: Sequence[RequirementClass]) -> dict[str, list[object]]:
    return {
        "hash": [made.hash for made in classes],
        "document": [made.canonical.decode() for made in classes],
        "vo": [made.document["vo"] for made in classes],
        "owner_group": [made.document["group"] for made in classes],
        "owner": [made.document["owner"] for made in classes],
        "job_type": [made.document["job_type"] for made in classes],
        "user_priority": [made.document["user_priority"] for made in classes],
    }


async def _announce(tx: Tx, class_ids: Iterable[int]) -> None:
    distinct = sorted(set(class_ids))
    for start in range(0, len(distinct), CLASSES_PER_NOTICE):
        chunk = distinct[start : start + CLASSES_PER_NOTICE]
        await notify(tx, CHANNEL, ",".join(map(str, chunk)))


async def apply_limits(tx: Tx, rules: Mapping[str, Rule], modified: datetime) -> int:
    """Let these rules hold, unless those of a newer configuration do already; returns the edition that holds.

    Nobody moves jobs in or out of a limit meanwhile, and what runs is counted anew: a limit is exact from its first
    moment on.
    """
    epoch, known = await limits.select_epoch(tx)
    if known > modified:
        return epoch
    await limits.stop_limits(tx)
    epoch, known = await limits.select_epoch(tx)
    if known > modified:
        return epoch
    if {rule.name: rule for rule in await limits.select_rules(tx)} == dict(rules):
        return await limits.note_configuration(tx, modified)
    epoch = await limits.replace_rules(tx, rules.values(), modified)
    await limits.count_gates(tx)
    await notify(tx, LIMITS_CHANNEL, str(epoch))
    log.info("limits.changed", rules=len(rules), epoch=epoch)
    return epoch


async def recount_limits(tx: Tx) -> int:
    """Count anew what runs behind each gate; returns how many were wrong, which is a bug to be looked for."""
    await limits.stop_limits(tx)
    wrong = await limits.count_gates(tx)
    for row in wrong[:WRONG_GATES_LOGGED]:
        log.error("limits.alarm", gate=row.key.replace(SEPARATOR, " / "), kept=row.was, counted=row.runs)
    return len(wrong)


async def fold_limits(tx: Tx) -> None:
    """Fold the journal of gates that nobody matches through."""
    if idle := await limits.lock_idle_gates(tx):
        await limits.fold_gates(tx, idle)
