"""Where a job can read its input data: from its files' replicas to storage elements to sites, and what is on tape."""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from weyl.config.lfns import fault_of, root_of
from weyl.descriptions.described import USER_JOBS
from weyl.descriptions.errors import BadAttribute
from weyl.descriptions.input_files import Files
from weyl.file_catalog.drivers.catalog import File
from weyl.jobs.grid import Grid
from weyl.kit import json

OnDisk = Collection[tuple[str, str]]
"""Files that were brought from tape, each with its storage element."""


@dataclass(frozen=True, slots=True)
class StageOrder:
    """Files that are wanted on disk, each with the storage element that has it on tape."""

    files: tuple[tuple[str, str], ...]

    @property
    def digest(self) -> bytes:
        """A name for the order: equal ones are the same request."""
        return hashlib.sha256(json.dumps([list(pair) for pair in self.files])).digest()


@dataclass(frozen=True, slots=True)
class Placed:
    """The sites where a job may run by its data; None: anywhere, as they are read over the network."""

    sites: frozenset[str] | None
    local: frozenset[str] = frozenset()
    """Those that have all data on disk."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A file that there is not."""

    text: str


@dataclass(frozen=True, slots=True)
class Nowhere:
    """Each file has replicas, and no site has all of them."""

    text: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Files whose storage elements cannot be read now."""

    text: str
    storage_elements: tuple[str, ...]


Placement = Placed | Missing | Nowhere | Unreadable | StageOrder


def check_files(files: Files, *, roots: Sequence[str], job_type: str, data_max: int) -> None:
    """Raise `BadAttribute` for names that no file of the VO with these roots can have, and for too many of them."""
    if job_type.lower() == USER_JOBS and len(files.data) > data_max:
        raise BadAttribute("InputData", f"names more than {data_max} files, which is the limit of your VO")
    for attribute, names in (("InputData", files.data), ("InputSandbox", files.sandbox)):
        for name in names:
            fault = fault_of(name)
            if fault is not None:
                raise BadAttribute(attribute, f"{name[:100]!r} {fault}; files are named {roots[0]}/...")
            if root_of(name, roots) is None:
                begin = " or ".join(f"{root}/" for root in roots)
                raise BadAttribute(attribute, f"{name[:100]!r} is no file of your VO; those begin with {begin}")


def place(
    files: Files, known: Mapping[str, File], *, grid: Grid, scope: frozenset[str], on_disk: OnDisk, remote_read: bool
) -> Placement:
    """Say at which sites of `scope` a job finds its data, or what keeps it from them."""
    for lfn in files.lfns:
        if lfn not in known:
            return Missing(f"{lfn}: no such file is in the file catalogue")
        if not known[lfn].replicas:
            return Missing(f"{lfn}: the file has no replica")
    copies = {lfn: list(_copies(lfn, known[lfn], grid, on_disk)) for lfn in files.lfns}
    from_anywhere = _anywhere(files.lfns if remote_read else files.sandbox, copies, grid)
    if isinstance(from_anywhere, Unreadable) or not files.data:
        return from_anywhere
    local = _at_sites({lfn: copies[lfn] for lfn in files.data}, grid, scope)
    if remote_read:
        if isinstance(from_anywhere, Placed) and isinstance(local, Placed):
            return Placed(None, local.local)
        return from_anywhere
    match from_anywhere, local:
        case StageOrder(), StageOrder():
            return StageOrder(tuple(sorted({*from_anywhere.files, *local.files})))
        case StageOrder(), Placed():
            return from_anywhere
    return local


@dataclass(frozen=True, slots=True)
class _Copy:
    storage_element: str
    sites: frozenset[str]
    is_online: bool
    is_readable: bool


def _copies(lfn: str, file: File, grid: Grid, on_disk: OnDisk) -> Iterator[_Copy]:
    for replica in file.replicas:
        name = replica.storage_element
        storage = grid.storage(name)
        is_online = not storage.is_tape if replica.is_online is None else replica.is_online
        yield _Copy(name, storage.sites, is_online or (lfn, name) in on_disk, storage.closed is None)


def _anywhere(lfns: Sequence[str], copies: Mapping[str, Sequence[_Copy]], grid: Grid) -> Placement:
    """Files that may be read over the network: one copy that can be read is enough."""
    wanted = []
    for lfn in lfns:
        readable = [copy for copy in copies[lfn] if copy.is_readable]
        if not readable:
            return _unreadable(lfn, copies[lfn], grid)
        if not any(copy.is_online for copy in readable):
            wanted.append((lfn, min(copy.storage_element for copy in readable)))
    return StageOrder(tuple(sorted(wanted))) if wanted else Placed(None)


def _at_sites(copies: Mapping[str, Sequence[_Copy]], grid: Grid, scope: frozenset[str]) -> Placement:
    """Files that must be local: all of them at one site, on disk, or after staging."""
    online: dict[str, set[str]] = {}
    taped: dict[str, dict[str, str]] = {}
    closed: dict[str, set[str]] = {}
    for lfn, found in copies.items():
        for copy in found:
            for site in copy.sites & scope:
                if not copy.is_readable:
                    closed.setdefault(site, set()).add(lfn)
                elif copy.is_online:
                    online.setdefault(site, set()).add(lfn)
                else:
                    taped.setdefault(site, {}).setdefault(lfn, copy.storage_element)
    everything = set(copies)
    complete = frozenset(site for site, lfns in online.items() if lfns == everything)
    if complete:
        return Placed(complete, complete)
    staging = [site for site in taped if online.get(site, set()) | taped[site].keys() == everything]
    if staging:
        # least is staged where most is on disk already; a site that takes no work now is the last choice
        best = min(staging, key=lambda site: (grid.closed(site) is not None, -len(online.get(site, ())), site))
        missing = everything - online.get(best, set())
        return StageOrder(tuple(sorted((lfn, taped[best][lfn]) for lfn in missing)))
    for site in sorted(closed):
        if online.get(site, set()) | taped.get(site, {}).keys() | closed[site] == everything:
            lfn = min(closed[site] - online.get(site, set()) - taped.get(site, {}).keys())
            return _unreadable(lfn, [copy for found in copies.values() for copy in found], grid)
    return Nowhere(_scattered(copies))


def _unreadable(lfn: str, copies: Sequence[_Copy], grid: Grid) -> Unreadable:
    names = tuple(sorted({copy.storage_element for copy in copies if not copy.is_readable}))
    reasons = "; ".join(reason for name in names if (reason := grid.storage(name).closed))
    return Unreadable(f"{lfn} cannot be read now: {reasons}", names)


def _scattered(copies: Mapping[str, Sequence[_Copy]]) -> str:
    at = {
        lfn: ", ".join(sorted({site for copy in found for site in copy.sites})) or "no site of yours"
        for lfn, found in copies.items()
    }
    first = next(iter(at))
    if len(at) == 1:
        return f"{first} is at {at[first]}, where the job may not run"
    other = next((lfn for lfn in at if at[lfn] != at[first]), None)
    told = f"{first} is at {at[first]}" + (f", {other} at {at[other]}" if other else "")
    return f"No site where the job may run has all its input data: {told}"
