"""SQL of intents: the places where uploads may be writing, until they are registered or swept."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from weyl.kit.db import Tx
from weyl.kit.sql import Sql
from weyl.storage.uploads import Spot


class Intent(NamedTuple):
    """One place of one file of an upload; `multipart` names what was begun there in parts."""

    intent_id: int
    number: int
    rank: int
    se: str
    path: str
    state: str
    is_written: bool
    multipart: str | None


class Sweepable(NamedTuple):
    """A place where nobody can be writing any more."""

    intent_id: int
    vo: str
    se: str
    path: str
    is_written: bool
    tries: int


_COLUMNS = "intent_id, number, rank, se, path, state, is_written, multipart"
_INSERT = Sql(
    f"""
    INSERT INTO intents (upload_id, number, rank, se, path, state, is_written, since)
    SELECT :upload_id, number, rank, se, path, 'writing', is_written, :now
    FROM unnest(:numbers::int[], :ranks::smallint[], :ses::text[], :paths::text[], :are_written::boolean[])
      AS spot (number, rank, se, path, is_written)
    -- in one order, so that two uploads to the same places wait for each other instead of deadlocking
    ORDER BY se, path
    ON CONFLICT (se, path) DO NOTHING
    RETURNING {_COLUMNS}
    """,
    Intent,
)
_SELECT = Sql(f"SELECT {_COLUMNS} FROM intents WHERE upload_id = :upload_id ORDER BY number, rank", Intent)
_DELETE = Sql("DELETE FROM intents WHERE intent_id = ANY(:intent_ids::bigint[])")
_UPDATE_MULTIPARTS = Sql(
    """
    UPDATE intents SET multipart = begun.multipart
    FROM unnest(:intent_ids::bigint[], :multiparts::text[]) AS begun (intent_id, multipart)
    WHERE intents.intent_id = begun.intent_id
    """
)
_LAND = Sql(
    """
    UPDATE intents SET
      state = CASE WHEN landed.number IS NULL AND intents.is_written THEN 'abandoned' ELSE 'landed' END,
      sweep_at = CASE WHEN landed.number IS NULL AND intents.is_written THEN :sweep_at::timestamptz END
    FROM intents AS mine
    LEFT JOIN unnest(:numbers::int[], :ses::text[]) AS landed (number, se)
      ON landed.number = mine.number AND landed.se = mine.se
    WHERE intents.intent_id = mine.intent_id AND mine.upload_id = :upload_id AND mine.state = 'writing'
    """
)
_ABANDON = Sql(
    """
    UPDATE intents SET state = 'abandoned',
      -- nobody was asked to write where something lay already
      sweep_at = CASE WHEN intents.is_written THEN uploads.requests_until + :writers_end_after::interval
        ELSE :now::timestamptz END
    FROM uploads
    WHERE uploads.upload_id = ANY(:upload_ids::bigint[]) AND intents.upload_id = uploads.upload_id
      AND intents.state <> 'abandoned'
    """
)
_TAKE_SWEEPABLE = Sql(
    """
    WITH due AS (
      SELECT intent_id FROM intents WHERE state = 'abandoned' AND sweep_at <= :now
      ORDER BY sweep_at LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    -- whoever dies in the middle leaves them for later
    UPDATE intents SET sweep_at = :again_at, tries = intents.tries + 1
    FROM due, uploads
    WHERE intents.intent_id = due.intent_id AND uploads.upload_id = intents.upload_id
    RETURNING intents.intent_id, uploads.vo, intents.se, intents.path, intents.is_written, intents.tries
    """,
    Sweepable,
)
_POSTPONE = Sql(
    """
    UPDATE intents SET sweep_at = late.sweep_at, detail = late.detail
    FROM unnest(:intent_ids::bigint[], :sweep_ats::timestamptz[], :details::text[])
      AS late (intent_id, sweep_at, detail)
    WHERE intents.intent_id = late.intent_id
    """
)
_COUNT_REFUSED = Sql(
    """
    SELECT se, count(*) FROM intents WHERE detail IS NOT NULL GROUP BY se ORDER BY se
    """,
    tuple[str, int],
)
_SELECT_PLACES = Sql(
    """
    SELECT intents.se, intents.path FROM intents
    JOIN unnest(:ses::text[], :paths::text[]) AS place (se, path)
      ON place.se = intents.se AND place.path = intents.path
    """,
    tuple[str, str],
)


async def insert_intents(tx: Tx, upload_id: int, spots: Sequence[Spot], *, now: datetime) -> list[Intent]:
    """Note where an upload may write; places that another upload has are left out."""
    return await _INSERT.rows(
        tx,
        upload_id=upload_id,
        numbers=[spot.number for spot in spots],
        ranks=[spot.rank for spot in spots],
        ses=[spot.se for spot in spots],
        paths=[spot.path for spot in spots],
        are_written=[spot.is_written for spot in spots],
        now=now,
    )


async def select_intents(tx: Tx, upload_id: int) -> list[Intent]:
    """Return the places of an upload, by file and in order of preference."""
    return await _SELECT.rows(tx, upload_id=upload_id)


async def delete_intents(tx: Tx, intent_ids: Sequence[int]) -> None:
    """Forget places: nothing of ours lies there."""
    await _DELETE.run(tx, intent_ids=list(intent_ids))


async def update_multiparts(tx: Tx, multiparts: Mapping[int, str]) -> None:
    """Note what was begun in parts, by intent."""
    await _UPDATE_MULTIPARTS.run(tx, intent_ids=list(multiparts), multiparts=list(multiparts.values()))


async def land(tx: Tx, upload_id: int, landed: Collection[tuple[int, str]], *, sweep_at: datetime) -> None:
    """Note where files (number, storage element) have landed; what was not used is swept from `sweep_at` on."""
    numbers, ses = [number for number, _ in landed], [se for _, se in landed]
    await _LAND.run(tx, upload_id=upload_id, numbers=numbers, ses=ses, sweep_at=sweep_at)


async def abandon(tx: Tx, upload_ids: Sequence[int], *, now: datetime, writers_end_after: object) -> None:
    """Leave all places of uploads to the sweeping, each from when on nobody can be writing there."""
    await _ABANDON.run(tx, upload_ids=list(upload_ids), now=now, writers_end_after=writers_end_after)


async def take_sweepable(tx: Tx, *, now: datetime, again_at: datetime, limit: int) -> list[Sweepable]:
    """Take places that are to be swept; whoever does not come back with them leaves them until `again_at`."""
    return await _TAKE_SWEEPABLE.rows(tx, now=now, again_at=again_at, limit=limit)


async def postpone(tx: Tx, late: Mapping[int, tuple[datetime, str]]) -> None:
    """Note when places that could not be swept are tried again, and why they could not."""
    times, details = [at for at, _ in late.values()], [detail for _, detail in late.values()]
    await _POSTPONE.run(tx, intent_ids=list(late), sweep_ats=times, details=details)


async def select_places(tx: Tx, places: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return those of these places (storage element, path) where an upload may be writing."""
    ses, paths = [se for se, _ in places], [path for _, path in places]
    return set(await _SELECT_PLACES.rows(tx, ses=ses, paths=paths))


async def count_refused(tx: Tx) -> list[tuple[str, int]]:
    """Return how many places could not be swept when that was tried last, by storage element."""
    return await _COUNT_REFUSED.rows(tx)
