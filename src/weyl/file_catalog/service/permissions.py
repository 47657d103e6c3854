"""Owners, groups and modes of directories and files, and of what lies below."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from weyl.config.models import Config
from weyl.file_catalog.models.files import Code, Failure, Outcome, PermissionChange
from weyl.file_catalog.modes import READ, Rights, may_change, mode_of
from weyl.file_catalog.names import Space, known_paths, not_found
from weyl.file_catalog.permits import Member
from weyl.file_catalog.queries import permissions as queries
from weyl.file_catalog.queries.lookup import FileRow, select_files
from weyl.file_catalog.queries.places import Names, Places
from weyl.file_catalog.queries.trash import Act, log_act
from weyl.file_catalog.service.places import closed_above, find_places, forbidden, with_names
from weyl.kit.db import Tx

RECURSIVE_MAX = 10_000
"""Directories and files of one recursive change; more are an order (`/api/files/bulk`)."""


@dataclass(slots=True)
class _Chosen:
    dir_ids: list[int] = field(default_factory=list)
    tops: list[str] = field(default_factory=list)
    file_ids: list[int] = field(default_factory=list)


async def change(tx: Tx, member: Member, wanted: PermissionChange, *, config: Config, now: datetime) -> Outcome:
    """Change permissions of directories and files; recursively, of all below that may be changed.

    A change that is too large fails as a whole with `busy`, and nothing is changed.
    """
    space = Space.of(config, member)
    names = known_paths(wanted.paths, space)
    outcome = Outcome(failed=names.failed)
    if not names.good:
        return outcome
    people = {member.username, *(each for each in (wanted.owner, wanted.group) if each is not None)}
    asked = Names(member.vo, people)
    places = await find_places(tx, space, names.good, asked)
    files = await select_files(tx, member.vo, [path for path in names.good if path not in places.directories])
    chosen = _Chosen()
    for path in names.good:
        failure = _choose(chosen, space, places, member, (path, files.get(path), wanted))
        if failure is None:
            outcome.success[path] = {"changed": True}
        else:
            outcome.failed[path] = failure
    if not chosen.dir_ids and not chosen.file_ids:
        return outcome
    if wanted.recursive and chosen.tops and (failure := await _add_below(tx, chosen)) is not None:
        return Outcome({}, {**outcome.failed, **dict.fromkeys(outcome.success, failure)})
    places = await with_names(tx, space, places, asked)
    await _change(tx, member, wanted, chosen, places, now)
    return outcome


def _choose(
    chosen: _Chosen, space: Space, places: Places, member: Member, what: tuple[str, FileRow | None, PermissionChange]
) -> Failure | None:
    """Add a directory or a file to those that are changed, or return why it is not."""
    path, row, wanted = what
    directory = places.directories.get(path)
    closed = None if path in space.roots else closed_above(space, places, member, path.rpartition("/")[0])
    if closed is not None:
        return forbidden(space, path, closed.rights, READ)
    rights: Rights
    if directory is not None and not directory.is_trashed:
        rights = directory.rights
    elif row is not None and row.file_id is not None:
        rights = row.rights
    else:
        return not_found()
    reason = may_change(rights, member, owner=wanted.owner, group=wanted.group)
    if reason is not None:
        return Failure(Code.FORBIDDEN, f"{path[:200]}: {reason}")
    if directory is not None:
        chosen.dir_ids.append(directory.dir_id)
        chosen.tops.append(path)
    elif row is not None and row.file_id is not None:
        chosen.file_ids.append(row.file_id)
    return None


async def _add_below(tx: Tx, chosen: _Chosen) -> Failure | None:
    below = await queries.select_below(tx, chosen.tops, most=RECURSIVE_MAX + 1)
    dir_ids = sorted({*chosen.dir_ids, *below})
    inside = await queries.select_inside(tx, dir_ids, most=RECURSIVE_MAX + 1)
    if len(below) + len(inside) > RECURSIVE_MAX:
        text = f"More than {RECURSIVE_MAX:,} directories and files are below: order it with POST /api/files/bulk"
        return Failure(Code.BUSY, text)
    chosen.dir_ids, chosen.file_ids = dir_ids, sorted({*chosen.file_ids, *inside})
    return None


async def _change(
    tx: Tx, member: Member, wanted: PermissionChange, chosen: _Chosen, places: Places, now: datetime
) -> None:
    what = change_of(wanted, member, places)
    await queries.change(tx, what, dir_ids=sorted(chosen.dir_ids), file_ids=sorted(chosen.file_ids))
    assert places.vo_id is not None
    detail = {
        "owner": wanted.owner,
        "group": wanted.group,
        "mode": wanted.mode,
        "dir_ids": _bounded(chosen.dir_ids),
        "recursive": wanted.recursive,
    }
    await log_act(tx, Act(places.vo_id, member.username, None, now), "mode", _bounded(chosen.file_ids), detail=detail)


def change_of(wanted: PermissionChange, member: Member, places: Places) -> queries.Change:
    """Return a change as rows have it; who is no manager changes only what belongs to them."""
    return queries.Change(
        None if wanted.owner is None else places.identities[wanted.owner],
        None if wanted.group is None else places.identities[wanted.group],
        None if wanted.mode is None else mode_of(wanted.mode),
        None if member.is_manager else places.identities[member.username],
    )


def _bounded(ids: Sequence[int]) -> list[int]:
    return list(ids[:RECURSIVE_MAX])
