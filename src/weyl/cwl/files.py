"""Files and Directories in input objects: their places in one form, what they need from elsewhere, and their limits."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from weyl.config.lfns import bare, fault_of, root_of
from weyl.cwl.objects import written
from weyl.cwl.types import FILES, Fault, escaped
from weyl.sandboxes.models import PFN_LENGTH_MAX, PFN_PATTERN

FILES_PER_JOB_MAX = 10_000
LITERAL_BYTES_MAX = 64 << 10
_SANDBOX = re.compile(r"(?:sandbox:|SB:[A-Za-z]+\|)(?P<pfn>/S3/[^#]*)(?:#(?P<member>.*))?", re.IGNORECASE | re.DOTALL)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_PFN = re.compile(PFN_PATTERN)
LFN = "LFN:"
"""How the location of a file of the grid begins, as it is stored."""
# Schemes of places that only the client can read.
_LOCAL = ("file",)
# What the engine can fetch.
_REMOTE = ("http", "https")
# Files that a document comes with, as its compilation names them.
_WITH_DOCUMENT = "bundle"


@dataclass
class Collected:
    """What the files of one input object come to; files of the grid lie below the roots of the VO, where known."""

    roots: Sequence[str] | None = None
    faults: list[Fault] = field(default_factory=list)
    sandboxes: dict[str, None] = field(default_factory=dict)
    """Names without prefix, in the order in which they are met."""
    lfns: dict[str, None] = field(default_factory=dict)
    count: int = 0
    is_changed: bool = False
    is_default: bool = False
    """Whether a document says them, whose files may come with it."""

    def read(self, value: Any, pointer: str) -> Any:
        """Return a value with the places of its files in the one form that is stored."""
        if isinstance(value, list):
            return [self.read(item, f"{pointer}/{index}") for index, item in enumerate(value)]
        if isinstance(value, str) and value[:4].lower() == "lfn:":
            told = "a file of the grid cannot be read as a stream yet: give a File with this location"
            self.faults.append(Fault("not-available", told, pointer))
        if not isinstance(value, dict):
            return value
        if value.get("class") in FILES:
            return self._file(value, pointer)
        return {name: self.read(item, f"{pointer}/{escaped(name)}") for name, item in value.items()}

    def _file(self, value: dict[str, Any], pointer: str) -> dict[str, Any]:
        self.count += 1
        if self.count == FILES_PER_JOB_MAX + 1:
            self.faults.append(Fault("too-large", f"a job may have {FILES_PER_JOB_MAX} files", pointer))
        found = dict(value)
        for name in ("secondaryFiles", "listing"):
            if isinstance(value.get(name), list):
                found[name] = self.read(value[name], f"{pointer}/{name}")
        place = value.get("location", value.get("path"))
        if place is None:
            self.faults.extend(_faults_of_literal(value, pointer))
            return found
        name = "location" if value.get("location") is not None else "path"
        if not isinstance(place, str):
            self.faults.append(Fault("wrong-type", f"{name} must be a text", f"{pointer}/{name}"))
            return found
        if bare(place) != place:
            self._check_on_grid(value, pointer)
        kept = self._place(place, f"{pointer}/{name}")
        if kept != place or name == "path":
            self.is_changed = True
            found.pop("path", None)
            found["location"] = kept
        return found

    def _place(self, place: str, pointer: str) -> str:
        sandbox = _SANDBOX.fullmatch(place)
        if sandbox is not None:
            pfn, member = sandbox["pfn"], sandbox["member"]
            if len(pfn) > PFN_LENGTH_MAX or not _PFN.fullmatch(pfn):
                self.faults.append(Fault("unknown-sandbox", f"{pfn[:200]!r} is not the name of a sandbox", pointer))
            self.sandboxes[pfn] = None
            return f"sandbox:{pfn}" if member is None else f"sandbox:{pfn}#{member}"
        scheme = _SCHEME.match(place)
        if scheme is None or scheme[1].lower() in _LOCAL:
            told = "is a file of your machine: `weyl jobs submit` uploads such files into a sandbox"
            self.faults.append(Fault("wrong-type", f"{place[:200]!r} {told}", pointer))
        elif scheme[1].lower() == "lfn":
            return self._on_grid(bare(place), pointer)
        elif scheme[1].lower() in ("sandbox", "sb"):
            self.faults.append(Fault("unknown-sandbox", f"{place[:200]!r} is not the name of a sandbox", pointer))
        elif scheme[1].lower() not in _REMOTE and not (self.is_default and scheme[1] == _WITH_DOCUMENT):
            told = f"files from {scheme[1][:32]}: cannot be inputs yet; those from http: and https: can"
            self.faults.append(Fault("not-available", told, pointer))
        return place

    def _check_on_grid(self, value: dict[str, Any], pointer: str) -> None:
        if value["class"] == "Directory":
            told = "a directory of the grid cannot be an input yet: list its files (class Directory with a listing)"
            self.faults.append(Fault("not-available", told, pointer))
        elif value.get("secondaryFiles"):
            told = "a file of the grid cannot have secondary files yet: give them as inputs of their own"
            self.faults.append(Fault("not-available", told, f"{pointer}/secondaryFiles"))

    def _on_grid(self, lfn: str, pointer: str) -> str:
        fault = fault_of(lfn)
        if fault is None and self.roots is not None and root_of(lfn, self.roots) is None:
            fault = f"is no file of your VO; those begin with {' or '.join(f'{root}/' for root in self.roots)}"
        if fault is not None:
            self.faults.append(Fault("wrong-type", f"{lfn[:200]!r} {fault}", pointer))
        self.lfns[lfn] = None
        return f"{LFN}{lfn}"


def _faults_of_literal(value: dict[str, Any], pointer: str) -> Iterator[Fault]:
    contents, listing = value.get("contents"), value.get("listing")
    if value["class"] == "File" and not isinstance(contents, str):
        yield Fault("wrong-type", "a File needs a location, or contents", pointer)
    elif value["class"] == "Directory" and not isinstance(listing, list):
        yield Fault("wrong-type", "a Directory needs a location, or a listing", pointer)
    for name, literal in (("contents", contents), ("listing", listing)):
        text = literal if isinstance(literal, str) else written(literal or [])
        if len(text.encode(errors="surrogatepass")) > LITERAL_BYTES_MAX:
            yield Fault("too-large", f"{name} may have {LITERAL_BYTES_MAX} bytes", f"{pointer}/{name}")


def sandbox_name(pfn: str, sandbox_se: str) -> str:
    """Return the name of a sandbox as InputSandbox has it."""
    return f"SB:{sandbox_se}|{pfn}"
