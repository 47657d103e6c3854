"""What somebody says of files to register them, what is wrong with it, and how it compares with what is there; pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

from weyl.config.lfns import bare, fault_of, root_of, storage_path
from weyl.file_catalog.additions import FindPlaces
from weyl.file_catalog.checksums import Checksums
from weyl.file_catalog.models.files import SIZE_MAX, Code, Failure
from weyl.file_catalog.names import SHOWN, Space, bad_name, printable


class NewReplica(NamedTuple):
    """Where a file lies; `pfn` is its storage path, None for the one by convention."""

    se: str
    pfn: str | None = None


_NO_VALUES: Mapping[str, Any] = MappingProxyType({})


class NewFile(NamedTuple):
    """What somebody says of a file; the size is in bytes."""

    lfn: str
    size: int
    checksums: Checksums
    guid: str | None = None
    metadata: Mapping[str, Any] = _NO_VALUES
    ancestors: Sequence[str] = ()
    replicas: Sequence[NewReplica] = ()
    fault: str | None = None
    """What is wrong with it as it came, if anything: it fails with this."""


@dataclass(frozen=True, slots=True)
class JobRun:
    """The run of a job: its files replace those of earlier attempts."""

    job_id: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms files are registered."""

    atomic: bool = True
    """All of them or none."""
    verified_at: datetime | None = None
    """When size and checksum were compared with what is stored; None: the caller vouches for them."""
    job: JobRun | None = None
    written: FindPlaces | None = None
    """Tells where uploads may be writing, for files that somebody vouches for."""


@dataclass(frozen=True, slots=True)
class Same:
    """A file that is registered already with equal content."""

    file_id: int
    path: str
    """Its storage path by convention."""
    ses: frozenset[str]
    """The storage elements that have a replica."""


@dataclass(slots=True)
class Examined:
    """What registration would do with each file."""

    new: dict[str, str] = field(default_factory=dict)
    """Files that would be registered, with their storage path by convention."""
    same: dict[str, Same] = field(default_factory=dict)
    failed: dict[str, Failure] = field(default_factory=dict)


@dataclass(slots=True)
class Sifted:
    """Files of one call that can be meant, each once, and why the others cannot."""

    good: dict[str, NewFile]
    failed: dict[str, Failure]


def sift(files: Iterable[NewFile], space: Space, serves: Callable[[str], bool]) -> Sifted:
    """Return the files of a call without those that cannot be; `serves` tells which storage elements the VO may use.

    A name that comes twice is one file if both say the same of it, else neither is registered.
    """
    good: dict[str, NewFile] = {}
    failed: dict[str, Failure] = {}
    for each in files:
        file = _bared(each)
        failure = _failure(file, space, serves)
        name = file.lfn if failure is None else printable(file.lfn)
        if name in failed:
            continue
        if (before := good.get(name)) is not None and before != file:
            del good[name]
            failed[name] = Failure(Code.CONFLICT, "The call names it twice, and says different things of it")
        elif failure is not None:
            good.pop(name, None)
            failed[name] = failure
        else:
            good[name] = file
    return Sifted(good, failed)


def _bared(file: NewFile) -> NewFile:
    if len(file.replicas) < 2 and not file.ancestors and file.lfn[:1] == "/":
        return file
    lfn, ancestors = bare(file.lfn), tuple(dict.fromkeys(map(bare, file.ancestors)))
    replicas = tuple(sorted(file.replicas, key=lambda replica: (replica.se, replica.pfn or "")))
    return NewFile(lfn, file.size, file.checksums, file.guid, file.metadata, ancestors, replicas, file.fault)


def _failure(file: NewFile, space: Space, serves: Callable[[str], bool]) -> Failure | None:
    if (fault := fault_of(file.lfn)) is not None:
        return bad_name(fault)
    if root_of(file.lfn, space.roots) is None:
        return bad_name(str(space.new_fault(file.lfn)))
    fault = _value_fault(file) or _replica_fault(file, space, serves) or _ancestor_fault(file, space)
    return None if fault is None else Failure(Code.BAD_VALUE, fault)


def _value_fault(file: NewFile) -> str | None:
    if file.fault is not None:
        return file.fault
    if not 0 <= file.size <= SIZE_MAX:
        return "The size is a number of bytes, 0 or more"
    if not file.checksums:
        return "At least one checksum is needed: adler32, md5, sha1 or sha256"
    return None if file.guid is None or guid_of(file.guid) is not None else f"{file.guid[:SHOWN]!r} is not a GUID"


def _replica_fault(file: NewFile, space: Space, serves: Callable[[str], bool]) -> str | None:
    if len(file.replicas) == 1 and file.replicas[0].pfn is None and serves(file.replicas[0].se):
        return None
    ses = [replica.se for replica in file.replicas]
    if (unknown := next((se for se in ses if not serves(se)), None)) is not None:
        return f"There is no storage element {printable(unknown)[:SHOWN]} for your VO"
    if len(set(ses)) < len(ses):
        return "A file has at most one replica per storage element"
    for pfn in (replica.pfn for replica in file.replicas if replica.pfn is not None):
        fault = fault_of(pfn) or (None if root_of(pfn, space.roots) else "lies below no root of your VO")
        if fault is not None:
            return f"The storage path {printable(pfn)[:SHOWN]} {fault}"
    return None


def _ancestor_fault(file: NewFile, space: Space) -> str | None:
    for lfn in file.ancestors:
        if lfn == file.lfn:
            return "A file is not its own ancestor"
        if fault_of(lfn) is not None or root_of(lfn, space.roots) is None:
            return f"The ancestor {printable(lfn)[:SHOWN]} is not a file of your VO"
    return None


def guid_of(text: str | None) -> UUID | None:
    """Return a GUID, or None for what is none."""
    try:
        return None if text is None else UUID(text)
    except ValueError:
        return None


def difference(file: NewFile, *, size: int, checksums: Checksums, guid: UUID | None) -> str | None:
    """Return in what a file differs from the one of its name that is registered, or None if its content is equal."""
    wrong = ["size"] if size != file.size else []
    if file.checksums.strongest_common(checksums) is None:
        wrong.append("checksum (there is no common one to compare)")
    elif (name := file.checksums.differs(checksums)) is not None:
        wrong.append(name)
    if guid is not None and file.guid is not None and guid_of(file.guid) != guid:
        wrong.append("guid")
    return ", ".join(wrong) or None


def in_circles(ancestors: Mapping[str, Sequence[str]]) -> set[str]:
    """Return those files of a call that are ancestors of each other, or stand below such."""
    waiting = {lfn: {each for each in above if each in ancestors} for lfn, above in ancestors.items()}
    below: dict[str, list[str]] = {}
    for lfn, above in waiting.items():
        for each in above:
            below.setdefault(each, []).append(lfn)
    free = [lfn for lfn, above in waiting.items() if not above]
    while free:
        done = free.pop()
        del waiting[done]
        for lfn in below.get(done, ()):
            waiting[lfn].discard(done)
            if not waiting[lfn]:
                free.append(lfn)
    return set(waiting)


def pfn_of(replica: NewReplica, *, directory: str, name: str) -> str | None:
    """Return the storage path of a replica as its row has it: None where it is the one by convention."""
    return None if replica.pfn == storage_path(directory, name, None) else replica.pfn
