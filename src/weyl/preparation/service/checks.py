"""The checks between submission and waiting: whole batches of equal jobs at a time, repeatable at any point.

A batch is read, judged and written. Extensions and file catalogues are asked between reading and writing, while no
transaction is open; what somebody has moved meanwhile is left alone when the batch is written.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from weyl.config.models import Config
from weyl.descriptions import parametric
from weyl.descriptions.description import Description, Owner
from weyl.descriptions.errors import BadAttribute
from weyl.descriptions.input_files import Files, lfns_of
from weyl.descriptions.overrides import Overrides
from weyl.descriptions.requirements import ATTRIBUTES, Limits
from weyl.jobs.grid import Grid
from weyl.jobs.holds import name_of_catalog
from weyl.jobs.queries import checks as queries
from weyl.jobs.queries.input_sets import Lfns, put_sets
from weyl.jobs.ranges import Ranges
from weyl.jobs.service import holds
from weyl.kit import json
from weyl.kit.bisection import bisect
from weyl.kit.db import Database, Tx
from weyl.preparation.additions import PreparationContext, PreparationRules, Preparing
from weyl.preparation.service import staging
from weyl.preparation.service.extension_checks import ask_extensions
from weyl.preparation.service.replicas import look_up
from weyl.preparation.verdicts import Case, Found, Verdict, check_sanity, ill_described, judge
from weyl.resource_status.claims import Claims
from weyl.resource_status.service.looks import read_claims
from weyl.task_queues import service as task_queues

WARNINGS = "SchedulingWarnings"
"""The parameter that tells what was odd about a job that waits all the same."""

_DECIDING = (*ATTRIBUTES, "InputData", "InputSandbox", "TransformationID")
_CHECKING = ("Checking", "JobSanity", "Unknown", "JobSanity")
_SOURCE = "JobScheduling"
NO_RULES = PreparationRules()
DESCRIPTIONS_MAX = 500

Row = queries.Unchecked
Judged = tuple[queries.LockedJob, Verdict]


class NotChecked(Exception):
    """The checks of some jobs came to no end; the log says why."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Jobs with the case that each of them is; a case without a VO in the configuration has a verdict already."""

    rows: Sequence[Row]
    case_of: Sequence[int]
    cases: Sequence[Case | Verdict]
    claims: Claims
    config: Config
    now: datetime

    def job_ids(self) -> dict[int, list[int]]:
        """Return the jobs of each case."""
        found: dict[int, list[int]] = {}
        for row, number in zip(self.rows, self.case_of, strict=True):
            found.setdefault(number, []).append(row.job_id)
        return found


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on each case of a batch, the catalogues that have answered, by VO, and the files of each case."""

    verdicts: Sequence[Verdict]
    answered: Mapping[str, str]
    lfns: Mapping[int, Lfns]
    """The files that the jobs of a case read, by its number; cases that read none are left out."""


async def check_jobs(
    db: Database, ranges: Ranges, *, config: Config, now: datetime, rules: PreparationRules = NO_RULES
) -> None:
    """Move jobs from Received to Waiting, Staging or Failed, or hold them.

    Raises `NotChecked` when all others are done if the checks of some have failed.
    """
    async with db.read() as tx:
        unchecked = await queries.select_unchecked(tx, ranges, now)
    attributes = rules.attributes if rules.checks else ()

    async def check(job_ids: Sequence[int]) -> int:
        rows = [row_of[job_id] for job_id in job_ids]
        async with db.read() as tx:
            batch = await _read(tx, rows, config=config, now=now, attributes=attributes)
        judgement = await _decide(db, batch, rules)
        async with db.transaction() as tx:
            await _apply(tx, batch, judgement)
        return len(rows)

    row_of = {row.job_id: row for row in unchecked}
    failed: dict[int, Exception] = {}
    for portion in _portions(unchecked):
        outcome = await bisect([row.job_id for row in portion], check, event="jobs.not_checked")
        failed |= outcome.failed
        if outcome.is_given_up:
            break
    if failed:  # the others have been moved: another attempt is about these
        job_id, error = next(iter(failed.items()))
        raise NotChecked(f"{len(failed)} jobs could not be checked; job {job_id}: {error!r}") from error


def _portions(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Split jobs so that no portion has many descriptions: each is read, and judged by itself, while others wait."""
    portion: list[Row] = []
    seen: set[int] = set()
    for row in rows:
        if row.description_id not in seen and len(seen) == DESCRIPTIONS_MAX:
            yield portion
            portion, seen = [], set()
        portion.append(row)
        seen.add(row.description_id)
    if portion:
        yield portion


