"""SQL of the trash: files that go there and come back, and the log of who did what to which files, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from weyl.file_catalog.errors import CatalogueBusy
from weyl.kit import json
from weyl.kit.db import Tx
from weyl.kit.sql import Sql

NAME_TAKEN = "Somebody else takes one of these names at the same moment, so nothing was done: try again"
REPEATED_WITHIN = timedelta(days=1)
"""How long a call that is sent again is known for the one that was done."""


@dataclass(frozen=True, slots=True)
class Act:
    """Who does something to files, and why."""

    vo_id: int
    author: str
    reason: str | None
    now: datetime


_TRASH = Sql(
    """
    WITH held AS MATERIALIZED (
      SELECT file_id FROM files WHERE file_id = ANY(CAST(:file_ids AS bigint[])) AND status = 'Good'
      ORDER BY file_id FOR UPDATE
    ), trashed AS (
      UPDATE files f SET status = 'Trash', trashed_at = CAST(:now AS timestamptz)
      FROM held WHERE f.file_id = held.file_id RETURNING f.file_id
    ), logged AS (
      INSERT INTO file_log (at, vo_id, author, action, reason, file_ids)
      SELECT CAST(:now AS timestamptz), CAST(:vo_id AS bigint), CAST(:author AS text), 'delete', CAST(:reason AS text),
        array_agg(file_id)
      FROM trashed HAVING count(*) > 0
    )
    SELECT file_id FROM trashed
    """,
    int,
)


async def trash_files(tx: Tx, act: Act, file_ids: Sequence[int]) -> list[int]:
    """Move files to the trash; returns those that were not there yet."""
    return await _TRASH.rows(
        tx, file_ids=list(file_ids), now=act.now, vo_id=act.vo_id, author=act.author, reason=act.reason
    )


_RESTORE = Sql(
    """
    WITH held AS MATERIALIZED (
      SELECT file_id, dir_id, name FROM files WHERE file_id = ANY(CAST(:file_ids AS bigint[])) AND status = 'Trash'
      ORDER BY file_id FOR UPDATE
    ), restored AS (
      UPDATE files f SET status = 'Good', trashed_at = NULL
      FROM held
      WHERE f.file_id = held.file_id AND NOT EXISTS (
        SELECT 1 FROM files g WHERE g.dir_id = held.dir_id AND g.name = held.name AND g.status = 'Good')
      RETURNING f.file_id
    ), logged AS (
      INSERT INTO file_log (at, vo_id, author, action, reason, file_ids)
      SELECT CAST(:now AS timestamptz), CAST(:vo_id AS bigint), CAST(:author AS text), 'restore', CAST(:reason AS text),
        array_agg(file_id)
      FROM restored HAVING count(*) > 0
    )
    SELECT file_id FROM restored
    """,
    int,
)


async def restore_files(tx: Tx, act: Act, file_ids: Sequence[int]) -> list[int]:
    """Take files back from the trash whose name is free; returns them.

    Raises `CatalogueBusy`, and the transaction is lost, if somebody gives one of the names away at the same moment.
    """
    try:
        return await _RESTORE.rows(
            tx, file_ids=list(file_ids), now=act.now, vo_id=act.vo_id, author=act.author, reason=act.reason
        )
    except asyncpg.UniqueViolationError as error:
        raise CatalogueBusy(NAME_TAKEN, retry_after_s=1) from error


_LATEST = Sql(
    """
    SELECT DISTINCT ON (f.dir_id, f.name) f.file_id FROM files f
    WHERE f.file_id = ANY(CAST(:file_ids AS bigint[])) AND f.status = 'Trash'
    ORDER BY f.dir_id, f.name, f.trashed_at DESC, f.file_id DESC
    """,
    int,
)


async def restore_latest(tx: Tx, act: Act, file_ids: Sequence[int]) -> list[int]:
    """Take files back from the trash whose name is free, of several of one name the latest of these."""
    return await restore_files(tx, act, await _LATEST.rows(tx, file_ids=list(file_ids)))


_HOLD = Sql(
    """
    SELECT dir_id FROM directories WHERE dir_id = ANY(CAST(:dir_ids AS bigint[])) ORDER BY dir_id FOR KEY SHARE
    """,
    int,
)


async def hold(tx: Tx, dir_ids: Sequence[int]) -> list[int]:
    """Keep directories from being moved or dropped until the transaction ends; returns those that exist."""
    return await _HOLD.rows(tx, dir_ids=list(dir_ids))


_SHOW = Sql(
    """
    UPDATE directories SET trashed_at = NULL WHERE dir_id IN (
      SELECT d.dir_id FROM directories d
      WHERE d.trashed_at IS NOT NULL AND d.dir_id IN (
        SELECT unnest(lineage) FROM directories WHERE dir_id = ANY(CAST(:dir_ids AS bigint[])))
      ORDER BY d.dir_id FOR NO KEY UPDATE OF d
    )
    """
)


async def show_directories(tx: Tx, dir_ids: Sequence[int]) -> None:
    """Show directories again that were removed, and those above them."""
    await _SHOW.run(tx, dir_ids=list(dir_ids))


_LOG = Sql(
    """
    INSERT INTO file_log (at, vo_id, author, action, reason, file_ids, detail)
    VALUES (:now, :vo_id, :author, :action, :reason, CAST(:file_ids AS bigint[]), CAST(:detail AS jsonb))
    """
)


async def log_act(
    tx: Tx, act: Act, action: str, file_ids: Sequence[int], *, detail: Mapping[str, Any] | None = None
) -> None:
    """Note who did what to which files."""
    await _LOG.run(
        tx,
        now=act.now,
        vo_id=act.vo_id,
        author=act.author,
        action=action,
        reason=act.reason,
        file_ids=list(file_ids),
        detail=None if detail is None else json.dumps_text(detail),
    )


_DONE_BEFORE = Sql(
    """
    SELECT DISTINCT id FROM file_log l, unnest(l.file_ids) AS id
    WHERE l.vo_id = :vo_id AND l.at > :since AND l.action = :action AND l.file_ids && CAST(:file_ids AS bigint[])
      AND id = ANY(CAST(:file_ids AS bigint[]))
    """,
    int,
)


async def select_done_before(tx: Tx, act: Act, action: str, file_ids: Sequence[int]) -> set[int]:
    """Return those of the files to which the same was done not long ago."""
    since = act.now - REPEATED_WITHIN
    return set(await _DONE_BEFORE.rows(tx, vo_id=act.vo_id, since=since, action=action, file_ids=list(file_ids)))


_VO = Sql("SELECT vo_id FROM file_vos WHERE name = :vo", int)


async def select_vo(tx: Tx, vo: str) -> int | None:
    """Return the id of a VO, if it has one."""
    return await _VO.first(tx, vo=vo)
