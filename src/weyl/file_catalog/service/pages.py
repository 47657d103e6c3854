"""What the pages show: a part of the tree, a directory, a file; each only to those who may read it."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from weyl.config.lfns import bare, directory_fault_of, name_of, root_of
from weyl.file_catalog.checksums import Checksums
from weyl.file_catalog.errors import BadFileOrder, DirectoryNotFound, FileNotFound, NotReadable
from weyl.file_catalog.fields import AppliesTo, DeclaredField
from weyl.file_catalog.models.files import DEPTH_MAX, FileStatus
from weyl.file_catalog.models.pages import (
    CHILDREN_MAX,
    RELATIVES_MAX,
    Branch,
    DirectoryShown,
    ElementUsage,
    FieldShown,
    FileShown,
    MetadataShown,
    Node,
    RelativeShown,
    ReplicaShown,
)
from weyl.file_catalog.modes import READ, WRITE, Rights, allows_in, mode_text
from weyl.file_catalog.names import Space
from weyl.file_catalog.permits import Member
from weyl.file_catalog.queries import pages as queries
from weyl.file_catalog.queries.fields import select_fields
from weyl.file_catalog.queries.metadata import select_shown
from weyl.file_catalog.queries.pages import Child, DirectoryRow, PageFile, PageReplica
from weyl.file_catalog.queries.relatives import select_relatives
from weyl.file_catalog.queries.usage import select_used
from weyl.file_catalog.service.places import hidden
from weyl.file_catalog.service.reading import may_read_relative
from weyl.file_catalog.service.replicas import Closed
from weyl.kit.db import Tx

_SUMS = ("files", "bytes", "trash_files", "trash_bytes")


async def top(tx: Tx, member: Member, space: Space) -> Branch:
    """Return the topmost directories of the VO, and the way to the member's home; one statement."""
    way = [] if space.home is None else space.levels(space.home)
    found = await queries.select_directories(tx, member.vo, sorted({*space.roots, *way}))
    lineage = [path for path in way if path in found]
    roots = sorted(path for path in space.roots if path in found)
    home = lineage[-1] if lineage else next(iter(roots), None)
    nodes = [_node(found[path], path, is_leaf=False) for path in roots]
    return Branch(home=home, lineage=lineage or roots[:1], node=None, nodes=nodes, cursor=None)


async def branch(tx: Tx, member: Member, space: Space, path: str, *, after: str | None) -> Branch:
    """Return a directory with its children behind a cursor; raises errors of `readable_directory`; two statements."""
    if after is not None and directory_fault_of(after) is not None:
        raise BadFileOrder("This is no cursor: take it as it is from the answer before")
    row = await readable_directory(tx, member, space, path)
    found = await queries.select_children(tx, row.dir_id, after=after or "", most=CHILDREN_MAX + 1)
    children = found[:CHILDREN_MAX]
    return Branch(
        home=None,
        lineage=space.levels(row.path),
        node=directory_shown(row),
        nodes=[_node(child, name_of(child.path), is_leaf=child.is_leaf) for child in children],
        cursor=children[-1].path if len(found) > len(children) else None,
    )


def _node(row: DirectoryRow | Child, name: str, *, is_leaf: bool) -> Node:
    return Node(id=row.path, name=name, leaf=is_leaf, **directory_shown(row).model_dump())


async def with_usage(tx: Tx, member: Member, found: Branch) -> Branch:
    """Return a part of the tree with what its directory uses; one statement more."""
    if found.node is None:
        return found
    rows = await select_used(tx, member.vo, [found.node.path])
    whole = next((row for row in rows if row.se is None), None)
    used = {} if whole is None else {name: getattr(whole, name) for name in _SUMS}
    return found.model_copy(update={"node": found.node.model_copy(update=used)})


async def usage(tx: Tx, member: Member, space: Space, path: str) -> list[ElementUsage]:
    """Return what lies below a directory on each storage element; two statements."""
    row = await readable_directory(tx, member, space, path)
    used = await select_used(tx, member.vo, [row.path])
    return [ElementUsage(se=each.se, **{name: getattr(each, name) for name in _SUMS}) for each in used if each.se]


async def readable_directory(tx: Tx, member: Member, space: Space, path: str) -> DirectoryRow:
    """Return a directory that the member may read; raises `BadFileOrder`, `DirectoryNotFound` or `NotReadable`."""
    path = bare(path)
    if (fault := directory_fault_of(path)) is not None:
        raise BadFileOrder(f"The name of the directory {fault}")
    found = {} if root_of(path, space.roots) is None else await queries.select_directories(tx, member.vo, [path])
    row = found.get(path)
    if row is not None and allows_in(space.rule, row.rights, member, READ):
        return row
    if (failure := (await hidden(tx, space, member, [path])).get(path)) is not None:
        raise NotReadable(failure.detail)
    if row is None:
        raise DirectoryNotFound(f"There is no directory {path}")
    raise NotReadable(f"You may not read {path}: {_whose(row.rights)}")


