"""Which files of a call a member may read, and what is known of them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from weyl.config.models import Config
from weyl.file_catalog.checksums import Checksums
from weyl.file_catalog.models.files import ANCESTORS_MAX, Code, Failure, Outcome
from weyl.file_catalog.modes import READ, Rights, Wish, allows_in, mode_text
from weyl.file_catalog.names import Sorted, Space, known_files, not_found
from weyl.file_catalog.permits import Member
from weyl.file_catalog.queries.lookup import CopiesRow, FileRow, select_copies, select_files
from weyl.file_catalog.queries.relatives import Relative, select_relatives
from weyl.file_catalog.service.places import forbidden, hidden
from weyl.kit.db import Tx


@dataclass(frozen=True, slots=True)
class Found:
    """A file that may be read; replicas as (storage element, status, storage path)."""

    file_id: int
    size: int
    checksums: Checksums
    replicas: list[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class ReadableFiles:
    """Files that may be read, by their names, and why the others may not."""

    files: dict[str, Found]
    failed: dict[str, Failure]


class Row(Protocol):
    """What decides of a file what a member may do with it; no id: nothing of this name is in its directory."""

    @property
    def file_id(self) -> int | None: ...
    @property
    def rights(self) -> Rights: ...
    @property
    def directory_rights(self) -> Rights: ...


AnyRow = TypeVar("AnyRow", bound=Row)


@dataclass(frozen=True, slots=True)
class Rows(Generic[AnyRow]):
    """Rows of files with which a member may do something, by their names, and why it may not with others."""

    good: dict[str, AnyRow]
    failed: dict[str, Failure]


async def readable(tx: Tx, member: Member, lfns: Sequence[str], *, config: Config) -> ReadableFiles:
    """Return the files that a member may read, with all their replicas: one statement."""
    rows = await readable_copies(tx, member, lfns, config=config)
    found = {
        lfn: Found(row.file_id or 0, row.size, row.checksums, [replica[:3] for replica in row.replicas])
        for lfn, row in rows.good.items()
    }
    return ReadableFiles(found, rows.failed)


async def readable_copies(tx: Tx, member: Member, lfns: Sequence[str], *, config: Config) -> Rows[CopiesRow]:
    """Return the files that a member may read, with their replicas: one statement."""
    space = Space.of(config, member)
    names = known_files(lfns, space)
    rows = await select_copies(tx, member.vo, names.good) if names.good else {}
    return await _admitted(tx, member, space, names, rows, READ)


@dataclass(frozen=True, slots=True)
class Extent:
    """Where files are looked for, and whether their metadata are wanted."""

    trash: bool = False
    metadata: bool = False


GOOD, TRASH = Extent(), Extent(trash=True)


async def admitted(
    tx: Tx, member: Member, lfns: Sequence[str], wish: Wish, *, config: Config, extent: Extent = GOOD
) -> Rows[FileRow]:
    """Return the rows of those files with which a member may do something: one statement.

    Where a directory may not be read, nothing is said of what is in it, or below it: one more statement where that
    may be so.
    """
    space = Space.of(config, member)
    names = known_files(lfns, space)
    rows: dict[str, FileRow] = {}
    if names.good:
        rows = await select_files(tx, member.vo, names.good, trash=extent.trash, metadata=extent.metadata)
    return await _admitted(tx, member, space, names, rows, wish)


async def _admitted(
    tx: Tx, member: Member, space: Space, names: Sorted, rows: Mapping[str, AnyRow], wish: Wish
) -> Rows[AnyRow]:
    good: dict[str, AnyRow] = {}
    failed = names.failed
    may_all = member.is_manager or space.rule == "open"
    for lfn in names.good:
        row = rows.get(lfn)
        if may_all and row is not None and row.file_id is not None:
            good[lfn] = row
            continue
        failure = failure_of(row, lfn, space, member, wish)
        if failure is None:
            good[lfn] = rows[lfn]
        else:
            failed[lfn] = failure
    # In a directory that may be read, what is not there is not found.
    unclear = [lfn for lfn in names.good if lfn in failed and (lfn not in rows or failed[lfn].code is Code.FORBIDDEN)]
    failed |= await hidden(tx, space, member, unclear, wish=wish)
    return Rows(good, failed)


def failure_of(row: Row | None, lfn: str, space: Space, member: Member, wish: Wish) -> Failure | None:
    """Return why a member may not do something with a file, or None."""
    if row is None:
        return not_found()
    file = None if row.file_id is None else row.rights
    if not allows_in(space.rule, row.directory_rights, member, wish, file=file):
        is_of_directory = file is None or not allows_in(space.rule, row.directory_rights, member, wish)
        if is_of_directory:
            return forbidden(space, lfn.rpartition("/")[0], row.directory_rights, wish)
        return forbidden(space, lfn, row.rights, wish)
    return not_found() if row.file_id is None else None


def may_read_relative(space: Space, member: Member, found: Relative) -> bool:
    """Tell whether a member may be told of a relative; of one that is gone for good everybody may."""
    rights = Rights(found.owner, found.group, found.mode if found.mode is not None else 0o755)
    return found.lfn is not None and allows_in(space.rule, rights, member, READ)


async def look_up(
    tx: Tx, member: Member, lfns: Sequence[str], *, config: Config, parameters: Collection[str], trash: bool
) -> Outcome:
    """Return what is known of files, of each the parameters that are asked for: one statement, two with ancestors.

    Ancestors are told as far as they may be read.
    """
    extent = Extent(trash, "metadata" in parameters)
    rows = await admitted(tx, member, lfns, READ, config=config, extent=extent)
    wanted = {name: show for name, show in _SHOWN.items() if name in parameters or name == "file_id"}
    shown = {lfn: {"lfn": lfn, **{name: show(row) for name, show in wanted.items()}} for lfn, row in rows.good.items()}
    if "ancestors" in parameters and rows.good:
        starts = {row.file_id or 0: lfn for lfn, row in rows.good.items()}
        for lfn in starts.values():
            shown[lfn]["ancestors"] = []
        most, space = len(starts) * ANCESTORS_MAX, Space.of(config, member)
        for each in await select_relatives(tx, sorted(starts), descendants=False, depth=1, most=most):
            if may_read_relative(space, member, each):
                shown[starts[each.start_id]]["ancestors"].append(each.lfn)
    return Outcome(shown, rows.failed)


_SHOWN: Mapping[str, Callable[[FileRow], Any]] = {
    "file_id": lambda row: row.file_id,
    "size": lambda row: row.size,
    "checksums": lambda row: row.checksums.as_json(),
    "guid": lambda row: row.guid,
    "owner": lambda row: row.owner,
    "group": lambda row: row.group,
    "mode": lambda row: mode_text(row.mode or 0),
    "status": lambda row: row.status,
    "job_id": lambda row: row.job_id,
    "attempt": lambda row: row.attempt,
    "created_at": lambda row: row.created_at,
    "modified_at": lambda row: row.modified_at,
    "trashed_at": lambda row: row.trashed_at,
    "metadata": lambda row: row.metadata or {},
    "replicas": lambda row: [
        {"se": each.se, "status": each.status, "pfn": each.path, "verified_at": each.verified_at}
        for each in row.replicas
    ],
}
