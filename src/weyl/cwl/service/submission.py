"""Submission in CWL: a document is judged once, inputs are read as they came, and jobs are stored like all others."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, TypeVar, overload

from weyl.config.models import Config
from weyl.cwl.additions import HintKind
from weyl.cwl.drivers.compiler import Batch, Compiler
from weyl.cwl.errors import InvalidWorkflow
from weyl.cwl.expansion import BadExpansion, expanded
from weyl.cwl.files import sandbox_name
from weyl.cwl.inputs import Checked
from weyl.cwl.job_document import bad_attribute, bindings
from weyl.cwl.judgement import Judge, Judged
from weyl.cwl.labels import job_name, plain_name
from weyl.cwl.needs import Counting, Needs, Values, bound_inputs, direct_values
from weyl.cwl.objects import Objects
from weyl.cwl.permits import Pusher, WorkflowReader
from weyl.cwl.problems import Problem, errors_of, problem, sentences, shown, warnings_of
from weyl.cwl.queries.bundles import LOCK
from weyl.cwl.sent_body import SentBody
from weyl.cwl.service import bundles
from weyl.cwl.service.bundles import Source
from weyl.cwl.service.compilations import Compilations
from weyl.descriptions.described import Described, Prepared, described
from weyl.descriptions.description import Owner
from weyl.descriptions.errors import BadAttribute
from weyl.descriptions.rows import Rows
from weyl.jobs.additions import Candidate, SubmissionRules
from weyl.jobs.output_places import refused
from weyl.jobs.policy import Submitter
from weyl.jobs.service.storing import NewJobs, RequestKey, Submitted, rehearse, replayed, store
from weyl.kit.db import Database, Tx
from weyl.kit.services import Key
from weyl.sandboxes import service as sandboxes
from weyl.task_queues.errors import InvalidRequirements

T = TypeVar("T")

# Below this many jobs, or characters, reading takes less than handing it to a thread.
_THREAD_FROM_JOBS = 200
_THREAD_FROM_CHARACTERS = 16_000
_EVALUATED_AT_ONCE = 10_000


@dataclass(frozen=True)
class Workflows:
    """What a server process needs to turn documents into jobs."""

    db: Database
    compiler: Compiler
    compilations: Compilations
    kinds: Mapping[str, HintKind]
    sandbox_se: str
    rules: SubmissionRules


@dataclass(frozen=True)
class CWLJobs:
    """What a client asks for, and whose the jobs would be."""

    sent: SentBody
    submitter: Submitter
    pusher: Pusher
    key: RequestKey | None = None

    @property
    def owner(self) -> Owner:
        """Whose the jobs are."""
        return Owner(vo=self.submitter.vo, group=self.submitter.group, name=self.submitter.owner)


@dataclass(frozen=True)
class Made:
    """Jobs that could be stored."""

    source: Source
    judged: Judged
    objects: Objects
    checked: Checked
    needs: Needs
    described: Described
    warnings: Sequence[Problem]

    @property
    def sandboxes(self) -> list[str]:
        """The names of all sandboxes that inputs name, without prefix."""
        return sorted({name for names in self.checked.sandboxes for name in names})


async def submit(service: Workflows, wanted: CWLJobs, *, config: Config, now: datetime) -> Submitted:
    """Store jobs; a known key gets the answer that it got before. Raises `InvalidWorkflow` with all problems."""
    async with service.db.read() as tx:
        known = await replayed(tx, wanted.key, wanted.submitter, now)
    if known is not None:
        return known
    made = await make(service, wanted, config=config, now=now)
    # What many jobs are told is said once: the answer names it with each.
    told = tuple(sentences(made.warnings))
    description = replace(made.described, warnings=(*made.described.warnings, *told))
    jobs = NewJobs(
        Prepared.of(description),
        wanted.submitter,
        wanted.key,
        asks_outlook=True,
        workflow_id=made.source.workflow_id,
    )
    async with service.db.transaction(opening=LOCK) as tx:
        await _check_sandboxes(tx, made, wanted)
        await bundles.store(tx, wanted.pusher, made.source, now=now)
        return await store(tx, jobs, config=config, now=now, rules=service.rules)


async def rehearsed(service: Workflows, wanted: CWLJobs, *, config: Config, now: datetime) -> Made:
    """Return what a submission would make, if extensions accept it, and store nothing."""
    made = await make(service, wanted, config=config, now=now, keep=False)
    jobs, rules = NewJobs(Prepared.of(made.described), wanted.submitter), replace(service.rules, outlook=None)
    async with service.db.read() as tx:
        await _check_sandboxes(tx, made, wanted)
        await rehearse(tx, jobs, config=config, now=now, rules=rules)
    return made


async def _check_sandboxes(tx: Tx, made: Made, wanted: CWLJobs) -> None:
    """Refuse sandboxes that are not the owner's; raises `InvalidWorkflow`."""
    if not made.sandboxes:
        return
    unknown = await sandboxes.unassignable(tx, made.sandboxes, owner=(wanted.owner.vo, wanted.owner.name))
    if unknown:
        told = "does not exist, or is not yours"
        found = [
            problem("unknown-sandbox", f"{name} {told}", index=index)
            for index, names in enumerate(made.checked.sandboxes)
            for name in names
            if name in unknown
        ]
        raise refusal(found)


