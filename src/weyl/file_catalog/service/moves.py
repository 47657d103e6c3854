"""Moves of files and directories within a VO: names change, storage is not touched."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from weyl.config.lfns import (
    BYTES_MAX,
    COMPONENT_BYTES_MAX,
    bare,
    directory_fault_of,
    lies_below,
    name_of,
    parent_of,
    root_of,
    storage_path,
)
from weyl.config.models import Config
from weyl.file_catalog.models.files import Code, Failure, Move, Outcome
from weyl.file_catalog.modes import WRITE, allows_in
from weyl.file_catalog.names import Space, bad_name, not_found, printable
from weyl.file_catalog.permits import Member
from weyl.file_catalog.queries import moves as queries
from weyl.file_catalog.queries.lookup import FileRow, select_files
from weyl.file_catalog.queries.moves import Below, FileMove, TreeMove
from weyl.file_catalog.queries.places import Directory, Names, Places
from weyl.file_catalog.queries.sets import hold_sets
from weyl.file_catalog.queries.trash import REPEATED_WITHIN, Act, hold, log_act
from weyl.file_catalog.service.places import find_places, forbidden, refusal
from weyl.file_catalog.service.sets import resettle
from weyl.kit.db import Tx

BELOW_MAX = 10_000
"""Directories below those that one call moves; more are moved in the background."""
ORDERED_MAX = 100_000

_CHANGED = Failure(Code.BUSY, "Somebody else changed it at the same time: try again")
_TWICE = Failure(Code.CONFLICT, "The call names it, or its target, twice, or moves something that it lies in")
_EXISTS = Failure(Code.EXISTS, "The target exists")
_REMOVED = Failure(
    Code.EXISTS, "A directory of this name was removed, and what was in it can still be restored: take another name"
)


@dataclass(slots=True)
class Plan:
    """What of a call can be done."""

    pairs: dict[str, str]
    files: dict[str, FileRow] = field(default_factory=dict)
    trees: dict[str, Directory] = field(default_factory=dict)
    failed: dict[str, Failure] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    large: dict[str, str] = field(default_factory=dict)
    """Directories with very many below, which are to be moved in the background."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of a call, and which directories are to be moved in the background, with their targets."""

    outcome: Outcome
    large: Mapping[str, str]


async def move(
    tx: Tx, member: Member, moves: Sequence[Move], *, config: Config, now: datetime, below_max: int = BELOW_MAX
) -> Moved:
    """Move files and directories; the directory that something moves to must exist.

    A source that is gone is a success where this very move was done not long ago. Directories with more than
    `below_max` others below are left to an operation.
    """
    space = Space.of(config, member)
    plan = _sifted(moves, space)
    asked = {*plan.pairs, *plan.pairs.values()}
    places = await find_places(tx, space, asked, Names(member.vo))
    rows = await select_files(tx, member.vo, sorted(asked)) if asked else {}
    for source in plan.pairs:
        _place(plan, source, (space, places, member), rows)
    await _find_done(tx, plan, member, now=now)
    await _set_apart(tx, plan, below_max)
    if places.vo_id is not None and (plan.files or plan.trees):
        await _move(tx, plan, places, Act(places.vo_id, member.username, None, now))
    success = {source: {"to": plan.pairs[source]} for source in plan.done}
    return Moved(Outcome(success, plan.failed), plan.large)


async def _set_apart(tx: Tx, plan: Plan, below_max: int) -> None:
    """Leave directories with very many below to an operation, and refuse those with too many."""
    if not plan.trees or await queries.count_below(tx, list(plan.trees), most=below_max + 1) <= below_max:
        return
    plan.large = {source: plan.pairs[source] for source in plan.trees}
    if await queries.count_below(tx, list(plan.trees), most=ORDERED_MAX + 1) > ORDERED_MAX:
        text = f"More than {ORDERED_MAX:,} directories lie below: move its parts one by one"
        plan.failed |= dict.fromkeys(plan.trees, Failure(Code.BUSY, text))
        plan.large = {}
    plan.trees = {}


