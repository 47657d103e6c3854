"""From what the user typed to job descriptions: texts in JDL or JSON, a command line, options that change them."""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from weyl.client.errors import UsageFault
from weyl.descriptions import jdl, json_form
from weyl.descriptions.advice import advice, check_placeholders, missing_program
from weyl.descriptions.attributes import canonical, texts_of
from weyl.descriptions.jdl import Document, Value
from weyl.descriptions.parametric import Expansion, expand, texts_in
from weyl.jobs.cli.local_files import REMOTE, absent, brought_with, local_files
from weyl.jobs.cli.parameters import name_of, parameter
from weyl.kit.errors import BadRequest

JOBS_MAX = 100_000
NOTHING_DONE = "Nothing was submitted."
STREAMS = ("std.out", "std.err")


@dataclass(frozen=True, slots=True)
class Changes:
    """What the options of `submit` say about every job."""

    name: str | None = None
    job_group: str | None = None
    sites: Sequence[str] = ()
    cores: int | None = None
    memory_mb: int | None = None
    cpu_time_s: int | None = None
    priority: int | None = None
    # Files and patterns to bring back, beside what the description brings.
    outputs: Sequence[str] = ()
    parameters: Sequence[str] = ()
    copies: int | None = None

    def are_empty(self) -> bool:
        """Say whether nothing is to be changed."""
        return self == Changes()


@dataclass(frozen=True, slots=True)
class Description:
    """One description on its way: its attributes, and the local files that have to travel with it."""

    origin: str
    document: Document
    # The text as it was given; sent as it is when nothing in it has to change.
    text: str | None = None
    files: Sequence[Path] = field(default_factory=tuple)
    # What stays in InputSandbox when the files have become a sandbox.
    remote: Sequence[str] = field(default_factory=tuple)
    # What the author probably did not mean, and only who knows the files can tell.
    warnings: Sequence[str] = field(default_factory=tuple)

    def count(self) -> int:
        """Return how many jobs this will be; raises UsageFault if its parameters make no sense."""
        expansion = self._expansion()
        return 1 if expansion is None else expansion.count

    def advice(self) -> list[str]:
        """Return what the server would warn of, as far as it can be told without the server."""
        return list(advice(self.document, self._expansion()))

    def _expansion(self) -> Expansion | None:
        try:
            expansion = expand(self.document, jobs_max=JOBS_MAX)
            check_placeholders(self.document, expansion)
        except BadRequest as error:
            detail = str(error.detail)
            raise UsageFault(
                f"{self.origin}: {detail}{'' if detail[-1] == '?' else '.'}", hint=_hint(detail)
            ) from error
        return expansion

    def render(self, sandbox: str | None) -> str:
        """Return the description to submit, with the sandbox that its files have become."""
        if self.text is not None and sandbox is None:
            return self.text
        document = dict(self.document)
        if sandbox is not None:
            document["InputSandbox"] = [sandbox, *self.remote]
        return jdl.render(document)

    def previewed(self) -> Document:
        """Return the document that makes the same jobs when it is submitted from the current directory."""
        if not self.files:
            return self.document
        return {**self.document, "InputSandbox": [*map(_from_here, self.files), *self.remote]}

    def preview(self, *, is_alone: bool = True) -> str:
        """Return that document in JDL; without local files, and alone, the text as it was given."""
        return self.render(None) if is_alone and not self.files else jdl.render(self.previewed())


def read_descriptions(text: str, *, origin: str, directory: Path, changes: Changes) -> list[Description]:
    """Read all descriptions of a file: in JDL, each in its brackets if they are several, or in JSON."""
    if json_form.looks_like_json(text) and "cwlVersion" not in text[:2000]:
        documents = list(_json_documents(text, origin))
        return [_described(each, None, _numbered(origin, at, documents), directory, changes) for at, each in documents]
    try:
        pieces = list(enumerate(jdl.split(text), 1))
    except BadRequest:
        # Said by the reader below, as of one description.
        pieces = [(1, text)]
    return [
        from_jdl(each, origin=_numbered(origin, at, pieces), directory=directory, changes=changes)
        for at, each in pieces
    ]


def _numbered(origin: str, number: int, all_of_them: Sequence[object]) -> str:
    return origin if len(all_of_them) == 1 else f"{origin}[{number}]"


def _json_documents(text: str, origin: str) -> Iterator[tuple[int, Document]]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UsageFault(f"{origin} is not JSON: {error}.", hint=NOTHING_DONE) from error
    items = value if isinstance(value, list) else [value]
    if not items:
        raise UsageFault(f"{origin} is an empty list.", hint="Write an object with the attributes of a job.")
    for number, item in enumerate(items, 1):
        is_preview = isinstance(item, dict) and item.keys() >= {"origin", "document"}
        try:
            # `--dry-run -o json` prints more beside the description.
            yield number, json_form.parse(item["document"] if is_preview else item)
        except BadRequest as error:
            raise UsageFault(f"{_numbered(origin, number, items)}: {error.detail}.", hint=NOTHING_DONE) from error