def refusal(problems: Sequence[Problem]) -> InvalidWorkflow:
    """Return the error that names all problems, the first one in words."""
    first = next(sentences(errors_of(problems)))
    more = len(errors_of(problems)) - 1
    detail = first if not more else f"{first}; and {more} more {'problem' if more == 1 else 'problems'}"
    return InvalidWorkflow(detail, shown(problems))


async def source_of(service: Workflows, wanted: CWLJobs) -> Source:
    """Return the workflow that is meant.

    Raises `WorkflowNotFound` or `AmbiguousLabel`, and of files `FilesMissing` or `WrongBundle`.
    """
    order = wanted.sent.order
    if order.workflow is not None:
        return bundles.of_text(order.workflow)
    if order.manifest is not None:
        return await bundles.of_manifest(service.db, wanted.pusher, order.manifest)
    assert order.workflow_id is not None, "one of the three is given"
    reader = WorkflowReader(wanted.submitter.vo)
    async with service.db.read() as tx:
        found = await bundles.find(tx, reader, order.workflow_id, only=True)
        return await bundles.read(tx, found, fragment=order.workflow_id.partition("#")[2] or None)


async def make(service: Workflows, wanted: CWLJobs, *, config: Config, now: datetime, keep: bool = True) -> Made:
    """Return the jobs that a submission makes; raises `InvalidWorkflow` with all problems, and stores none of them."""
    source = await source_of(service, wanted)
    user, operations = wanted.pusher.user, config.operations[wanted.submitter.vo]
    compilation = await service.compilations.get(source.bundle_id, source.bundle, user=user, now=now, keep=keep)
    source = source.labelled(compilation)
    judge = Judge(wanted.submitter.vo, operations, service.kinds)
    judged = judge.judge(compilation, wanted.sent.order.hints, {} if source.is_stored else source.files)
    problems = list(judged.problems)
    if not compilation.is_sound:
        raise refusal(problems)
    try:
        objects = expanded(wanted.sent, compilation, jobs_max=service.rules.jobs_max)
    except BadExpansion as error:
        raise refusal([*problems, *error.problems]) from None
    roots = operations.data_management.roots_of(wanted.submitter.vo)
    check = partial(compilation.rules.check, objects, allow_unknown=wanted.sent.order.allow_unknown, roots=roots)
    checked = await _aside(_weight(objects), check)
    problems += checked.problems
    if errors_of(checked.problems) or judged.frame is None:
        raise refusal(problems)
    needs = await _needs(service, judged, judge, objects, checked, user=user)
    problems += needs.problems
    if errors_of(problems):
        raise refusal(problems)
    jobs = _Jobs(source, judged, objects, checked, needs, service.sandbox_se)
    describe = partial(jobs.described, wanted.owner, judge, attributes=service.rules.attributes)
    made = await _aside(objects.count, describe)
    unplaced = refused(Candidate(0, made), config, vo=wanted.owner.vo, owner=wanted.owner.name)
    if unplaced is not None:
        raise refusal([bad_attribute(unplaced, judged.said)])
    return Made(source, judged, objects, checked, needs, made, warnings_of(problems))


def _weight(objects: Objects) -> int:
    """Return how many jobs it is as much work to look at."""
    is_many = objects.count >= _THREAD_FROM_JOBS or len(objects.everything()) >= _THREAD_FROM_CHARACTERS
    return _THREAD_FROM_JOBS if is_many else objects.count


async def _aside(count: int, work: Callable[[], T]) -> T:
    return work() if count < _THREAD_FROM_JOBS else await asyncio.to_thread(work)


async def _needs(
    service: Workflows, judged: Judged, judge: Judge, objects: Objects, checked: Checked, *, user: str
) -> Needs:
    """Return what each job needs, a few thousand of them at a time."""
    compilation, frame = judged.compilation, judged.frame
    assert frame is not None, "judged before"
    counting = Counting(judged, frame, judge.site)
    if not compilation.expressions and not checked.requirements:
        return counting.all_alike()
    for start in range(0, objects.count, _EVALUATED_AT_ONCE):
        part = range(start, min(start + _EVALUATED_AT_ONCE, objects.count))
        columns = await _aside(len(part), partial(bound_inputs, compilation, objects, part))
        found: Values | None = direct_values(compilation, columns, len(part))
        if found is None:
            found = await service.compiler.evaluate(Batch(compilation.expressions, columns, len(part)), user=user)
        await _aside(len(part), partial(counting.take, start, found, checked.requirements))
        if errors_of(counting.problems):
            break
    return counting.result()


