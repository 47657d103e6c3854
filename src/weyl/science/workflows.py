"""Jobs of a workflow in CWL from Python: values become its inputs, lists of them one job per value."""

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from weyl.client.errors import Refused, UsageFault
from weyl.cwl.cli.objects import InputObject
from weyl.cwl.cli.overrides import hint_values
from weyl.cwl.cli.sources import open_source
from weyl.cwl.cli.submit import Order, send_order
from weyl.cwl.flags import class_of
from weyl.cwl.local_files import flat
from weyl.science.options import Options
from weyl.science.series import NOTHING_DONE, is_series
from weyl.science.session import ProgramSession

# What a document says itself, and where.
OTHERWISE = {
    "name": "Jobs have the name that the document has as its label.",
    "site": "Write it into the document's dirac:Job hint, as sites.",
    "cores": "The document says it: ResourceRequirement has coresMin.",
    "memory": "The document says it: ResourceRequirement has ramMin.",
    "time": "The document says it: ToolTimeLimit.",
    "files": "Files are inputs of the workflow: name them as values.",
    "output": "The outputs of the workflow are brought back.",
}


def submit_workflow(
    session: ProgramSession, name: str, options: Options, words: Mapping[str, Any], *, key: str | None
) -> list[int]:
    """Submit jobs of a workflow, one per value of the lists among its inputs, and return their ids."""
    for option, hint in OTHERWISE.items():
        if getattr(options, option):
            raise UsageFault(f"{option} is not an option of jobs in CWL.", hint=hint)
    source = open_source(session, name)
    same, lists = inputs_of(words, source.schema if words else {})
    given = [f"priority={options.priority}"] if options.priority is not None else []
    hints = hint_values(given, options.group)
    fields: dict[str, Any] = {"scatter": lists} if lists else {}
    fields |= {"hints": hints} if hints else {}
    count = len(next(iter(lists.values()))) if lists else 1
    order = Order(source, [InputObject(same, "the values", Path.cwd())], fields, count)
    try:
        inserted = send_order(session, order, key=key)
    except Refused as refusal:
        raise source.explained(refusal, ["the values"]) from refusal
    return [int(job["JobID"]) for job in inserted]


def inputs_of(words: Mapping[str, Any], schema: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """Tell values that are the same in all jobs from lists of which each job takes the next.

    A list is the value itself where the workflow's input is an array; a list of lists is many of them then.
    """
    inputs = schema.get("properties", {})
    same: dict[str, Any] = {}
    lists: dict[str, list[Any]] = {}
    for name, value in words.items():
        if name not in inputs:
            raise UsageFault(
                f"The workflow has no input {name!r}.", hint=f"It has {', '.join(sorted(inputs)) or 'none'}."
            )
        kind = inputs[name]
        if is_series(value):
            values = [_value(each, kind) for each in value]
            if takes_arrays(kind) and not all(map(is_series, values)):
                same[name] = values
            else:
                lists[name] = values
        else:
            same[name] = _value(value, kind)
    lengths = {name: len(values) for name, values in lists.items()}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        told = ", ".join(f"{name}: {length:,}" for name, length in lengths.items())
        raise UsageFault(f"The lists are empty or have unequal lengths ({told}).", hint=NOTHING_DONE)
    return same, lists


def takes_arrays(kind: Mapping[str, Any]) -> bool:
    """Say whether a type of the workflow's JSON Schema is an array, or may be one."""
    return any(branch.get("type") == "array" for branch in flat(kind))


def takes_files(kind: Mapping[str, Any]) -> bool:
    """Say whether a type is a File, or an array of them."""
    return any(class_of(each) == "File" for branch in flat(kind) for each in (branch, *flat(branch.get("items") or {})))


def _value(value: Any, kind: Mapping[str, Any]) -> Any:
    """Return a value as an input object has it: paths are files, numbers of NumPy are numbers."""
    if isinstance(value, PurePath) or (isinstance(value, str) and takes_files(kind)):
        return {"class": "File", "path": str(value)}
    if is_series(value):
        return [_value(each, kind) for each in value]
    return value.item() if hasattr(value, "item") else value
