"""Input data on tape: one request for each set of files, and the jobs that go on when it has ended."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import structlog

from weyl.config.models import Config
from weyl.file_catalog.drivers.stager import Stager, StageRequest, StagerUnavailable
from weyl.jobs.holds import PREFIX, Hold, HoldReason, tries_of
from weyl.jobs.queries import status as status_queries
from weyl.jobs.queries.checks import LockedJob
from weyl.jobs.queries.holds import delete_holds
from weyl.jobs.queries.status import Locked
from weyl.jobs.service import holds
from weyl.jobs.service.check_queue import check_soon
from weyl.jobs.service.moves import move
from weyl.jobs.states import Report
from weyl.kit import json
from weyl.kit.db import Database, Tx
from weyl.kit.task import Task
from weyl.preparation import queries
from weyl.preparation.input_data import StageOrder
from weyl.preparation.verdicts import Case, Verdict, held
from weyl.tasks.service import enqueue

STAGE = Task("jobs.stage")
STAGER_TIMEOUT_S = 60.0
REQUESTS_PER_TASK = 100
# A request that no stager has by then is handed out once more: whoever had it has died.
LOST_AFTER = timedelta(minutes=10)
SOURCE = "StorageManager"

log = structlog.get_logger(__name__)


async def already_staged(
    db: Database, orders: Mapping[int, tuple[Case, StageOrder]], now: datetime
) -> dict[int, frozenset[tuple[str, str]]]:
    """Return those orders, by number, whose files were brought to disk a short while ago."""
    if not orders:
        return {}
    since = {_key(case, order): _since(case.options.staged_for, now) for case, order in orders.values()}
    async with db.read() as tx:
        staged = await queries.select_staged(tx, since)
    return {number: frozenset(order.files) for number, (case, order) in orders.items() if _key(case, order) in staged}


async def request(
    tx: Tx, judged: Sequence[tuple[LockedJob, Verdict]], *, config: Config, now: datetime
) -> tuple[list[tuple[LockedJob, Verdict]], dict[int, int]]:
    """Let jobs join the request for their files, which is made if there is none.

    Returns the batch, in which jobs whose request has just ended are looked at again, and the request of each job.
    """
    orders = {(row.vo, verdict.stage.digest): verdict.stage for row, verdict in judged if verdict.stage is not None}
    if not orders:
        return list(judged), {}
    since = {(vo, digest): _since(config.operations[vo].input_data.staged_for, now) for vo, digest in orders}
    files = {key: json.dumps([list(pair) for pair in order.files]).decode() for key, order in orders.items()}
    joined = await queries.join_requests(tx, files, since, now)
    wanted = sorted(request_id for request_id, state in joined.values() if state == "wanted")
    portions = [wanted[start : start + REQUESTS_PER_TASK] for start in range(0, len(wanted), REQUESTS_PER_TASK)]
    await enqueue(tx, STAGE, [{"request_ids": portion} for portion in portions])
    again = held(Hold(HoldReason.REPLICAS_UNAVAILABLE, "Its files have just come from tape", after_s=0))
    decided, requests = [], {}
    for row, verdict in judged:
        if verdict.stage is not None:
            request_id, state = joined[row.vo, verdict.stage.digest]
            if state == "staged":
                decided.append((row, again))
                continue
            requests[row.job_id] = request_id
        decided.append((row, verdict))
    return decided, requests


async def stage(
    db: Database, stagers: Mapping[str, Stager], request_ids: Sequence[int], *, config: Config, now: datetime
) -> None:
    """Hand requests to the stagers of their VOs; the jobs of one that is not taken are held and try again."""
    async with db.read() as tx:
        rows = await queries.select_wanted(tx, request_ids=request_ids)
    faults = {row.request_id: await _hand_over(stagers, row, config) for row in rows}
    async with db.transaction() as tx:
        await queries.mark_asked(tx, [number for number, fault in faults.items() if fault is None])
        refused = {number: fault for number, fault in faults.items() if fault is not None}
        if refused:
            await queries.delete_requests(tx, list(refused))
            texts = {number: f"The stager cannot be reached: {fault}" for number, fault in refused.items()}
            minor = f"{PREFIX}The stager cannot be reached"
            await _send_back(tx, texts, HoldReason.STAGER_UNREACHABLE, minor=minor, now=now)


async def staged(tx: Tx, request_ids: Sequence[int], *, now: datetime, problem: str | None = None) -> None:
    """Note that requests have ended: stagers call it. With a problem the jobs are held and look for their files again.

    A number that is not known, or comes a second time, changes nothing.
    """
    if problem is not None:
        await queries.delete_requests(tx, request_ids)
        texts = dict.fromkeys(request_ids, f"Files did not come from tape: {problem}")
        minor = f"{PREFIX}Files did not come from tape"
        await _send_back(tx, texts, HoldReason.REPLICAS_UNAVAILABLE, minor=minor, now=now)
        return
    # whoever joins a request locks it: the jobs that are read next are all that there are
    await queries.mark_staged(tx, request_ids, now)
    job_ids = [row.job_id for row in await queries.select_jobs(tx, request_ids)]
    moved = await _to_checking(tx, job_ids, "Input Data Resolution", now)
    await delete_holds(tx, list(moved))
    await check_soon(tx, list(moved))


async def hand_out_again(tx: Tx, now: datetime) -> None:
    """Give requests to a stager that have had none for a while."""
    rows = await queries.select_wanted(tx, before=now - LOST_AFTER, limit=REQUESTS_PER_TASK)
    lost = [row.request_id for row in rows]
    if lost:
        await enqueue(tx, STAGE, [{"request_ids": lost}], keys=["jobs.stage:lost"])


async def _hand_over(stagers: Mapping[str, Stager], row: queries.Wanted, config: Config) -> str | None:
    operations = config.operations.get(row.vo)
    name = None if operations is None else operations.input_data.stager
    stager = stagers.get(str(name))
    if stager is None:
        return f"no stager {name} is installed; there are {', '.join(sorted(stagers)) or 'none'}"
    wanted = StageRequest(row.request_id, row.vo, tuple((lfn, place) for lfn, place in row.files))
    try:
        async with asyncio.timeout(STAGER_TIMEOUT_S):
            await stager.stage(wanted, config)
    except StagerUnavailable as error:
        fault = str(error)
    except TimeoutError:
        fault = f"it did not answer within {STAGER_TIMEOUT_S:g} s"
    except Exception:
        # it is an extension's: what is wrong with it is for the log, and the jobs are held
        log.exception("jobs.stager_failed", vo=row.vo, stager=name)
        fault = "it failed; the log of the worker says how"
    else:
        return None
    log.warning("jobs.stager_unreachable", vo=row.vo, stager=name, reason=fault)
    return fault


async def _send_back(tx: Tx, texts: Mapping[int, str], reason: HoldReason, *, minor: str, now: datetime) -> None:
    rows = await queries.select_jobs(tx, list(texts))
    moved = await _to_checking(tx, [row.job_id for row in rows], minor, now)
    found = []
    for row in rows:
        if row.job_id in moved:
            hold = Hold(reason, texts[row.request_id])
            tries = tries_of(hold, (HoldReason.STAGING, row.tries))
            found.append(holds.Held(row.job_id, moved[row.job_id].vo, hold, tries))
    await holds.put(tx, found, now=now)


async def _to_checking(tx: Tx, job_ids: Sequence[int], minor: str, now: datetime) -> dict[int, Locked]:
    rows = await status_queries.lock_jobs(tx, job_ids)
    rows = {job_id: row for job_id, row in rows.items() if row.status == "Staging"}
    await move(tx, rows, Report(now, "Checking", minor, "Unknown", SOURCE), now=now)
    return dict(rows)


def _key(case: Case, order: StageOrder) -> queries.Digest:
    return case.owner.vo, order.digest


def _since(staged_for_s: int, now: datetime) -> datetime:
    return now - timedelta(seconds=staged_for_s)
