"""Job files: input objects that name their workflow in `cwl:tool`, as a dry run prints and a submission takes them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import Any

from weyl.client.errors import UsageFault
from weyl.cwl.cli.objects import NOTHING_DONE, InputObject, read_objects
from weyl.cwl.cli.overrides import METHODS
from weyl.cwl.cli.sources import STORED
from weyl.cwl.local_files import local_path
from weyl_engine.yaml12 import to_json

TOOL = "cwl:tool"
OPTIONS = "weyl:options"
FIELDS = ("range_param", "range_start", "range_end", "range_step", "scatter", "scatter_method", "hints")
"""Fields of a request that a job file may hold in `weyl:options`."""
NAMES_TOOL = re.compile(r"""^[\s{,-]*["']?cwl:tool["']?\s*:""", re.MULTILINE)
BYTES_MAX = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class JobFile:
    """A submission in a file: the workflow, the input objects, and the fields of the request beside them."""

    tool: str
    objects: Sequence[InputObject]
    options: Mapping[str, Any] = field(default_factory=dict)


def is_job_file(word: str) -> bool:
    """Say whether a word of the command line names a file with `cwl:tool` in it."""
    path = Path(word)
    try:
        if not path.is_file() or path.stat().st_size > BYTES_MAX:
            return False
        return NAMES_TOOL.search(path.read_text(encoding="utf-8", errors="replace")) is not None
    except OSError:
        return False


def read_job_file(name: str) -> JobFile:
    """Read a job file; paths begin where it lies. Raises `UsageFault`."""
    objects = read_objects([name])
    tools = {str(each.value[TOOL]) for each in objects if TOOL in each.value}
    if len(tools) != 1:
        wrong = f"{name} names {len(tools)} workflows in {TOOL}." if tools else f"{name} names no workflow."
        raise UsageFault(wrong, hint=f"Name one and the same in each object. {NOTHING_DONE}")
    [tool] = tools
    directory = objects[0].directory
    told: list[Any] = [each.value.get(OPTIONS) for each in objects if OPTIONS in each.value]
    if len(told) > 1 or (told and not (isinstance(told[0], Mapping) and set(told[0]) <= set(FIELDS))):
        hint = f"It stands in the first object, and has {', '.join(FIELDS)}. {NOTHING_DONE}"
        raise UsageFault(f"{name}: {OPTIONS} is not what a dry run prints.", hint=hint)
    options = dict(told[0]) if told else {}
    if "scatter" in options:
        options["scatter"] = _placed(options["scatter"], directory, None)
    plain = [
        replace(each, value={key: value for key, value in each.value.items() if key not in (TOOL, OPTIONS)})
        for each in objects
    ]
    return JobFile(tool if STORED.fullmatch(tool) else str(directory / tool), plain, options)


def count_of(options: Mapping[str, Any], objects: Sequence[InputObject]) -> int:
    """Return how many jobs a request makes; raises `UsageFault` if its fields make no sense."""
    try:
        if "range_param" in options:
            start, step = int(options.get("range_start", 0)), int(options.get("range_step", 1))
            return len(range(start, int(options["range_end"]), step))
        if "scatter" in options:
            lengths = [len(values) for values in options["scatter"].values()]
            is_dot = options.get("scatter_method", METHODS[0]) == METHODS[0]
            return lengths[0] if is_dot else prod(lengths)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise UsageFault(f"{OPTIONS} makes no sense.", hint=f"See what --dry-run prints. {NOTHING_DONE}") from error
    return len(objects)


def written(job: JobFile) -> Iterator[str]:
    """Yield the lines of a job file, in YAML, that makes the same jobs when it is submitted from here."""
    here = Path.cwd()
    options = dict(job.options)
    if "scatter" in options:
        options["scatter"] = _placed(options["scatter"], here, here)
    tool = job.tool if STORED.fullmatch(job.tool) else _from(here, job.tool)
    for number, each in enumerate(job.objects):
        if number:
            yield "---"
        yield f"{TOOL}: {to_json(tool)}"
        if options and not number:
            yield f"{OPTIONS}: {to_json(options)}"
        for name, value in _placed(each.value, each.directory, here).items():
            yield f"{to_json(name)}: {to_json(value)}"


def _placed(value: Any, directory: Path, here: Path | None) -> Any:
    """Return a value whose local files, named from a directory, are named from `here`, or in full without one."""
    if isinstance(value, list):
        return [_placed(item, directory, here) for item in value]
    if not isinstance(value, Mapping):
        return value
    told = {key: _placed(item, directory, here) for key, item in value.items()}
    path = local_path(value, directory) if value.get("class") in ("File", "Directory") else None
    if path is not None:
        told.pop("location", None)
        told["path"] = str(path) if here is None else _from(here, str(path))
    return told


def _from(here: Path, name: str) -> str:
    path = Path(name)
    return str(path.relative_to(here)) if path.is_absolute() and path.is_relative_to(here) else name
