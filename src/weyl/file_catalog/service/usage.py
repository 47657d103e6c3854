"""How much lies below directories, exact at any moment, and the folding and checking of what is kept of it."""

from collections.abc import Sequence
from typing import Any

import structlog

from weyl.config.models import Config
from weyl.file_catalog.models.files import Outcome
from weyl.file_catalog.modes import READ, allows_in
from weyl.file_catalog.names import Space, known_paths, not_found
from weyl.file_catalog.permits import Member
from weyl.file_catalog.queries import usage as queries
from weyl.file_catalog.queries.usage import Used
from weyl.file_catalog.service.places import forbidden, hidden
from weyl.kit.db import Database, Tx

log = structlog.get_logger(__name__)

CHECKED_AT_ONCE = 1_000
_NOTHING = {"files": 0, "bytes": 0, "trash_files": 0, "trash_bytes": 0}


async def usage(tx: Tx, member: Member, paths: Sequence[str], *, config: Config) -> Outcome:
    """Return files and bytes below directories, apart those in the trash, and the same per storage element."""
    space = Space.of(config, member)
    names = known_paths(paths, space)
    outcome = Outcome(failed=names.failed)
    rows = await queries.select_used(tx, member.vo, names.good) if names.good else []
    for row in rows:
        path = names.good[row.number - 1]
        if not allows_in(space.rule, row.rights, member, READ):
            outcome.failed[path] = forbidden(space, path, row.rights, READ)
        elif row.se is None:
            outcome.success[path] = {**_sums(row), **outcome.success.get(path, {"elements": {}})}
        else:
            outcome.success.setdefault(path, {"elements": {}})["elements"][row.se] = _sums(row)
    for path in names.good:
        if path in space.roots and path not in outcome.success and path not in outcome.failed:
            outcome.success[path] = {**_NOTHING, "elements": {}}
        elif path not in outcome.success:
            outcome.failed.setdefault(path, not_found())
    outcome.failed |= await hidden(tx, space, member, [path for path in names.good if path in outcome.failed])
    return outcome


def _sums(row: Used) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _NOTHING}


async def fold_all(db: Database) -> int:
    """Add all deltas to the directories above them, some thousands per transaction; returns how many there were."""
    folded = 0
    while True:
        async with db.transaction() as tx:
            await queries.lock_fold(tx)
            done = await queries.fold(tx)
        folded += done
        if done < queries.FOLDED_MAX:
            return folded


async def check(db: Database) -> int:
    """Compare the sums with a recount, some directories at a time, and set right those that are wrong.

    Returns how many directories had other sums than what is in them comes to.
    """
    wrong, after = 0, 0
    while True:
        async with db.transaction() as tx:
            dir_ids = await queries.select_next(tx, after=after, size=CHECKED_AT_ONCE)
            found = await queries.select_residues(tx, dir_ids) if dir_ids else []
            if found:
                await queries.add_residues(tx, found)
        if found:
            wrong += len(found)
            log.error("file_catalog.usage_wrong", sums=len(found), first=[each._asdict() for each in found[:10]])
        if len(dir_ids) < CHECKED_AT_ONCE:
            return wrong
        after = dir_ids[-1]
