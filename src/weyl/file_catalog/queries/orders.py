"""SQL of orders about very many files: the directories below those that are named, and the next files in them."""

from collections.abc import Sequence
from typing import NamedTuple

from weyl.file_catalog.modes import Rights
from weyl.kit.db import Tx
from weyl.kit.sql import Sql


class Next(NamedTuple):
    """A file whose turn it is; `place` is the place of its directory among those that were asked about."""

    place: int
    file_id: int
    dir_id: int
    mode: int
    owner: str | None
    group: str | None
    dir_mode: int
    dir_owner: str | None
    dir_group: str | None

    @property
    def rights(self) -> Rights:
        """Whose the file is, and what others may do."""
        return Rights(self.owner, self.group, self.mode)

    @property
    def directory_rights(self) -> Rights:
        """Whose its directory is, and what others may do there."""
        return Rights(self.dir_owner, self.dir_group, self.dir_mode)


_SHOWN = """f.mode, CAST(fo.name AS text) AS owner, CAST(fg.name AS text) AS "group", d.mode AS dir_mode,
      CAST(o.name AS text) AS dir_owner, CAST(g.name AS text) AS dir_group"""
_PEOPLE = """LEFT JOIN identities fo ON fo.identity_id = f.owner_id
      LEFT JOIN identities fg ON fg.identity_id = f.group_id
      LEFT JOIN identities o ON o.identity_id = d.owner_id LEFT JOIN identities g ON g.identity_id = d.group_id"""


def _inside(status: str) -> Sql[Next]:
    return Sql(
        f"""
        SELECT x.place, f.file_id, d.dir_id, {_SHOWN}
        FROM unnest(CAST(:dir_ids AS bigint[])) WITH ORDINALITY AS x (dir_id, place)
          CROSS JOIN LATERAL (SELECT * FROM directories y WHERE y.dir_id = x.dir_id OFFSET 0) d
          CROSS JOIN LATERAL (
            SELECT * FROM files y WHERE y.dir_id = x.dir_id AND y.status = '{status}'
              AND y.file_id > CASE WHEN x.place = 1 THEN CAST(:after AS bigint) ELSE 0 END
              AND y.file_id <= CAST(:bound AS bigint)
            ORDER BY y.file_id LIMIT CAST(:size AS integer)
          ) f
          {_PEOPLE}
        ORDER BY x.place, f.file_id LIMIT CAST(:size AS integer)
        """,
        Next,
    )


def _named(status: str) -> Sql[Next]:
    return Sql(
        f"""
        SELECT CAST(0 AS bigint) AS place, f.file_id, d.dir_id, {_SHOWN}
        FROM files f JOIN directories d USING (dir_id)
          {_PEOPLE}
        WHERE f.file_id = ANY(CAST(:file_ids AS bigint[])) AND f.status = '{status}'
        ORDER BY f.file_id
        """,
        Next,
    )


_INSIDE = {trash: _inside("Trash" if trash else "Good") for trash in (False, True)}
_NAMED = {trash: _named("Trash" if trash else "Good") for trash in (False, True)}


async def select_inside(
    tx: Tx, dir_ids: Sequence[int], *, after: int, bound: int, size: int, trash: bool
) -> list[Next]:
    """Return the next files in directories, of the first of these behind a file."""
    return await _INSIDE[trash].rows(tx, dir_ids=list(dir_ids), after=after, bound=bound, size=size)


async def select_named(tx: Tx, file_ids: Sequence[int], *, trash: bool) -> list[Next]:
    """Return files by their ids."""
    return await _NAMED[trash].rows(tx, file_ids=list(file_ids))


_BELOW = Sql(
    """
    SELECT d.dir_id FROM unnest(CAST(:paths AS text[])) AS top (path)
      CROSS JOIN LATERAL (
        SELECT dir_id FROM directories x WHERE x.path > top.path || '/' AND x.path < top.path || '0'
        LIMIT CAST(:most AS integer)
      ) d
    LIMIT CAST(:most AS integer)
    """,
    int,
)


async def select_below(tx: Tx, paths: Sequence[str], *, most: int) -> list[int]:
    """Return directories below others, `most` at most."""
    return await _BELOW.rows(tx, paths=list(paths), most=most)


_BOUND = Sql("SELECT coalesce(max(file_id), 0) FROM files", int)


async def select_bound(tx: Tx) -> int:
    """Return the highest id of a file: what comes later is not meant by an order."""
    return await _BOUND.one(tx)