@dataclass(frozen=True)
class _Jobs:
    """The jobs of a submission, about to be described."""

    source: Source
    judged: Judged
    objects: Objects
    checked: Checked
    needs: Needs
    sandbox_se: str

    def described(self, owner: Owner, judge: Judge, *, attributes: Mapping[str, Any]) -> Described:
        """Return the description of all of them; raises `InvalidWorkflow`."""
        told = self.judged.compilation
        plain = plain_name(told.get("label"), told.get("name"), self.source.manifest.entry)
        workflow: dict[str, Any] = {"Bundle": self.source.bundle_id.hex(), "Fragment": self.source.fragment}
        if bound := bindings(self.judged.said, {each["name"]: each["type"] for each in told.outputs}):
            workflow["Outputs"] = bound
        document: dict[str, Any] = {"Workflow": workflow, "JobName": plain, **self.judged.attributes}
        rows = self._rows()
        document |= {name: value for name, value in self._common().items() if name not in rows[0]}
        names = _Each(self.objects.count, lambda index: job_name(plain, self.objects.value(index)))
        expansion = Rows(rows, _Each(self.objects.count, self._text), names)
        try:
            made = described(document, owner, judge.limits, expansion=expansion, attributes=attributes)
        except BadAttribute as error:
            raise refusal([bad_attribute(error, self.judged.said)]) from None
        except InvalidRequirements as error:
            raise refusal(self._located(error)) from None
        # What is said there of architectures nobody who writes CWL need hear: as for JDL, any will do.
        return replace(made, warnings=())

    def _located(self, error: InvalidRequirements) -> list[Problem]:
        frame, form = self.judged.frame, self.needs.forms[0]
        assert frame is not None, "judged before"
        return [frame.located(each.pointer, form.made, each.detail, each.suggestion) for each in error.problems]

    def _text(self, index: int) -> str | None:
        changed = self.checked.texts.get(index)
        return self.objects.text(index) if changed is None else changed

    def _sandbox(self, names: Sequence[str]) -> list[str]:
        return [sandbox_name(name, self.sandbox_se) for name in names]

    def _common(self) -> dict[str, Any]:
        """Return the attributes that rows may have, of the first job."""
        found: dict[str, Any] = {"Requirements": self.needs.forms[0].requirements}
        if self.checked.sandboxes[0]:
            found["InputSandbox"] = self._sandbox(self.checked.sandboxes[0])
        if self.checked.lfns[0]:
            found["InputData"] = list(self.checked.lfns[0])
        return found

    def _rows(self) -> Sequence[Mapping[str, Any]]:
        """Return what each job has of its own; jobs that have the same share one object."""
        columns = dict(self._columns())
        if not columns:
            return _Each(self.objects.count, lambda _: _NOTHING)
        met: dict[tuple[Any, ...], Mapping[str, Any]] = {}
        rows: list[Mapping[str, Any]] = []
        for keys in zip(*(keys for keys, _ in columns.values()), strict=True):
            row = met.get(keys)
            if row is None:
                values = (made[key] for key, (_, made) in zip(keys, columns.values(), strict=True))
                row = met[keys] = dict(zip(columns, values, strict=True))
            rows.append(row)
        return rows

    def _columns(self) -> Iterator[tuple[str, tuple[Sequence[Any], Mapping[Any, Any]]]]:
        """Yield the attributes in which jobs differ: a key for each job, and the value that each key stands for."""
        if len(self.needs.forms) > 1:
            requirements = {number: form.requirements for number, form in enumerate(self.needs.forms)}
            yield "Requirements", (self.needs.which or (), requirements)
        if len(names := self.checked.sandboxes) > 1:
            yield "InputSandbox", (names, {each: self._sandbox(each) for each in dict.fromkeys(names)})
        if len(names := self.checked.lfns) > 1:
            yield "InputData", (names, {each: list(each) for each in dict.fromkeys(names)})


_NOTHING: Mapping[str, Any] = {}


class _Each(Sequence[T]):
    """Things that are made when somebody asks for them, one for each number below a count."""

    def __init__(self, count: int, make: Callable[[int], T]) -> None:
        self._numbers = range(count)
        self._make = make

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[T]:
        return map(self._make, self._numbers)

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...

    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        numbers = self._numbers[index]
        return self._make(numbers) if isinstance(numbers, int) else [self._make(number) for number in numbers]


WORKFLOWS: Key[Workflows] = Key("what turns documents in CWL into jobs")
