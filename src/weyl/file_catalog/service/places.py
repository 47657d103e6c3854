"""Where the files of a call are to lie: the directories that there are, who may write there, and making others."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from weyl.config.lfns import parent_of
from weyl.file_catalog.errors import CatalogueBusy
from weyl.file_catalog.models.files import Code, Failure
from weyl.file_catalog.modes import HOME_MODE, NOBODYS, READ, ROOT_MODE, WRITE, Rights, Wish, allows_in
from weyl.file_catalog.names import SHOWN, Space
from weyl.file_catalog.permits import Member
from weyl.file_catalog.queries import places as queries
from weyl.file_catalog.queries.places import Directory, Held, Names, NewDirectory, Places
from weyl.kit.db import Tx

TRIES_MAX = 3
"""How often a race for the same directories is run again."""
BUSY = "Others changed these directories at the same time, again and again: try again"


async def find_places(tx: Tx, space: Space, directories: Iterable[str], names: Names) -> Places:
    """Return the ids of names, and of these directories, with all that are above them, those that exist."""
    levels = {level for directory in directories for level in space.levels(directory)}
    return await queries.select_places(tx, names, sorted(levels))


async def with_names(tx: Tx, space: Space, places: Places, names: Names) -> Places:
    """Return the places with an id for each name."""
    if not places.lacks(names):
        return places
    await queries.insert_names(tx, names)
    named = await queries.select_places(tx, names, ())
    named.directories = places.directories
    return named


def deepest(space: Space, places: Places, path: str) -> Directory | None:
    """Return the deepest directory that exists on the way to a path; None: not even the root does."""
    levels = reversed(space.levels(path))
    return next((places.directories[level] for level in levels if level in places.directories), None)


def refusal(space: Space, places: Places, member: Member, path: str, wish: Wish = WRITE) -> Failure | None:
    """Return why a member may not make or change anything in a directory, which need not exist yet, or None."""
    found = deepest(space, places, path)
    rights = NOBODYS if found is None else found.rights
    if allows_in(space.rule, rights, member, wish):
        return None
    above = None if found is None else found.path
    # What leads to the own home is nobody's: whoever lives there makes it.
    if above != path and space.is_at_home(path) and (above is None or space.leads_home(above)):
        return None
    if (closed := closed_above(space, places, member, path)) is not None:
        return _behind(space, closed, member, wish)
    return forbidden(space, above or space.roots[0], rights, wish)


def closed_above(space: Space, places: Places, member: Member, path: str) -> Directory | None:
    """Return the directory behind which nothing is told of a path: whether it exists makes no difference.

    That is the topmost of those that end with the deepest one on the way and may not be read; None if that may be.
    """
    closed = None
    for level in reversed(space.levels(path)):
        found = places.directories.get(level)
        if found is None:
            continue
        if allows_in(space.rule, found.rights, member, READ):
            break
        closed = found
    return closed


def _behind(space: Space, closed: Directory, member: Member, wish: Wish) -> Failure:
    is_refused = not allows_in(space.rule, closed.rights, member, wish)
    return forbidden(space, closed.path, closed.rights, wish if is_refused else READ)


async def hidden(
    tx: Tx, space: Space, member: Member, paths: Sequence[str], *, wish: Wish = READ
) -> dict[str, Failure]:
    """Return the answer for those of some paths that lie in a directory that the member may not read, or below one.

    For paths that were not found or not allowed: this answer is the same for both. One statement; none for those who
    may read everything.
    """
    if not paths or member.is_manager or space.rule == "open":
        return {}
    places = await find_places(tx, space, set(map(parent_of, paths)), Names(member.vo))
    above = {path: closed_above(space, places, member, parent_of(path)) for path in paths}
    return {path: _behind(space, closed, member, wish) for path, closed in above.items() if closed is not None}


def forbidden(space: Space, path: str, rights: Rights, wish: Wish) -> Failure:
    """Return that a mode does not allow something, whose it is, and where the caller may write."""
    verb = "read" if wish is READ else "write in"
    whose = f"mode {rights.mode:04o}" if rights.owner is None else f"{rights.owner}'s, mode {rights.mode:04o}"
    text = f"You may not {verb} {path[:SHOWN]} ({whose})"
    is_advised = wish is WRITE and space.home is not None and not space.is_at_home(path)
    return Failure(Code.FORBIDDEN, f"{text}; your files belong below {space.home}" if is_advised else text)


@dataclass(frozen=True, slots=True)
class Making:
    """What directories are made with."""

    space: Space
    member: Member
    now: datetime
    mode: int | None = None
    """Of the directories that are asked for; those above them have what they inherit."""


async def make_directories(tx: Tx, making: Making, places: Places, wanted: Collection[str]) -> None:
    """Make those directories that do not exist, with all above them, and put them among the places.

    Existing ones on the way are held until the transaction ends. Raises `CatalogueBusy` after some lost races.
    """
    for _ in range(TRIES_MAX):
        missing = _missing(making.space, places, wanted)
        if not missing:
            return
        if await _make(tx, making, places, missing, wanted):
            return
        fresh = await queries.select_places(tx, Names(making.member.vo), sorted(_all_levels(making.space, wanted)))
        places.directories = fresh.directories
    raise CatalogueBusy(BUSY, retry_after_s=1)


def _all_levels(space: Space, wanted: Iterable[str]) -> set[str]:
    return {level for path in wanted for level in space.levels(path)}


def _missing(space: Space, places: Places, wanted: Iterable[str]) -> list[str]:
    return sorted(_all_levels(space, wanted) - places.directories.keys(), key=lambda path: path.encode())


async def _make(tx: Tx, making: Making, places: Places, missing: Sequence[str], wanted: Collection[str]) -> bool:
    """Make what is missing; False, and nothing made, if others have made or moved something meanwhile."""
    above = {parent_of(path) for path in missing} | set(wanted)
    expected = {each.dir_id: each.path for path in above if (each := places.directories.get(path)) is not None}
    held = await queries.hold_directories(tx, sorted(expected), new=len(missing))
    if dict(zip(held.dir_ids or (), held.paths or (), strict=True)) != expected:
        return False
    rows = _rows(making, places, missing, held, wanted)
    assert places.vo_id is not None
    made = await queries.insert_directories(tx, places.vo_id, rows, now=making.now)
    if len(made) < len(rows):
        await queries.delete_made(tx, made)
        return False
    names = {identity_id: name for name, identity_id in places.identities.items()}
    for row in rows:
        owner, group = names.get(row.owner_id or 0), names.get(row.group_id or 0)
        places.directories[row.path] = Directory(
            row.dir_id,
            row.path,
            row.lineage,
            row.mode,
            owner,
            group,
            row.path,
            False,
            row.metadata_set_id,
            row.group_id,
        )
    return True


def _rows(
    making: Making, places: Places, missing: Sequence[str], held: Held, wanted: Collection[str]
) -> list[NewDirectory]:
    """Return what is missing as rows, those above first."""
    rows: dict[str, NewDirectory] = {}
    sets = dict(zip(held.dir_ids or (), held.set_ids or (), strict=True))
    for dir_id, path in zip(held.new_ids, missing, strict=True):
        parent = parent_of(path)
        above = rows.get(parent) or _known(places, parent, sets)
        owner_id, group_id, mode = _given(making, places, path, above)
        if making.mode is not None and path in wanted:
            mode = making.mode
        lineage = [*(above.lineage if above else ()), dir_id]
        rows[path] = NewDirectory(
            dir_id,
            above.dir_id if above else None,
            path,
            lineage,
            owner_id,
            group_id,
            mode,
            above.metadata_set_id if above else None,
        )
    return list(rows.values())


def _known(places: Places, path: str, sets: Mapping[int, int | None]) -> NewDirectory | None:
    found = places.directories.get(path)
    if found is None:
        return None
    set_id = sets.get(found.dir_id, found.metadata_set_id)
    return NewDirectory(found.dir_id, None, path, found.lineage, None, found.group_id, found.mode, set_id)


def _given(making: Making, places: Places, path: str, above: NewDirectory | None) -> tuple[int | None, int | None, int]:
    """Return owner, group and mode of a new directory: the creator's, those of the parent, or nobody's."""
    space, member = making.space, making.member
    if path in space.roots or (space.leads_home(path) and not member.is_manager):
        return None, None, ROOT_MODE
    owner_id, group_id = places.identities[member.username], places.identities[member.group]
    if path == space.home:
        return owner_id, group_id, HOME_MODE
    inherited = above.group_id if above is not None and above.group_id is not None else group_id
    return owner_id, inherited, above.mode if above is not None else ROOT_MODE
