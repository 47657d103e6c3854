"""Orders about many jobs: what they would do, and what a worker does for them, a thousand jobs at a time."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from weyl.config.models import Config
from weyl.config.service import ConfigStore
from weyl.jobs.additions import JobReferences
from weyl.jobs.attempts import NOT_AGAIN
from weyl.jobs.errors import BadOrder
from weyl.jobs.models.bulk import BulkAction, BulkFields, BulkOrder
from weyl.jobs.permits import JobScope, Managed, Orderer
from weyl.jobs.policy import may_change_ordered
from weyl.jobs.queries import bulk as queries
from weyl.jobs.queries import search as search_queries
from weyl.jobs.queries.access import Access, select_access
from weyl.jobs.service import commands
from weyl.jobs.service.removal import remove
from weyl.jobs.service.reschedule import reschedule
from weyl.jobs.service.status import NOT_FOUND, Outcome
from weyl.jobs.states import MOVES, STATUSES, JobStatus
from weyl.kit import json
from weyl.kit.db import Tx
from weyl.kit.search import SearchSpec, may_scan, unknown_values
from weyl.kit.task import Task
from weyl.tasks.operations import Batch, BatchHandler, BatchOutcome, Order

BULK = Task("jobs.bulk")
ADMINISTRATORS = frozenset({"JobAdministrator"})
KIND = "jobs."

SAMPLE_ROWS = 10
OWNERS_SHOWN = 100
ID_END = 1 << 63

_SPECS = TypeAdapter(list[SearchSpec])


def _possible() -> dict[BulkAction, frozenset[str]]:
    """The statuses from which each action leads somewhere."""
    killed = frozenset(status for status in MOVES if commands.can_reach(status, "Killed"))
    deleted = frozenset(status for status in MOVES if commands.can_reach(status, "Deleted"))
    return {
        BulkAction.KILL: killed,
        BulkAction.DELETE: killed | deleted,
        BulkAction.RESCHEDULE: frozenset(MOVES) - NOT_AGAIN,
        BulkAction.REMOVE: frozenset({"Deleted"}),
    }


POSSIBLE = _possible()


@dataclass(frozen=True, slots=True)
class Planned:
    """What an order would do, and to how many jobs it cannot be done."""

    count: int
    by: dict[str, dict[str, int]]
    sample: list[queries.Sample]
    not_allowed: int
    not_possible: int
    missing: int
    bound: int


def checked(order: BulkOrder) -> BulkOrder:
    """Refuse an order that does not say in one way, and within bounds, which jobs it is about."""
    if (order.ids is None) == (order.search is None):
        raise BadOrder("Say which jobs: give either `ids` or `search`")
    if order.ids is not None and not order.ids:
        raise BadOrder("Name at least one job in `ids`")
    if order.fields.reset and order.action is not BulkAction.RESCHEDULE:
        raise BadOrder("`reset` is for `reschedule`")
    for fault, hint in unknown_values(order.search or (), {"Status": STATUSES}):
        raise BadOrder(f"{fault} {hint}")
    try:
        text = json.dumps_text(order.subject())
    except TypeError as error:  # the body may have numbers of any size, and texts that are none
        raise BadOrder(f"The order cannot be kept: {error}") from error
    if "\\u0000" in text:
        raise BadOrder("The order cannot be kept: a text holds a NUL character")
    return order


def plan_may_scan(order: BulkOrder) -> bool:
    """Tell whether planning may have to look at every job."""
    return may_scan(order.search or (), (), indexed=search_queries.INDEXED_NAMES, order=search_queries.JOB_ID)


async def plan(tx: Tx, orderer: Orderer, order: BulkOrder) -> Planned:
    """Say what an order would do now; nothing is stored."""
    bound = await queries.select_bound(tx)
    ids = None if order.ids is None else _held(order.ids)
    target = queries.Target(orderer.seen, order.search or (), ids, bound)
    counts = await _counts(tx, target)
    possible = POSSIBLE[orderer.action]
    allowed = [row for row in counts if orderer.may_change(orderer.vo, row["Owner"])]
    meant = [row for row in allowed if row["Status"] in possible]
    mine = queries.Target(_changeable(orderer), target.specs, ids, bound)
    seen, changeable, count = (_total(rows) for rows in (counts, allowed, meant))
    return Planned(
        count=count,
        by={"Status": _by(meant, "Status"), "Owner": _by(meant, "Owner", most=OWNERS_SHOWN)},
        sample=await queries.select_sample(tx, mine, possible, rows=SAMPLE_ROWS) if count else [],
        not_allowed=seen - changeable,
        not_possible=changeable - count,
        missing=0 if order.ids is None else len(set(order.ids)) - seen,
        bound=bound,
    )


async def _counts(tx: Tx, target: queries.Target) -> Sequence[Mapping[str, Any]]:
    selection = search_queries.Selection(target.scope, target.specs)
    if target.ids is None and selection.is_counted():
        return await search_queries.select_counts_from_counters(tx, selection, ["Status", "Owner"])
    return await queries.count_by_status_and_owner(tx, target)


def _total(rows: Sequence[Mapping[str, Any]]) -> int:
    return sum(row["count"] for row in rows)


def _by(rows: Sequence[Mapping[str, Any]], name: str, *, most: int | None = None) -> dict[str, int]:
    counted: Counter[str] = Counter()
    for row in rows:
        counted[row[name]] += row["count"]
    return dict(counted.most_common(most))


def _held(ids: Sequence[int]) -> list[int]:
    """The ids in order; one that no column can hold is the id of no job."""
    return sorted({job_id for job_id in ids if 0 < job_id < ID_END})


def _changeable(orderer: Orderer) -> JobScope:
    return JobScope(orderer.vo, orderer.owner if orderer.owner is not None else orderer.seen.owner)


def confirmed(
    order: BulkOrder, orderer: Orderer, *, operation_id: UUID, who: tuple[str, str], bound: int, total: int
) -> Order:
    """Return a confirmed order as an operation of `who` (subject and name), about jobs up to `bound` only."""
    ids = None if order.ids is None else _held(order.ids)
    subject, name = who
    return Order(
        operation_id=operation_id,
        kind=KIND + orderer.action,
        vo=orderer.vo,
        subject=subject,
        created_by=name,
        arguments={
            "search": [spec.model_dump(mode="json") for spec in order.search or ()],
            "reset": order.fields.reset,
            "bound": bound,
            "owner": orderer.owner,
            "seen_owner": orderer.seen.owner,
        },
        total=total if ids is None else len(ids),
        items=ids,
        administrators=ADMINISTRATORS,
    )


def bulk_handler(config: ConfigStore, references: Sequence[JobReferences]) -> BatchHandler:
    """Return what does one batch of an order about jobs."""

    async def do(tx: Tx, batch: Batch) -> BatchOutcome:
        arguments = batch.arguments
        action = BulkAction(batch.kind.removeprefix(KIND))
        orderer = Orderer(action, batch.vo, arguments["owner"], JobScope(batch.vo, arguments["seen_owner"]))
        if batch.items is not None:
            rows: Mapping[int, Access | queries.Meant] = await select_access(tx, batch.items, None)
        else:
            target = queries.Target(
                _changeable(orderer), _SPECS.validate_python(arguments["search"]), bound=arguments["bound"]
            )
            rows = await queries.select_batch(tx, target, POSSIBLE[action], after=batch.after, size=batch.size)
        permit = may_change_ordered(orderer, rows)
        refused = _refused(orderer, rows, batch.items or (), permit)
        done, failed = await _ACTS[action](tx, permit, Doing(batch, config.current().config, references))
        is_last = batch.items is None and len(rows) < batch.size
        return BatchOutcome(done, {**failed, **refused}, None if is_last or not rows else max(rows))

    return do


def _refused(
    orderer: Orderer, rows: Mapping[int, Access | queries.Meant], named: Sequence[int], permit: Managed
) -> dict[int, str]:
    """Why those that were named cannot be touched at all; of another VO's job nothing is said."""
    refused: dict[int, str] = {}
    for job_id in named:
        row = rows.get(job_id)
        if row is None or not orderer.may_see(row.vo, row.owner):
            refused[job_id] = NOT_FOUND
        elif job_id not in permit.runs:
            refused[job_id] = f"is a job of {row.owner}"
    return refused