async def _read(tx: Tx, rows: Sequence[Row], *, config: Config, now: datetime, attributes: Sequence[str]) -> Batch:
    documents = await queries.select_documents(tx, sorted({row.description_id for row in rows}))
    names = (*_DECIDING, *attributes)
    varying = {
        number: found for number, document in documents.items() if (found := parametric.varying(document, names))
    }
    parameters = (
        await queries.select_parameters(tx, [row.job_id for row in rows if row.description_id in varying])
        if varying
        else {}
    )
    numbers: dict[tuple[object, ...], int] = {}
    cases: list[Case | Verdict] = []
    case_of = []
    for row in rows:
        document = documents[row.description_id]
        filled = parametric.fill_some(document, varying.get(row.description_id, ()), parameters.get(row.job_id))
        changed = json.dumps(row.overrides)
        key = (row.description_id, row.owner, row.owner_group, row.vo, json.dumps(filled), changed)
        if key not in numbers:
            numbers[key] = len(cases)
            cases.append(_case(row, parametric.common(document) | filled, config))
        case_of.append(numbers[key])
    return Batch(rows, case_of, cases, await read_claims(tx, now), config, now)


def _case(row: Row, document: dict[str, Any], config: Config) -> Case | Verdict:
    operations = config.operations.get(row.vo)
    if operations is None:
        return Verdict("Failed", "Illegal Job JDL", f"The VO {row.vo} is not configured any more")
    owner = Owner(vo=row.vo, group=row.owner_group, name=row.owner)
    try:
        description = Description.read(document)
    except BadAttribute as error:
        return ill_described(error)
    roots = operations.data_management.roots_of(owner.vo)
    return Case(description, owner, Limits.of(operations), operations.input_data, roots, Overrides.read(row.overrides))


async def _decide(db: Database, batch: Batch, rules: PreparationRules) -> Judgement:
    """Ask in this order: is it sane, what do extensions say, where are the files, where may it run."""
    verdicts: dict[int, Verdict] = {}
    files: dict[int, Files] = {}
    for number, case in enumerate(batch.cases):
        sane = case if isinstance(case, Verdict) else check_sanity(case)
        if isinstance(sane, Verdict):
            verdicts[number] = sane
        else:
            files[number] = sane
    context = PreparationContext(batch.config, batch.now, db)
    asked = _preparing(batch, files) if rules.checks else {}
    opinions = await ask_extensions(rules.checks, asked, context)
    verdicts |= opinions.verdicts
    cases = {number: case for number, case in _sane(batch, files) if number not in verdicts}
    wanted: dict[str, set[str]] = {}
    for number, case in cases.items():
        wanted.setdefault(case.owner.vo, set()).update(files[number].lfns)
    found = await look_up(rules.catalogs, wanted, batch.config)
    grids = {vo: Grid(batch.config, batch.claims, vo, batch.now) for vo in wanted}

    def judged(number: int, known: Found) -> Verdict:
        vo, narrowed = cases[number].owner.vo, opinions.narrowed.get(number)
        return judge(cases[number], grids[vo], files[number], found=known, narrowed=narrowed)

    for number, case in cases.items():
        verdicts[number] = judged(number, found.get(case.owner.vo, Found()))
    orders = {number: (cases[number], order) for number in cases if (order := verdicts[number].stage) is not None}
    for number, on_disk in (await staging.already_staged(db, orders, batch.now)).items():
        known = found[cases[number].owner.vo].known
        verdicts[number] = judged(number, Found(known, on_disk))
    answered = {
        vo: str(batch.config.operations[vo].input_data.catalog) for vo, each in found.items() if not each.unreachable
    }
    lfns = {number: lfns for number, case in _sane(batch, files) if (lfns := lfns_of(case.description))}
    return Judgement([verdicts[number] for number in range(len(batch.cases))], answered, lfns)


