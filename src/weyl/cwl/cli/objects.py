"""Input objects as users give them: files in YAML or JSON, NDJSON, flags; and their local files on the way."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from weyl.client.command import Session
from weyl.client.errors import UsageFault
from weyl.cwl.flags import FlagFault, parse
from weyl.cwl.local_files import FileFault, Localised, localise
from weyl.sandboxes.archive import ArchiveFault
from weyl.sandboxes.models import bare_pfn
from weyl.sandboxes.transfer import upload_members
from weyl_engine.scalars import WrittenFloat
from weyl_engine.yaml12 import BadYaml, load, load_all

NOTHING_DONE = "Nothing was submitted."
LINES = (".ndjson", ".jsonl")


@dataclass(frozen=True, slots=True)
class InputObject:
    """One input object, where it came from, and the directory in which its relative paths begin."""

    value: Mapping[str, Any]
    origin: str
    directory: Path


def read_objects(files: Sequence[str]) -> list[InputObject]:
    """Return the input objects of files: each document of YAML, a JSON object, each line of NDJSON (`-`: stdin)."""
    return [found for file in files for found in _objects(file)]


def _objects(file: str) -> Iterator[InputObject]:
    if file == "-":
        yield from _lines(sys.stdin.read(), "stdin", Path.cwd())
        return
    path = Path(file)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageFault(f"Cannot read {file}: {reason}.", hint=NOTHING_DONE) from error
    directory = path.absolute().parent
    if path.suffix in LINES:
        yield from _lines(text, file, directory)
        return
    try:
        documents = [load(text, keep_spelling=True)] if path.suffix == ".json" else load_all(text, keep_spelling=True)
    except BadYaml as error:
        raise UsageFault(f"{file}:{error.line}:{error.column}: {error.detail}.", hint=NOTHING_DONE) from error
    if len(documents) == 1 and isinstance(documents[0], list):
        documents = documents[0]
    for number, document in enumerate(documents, 1):
        yield _checked(document, file if len(documents) == 1 else f"{file}[{number}]", directory)


def _lines(text: str, origin: str, directory: Path) -> Iterator[InputObject]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line, parse_float=_written, parse_constant=_refuse)
        except ValueError as error:
            raise UsageFault(f"{origin}, line {number}: not a JSON object.", hint=NOTHING_DONE) from error
        yield _checked(value, f"{origin}, line {number}", directory)


def _written(text: str) -> WrittenFloat:
    """Return a float that goes on in the spelling that it has."""
    value = WrittenFloat(text)
    value.written = text
    return value


def _refuse(word: str) -> float:
    raise ValueError(f"{word} is not JSON")


def _checked(value: Any, origin: str, directory: Path) -> InputObject:
    if value is None:
        value = {}
    if not isinstance(value, dict):
        raise UsageFault(f"{origin} is not an input object, which maps names of inputs to values.", hint=NOTHING_DONE)
    if value.get("class") in ("CommandLineTool", "ExpressionTool", "Workflow"):
        raise UsageFault(f"{origin} is a workflow, not inputs for one.", hint="Submit workflows one by one.")
    return InputObject(value, origin, directory)


def flag_values(words: Sequence[str], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the words after `--` say, or raise UsageFault."""
    try:
        return parse(words, schema, Path.cwd())
    except FlagFault as fault:
        hint = f"Did you mean: {', '.join(fault.near)}?" if fault.near else "See them all with: -- --help"
        raise UsageFault(str(fault), hint=hint) from fault


def over_all(objects: Sequence[InputObject], values: Mapping[str, Any]) -> list[InputObject]:
    """Lay values over every input object; without one they are the only one."""
    if not objects:
        return [InputObject(dict(values), "the command line", Path.cwd())]
    return [replace(each, value={**each.value, **values}) for each in objects] if values else list(objects)


def has_files(value: Any) -> bool:
    """Say whether a value holds a File or a Directory at any depth."""
    if isinstance(value, list):
        return any(map(has_files, value))
    if not isinstance(value, dict):
        return False
    return value.get("class") in ("File", "Directory") or any(map(has_files, value.values()))


def found(each: InputObject, schema: Mapping[str, Any]) -> Localised:
    """Return an input object with its local files marked, or raise UsageFault if one is not there."""
    try:
        return localise(each.value, each.directory, schema)
    except FileFault as fault:
        raise UsageFault(f"{each.origin}: {fault}", hint=NOTHING_DONE) from fault


class Carrier:
    """Uploads the local files of input objects: one archive per distinct set of files, however many jobs share it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._uploaded: dict[tuple[Any, ...], str] = {}

    def place(self, localised: Localised, origin: str) -> Any:
        """Return an input object whose files are in a sandbox."""
        if not localised.primaries:
            return localised.placed("")
        pfn = self._uploaded.get(localised.primaries)
        if pfn is None:
            try:
                pfn = bare_pfn(upload_members(self._session.client, localised.members()))
            except ArchiveFault as error:
                raise UsageFault(f"{origin}: {error}", hint=NOTHING_DONE) from error
            self._uploaded[localised.primaries] = pfn
        return localised.placed(pfn)
