"""The queue beside the jobs that wait in it: looked at by administrators, and made anew from them."""

from sqlalchemy import insert

from weyl.jobs.queries import waiting
from weyl.jobs.service.waiting import rebuild
from weyl.jobs.tables import jobs
from weyl.kit.clock import utcnow
from weyl.kit.db import Tx
from weyl.task_queues.permits import QueueKeeper, QueueScope
from weyl.task_queues.queries import classes as queries
from weyl.task_queues.requirements import make_class
from weyl.task_queues.service import enqueue_jobs


async def enter(tx: Tx, owners: dict[int, str]) -> dict[int, int]:
    """Let jobs of these owners wait, by job; returns the class of each."""
    common = {"vo": "lhcb", "group": "user", "job_type": "User"}
    made = [(job_id, make_class({"cpu_work_db12": 1000}, owner=owner, **common)) for job_id, owner in owners.items()]
    return {job_id: class_id for job_id, [class_id] in (await enqueue_jobs(tx, made)).items()}


async def test_rebuilding_takes_the_jobs_rows_as_the_truth(tx: Tx) -> None:
    placed = await enter(tx, {1: "ada", 2: "ada", 3: "bob"})
    now = utcnow()
    common = {"owner": "ada", "owner_group": "user", "vo": "lhcb", "submission_time": now, "last_update_time": now}
    await tx.execute(
        insert(jobs),
        [
            {**common, "job_id": 1, "status": "Waiting", "class_ids": [placed[1]], "description_id": 1},
            {**common, "job_id": 2, "status": "Killed", "class_ids": [placed[2]], "description_id": 1},
            {**common, "job_id": 8, "status": "Waiting", "class_ids": [placed[3]], "description_id": 1},
        ],
    )
    assert await rebuild(tx, QueueKeeper("admin")) == {placed[1]: 1, placed[3]: 1}
    assert await queries.select_heads(tx) == {placed[1]: 1, placed[3]: 8}
    assert await queries.select_waiting(tx) == {placed[1]: 1, placed[3]: 1}


async def test_a_vo_sees_its_own_task_queues_only(tx: Tx) -> None:
    placed = await enter(tx, {1: "ada"})
    [shown] = await waiting.select_task_queues(tx, QueueScope("lhcb"), limit=10)
    assert (shown["class_id"], shown["waiting"], shown["first_job_id"]) == (placed[1], 1, 1)
    assert shown["document"]["owner"] == "ada"
    assert await waiting.select_task_queues(tx, QueueScope("ska"), limit=10) == []
    assert await waiting.select_task_queue(tx, QueueScope("ska"), placed[1]) is None