def _sane(batch: Batch, files: Mapping[int, Files]) -> Iterator[tuple[int, Case]]:
    for number in files:
        case = batch.cases[number]
        if isinstance(case, Case):
            yield number, case


def _preparing(batch: Batch, files: Mapping[int, Files]) -> dict[int, Preparing]:
    job_ids = batch.job_ids()
    return {
        number: Preparing(job_ids[number], case.description, case.owner.vo, case.owner.group, case.owner.name)
        for number, case in _sane(batch, files)
    }


async def _apply(tx: Tx, batch: Batch, judgement: Judgement) -> None:
    """Write what was decided about those jobs that are still as they were when they were read."""
    now, seen = batch.now, dict(zip((row.job_id for row in batch.rows), batch.case_of, strict=True))
    read = {row.job_id: (row.description_id, row.overrides) for row in batch.rows}
    rows = [
        row
        for row in await queries.lock_unchecked(tx, list(seen))
        if read[row.job_id] == (row.description_id, row.overrides)
    ]
    judged = [(row, judgement.verdicts[seen[row.job_id]]) for row in rows]
    decided, requests = await staging.request(tx, judged, config=batch.config, now=now)
    waiting = [(row.job_id, made) for row, verdict in decided for made in verdict.classes]
    class_ids = await task_queues.enqueue_jobs(tx, waiting)
    changed = [(row, verdict) for row, verdict in decided if not _is_as_before(row, verdict)]
    if changed:
        numbers: dict[tuple[str, str, str], int] = {}
        sets = await _input_sets(tx, judgement, {seen[row.job_id] for row, _ in changed})
        changes = [
            (
                row.job_id,
                numbers.setdefault(verdict.statuses, len(numbers) + 1),
                class_ids.get(row.job_id, []),
                sets.get(seen[row.job_id]),
            )
            for row, verdict in changed
        ]
        await queries.update_checked(tx, changes, outcomes=list(numbers), now=now)
        await _record(tx, changed, list(numbers), now)
    warned = {row.job_id: "\n".join(verdict.warnings) for row, verdict in decided if verdict.warnings}
    if warned:
        await queries.put_warnings(tx, warned, name=WARNINGS)
    await holds.settle(tx, [(row, verdict.hold) for row, verdict in decided], requests=requests, now=now)
    for vo, catalog in judgement.answered.items():
        await holds.wake_waiting_for(tx, vo, [name_of_catalog(catalog)], now=now)


async def _input_sets(tx: Tx, judgement: Judgement, numbers: set[int]) -> dict[int, int]:
    """Keep the files that the jobs of these cases read; returns the number of each set by that of its case."""
    wanted = {number: lfns for number, lfns in judgement.lfns.items() if number in numbers}
    if not wanted:
        return {}
    kept = await put_sets(tx, set(wanted.values()))
    return {number: kept[lfns] for number, lfns in wanted.items()}


def _is_as_before(row: queries.LockedJob, verdict: Verdict) -> bool:
    status, minor_status, _ = verdict.statuses
    return status == "Checking" and row.status == status and row.minor_status == minor_status


async def _record(tx: Tx, changed: list[Judged], outcomes: list[tuple[str, str, str]], now: datetime) -> None:
    """Write both steps: a job that came straight from Received was in Checking on its way."""
    # the outcome is a microsecond younger, so that histories sort as things happened
    records = [(now, *_CHECKING), *((now + timedelta(microseconds=1), *outcome, _SOURCE) for outcome in outcomes)]
    numbers = {outcome: number for number, outcome in enumerate(outcomes, start=2)}
    await queries.insert_records(tx, list(_job_records(changed, numbers)), records=records)


def _job_records(changed: list[Judged], numbers: dict[tuple[str, str, str], int]) -> Iterator[tuple[int, int]]:
    for row, verdict in changed:
        if row.status == "Received":
            yield row.job_id, 1
        yield row.job_id, numbers[verdict.statuses]
