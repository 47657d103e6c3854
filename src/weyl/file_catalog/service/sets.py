"""Keeps each directory's effective values right: what changes above is pointed to below, at once or by a worker."""

from collections.abc import Sequence

from weyl.file_catalog import sets
from weyl.file_catalog.queries import sets as queries
from weyl.kit.db import Tx
from weyl.tasks.operations import Batch, BatchOutcome

SETTLE = "files.settle"
SUBDIRECTORIES_MAX = 10_000
"""More than so many sub-directories are settled by an operation."""


async def resettle(tx: Tx, dir_ids: Sequence[int]) -> int:
    """Give directories and all below them the set of values that holds there now; returns how many it changed.

    For who has moved directories, or changed values of them, in this transaction, which holds `queries.hold_sets` of
    the VO and has locked these directories with all below.
    """
    if not dir_ids:
        return 0
    points = await _points(tx, await queries.select_placed(tx, dir_ids, is_tree=True))
    changes = await queries.select_changes(tx, dir_ids, points)
    return await queries.point(tx, changes) if changes else 0


async def settle_batch(tx: Tx, batch: Batch) -> BatchOutcome:
    """Do one batch of an operation on many directories: those behind an id, at or below the ones that were changed."""
    dir_ids = await queries.lock_next(tx, batch.arguments["dir_ids"], after=batch.after, size=batch.size)
    if dir_ids:
        points = await _points(tx, await queries.select_placed(tx, dir_ids, is_tree=False))
        await queries.point(tx, {dir_id: points[dir_id] for dir_id in dir_ids})
    return BatchOutcome(len(dir_ids), last=dir_ids[-1] if len(dir_ids) == batch.size else None)


async def _points(tx: Tx, placed: Sequence[sets.Placed]) -> dict[int, int | None]:
    """Return the ids of the sets that hold in directories; none where there are no values."""
    vos = {each.dir_id: each.vo_id for each in placed}
    texts = {dir_id: sets.text_of(doc) for dir_id, doc in sets.effective_of(placed).items() if doc}
    keys = {dir_id: (vos[dir_id], sets.hash_of(text)) for dir_id, text in texts.items()}
    wanted = {keys[dir_id]: text for dir_id, text in texts.items()}
    known = await queries.keep_sets(tx, wanted) if wanted else {}
    return {dir_id: known[keys[dir_id]] if dir_id in keys else None for dir_id in vos}