def from_jdl(text: str, *, origin: str, directory: Path, changes: Changes) -> Description:
    """Read one description; files of InputSandbox are looked for in `directory`."""
    if "cwlVersion" in text[:2000]:
        raise UsageFault(f"{origin} looks like CWL.", hint="Submit it from a file, alone: weyl jobs submit cwl FILE")
    try:
        document = jdl.parse(text)
    except BadRequest as error:
        raise UsageFault(f"{origin}: {error.detail}", hint=NOTHING_DONE) from error
    return _described(document, text, origin, directory, changes)


def _described(document: Document, text: str | None, origin: str, directory: Path, changes: Changes) -> Description:
    if not document.get("Executable"):
        raise UsageFault(f"{origin}: Executable is missing.", hint='Add a line such as Executable = "/bin/echo";')
    try:
        names = texts_of(document.get("InputSandbox"), "InputSandbox")
    except BadRequest as error:
        raise UsageFault(f"{origin}: {error.detail}.", hint=NOTHING_DONE) from error
    files, remote = local_files(names, origin=origin, directory=directory)
    changed = apply(document, changes)
    program = changed.get("Executable")
    missing = _missing(program if isinstance(program, str) else "", files, remote, directory, origin)
    warnings = [*missing, *_unused(changed, changes)]
    return Description(origin, changed, text if changes.are_empty() else None, files, remote, warnings)


def from_command(command: Sequence[str], *, sandbox: Sequence[str], changes: Changes, directory: Path) -> Description:
    """Make a description of a command line; a local program, named by a path, travels along."""
    if not command:
        raise UsageFault("There is no command to run.", hint="As: weyl jobs submit cmd -- /bin/echo hello")
    program, *arguments = command
    remote = [name for name in sandbox if name.startswith(REMOTE)]
    files = [directory / name for name in sandbox if not name.startswith(REMOTE)]
    local = directory / program
    if not Path(program).is_absolute() and local.is_file():
        files.append(local)
        program = local.name
    elif "/" in program and not Path(program).is_absolute() and not sandbox:
        # With a sandbox it may be one of the files in it.
        raise UsageFault(
            f"There is no file {program} here that could travel along.",
            hint=absent(program, directory)
            or "A program of the node is called by its name alone, or by its absolute path.",
        )
    for path in files:
        if not path.exists():
            hint = absent(path.name, path.parent) or "--sandbox takes files and directories."
            raise UsageFault(f"{path} does not exist.", hint=hint)
    document: Document = {"Executable": program}
    if arguments:
        document["Arguments"] = shlex.join(arguments)
    document |= {"StdOutput": STREAMS[0], "StdError": STREAMS[1], "OutputSandbox": list(STREAMS)}
    if remote:
        document["InputSandbox"] = list(remote)
    document["JobName"] = Path(program).name
    document = apply(document, changes)
    files = list(dict.fromkeys(files))
    warnings = [*_missing(program, files, remote, directory, "the command"), *_unused(document, changes)]
    return Description("the command", document, None, files, remote, warnings)


def apply(document: Document, changes: Changes) -> Document:
    """Return the description with what the options say."""
    given: dict[str, Value] = {
        "JobName": changes.name,
        "JobGroup": changes.job_group,
        "Site": list(changes.sites) or None,
        "NumberOfProcessors": changes.cores,
        "MaxRAM": changes.memory_mb,
        "CPUTime": changes.cpu_time_s,
        "Priority": changes.priority,
    }
    changed = {canonical(name): value for name, value in document.items()}
    changed |= {name: value for name, value in given.items() if value is not None}
    if changes.outputs:
        changed["OutputSandbox"] = list(dict.fromkeys([*_brought_back(changed), *changes.outputs]))
    for text in changes.parameters:
        changed |= parameter(text)
    if changes.copies is not None:
        changed |= {"Parameters": changes.copies}
    return changed


def _brought_back(document: Mapping[str, Value]) -> list[str]:
    said = texts_of(document.get("OutputSandbox"), "OutputSandbox")
    streams = (str(document.get(name) or usual) for name, usual in zip(("StdOutput", "StdError"), STREAMS, strict=True))
    return list(said or streams)


def _missing(program: str, files: Sequence[Path], remote: Sequence[str], directory: Path, origin: str) -> list[str]:
    """Warn of a program that does not come with the job."""
    warning = missing_program(program, brought_with(files, remote))
    if warning is None:
        return []
    if (directory / program).is_file():
        return [f"Executable {program} is a file beside {origin}, but InputSandbox does not name it: it stays here."]
    near = absent(program, directory)
    return [f"{warning} {near}" if near and not warning.endswith("?") else warning]


def _unused(document: Mapping[str, Value], changes: Changes) -> Iterator[str]:
    """Warn of `--param` whose values no text has: all its jobs would be the same."""
    texts = "\n".join(text for value in document.values() for text in texts_in(value))
    for name in map(name_of, changes.parameters):
        if f"%({name})s" not in texts:
            yield f"Nothing uses the parameter {name}: write %({name})s where its value belongs"


def _from_here(path: Path) -> str:
    here = Path.cwd().resolve()
    found = path.resolve()
    return str(found.relative_to(here) if found.is_relative_to(here) else found)


def _hint(detail: str) -> str:
    return "With an option: --param NAME=1..20 or --param NAME=a,b,c" if "give its values" in detail else NOTHING_DONE
