"""Directories that are made and removed."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from weyl.config.lfns import parent_of
from weyl.config.models import Config
from weyl.file_catalog.models.files import Code, Failure, Outcome
from weyl.file_catalog.modes import READ, WRITE, allows_in
from weyl.file_catalog.names import Space, bad_name, known_paths, not_found
from weyl.file_catalog.permits import Member
from weyl.file_catalog.queries import directories as queries
from weyl.file_catalog.queries.places import Names, Places, take_back
from weyl.file_catalog.queries.registration import select_known
from weyl.file_catalog.queries.trash import REPEATED_WITHIN, Act, log_act
from weyl.file_catalog.service.places import Making, closed_above, find_places, make_directories, refusal, with_names
from weyl.kit.db import Tx

LOGGED_MAX = 10_000
_NOT_EMPTY = Failure(Code.CONFLICT, "The directory is not empty: remove what is in it first, or remove recursively")
_ROOT = Failure(Code.FORBIDDEN, "The root of a VO stays")
_CHANGED = Failure(Code.BUSY, "Somebody else changed the directory at the same time: try again")


async def make(
    tx: Tx, member: Member, paths: Sequence[str], *, mode: int | None, config: Config, now: datetime
) -> Outcome:
    """Make directories with all above them; one that exists is a success."""
    space = Space.of(config, member)
    names = known_paths(paths, space)
    outcome = Outcome(failed=names.failed)
    for path in [path for path, failure in names.failed.items() if failure.code is Code.NOT_FOUND]:
        outcome.failed[path] = bad_name(str(space.new_fault(path)))
    if not names.good:
        return outcome
    people = Names(member.vo, {member.username, member.group})
    places = await find_places(tx, space, names.good, people)
    missing = {level for path in names.good for level in space.levels(path)} - places.directories.keys()
    files = (await select_known(tx, member.vo, sorted(missing))).files if missing else {}
    wanted: dict[str, bool] = {}
    for path in names.good:
        found = places.directories.get(path)
        is_there = found is not None and not found.is_trashed and _may_see(space, places, member, path)
        failure = None if is_there else _failure(space, places, member, path)
        above = next((level for level in space.levels(path) if level in files), None)
        if above is not None and _may_see(space, places, member, path):
            failure = Failure(Code.EXISTS, f"{above[:200]} is a file")
        if failure is not None:
            outcome.failed[path] = failure
        else:
            wanted[path] = found is None or found.is_trashed
    hidden = {path for path in wanted if path in places.directories and wanted[path]}
    places = await with_names(tx, space, places, people)
    await make_directories(tx, Making(space, member, now, mode), places, list(wanted))
    hidden |= {above for path in wanted if (above := _hidden_above(space, places, path))}
    if hidden:
        await take_back(tx, places.directories, hidden)
    outcome.success |= {
        path: {"dir_id": places.directories[path].dir_id, "created": created} for path, created in wanted.items()
    }
    return outcome


def _may_see(space: Space, places: Places, member: Member, path: str) -> bool:
    """Tell whether the member may know what is at a path."""
    return path in space.roots or closed_above(space, places, member, parent_of(path)) is None


def _failure(space: Space, places: Places, member: Member, path: str) -> Failure | None:
    is_new = path not in places.directories and _may_see(space, places, member, path)
    if is_new and (fault := space.new_fault(path)) is not None:
        return bad_name(fault)
    if path in space.roots:
        return None
    # The home itself is nobody's to ask for: whose it is makes it.
    return None if path == space.home else refusal(space, places, member, parent_of(path))


def _hidden_above(space: Space, places: Places, path: str) -> str | None:
    levels = reversed(space.levels(path))
    return next((each for each in levels if (found := places.directories.get(each)) and found.is_trashed), None)


async def remove(tx: Tx, member: Member, paths: Sequence[str], *, config: Config, now: datetime) -> Outcome:
    """Remove directories without files; one that holds files of the trash is hidden until these are purged.

    One that was removed not long ago is a success.
    """
    space = Space.of(config, member)
    names = known_paths(paths, space)
    outcome = Outcome(failed=names.failed)
    if not names.good:
        return outcome
    places = await find_places(tx, space, names.good, Names(member.vo))
    doomed: dict[str, int] = {}
    for path in names.good:
        found = places.directories.get(path)
        failure = _stays(space, places, member, path)
        if failure is not None:
            outcome.failed[path] = failure
        elif found is not None and found.is_trashed:
            outcome.success[path] = {"removed": True}
        elif found is not None:
            doomed[path] = found.dir_id
    absent = [path for path, failure in outcome.failed.items() if failure.code is Code.NOT_FOUND]
    if absent:
        for path in await queries.select_removed(tx, member.vo, absent, since=now - REPEATED_WITHIN):
            del outcome.failed[path]
            outcome.success[path] = {"removed": True}
    if doomed and places.vo_id is not None:
        removed = await _remove(tx, outcome, doomed, now=now)
        if removed:
            await log_act(tx, Act(places.vo_id, member.username, None, now), "rmdir", [], detail={"paths": removed})
    return outcome


def _stays(space: Space, places: Places, member: Member, path: str) -> Failure | None:
    if path in space.roots:
        return _ROOT
    unread = refusal(space, places, member, parent_of(path), READ)
    if path not in places.directories:
        return unread or not_found()
    refused = refusal(space, places, member, parent_of(path))
    return refused and (unread or refused)


async def _remove(tx: Tx, outcome: Outcome, doomed: dict[str, int], *, now: datetime) -> list[str]:
    """Remove what is empty; returns it."""
    held = await queries.hold_for_change(tx, sorted(doomed.values()))
    for path, dir_id in doomed.items():
        if held.get(dir_id) != path:
            outcome.failed[path] = _CHANGED
    ids = {dir_id: path for path, dir_id in doomed.items() if path not in outcome.failed}
    content = {row.dir_id: row for row in await queries.select_content(tx, sorted(ids))}
    full = {ids[row.dir_id] for row in content.values() if row.has_files or row.has_directories}
    # What stands keeps those above it.
    full |= _above(full)
    hollow: list[int] = []
    hidden: dict[str, int] = {}
    above_hidden: set[str] = set()
    removed: list[str] = []
    for dir_id, path in sorted(ids.items(), key=lambda item: -len(item[1])):
        if path in full:
            outcome.failed[path] = _NOT_EMPTY
            continue
        if content[dir_id].has_trash or path in above_hidden:
            hidden[path] = dir_id
            above_hidden |= _above([path])
        else:
            hollow.append(dir_id)
        removed.append(path)
        outcome.success[path] = {"removed": True}
    if hidden:
        await queries.hide_directories(tx, list(hidden.values()), now=now)
    if hollow:
        await queries.delete_directories(tx, hollow)
    return removed


async def remove_all(tx: Tx, member: Member, dir_ids: Sequence[int], *, space: Space, act: Act) -> None:
    """Remove those of the directories that have no files any more, and that the member may remove."""
    rows = await queries.select_rights(tx, dir_ids)
    rights = {row.path: row.rights for row in rows}
    doomed = {
        row.path: row.dir_id
        for row in rows
        if row.parent is not None and allows_in(space.rule, rights.get(parent_of(row.path), row.parent), member, WRITE)
    }
    outcome = Outcome()
    removed = await _remove(tx, outcome, doomed, now=act.now)
    if removed:
        await log_act(tx, act, "rmdir", [], detail={"paths": removed[:LOGGED_MAX]})


def _above(paths: Iterable[str]) -> set[str]:
    """Return all that these directories lie in."""
    above: set[str] = set()
    for path in paths:
        level = parent_of(path)
        while level and level not in above:
            above.add(level)
            level = parent_of(level)
    return above
