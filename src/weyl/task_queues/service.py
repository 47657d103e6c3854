"""Waiting jobs: how they enter and leave their classes, and who is told."""

from collections.abc import Iterable, Sequence

from weyl.kit.db import Tx, notify
from weyl.task_queues.queries import classes as queries
from weyl.task_queues.queries import limits
from weyl.task_queues.requirements import RequirementClass

CHANNEL = "weyl_task_queues"
"""Notices on this channel name classes that jobs have entered, as numbers with commas between them."""

CLASSES_PER_NOTICE = 500
DEACTIVATE_BATCH = 1_000


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
    await announce(tx, (class_id for class_id, _ in placed))
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
        await announce(tx, (class_id for class_id, _ in pairs))


async def deactivate_drained(tx: Tx) -> list[int]:
    """Mark empty classes as inactive.

    Two statements: the second looks at the queue after the lock is held. A single one would judge by a view that is
    older than its lock, and a job that entered between the two would wait for a sweep.
    """
    drained = await queries.lock_drained_classes(tx, DEACTIVATE_BATCH)
    return await queries.deactivate_classes(tx, drained) if drained else []


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


async def announce(tx: Tx, class_ids: Iterable[int]) -> None:
    """Tell matchers, when `tx` commits, that jobs wait in these classes."""
    distinct = sorted(set(class_ids))
    for start in range(0, len(distinct), CLASSES_PER_NOTICE):
        chunk = distinct[start : start + CLASSES_PER_NOTICE]
        await notify(tx, CHANNEL, ",".join(map(str, chunk)))


async def fold_limits(tx: Tx) -> None:
    """Fold the journal of gates that nobody matches through."""
    if idle := await limits.lock_idle_gates(tx):
        await limits.fold_gates(tx, idle)
