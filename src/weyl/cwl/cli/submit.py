"""`weyl jobs submit cwl`: jobs of a CWL document, one per input object; and files told apart by what they hold."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer

from weyl.client.command import Session, session_of
from weyl.client.errors import Refused, UsageFault
from weyl.client.results import Document, Ids, Parts, Result, Text
from weyl.cwl import calls
from weyl.cwl.cli.job_files import JobFile, count_of, is_job_file, read_job_file, written
from weyl.cwl.cli.objects import Carrier, InputObject, flag_values, found, has_files, over_all, read_objects
from weyl.cwl.cli.overrides import hint_values, range_of, scatter_lists
from weyl.cwl.cli.sources import STORED, Source, is_cwl_file, open_source
from weyl.cwl.cli.words import FLAGS, FlagsCommand, Hint
from weyl.cwl.flags import help_text, wants_help
from weyl.cwl.local_files import Localised, unfilled
from weyl.jobs.cli import submit as jobs_submit
from weyl.jobs.cli.follow import follow_output, wait_for
from weyl.jobs.cli.submit import DryRun, Follow, JobGroup, Key, SubmitGroup, Wait, span
from weyl.kit.plain_text import one_line
from weyl_engine.yaml12 import to_json

ASKED_ABOVE = 100
# Of one request; more go in several, each with a key of its own.
CHUNK_JOBS = 100_000
CHUNK_BYTES = 8 * 1024 * 1024


class WorkflowSubmitGroup(SubmitGroup):
    """Takes CWL documents, too, where other groups take the name of a command."""

    def kind_of(self, args: list[str]) -> str:
        """Return `cwl` if one of the words is a file in CWL, a job file, or the id of a stored workflow."""
        words = args[: args.index("--")] if "--" in args else args
        is_workflow = any(STORED.fullmatch(word) or is_cwl_file(word) or is_job_file(word) for word in words)
        return "cwl" if is_workflow else super().kind_of(args)


app = typer.Typer(
    cls=WorkflowSubmitGroup,
    help="""Submits jobs described in files, in JDL or CWL, or a command line.

Options of jobs in CWL: weyl jobs submit cwl --help

