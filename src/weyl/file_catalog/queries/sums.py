"""SQL of totals: how many files a search is about, and sums of them by parameters."""

from collections.abc import Sequence

import sqlalchemy as sa

from weyl.file_catalog.conditions import Term
from weyl.file_catalog.queries import terms as sql
from weyl.file_catalog.queries.search import (
    Selection,
    Shown,
    directory_columns,
    file_columns,
    of_directories,
    of_files,
    readable_directories,
)
from weyl.file_catalog.tables import directories, files
from weyl.kit.db import Tx
from weyl.kit.search_sql import search_errors
from weyl.kit.sql import WireRow, estimate, fetch


def _every(selection: Selection, sources: Sequence[Term]) -> sa.CTE:
    """Return all files of a search, not in slices."""
    statement = sa.select(*file_columns(files), *directory_columns(directories)).join(
        directories, directories.c.dir_id == files.c.dir_id
    )
    low, high = directories.c.path >= selection.tree.start, directories.c.path < selection.tree.end
    statement = statement.where(low, high)
    if sources:
        ids = sa.union(*(sa.select(sql.source(term).subquery()) for term in sources))
        statement = statement.where(files.c.file_id.in_(ids))
    c = statement.subquery()
    return sa.select(c).where(*of_directories(selection, c.c), *of_files(selection, c.c)).cte("every")


async def count_rows(tx: Tx, selection: Selection, sources: Sequence[Term]) -> int:
    """Count the files of a search, one by one."""
    c = _every(selection, sources)
    async with search_errors():
        [(total,)] = await fetch(tx, sa.select(sa.func.count()).select_from(c))
    return int(total)


async def estimate_rows(tx: Tx, selection: Selection, sources: Sequence[Term]) -> int:
    """Return how many files PostgreSQL expects; it looks at none of them."""
    async with search_errors():
        return await estimate(tx, sa.select(_every(selection, sources).c.file_id))


async def select_sums(
    tx: Tx, selection: Selection, sources: Sequence[Term], grouping: Sequence[Shown], *, most: int
) -> tuple[list[WireRow], int]:
    """Return the number, the size and the size of all replicas of the files of a search, by some parameters.

    No more than `most` files are looked at; how many were is returned as well.
    """
    every = _every(selection, sources)
    c = sa.select(every).limit(most).cte("some")
    copies = sql.BUILT_IN_VALUES["ReplicaCount"](c.c)
    may_read = readable_directories(selection)
    parts = [
        sql.shown_value(each.name, each.type, each.field, c.c, may_read=may_read).label(f"key_{n}")
        for n, each in enumerate(grouping)
    ]
    each = sa.select(*parts, c.c.size, (sa.cast(c.c.size, sa.Numeric) * copies).label("copied")).subquery()
    keys = [each.c[f"key_{number}"] for number in range(len(grouping))]
    sums = [sa.cast(sa.func.coalesce(sa.func.sum(column), 0), sa.Numeric) for column in (each.c.size, each.c.copied)]
    statement = sa.select(*keys, sa.func.count(), *sums).group_by(*keys).order_by(*keys)
    async with search_errors():
        rows = await fetch(tx, statement)
    names = [*(each.name for each in grouping), "count", "bytes", "replica_bytes"]
    return [dict(zip(names, row, strict=True)) for row in rows], sum(row[len(grouping)] for row in rows)
