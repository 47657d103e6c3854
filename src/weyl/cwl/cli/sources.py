"""Workflows as commands name them, by a file or the id of a stored one, and what the server says of them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypedDict

from weyl.client.command import Session
from weyl.client.errors import Refused, UsageFault
from weyl.cwl import calls
from weyl.cwl.bundling import BundleFault, LocalBundle, bundle
from weyl.cwl.models.bundles import Validated, WorkflowProblem
from weyl.cwl.models.manifest import Manifest, bundle_id, manifest_of
from weyl.kit.plain_text import one_line

STORED = re.compile(r"([0-9a-f]{64})(?:#(.+))?")
LOOKS_LIKE_CWL = re.compile(r"""^[\s{,]*["']?cwlVersion["']?\s*:""", re.MULTILINE)
DOCUMENT_BYTES_MAX = 4 * 1024 * 1024
# Below this all files are sent at once; above, first the names, then what the server lacks.
SENT_AT_ONCE_BYTES = 64 * 1024
LINES_MAX = 100

Problem = Mapping[str, Any]


class Reference(TypedDict, total=False):
    """One field of a request: the files of a workflow, or the id of a stored one."""

    manifest: Mapping[str, Any]
    workflow_id: str


def is_cwl_file(word: str) -> bool:
    """Say whether a word of the command line names a CWL document: by what the file holds, or by its name."""
    if word.partition("#")[0].endswith(".cwl"):
        return True
    path = Path(word if Path(word).is_file() else word.partition("#")[0].removeprefix("file://"))
    try:
        if not path.is_file() or path.stat().st_size > DOCUMENT_BYTES_MAX:
            return False
        return LOOKS_LIKE_CWL.search(path.read_text(encoding="utf-8", errors="replace")) is not None
    except OSError:
        return False


@dataclass(frozen=True)
class Source:
    """The workflow of a command."""

    session: Session
    # As it was typed.
    name: str
    # None: a stored one, named by its id.
    local: LocalBundle | None

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest of a local workflow's files."""
        assert self.local is not None
        try:
            return manifest_of(self.local.entry, self.local.files, fragment=self.local.fragment)
        except ValueError as error:
            raise UsageFault(f"{self.name} cannot be submitted: {_first_line(error)}", hint="") from error

    @cached_property
    def checked(self) -> Validated:
        """What the server says of the workflow alone, whatever is wrong with it."""
        client = self.session.client
        if self.local is None:
            return client.send(calls.validate_workflow(workflow_id=self.name))
        return client.send(calls.validate_workflow(manifest=calls.sent(self.manifest, self.local.files)))

    @property
    def schema(self) -> Mapping[str, Any]:
        """The JSON Schema of the input object; raises Refused with all problems if the workflow has errors."""
        self.refuse_errors(self.checked.problems)
        return self.checked.schema_ or {}

    def reference(self) -> "Reference":
        """Return how a request names the workflow: by its files, or by its id, before which larger ones are pushed."""
        if self.local is None:
            return {"workflow_id": self.name}
        if self._is_small:
            return {"manifest": calls.sent(self.manifest, self.local.files)}
        return {"workflow_id": self.push()}

    @property
    def _is_small(self) -> bool:
        assert self.local is not None
        return sum(map(len, self.local.files.values())) <= SENT_AT_ONCE_BYTES

    def push(self) -> str:
        """Store the files, those that the server does not have, and return the id of the bundle."""
        assert self.local is not None
        files = self.local.files
        try:
            return self._push(files if self._is_small else {})
        except Refused as refusal:
            missing = refusal.details.get("missing") if isinstance(refusal.details, Mapping) else None
            if refusal.status != 409 or not missing:
                raise
        return self._push({path: files[path] for path in missing})

    def _push(self, contents: Mapping[str, bytes]) -> str:
        pushed = self.session.client.send(calls.push_workflow(self.manifest, contents))
        self.tell_warnings(self.located(pushed.problems))
        return bundle_id(self.manifest)

    def located(self, problems: Iterable[WorkflowProblem | Problem]) -> list[dict[str, Any]]:
        """Return problems in the order of their places, with local files as they are named from here."""
        told = [dict(each if isinstance(each, Mapping) else each.model_dump(exclude_none=True)) for each in problems]
        told = [_of_options(each) for each in told]
        told.sort(key=_order)
        return [{**each, "file": self._from_here(each["file"])} if each.get("file") else each for each in told]

    def _from_here(self, file: str) -> str:
        if self.local is None:
            return file
        path, here = self.local.root / file, Path.cwd()
        return str(path.relative_to(here) if path.is_relative_to(here) else path)

    def tell_warnings(self, problems: Iterable[Problem]) -> None:
        """Say what the author of the workflow should know."""
        for line in problem_lines([each for each in problems if each.get("severity") == "warning"]):
            self.session.say(line.strip())

    def refuse_errors(self, problems: Iterable[WorkflowProblem | Problem]) -> None:
        """Raise Refused with all problems if one of them is an error."""
        told = self.located(problems)
        if any(each.get("severity", "error") == "error" for each in told):
            raise self.refused(told)

    def refused(self, problems: Sequence[Problem], *, error: Refused | None = None) -> Refused:
        """Return the error that lists problems, a line each."""
        count = sum(each.get("severity", "error") == "error" for each in problems)
        lines = "\n".join(problem_lines(problems, self.name))
        head = f"{self.name} has {count} problem{'' if count == 1 else 's'}:"
        request_id, status = (error.request_id, error.status) if error is not None else (None, None)
        details = {"problems": list(problems)}
        return Refused(
            f"{head}\n{lines}", hint="Nothing was submitted.", details=details, request_id=request_id, status=status
        )

    def explained(self, error: Refused, origins: Sequence[str] = ()) -> Refused:
        """Return a refusal with its problems in lines; `origins` are where the input objects came from."""
        problems = problems_of(error)
        if not problems:
            return error
        return self.refused(self.located([_with_origin(each, origins) for each in problems]), error=error)


def open_source(session: Session, word: str) -> Source:
    """Return the workflow that a word names: a file, a `file://` URI, or 64 hexadecimal digits with a fragment."""
    if STORED.fullmatch(word) and not Path(word).exists():
        return Source(session, word, None)
    try:
        return Source(session, word, bundle(word))
    except BundleFault as error:
        raise UsageFault(str(error), hint="Nothing was submitted.") from error


def problems_of(error: Refused) -> list[Problem]:
    """Return the problems that a refusal of the server lists."""
    found = error.details.get("problems") if isinstance(error.details, Mapping) else None
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def problem_lines(problems: Sequence[Problem], name: str = "") -> list[str]:
    """Return problems in words: `  main.cwl:5:3: detail (code)`; `name` where no file is named."""
    lines = [f"  {_line(each, name)}" for each in problems[:LINES_MAX]]
    more = len(problems) - LINES_MAX
    return lines + ([f"  and {more:,} more"] if more > 0 else [])


def _line(problem: Problem, name: str) -> str:
    file = str(problem.get("file") or name)
    of_inputs = problem.get("origin") or (f"input object {problem['index']}" if "index" in problem else "")
    if problem.get("line") is not None:
        place = f"{file}:{problem['line']}:{problem.get('column', 1)}" + (f", {of_inputs}" if of_inputs else "")
    else:
        pointer = problem.get("pointer")
        place = str(of_inputs or file) + (f" {pointer}" if pointer else "")
    kind = "warning: " if problem.get("severity") == "warning" else ""
    near = f"; did you mean {problem['did_you_mean']}?" if problem.get("did_you_mean") else ""
    code = f" ({problem['code']})" if problem.get("code") else ""
    return one_line(f"{place + ': ' if place else ''}{kind}{problem.get('detail', '')}{near}{code}")


def _order(problem: Problem) -> tuple[Any, ...]:
    """Sort errors before warnings, and what has no line, as what is wrong with inputs, after what has."""
    line = problem.get("line")
    return problem.get("severity") == "warning", line is None, problem.get("file") or "", line or 0


def _of_options(problem: dict[str, Any]) -> dict[str, Any]:
    """Name the option that gave a field of the request, where that is wrong."""
    head, *rest = str(problem.get("pointer") or "").lstrip("/").split("/")
    option = {"hints": "--hint", "scatter": "--scatter"}.get(head, "--range" if head.startswith("range_") else None)
    if option is None or problem.get("file") or "index" in problem:
        return problem
    return {**problem, "origin": " ".join([option, ".".join(rest)]).strip(), "pointer": ""}


def _with_origin(problem: Problem, origins: Sequence[str]) -> Problem:
    index = problem.get("index")
    is_known = isinstance(index, int) and 0 <= index < len(origins)
    return {**problem, "origin": origins[index]} if is_known and isinstance(index, int) else problem


def _first_line(error: ValueError) -> str:
    """Return what a model found wrong, without pydantic's frame around it."""
    errors = getattr(error, "errors", None)
    found = errors()[0].get("msg", "") if callable(errors) else str(error)
    return str(found).removeprefix("Value error, ")