def _sifted(moves: Sequence[Move], space: Space) -> Plan:
    """Return the moves whose names can be meant, and that do not cross each other."""
    plan = Plan({})
    targets: dict[str, str] = {}
    for each in moves:
        source, target = bare(each.source), bare(each.target)
        failure = _name_failure(source, target, space)
        if failure is not None:
            plan.failed[printable(source)] = failure
        elif plan.pairs.get(source, target) != target or targets.get(target, source) != source:
            plan.failed[source] = _TWICE
            plan.pairs.pop(source, None)
        else:
            plan.pairs[source] = target
            targets[target] = source
    for source in [each for each in plan.pairs if each in plan.failed]:
        del plan.pairs[source]
    return plan


def _name_failure(source: str, target: str, space: Space) -> Failure | None:
    for path in (source, target):
        if (fault := directory_fault_of(path)) is not None:
            return bad_name(fault, of=path)
    if root_of(source, space.roots) is None:
        return not_found()
    if source in space.roots or target in space.roots:
        return Failure(Code.FORBIDDEN, "The root of a VO stays")
    if (fault := space.new_fault(target)) is not None:
        return bad_name(fault, of=target)
    if source != target and lies_below(target, source):
        return Failure(Code.CONFLICT, "A directory cannot move into itself")
    return None


def _place(plan: Plan, source: str, where: tuple[Space, Places, Member], rows: Mapping[str, FileRow]) -> None:
    """Say of one move whether it is one of a file or of a directory, or why it cannot be done."""
    space, places, member = where
    target = plan.pairs[source]
    directory, row = places.directories.get(source), rows.get(source)
    is_file = row is not None and row.file_id is not None
    failure = refusal(space, places, member, parent_of(source))
    if failure is None and directory is not None and not directory.is_trashed:
        failure = _target_failure(where, target, rows)
        if failure is None:
            plan.trees[source] = directory
    elif failure is None and row is not None and is_file:
        if not allows_in(space.rule, row.directory_rights, member, WRITE, file=row.rights):
            failure = forbidden(space, source, row.rights, WRITE)
        failure = failure or _target_failure(where, target, rows)
        if failure is None:
            plan.files[source] = row
    elif failure is None:
        failure = not_found()
    if source == target and failure is _EXISTS:
        plan.done.add(source)
    elif failure is not None:
        plan.failed[source] = failure


def _target_failure(where: tuple[Space, Places, Member], target: str, rows: Mapping[str, FileRow]) -> Failure | None:
    space, places, member = where
    parent = parent_of(target)
    # First of all: who may not write there is not told what there is.
    if (failure := refusal(space, places, member, parent)) is not None:
        return failure
    found = places.directories.get(parent)
    if found is None or found.is_trashed:
        return Failure(Code.NOT_FOUND, f"{parent[:200]} does not exist: make it first")
    row, hidden = rows.get(target), places.directories.get(target)
    if hidden is not None and hidden.is_trashed:
        return _REMOVED
    if hidden is not None or (row is not None and row.file_id is not None):
        return _EXISTS
    return None


async def _find_done(tx: Tx, plan: Plan, member: Member, *, now: datetime) -> None:
    """Find the moves that were done before: the source is gone, and the target there."""
    gone = [
        source for source, failure in plan.failed.items() if failure.code is Code.NOT_FOUND and source in plan.pairs
    ]
    if not gone:
        return
    targets = [plan.pairs[source] for source in gone]
    done = await queries.select_moved(tx, member.vo, targets, since=now - REPEATED_WITHIN)
    for source in gone:
        if (source, plan.pairs[source]) in done:
            del plan.failed[source]
            plan.done.add(source)


