"""The checks between submission and waiting: whole batches of equal jobs at a time, repeatable at any point."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from weyl.config.models import Config
from weyl.jobs import parametric
from weyl.jobs.descriptions import Owner
from weyl.jobs.overrides import Overrides
from weyl.jobs.queries import checks as queries
from weyl.jobs.ranges import Ranges, batches
from weyl.jobs.requirements import ATTRIBUTES, Limits
from weyl.jobs.verdicts import Verdict, judge
from weyl.kit import json
from weyl.kit.db import Tx
from weyl.task_queues import service as task_queues
from weyl.tasks.models import Task
from weyl.tasks.service import enqueue

CHECK_JOBS = Task("jobs.check_jobs")
JOBS_PER_CHECK = 10_000
HOLD = timedelta(seconds=300)

_DECIDING = (*ATTRIBUTES, "InputData", "InputSandbox")
_CHECKING = ("Checking", "JobSanity", "Unknown", "JobSanity")
_SOURCE = "JobScheduling"


async def check_jobs(tx: Tx, ranges: Ranges, *, config: Config, now: datetime) -> None:
    """Move jobs from Received to Waiting or Failed, or hold them; what somebody moved meanwhile is left alone."""
    rows = await queries.lock_unchecked(tx, ranges)
    if not rows:
        return
    documents = await queries.select_documents(tx, sorted({row["description_id"] for row in rows}))
    varying = {
        number: names for number, document in documents.items() if (names := parametric.varying(document, _DECIDING))
    }
    parameters = (
        await queries.select_parameters(tx, [row["job_id"] for row in rows if row["description_id"] in varying])
        if varying
        else {}
    )
    verdicts: dict[tuple[object, ...], Verdict] = {}
    decided: list[tuple[dict[str, Any], Verdict]] = []
    for row in rows:
        values = parameters.get(row["job_id"])
        names = varying.get(row["description_id"], ())
        filled = parametric.fill_some(documents[row["description_id"]], names, values)
        changed = json.dumps(row["overrides"])
        key = (row["description_id"], row["owner"], row["owner_group"], row["vo"], json.dumps(filled), changed)
        if key not in verdicts:
            verdicts[key] = _judged(dict(row), documents[row["description_id"]] | filled, config)
        decided.append((dict(row), verdicts[key]))
    await _apply(tx, decided, now)


def _judged(row: dict[str, Any], document: dict[str, Any], config: Config) -> Verdict:
    operations = config.operations.get(row["vo"])
    if operations is None:
        return Verdict("Failed", "Illegal Job JDL", f"The VO {row['vo']} is not configured any more")
    owner = Owner(vo=row["vo"], group=row["owner_group"], name=row["owner"])
    overrides = Overrides.read(row["overrides"])
    return judge(document, owner, Limits.of(operations), config.resources, overrides=overrides)


async def _apply(tx: Tx, decided: list[tuple[dict[str, Any], Verdict]], now: datetime) -> None:
    waiting = [(row["job_id"], made) for row, verdict in decided for made in verdict.classes]
    class_ids = await task_queues.enqueue_jobs(tx, waiting)
    changed = [(row, verdict) for row, verdict in decided if not _is_as_before(row, verdict)]
    if changed:
        numbers: dict[tuple[str, str, str], int] = {}
        changes = [
            (row["job_id"], numbers.setdefault(verdict.statuses, len(numbers) + 1), class_ids.get(row["job_id"], []))
            for row, verdict in changed
        ]
        await queries.update_checked(tx, changes, outcomes=list(numbers), now=now)
        await _record(tx, changed, list(numbers), now)
    held = [row["job_id"] for row, verdict in decided if verdict.is_hold]
    await enqueue(tx, CHECK_JOBS, [{"ranges": ranges} for ranges in batches(held, JOBS_PER_CHECK)], delay=HOLD)


def _is_as_before(row: dict[str, Any], verdict: Verdict) -> bool:
    status, minor_status, _ = verdict.statuses
    return verdict.is_hold and row["status"] == status and row["minor_status"] == minor_status


async def _record(
    tx: Tx, changed: list[tuple[dict[str, Any], Verdict]], outcomes: list[tuple[str, str, str]], now: datetime
) -> None:
    """Write both steps: a job that came straight from Received was in Checking on its way."""
    # the outcome is a microsecond younger, so that histories sort as things happened
    records = [(now, *_CHECKING), *((now + timedelta(microseconds=1), *outcome, _SOURCE) for outcome in outcomes)]
    numbers = {outcome: number for number, outcome in enumerate(outcomes, start=2)}
    await queries.insert_records(tx, list(_job_records(changed, numbers)), records=records)


def _job_records(
    changed: list[tuple[dict[str, Any], Verdict]], numbers: dict[tuple[str, str, str], int]
) -> Iterator[tuple[int, int]]:
    for row, verdict in changed:
        if row["status"] == "Received":
            yield row["job_id"], 1
        yield row["job_id"], numbers[verdict.statuses]