@dataclass(frozen=True, slots=True)
class Doing:
    """What an act needs beside the jobs."""

    batch: Batch
    config: Config
    references: Sequence[JobReferences]

    @property
    def source(self) -> str:
        """Who the history names."""
        return f"User: {self.batch.created_by}"


async def _kill(tx: Tx, permit: Managed, doing: Doing) -> tuple[int, dict[int, str]]:
    outcome = await commands.kill(tx, permit, now=doing.batch.now, source=doing.source)
    return _counted(outcome, JobStatus.KILLED)


async def _delete(tx: Tx, permit: Managed, doing: Doing) -> tuple[int, dict[int, str]]:
    outcome = await commands.delete(tx, permit, now=doing.batch.now, source=doing.source)
    return _counted(outcome, JobStatus.DELETED)


def _counted(outcome: Outcome, wanted: JobStatus) -> tuple[int, dict[int, str]]:
    failed = dict(outcome.failed)
    failed |= {job_id: f"is {change.status}" for job_id, change in outcome.success.items() if change.status != wanted}
    return len(outcome.success.keys() - failed.keys()), failed


async def _reschedule(tx: Tx, permit: Managed, doing: Doing) -> tuple[int, dict[int, str]]:
    reset = BulkFields(reset=doing.batch.arguments["reset"]).reset
    outcome = await reschedule(tx, permit, config=doing.config, now=doing.batch.now, reset=reset)
    return len(outcome.success), outcome.failed


async def _remove(tx: Tx, permit: Managed, doing: Doing) -> tuple[int, dict[int, str]]:
    failed = await remove(tx, permit, vo=doing.batch.vo, references=doing.references)
    return len(permit.runs) - len(failed), failed


Act = Callable[[Tx, Managed, Doing], Awaitable[tuple[int, dict[int, str]]]]
_ACTS: Mapping[BulkAction, Act] = {
    BulkAction.KILL: _kill,
    BulkAction.DELETE: _delete,
    BulkAction.RESCHEDULE: _reschedule,
    BulkAction.REMOVE: _remove,
}