Example: weyl jobs submit job.jdl
""",
    no_args_is_help=True,
    rich_markup_mode=None,
    subcommand_metavar="FILE... | cwl WORKFLOW [INPUTS...] | cmd -- CMD ARGS...",
)
app.registered_commands += jobs_submit.app.registered_commands


@dataclass(frozen=True)
class Order:
    """A submission as it was asked for."""

    source: Source
    objects: Sequence[InputObject]
    # Fields of the request beside the workflow and the inputs.
    options: Mapping[str, Any] = field(default_factory=dict)
    # How many jobs the objects, or the range or lists, will be.
    count: int = 1


@app.command("cwl", cls=FlagsCommand)
def submit_cwl(
    context: typer.Context,
    workflow: Annotated[
        str, typer.Argument(metavar="WORKFLOW", help="File in CWL, id of a stored workflow, or job file.")
    ],
    inputs: Annotated[
        list[str] | None, typer.Argument(metavar="INPUTS", help="Files with input objects; - reads NDJSON from stdin.")
    ] = None,
    *,
    range_: Annotated[
        str | None, typer.Option("--range", metavar="P=END|A:B[:STEP]", help="One job per number, as input P.")
    ] = None,
    scatter: Annotated[
        list[str] | None, typer.Option("--scatter", metavar="P=V,V,...", help="One job per value; may be repeated.")
    ] = None,
    scatter_method: Annotated[
        str, typer.Option("--scatter-method", metavar="M", help="dotproduct, or flat_crossproduct for all pairs.")
    ] = "dotproduct",
    hint: Hint = None,
    job_group: JobGroup = None,
    dry_run: DryRun = False,
    wait: Wait = False,
    follow: Follow = False,
    key: Key = None,
) -> Result:
    """Submits jobs of a workflow in CWL, one per input object; local files travel along.

    Flags after `--` set inputs of every job: `-- --help` lists them.

    Example: weyl jobs submit simulate.cwl --range seed=1000 -- --energy 13.6
    """
    session = session_of(context)
    words: list[str] = context.meta.get(FLAGS, [])
    given = _given(workflow, inputs or [])
    source = open_source(session, given.tool)
    if wants_help(words):
        return Text([help_text(source.schema, name=given.tool, doc=source.checked.doc)])
    objects = over_all(given.objects, flag_values(words, source.schema) if words else {})
    order = order_of(source, objects, range_=range_, scatter=scatter or [], method=scatter_method)
    if given.options:
        options = {**given.options, **order.options}
        order = replace(order, options=options, count=count_of(options, objects))
    if follow and order.count != 1:
        raise UsageFault("--follow shows the output of one job only.", hint="Use --wait for several.")
    hints = hint_values(hint or [], job_group)
    if hints:
        order = replace(order, options={**order.options, "hints": {**order.options.get("hints", {}), **hints}})
    try:
        if dry_run:
            return _rehearsed(session, order)
        inserted = send_order(session, order, key=key)
    except Refused as refusal:
        raise source.explained(refusal, [each.origin for each in objects]) from refusal
    ids = [int(job["JobID"]) for job in inserted]
    if follow:
        session.say(f"Submitted job {ids[0]}.")
        return Text(follow_output(session, ids[0]))
    return Parts(_parts(session, inserted, ids, wait=wait))


def _given(workflow: str, inputs: Sequence[str]) -> JobFile:
    """Return the workflow and the input objects that the words name: a job file has both."""
    if not is_job_file(workflow):
        return JobFile(workflow, read_objects(inputs))
    if inputs:
        raise UsageFault(f"{workflow} has its input objects.", hint="Name it alone, or a workflow and files of inputs.")
    return read_job_file(workflow)


def order_of(
    source: Source, objects: Sequence[InputObject], *, range_: str | None, scatter: Sequence[str], method: str
) -> Order:
    """Return which jobs are to be made; only one option may say so."""
    options: dict[str, Any] = {}
    count = len(objects)
    if range_ is not None:
        options, count = range_of(range_)
    if scatter:
        lists, count = scatter_lists(scatter, method, source.schema)
        options = {**options, **lists}
    if options and (len(objects) > 1 or (range_ is not None and scatter)):
        raise UsageFault(
            "Only one of --range, --scatter and several input objects says which jobs to make.",
            hint="With --range or --scatter, give one input object at most.",
        )
    return Order(source, objects, options, count)


def _is_expanded(order: Order) -> bool:
    return "range_param" in order.options or "scatter" in order.options


def _bodies(order: Order, values: Sequence[Any]) -> Iterator[tuple[Sequence[Any], Mapping[str, Any]]]:
    """Yield inputs and options of each request: one for a range, else as many objects as fit."""
    if _is_expanded(order):
        yield (), {**order.options, **({"base_inputs": values[0]} if values[0] else {})}
        return
    if len(values) == 1 and not values[0]:
        yield (), order.options
        return
    for chunk in chunks(values):
        yield chunk, order.options


def chunks(values: Sequence[Any]) -> Iterator[list[Any]]:
    """Cut input objects into requests of bounded size."""
    chunk: list[Any] = []
    size = 0
    for value in values:
        length = len(to_json(value)) if len(values) > 1 else 0
        if chunk and (len(chunk) >= CHUNK_JOBS or size + length > CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(value)
        size += length
    if chunk:
        yield chunk


def _marked(order: Order) -> tuple[list[Localised], Localised]:
    """Mark the local files of the input objects and of the lists of a scatter."""
    lists = InputObject(order.options.get("scatter") or {}, "--scatter", Path.cwd())
    # The schema tells of secondary files; nobody is asked for it where there are no files.
    schema = order.source.schema if any(has_files(each.value) for each in (*order.objects, lists)) else {}
    columns = {name: {"type": "array", "items": item} for name, item in schema.get("properties", {}).items()}
    return [found(each, schema) for each in order.objects], found(lists, {"properties": columns})


def _with_lists(order: Order, lists: Any) -> Order:
    return replace(order, options={**order.options, "scatter": lists}) if lists else order


def _rehearsed(session: Session, order: Order) -> Result:
    again = written(JobFile(order.source.name, order.objects, order.options))
    marked, lists = _marked(order)
    values = [each.emptied() for each in marked]
    order = _with_lists(order, lists.emptied())
    reference = order.source.reference()
    answers = [
        session.client.send(calls.rehearse_cwl_jobs(inputs=inputs, options=options, **reference))
        for inputs, options in _bodies(order, values)
    ]
    whole = {**answers[0], "inputs": unfilled(answers[0]["inputs"])}
    for answer in answers[1:]:
        whole["jobs"] += answer["jobs"]
        for name in ("problems", "classes"):
            whole[name] = [*whole[name], *(each for each in answer[name] if each not in whole[name])]
    return Document(whole, text="\n".join([*preview(whole, order.source.name), *again]))


def preview(answer: Mapping[str, Any], name: str) -> list[str]:
    """Return the answer to a dry run in lines, which are comments in YAML."""
    jobs = answer["jobs"]
    lines = [f"{name}: {jobs:,} job{'' if jobs == 1 else 's'}, workflow {answer['workflow_id'] or answer['bundle_id']}"]
    for each in answer["classes"]:
        sites = ", ".join(each["sites"]) or "no site"
        need = "needs" if each["jobs"] == 1 else "need"
        lines.append(f"{each['jobs']:,} of them {need} {to_json(each['requirements'])}: {sites}")
        lines += [f"  {each['verdict']}"] if each.get("verdict") else []
    verdicts = [each.get("verdict") for each in answer["classes"]]
    lines += [f"Warning: {each['detail']}" for each in answer["problems"] if each["detail"] not in verdicts]
    shown = [to_json(each) for each in answer["inputs"] if each]
    lines += ["First input objects:", *(f"  {text[:200]}" for text in shown)] if shown else []
    return [f"# {one_line(line)}" for line in lines]


def send_order(session: Session, order: Order, *, key: str | None) -> list[dict[str, Any]]:
    """Upload local files of the inputs and submit the jobs; returns what the server says of each."""
    if order.count > ASKED_ABOVE:
        session.confirm("submit", order.count, breakdown={f"jobs of {order.source.name}": order.count})
    marked, lists = _marked(order)
    carrier = Carrier(session)
    values = [carrier.place(each, origin.origin) for each, origin in zip(marked, order.objects, strict=True)]
    order = _with_lists(order, carrier.place(lists, "--scatter"))
    reference = order.source.reference()
    key = key or uuid4().hex
    bodies = list(_bodies(order, values))
    inserted: list[dict[str, Any]] = []
    for number, (inputs, options) in enumerate(bodies):
        call = calls.submit_cwl_jobs(
            inputs=inputs,
            options=options,
            **reference,
            idempotency_key=key if len(bodies) == 1 else f"{key}/{number}",
        )
        inserted = [*inserted, *session.client.send(call)]
        if len(bodies) > 1:
            session.say(f"{len(inserted):,} jobs so far; the same --key {key} goes on from here")
    for warning in dict.fromkeys(text for job in inserted for text in job.get("Warnings") or ()):
        session.say(f"Warning: {warning}")
    return inserted


def _parts(
    session: Session, inserted: Sequence[Mapping[str, Any]], ids: Sequence[int], *, wait: bool
) -> Iterator[Result]:
    yield Ids(ids, f"Submitted {span(ids)}.", id_column="JobID", unit="jobs", document=list(inserted))
    if wait:
        yield wait_for(session, ids)