async def _move(tx: Tx, plan: Plan, places: Places, act: Act) -> None:
    if plan.trees:
        await hold_sets(tx, act.vo_id)
        await resettle(tx, await _move_trees(tx, plan, places))
    moved: list[int] = []
    if plan.files:
        moved = await _move_files(tx, plan, places, act)
    pairs = [[source, plan.pairs[source]] for source in sorted(plan.done)]
    if pairs:
        await log_act(tx, act, "move", moved, detail={"moves": pairs})


async def _move_files(tx: Tx, plan: Plan, places: Places, act: Act) -> list[int]:
    rows = {}
    for source, row in plan.files.items():
        target = plan.pairs[source]
        new_dir = places.directories[parent_of(target)]
        stored = storage_path(row.stored_at, row.name, None)
        rows[source] = FileMove(row.file_id or 0, row.dir_id, row.name, new_dir.dir_id, name_of(target), stored)
    held = set(await hold(tx, sorted({each.new_dir for each in rows.values()})))
    asked = [each for each in rows.values() if each.new_dir in held]
    moved = set(await queries.move_files(tx, act.vo_id, asked, now=act.now)) if asked else set()
    for source, each in rows.items():
        if each.file_id in moved:
            plan.done.add(source)
        else:
            plan.failed[source] = _CHANGED
    return sorted(moved)


async def _move_trees(tx: Tx, plan: Plan, places: Places) -> list[int]:
    """Move directories; returns the ids of the topmost."""
    trees = _apart(plan)
    parents = {source: places.directories[parent_of(plan.pairs[source])] for source in trees}
    expected = {each.dir_id: each.path for each in [*trees.values(), *parents.values()]}
    held = await queries.hold_trees(tx, sorted(expected), list(trees))
    paths = {row.dir_id: row.path for row in held}
    if any(paths.get(dir_id) != path for dir_id, path in expected.items()):
        plan.failed |= dict.fromkeys(trees, _CHANGED)
        return []
    moves = []
    for source, each in trees.items():
        parent, target = parents[source], plan.pairs[source]
        if (fault := _length_fault(paths.values(), source, target)) is not None:
            plan.failed[source] = bad_name(fault, of=target)
            continue
        moves.append(TreeMove(each.dir_id, source, target, parent.dir_id, each.lineage[:-1], parent.lineage))
    # A directory that was made while we waited for its parent has not been held yet.
    while moves and (parts := _parts(moves, held)):
        await queries.move_trees(tx, moves, parts)
        held = await queries.hold_trees(tx, [], [each.old for each in moves])
    plan.done |= {each.old for each in moves}
    return [each.dir_id for each in moves]


def _parts(moves: Sequence[TreeMove], held: Sequence[Below]) -> list[tuple[Below, int]]:
    """Return those of the directories that move, each with the index of its move."""
    tops = {each.old: index for index, each in enumerate(moves)}
    parts = []
    for each in held:
        top = next((level for level in (each.path, *_levels(each.path)) if level in tops), None)
        if top is not None:
            parts.append((each, tops[top]))
    return parts


def _apart(plan: Plan) -> dict[str, Directory]:
    """Return the directories of a call that do not move into each other, or out of each other."""
    ends = {end: source for source in plan.trees for end in (source, plan.pairs[source])}
    apart: dict[str, Directory] = {}
    for source, each in plan.trees.items():
        levels = [*_levels(source), *_levels(plan.pairs[source])]
        if any(level in plan.trees or ends.get(level, source) != source for level in levels):
            plan.failed[source] = _TWICE
        else:
            apart[source] = each
    return apart


def _levels(path: str) -> list[str]:
    """Return what a path lies in."""
    levels = []
    while path := parent_of(path):
        levels.append(path)
    return levels


def _length_fault(paths: Iterable[str], source: str, target: str) -> str | None:
    """Return which rule of names what lies below would break at its new place, or None."""
    more = len(target.encode()) - len(source.encode())
    longest = max((len(path.encode()) for path in paths if lies_below(path, source)), default=0)
    if more > 0 and longest + more + 1 + COMPONENT_BYTES_MAX > BYTES_MAX:
        return "is too long for what lies below the directory"
    return None