async def readable_file(tx: Tx, member: Member, space: Space, file_id: int) -> PageFile:
    """Return a file that the member may look up, in the trash or not; raises `FileNotFound` or `NotReadable`."""
    row = await queries.select_file(tx, member.vo, file_id)
    if row is None:
        raise FileNotFound(f"There is no file {file_id}, or it was deleted for good")
    if not allows_in(space.rule, row.directory_rights, member, READ, file=row.rights):
        # Its directory may lie below one that the member may not read either, and must not know the name of.
        if (failure := (await hidden(tx, space, member, [row.lfn])).get(row.lfn)) is not None:
            raise NotReadable(failure.detail)
        raise NotReadable(f"You may not read file {file_id}: {_whose(row.rights)}")
    return row


def _whose(rights: Rights) -> str:
    owner, group = rights.owner or "nobody", rights.group or "no group"
    return f"it belongs to {owner} in {group}, mode {mode_text(rights.mode)}"


def directory_shown(row: DirectoryRow | Child) -> DirectoryShown:
    """Return a directory as pages have it, without what is used."""
    return DirectoryShown(
        path=row.path, owner=row.owner, group=row.group, mode=mode_text(row.mode), created_at=row.created_at
    )


def file_shown(row: PageFile) -> FileShown:
    """Return a file as pages have it."""
    known = Checksums.from_row(row.adler32, row.md5, row.sha1, row.sha256).as_json()
    return FileShown(
        file_id=row.file_id,
        lfn=row.lfn,
        name=row.name,
        directory=row.directory,
        size=row.size,
        checksum=", ".join(f"{kind}:{digits}" for kind, digits in known.items()),
        guid=None if row.guid is None else str(row.guid),
        owner=row.owner,
        group=row.group,
        mode=mode_text(row.mode),
        status=row.status,
        se=row.ses or [],
        replica_count=len(row.ses or []),
        job_id=row.job_id,
        attempt=row.attempt,
        creation_time=row.created_at,
        modification_time=row.modified_at,
        trash_time=row.trashed_at,
    )


def replicas_shown(row: PageFile, closed: Closed) -> list[ReplicaShown]:
    """Return the replicas of a file: whether each can be read now, and why not."""
    return [_replica(replica, closed) for replica in row.replicas]


def _replica(replica: PageReplica, closed: Closed) -> ReplicaShown:
    reason = "The replica is bad" if replica.status == "Bad" else closed(replica.se)
    return ReplicaShown(**asdict(replica), usable=reason is None, reason=reason)


async def relatives(tx: Tx, member: Member, space: Space, file_id: int, *, descendants: bool) -> list[RelativeShown]:
    """Return what a file was made from, or what was made from it, nearest first, as far as it may be read.

    Two statements.
    """
    await readable_file(tx, member, space, file_id)
    found = await select_relatives(tx, [file_id], descendants=descendants, depth=DEPTH_MAX, most=RELATIVES_MAX)
    return [
        RelativeShown(file_id=each.file_id, lfn=each.lfn, size=each.size, status=each.status, depth=each.depth)
        for each in found
        if each.lfn is not None and may_read_relative(space, member, each)
    ]


async def metadata_of_file(tx: Tx, member: Member, space: Space, file_id: int) -> MetadataShown:
    """Return the fields that a file may have, with what holds for it; three statements."""
    row = await readable_file(tx, member, space, file_id)
    shown = await select_shown(tx, dir_ids=[], file_ids=[file_id])
    may_write = allows_in(space.rule, row.directory_rights, member, WRITE, file=row.rights)
    fields = await _fields(tx, member, row.lfn, shown.get(row.lfn, {}), on=AppliesTo.FILE)
    return MetadataShown(may_edit=may_write and row.status == FileStatus.GOOD, fields=fields)


async def metadata_of_directory(tx: Tx, member: Member, space: Space, path: str) -> MetadataShown:
    """Return the fields that a directory may have, with what holds in it; three statements."""
    row = await readable_directory(tx, member, space, path)
    shown = await select_shown(tx, dir_ids=[row.dir_id], file_ids=[])
    may_write = allows_in(space.rule, row.rights, member, WRITE)
    fields = await _fields(tx, member, row.path, shown.get(row.path, {}), on=AppliesTo.DIRECTORY)
    return MetadataShown(may_edit=may_write, fields=fields)


async def _fields(tx: Tx, member: Member, path: str, values: Mapping[str, Any], *, on: AppliesTo) -> list[FieldShown]:
    declared = await select_fields(tx, member.vo)
    return [
        _field(field, values.get(field.name, {}), path)
        for field in declared.values()
        # What a file cannot have of its own it may have from above.
        if field.on in (on, AppliesTo.BOTH) or field.name in values
    ]


def _field(field: DeclaredField, held: Mapping[str, Any], path: str) -> FieldShown:
    return FieldShown(
        name=field.name,
        type=field.type.value,
        unit=field.unit,
        values=None if field.choices is None else list(field.choices),
        help=field.help,
        value=held.get("value"),
        from_=held.get("from"),
        is_own=held.get("from") == path,
    )
