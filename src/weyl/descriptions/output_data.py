"""The output data of a job: which files it may leave, what they are called in the catalogue, and their metadata."""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from weyl.config.lfns import bare, directory_fault_of, fault_of, join
from weyl.descriptions.errors import BadAttribute
from weyl.descriptions.jdl import Value

ITEMS_MAX = 100
METADATA_MAX = 100
_SHOWN_MAX = 100
# The id of a job that has none yet, in a text that is to be checked.
_OPEN_ID, _ANY_ID = "%j", "1"
# Where the engine leaves the files of a workflow; it is no part of what they are called.
_OUTPUTS = "outputs/"


def is_lfn(item: str) -> bool:
    """Tell whether an item names a file of the catalogue, and not files of the job's directory."""
    return bare(item) != item


def default_path(job_id: int) -> str:
    """Return where output data lie below the home of their owner when nothing else is said."""
    return f"{job_id // 1000}/{job_id}"


def with_any_id(text: str) -> str:
    """Return a text of a job that has no id yet as if it had one."""
    return text.replace(_OPEN_ID, _ANY_ID)


def check_items(items: Sequence[str]) -> None:
    """Raise `BadAttribute` for output data that could not be registered as they are called."""
    if len(items) > ITEMS_MAX:
        raise BadAttribute("OutputData", f"has {len(items)} items; at most {ITEMS_MAX} are allowed: use patterns")
    for item in items:
        if not is_lfn(item) and item.startswith("/"):
            told = "is no file of the job: name it relative to its directory, or begin with LFN:"
            raise BadAttribute("OutputData", f"{item[:_SHOWN_MAX]!r} {told}")
        fault = fault_of(with_any_id(bare(item))) if is_lfn(item) else fault_of_name(item)
        if fault is not None:
            raise BadAttribute("OutputData", f"{item[:_SHOWN_MAX]!r} {fault}")


def check_path(path: str) -> None:
    """Raise `BadAttribute` for what is the name of no directory."""
    filled = with_any_id(path).rstrip("/")
    fault = directory_fault_of(filled if path.startswith("/") else f"/{filled}") if path else None
    if fault is not None:
        raise BadAttribute("OutputPath", f"{path[:_SHOWN_MAX]!r} {fault}")


def fault_of_name(name: str) -> str | None:
    """Say what is wrong with the path of a file, or of files, below the directory of a job; None if nothing is."""
    return fault_of(f"/job/{name.removeprefix('./')}")


def is_covered(name: str, items: Iterable[str]) -> bool:
    """Tell whether a file is one that the job was to leave: by its name, by a pattern, or below a directory."""
    if is_lfn(name):
        return any(is_lfn(item) and bare(item) == bare(name) for item in items)
    plain = name.removeprefix("./")
    patterns = [item.removeprefix("./").rstrip("/") for item in items if not is_lfn(item)]
    return any(fnmatchcase(plain, each) or plain.startswith(f"{each}/") for each in patterns)


def missing(names: Iterable[str], items: Iterable[str]) -> str | None:
    """Return an item of which no file is there; None if each has one."""
    known = list(names)
    return next((item for item in items if not any(is_covered(name, (item,)) for name in known)), None)


def directory_of(path: str | None, *, home: str, job_id: int) -> str:
    """Return the directory in which a job leaves its files: `OutputPath`, or the part of the owner's home for it."""
    path = (path or default_path(job_id)).rstrip("/")
    return path if path.startswith("/") else join(home, path)


def lfn_of(name: str, directory: str) -> str:
    """Return what a file of a job is called in the catalogue; an `LFN:` item names itself."""
    return bare(name) if is_lfn(name) else f"{directory}/{name.removeprefix('./')}"


def lfn_of_workflow(name: str, directory: str, job_id: int) -> str:
    """Return what a file that a workflow puts out is called: by the job and its name, so a repeated run replaces it."""
    return f"{directory}/{job_id}_{name.removeprefix('./').removeprefix(_OUTPUTS)}"


def metadata_of(value: Value, name: str) -> Mapping[str, Any] | None:
    """Return the record that attribute `name` holds: texts, numbers and truths by the names of fields."""
    if value is None or value == "":
        return None
    if not isinstance(value, dict):
        raise BadAttribute(name, 'must be a record, such as [ Run = 1200; Particle = "gamma" ]')
    if len(value) > METADATA_MAX:
        raise BadAttribute(name, f"has {len(value)} fields; at most {METADATA_MAX} are allowed")
    return {field: _scalar(item, name, field) for field, item in value.items()}


def _scalar(value: Value, name: str, field: str) -> str | int | float | bool:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int | float):
        return value
    raise BadAttribute(name, f"{field} must be text, a number, true or false")
