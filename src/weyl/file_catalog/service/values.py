"""Values of files and directories, shown and set by their names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from weyl.config.lfns import bare
from weyl.file_catalog import fields
from weyl.file_catalog.fields import AppliesTo, BadValue, Typed
from weyl.file_catalog.models.files import Code, Failure, Outcome
from weyl.file_catalog.modes import READ, WRITE, Wish, allows_in
from weyl.file_catalog.names import Space, known_paths, not_found
from weyl.file_catalog.permits import Member
from weyl.file_catalog.queries import metadata as queries
from weyl.file_catalog.queries import sets
from weyl.file_catalog.queries.fields import select_fields
from weyl.file_catalog.queries.named import Named, select_named
from weyl.file_catalog.service.fields import Background, begin
from weyl.file_catalog.service.metadata import put_values
from weyl.file_catalog.service.places import forbidden, hidden
from weyl.file_catalog.service.sets import SETTLE, SUBDIRECTORIES_MAX, resettle
from weyl.kit import json
from weyl.kit.db import Tx
from weyl.kit.ids import uuid7

COUNTED_MAX = 1_000_000
"""So far sub-directories are counted, for how far an operation has come."""


@dataclass(frozen=True, slots=True)
class Setter:
    """Who sets values, and when."""

    member: Member
    space: Space
    subject: str
    now: datetime


async def show(tx: Tx, member: Member, space: Space, paths: Sequence[str], *, inherited: bool) -> Outcome:
    """Return what holds for files and directories, `{field: {value, from}}`; with `inherited` false own values only."""
    outcome, named = await _named(tx, member, space, paths, wish=READ)
    dir_ids = [each.dir_id for each in named.values() if each.file_id is None]
    file_ids = [each.file_id for each in named.values() if each.file_id is not None]
    shown = await queries.select_shown(tx, dir_ids=dir_ids, file_ids=file_ids) if named else {}
    for path in named:
        values = shown.get(path, {})
        own = {name: each for name, each in values.items() if inherited or each["from"] == path}
        outcome.success[path] = dict(sorted(own.items()))
    return outcome


async def _named(
    tx: Tx, member: Member, space: Space, paths: Sequence[str], *, wish: Wish
) -> tuple[Outcome, dict[str, Named]]:
    """Return what the paths are that the member may read or describe, and why not of the others."""
    known = known_paths(paths, space)
    outcome = Outcome(failed=dict(known.failed))
    found = await select_named(tx, member.vo, known.good, roots=space.roots) if known.good else {}
    for path in known.good:
        each = found.get(path)
        if each is None:
            outcome.failed[path] = not_found()
        elif not allows_in(space.rule, each.rights, member, wish, file=each.file_rights):
            directory = path if each.file_id is None else path.rpartition("/")[0]
            outcome.failed[path] = forbidden(space, directory, each.rights, wish)
    unclear = [path for path in known.good if path in outcome.failed]
    outcome.failed |= await hidden(tx, space, member, unclear, wish=wish)
    return outcome, {path: each for path, each in found.items() if path not in outcome.failed}


async def set_values(tx: Tx, setter: Setter, changes: Mapping[str, Mapping[str, Any]]) -> Outcome:
    """Set values of files and directories; None takes the own value away.

    A directory with more than 10,000 sub-directories is followed by an operation, which its answer names: what holds
    there is shown at once, and found by searches when the operation has come by.
    """
    outcome, named = await _named(tx, setter.member, setter.space, list(changes), wish=WRITE)
    if not named:
        return outcome
    declared = await select_fields(tx, setter.member.vo)
    given = {path: values for path, values in _bare(changes).items() if path in named}
    typed: dict[str, Typed] = {}
    for path, values in given.items():
        on = AppliesTo.DIRECTORY if named[path].file_id is None else AppliesTo.FILE
        try:
            typed[path] = fields.values_of(declared, values, on=on)
        except BadValue as error:
            outcome.failed[path] = Failure(Code.BAD_VALUE, str(error))
    outcome.success = {path: {} for path in typed}
    of_directories = {path: values for path, values in typed.items() if named[path].file_id is None}
    if of_directories:
        await _set_on_directories(tx, setter, outcome, named, of_directories)
    of_files = [(file_id, typed[path]) for path in typed if (file_id := named[path].file_id) is not None]
    if any(values for _, values in of_files):
        await put_values(tx, of_files)
        vo_id = next(iter(named.values())).vo_id
        await queries.insert_outbox(tx, vo_id, [file_id for file_id, _ in of_files], now=setter.now)
    return outcome


def _bare(changes: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the changes by names without a prefix; of one name twice, both."""
    merged: dict[str, dict[str, Any]] = {}
    for path, values in changes.items():
        merged.setdefault(bare(path), {}).update(values)
    return merged


async def _set_on_directories(
    tx: Tx, setter: Setter, outcome: Outcome, named: Mapping[str, Named], typed: Mapping[str, Typed]
) -> None:
    """Set own values of directories, and point all below to what holds there now."""
    dir_ids = sorted(named[path].dir_id for path in typed)
    vo_id = next(iter(named.values())).vo_id
    await sets.hold_sets(tx, vo_id)
    number = await sets.count_tree(tx, dir_ids, most=SUBDIRECTORIES_MAX + 1)
    is_few = number <= SUBDIRECTORIES_MAX
    if is_few:
        await sets.lock_tree(tx, dir_ids)
    own = [
        (named[path].dir_id, field_id, None if value is None else json.dumps_text(value))
        for path, values in typed.items()
        for field_id, value in values.items()
    ]
    await sets.set_own(tx, own)
    if is_few:
        await resettle(tx, dir_ids)
        return
    operation_id = uuid7()
    background = Background(setter.member.vo, setter.subject, setter.member.username, setter.now)
    total = await sets.count_tree(tx, dir_ids, most=COUNTED_MAX)
    await begin(tx, operation_id, SETTLE, {"dir_ids": dir_ids}, background, total=total)
    for path in typed:
        outcome.success[path] = {"operation_id": str(operation_id)}
