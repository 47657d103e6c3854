"""What is left of deleted jobs goes for good: rows, parameters, earlier runs, pilots and the links to sandboxes.

History and heartbeats stay until their month is dropped: nothing leads to them any more, and dropping costs nothing.
"""

from collections.abc import Sequence

from weyl.jobs.additions import JobReferences
from weyl.jobs.permits import Managed
from weyl.jobs.queries import removal as queries
from weyl.jobs.service.status import NOT_FOUND
from weyl.kit.db import Tx
from weyl.sandboxes import service as sandboxes

REFERRED_TO = "is still referred to by {}"


async def remove(tx: Tx, permit: Managed, *, vo: str, references: Sequence[JobReferences]) -> dict[int, str]:
    """Remove jobs that are Deleted and that nothing refers to; returns why the others stay."""
    statuses = await queries.lock_statuses(tx, permit.current())
    failed = dict.fromkeys(permit.current().keys() - statuses.keys(), NOT_FOUND)
    failed |= {
        job_id: f"is {status}; only a job that is Deleted can be removed"
        for job_id, status in statuses.items()
        if status != "Deleted"
    }
    failed |= await referred_to(tx, vo, sorted(statuses.keys() - failed.keys()), references)
    gone = sorted(statuses.keys() - failed.keys())
    if gone:
        await sandboxes.unassign(tx, gone)
        await queries.delete_satellites(tx, gone)
        await queries.delete_jobs(tx, gone)
    return failed


async def referred_to(tx: Tx, vo: str, job_ids: Sequence[int], references: Sequence[JobReferences]) -> dict[int, str]:
    """Return which of these jobs something still refers to, with what it is called."""
    found: dict[int, str] = {}
    for each in references if job_ids else ():
        found |= dict.fromkeys(await each.select(tx, vo, job_ids), REFERRED_TO.format(each.what))
    return found
