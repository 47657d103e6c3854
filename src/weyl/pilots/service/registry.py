"""The registry of pilots: registered, changed, searched; a pilot that ends lets its jobs go."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from weyl.config.models import Config
from weyl.jobs.service.end_of_pilot import end_of_pilot
from weyl.jobs.starts import NO_WORD, Starts
from weyl.kit.db import Tx
from weyl.kit.paging import Count, Cursor, Listed, Part, full_order
from weyl.kit.search import SearchParams, SortSpec, SummaryParams, may_scan
from weyl.kit.search_sql import pick, search_errors
from weyl.pilots.errors import BadPilotRequest, PilotExists, PilotForbidden, PilotNotFound
from weyl.pilots.models import FINAL_STATUSES, PilotMetadata, PilotRegistrationParams
from weyl.pilots.permits import PilotScope, PilotWriter
from weyl.pilots.queries import registry as queries
from weyl.pilots.queries.search import INDEXED_NAMES, clauses_of, columns_shown

SUMMARY_ROWS_MAX = 10_000
UNSAID = ("Unknown", "NotAssigned")
NOT_RUNNING = "Job stalled: pilot not running"


async def register(
    tx: Tx, writer: PilotWriter, params: PilotRegistrationParams, *, config: Config, now: datetime
) -> None:
    """Add a pilot that somebody else submitted."""
    if params.vo not in config.registry:
        raise BadPilotRequest(f"There is no VO {params.vo}")
    is_final = params.pilot_status in FINAL_STATUSES
    added = await queries.insert_pilot(
        tx,
        {
            "pilot_stamp": params.pilot_stamp,
            "vo": params.vo,
            "grid_type": params.grid_type,
            "grid_site": params.grid_site,
            "destination_site": params.destination_site,
            "pilot_job_reference": params.pilot_reference or params.pilot_stamp,
            "status": params.pilot_status,
            "submission_time": now,
            "last_update_time": now,
            "ended_at": now if is_final else None,
        },
    )
    if not added:
        raise PilotExists(f"There is a pilot with the stamp {params.pilot_stamp} already")


async def update(
    tx: Tx, writer: PilotWriter, changes: Mapping[str, PilotMetadata], *, config: Config, now: datetime
) -> None:
    """Change fields of pilots, all of them or none; jobs of those that end are looked after."""
    if not changes:
        return
    known = await queries.lock_pilots(tx, changes)
    visible = {stamp for stamp, row in known.items() if writer.vo in (None, row.vo)}
    if missing := [stamp for stamp in changes if stamp not in visible]:
        raise PilotNotFound(f"There is no pilot {', '.join(missing[:10])}")
    if writer.stamp is not None:
        _stay(known[writer.stamp], changes[writer.stamp])
    fields = {
        stamp: change.model_dump(mode="json", exclude_none=True, exclude={"StartedJobs"})
        for stamp, change in changes.items()
    }
    await queries.update_pilots(tx, fields, now=now)
    ended = [
        stamp
        for stamp, change in changes.items()
        if change.Status in FINAL_STATUSES and known[stamp].status not in FINAL_STATUSES
    ]
    await let_jobs_go(tx, ended, config=config, now=now, starts=_own_word(writer, changes))


def _own_word(writer: PilotWriter, changes: Mapping[str, PilotMetadata]) -> Starts:
    """Return what the pilot that speaks says of the payloads that it started; nobody else can know."""
    said = changes[writer.stamp].StartedJobs if writer.stamp is not None else None
    return NO_WORD if writer.stamp is None or said is None else {writer.stamp: frozenset(said)}


def _stay(pilot: queries.Pilot, change: PilotMetadata) -> None:
    """Refuse a pilot that would move itself: by its place it is found when a site or an element must be shut out."""
    places = {
        "GridSite": (pilot.grid_site, change.GridSite),
        "DestinationSite": (pilot.destination_site, change.DestinationSite),
        "Queue": (pilot.queue, change.Queue),
    }
    for name, (known, said) in places.items():
        if said not in (None, known) and known not in UNSAID:
            raise PilotForbidden(f"A pilot does not move: its {name} is {known}")


async def let_jobs_go(
    tx: Tx, stamps: Collection[str], *, config: Config, now: datetime, starts: Starts = NO_WORD
) -> None:
    """Tell the jobs room of pilots that ended, so that no job waits for a timer."""
    if stamps:
        await end_of_pilot(tx, sorted(stamps), config=config, now=now, reason=NOT_RUNNING, starts=starts)


def search_may_scan(params: SearchParams) -> bool:
    """Tell whether a search may have to look at every pilot."""
    return params.distinct or may_scan(params.search, params.sort, indexed=INDEXED_NAMES, order="PilotID")


def order_of(params: SearchParams) -> list[SortSpec]:
    """Return the keys that order the pilots of a search, the last of which no two pilots share."""
    for key in params.sort:
        pick(queries.COLUMNS, key.parameter)
    return full_order(params.sort, queries.PILOT_ID)


async def search(tx: Tx, scope: PilotScope, params: SearchParams, *, part: Part) -> Listed:
    """Return one page of pilots and how many match; above a limit the number is a bound that lets clients go on."""
    names = columns_shown(params)
    clauses = clauses_of(params.search, scope)
    async with search_errors():
        rows = await queries.select_pilots(tx, clauses, names=names, params=params, part=part)
        has_more = len(rows) > part.size
        del rows[part.size :]
        following = None
        if has_more and part.is_told and not params.distinct:
            keys = order_of(params)
            values = tuple(rows[-1][key.parameter] for key in keys)
            following = Cursor(tuple(keys), values, part.first + len(rows))
        total = await _total(tx, clauses, params, part=part, names=names, seen=None if has_more else len(rows))
    shown = [{name: row[name] for name in names} for row in rows] if part.is_told else rows
    if has_more and total is not None:
        total = max(total, part.first + len(rows) + 1)
    return Listed(shown, total, following, has_more)


async def _total(
    tx: Tx, clauses: Sequence[Any], params: SearchParams, *, part: Part, names: Sequence[str], seen: int | None
) -> int | None:
    """Return how many pilots match; `seen` is the number of rows on a page that has no other behind it."""
    if not part.is_counted:
        return None
    if seen is not None and (seen or not part.first) and part.cursor is None:
        return part.first + seen
    if part.count is Count.ESTIMATED and not params.distinct:
        return await queries.estimate_pilots(tx, clauses)
    limit = None if part.count is Count.EXACT else queries.COUNT_MAX + 1
    return await queries.count_pilots(tx, clauses, names=names, distinct=params.distinct, limit=limit)


async def summary(tx: Tx, scope: PilotScope, params: SummaryParams) -> list[dict[str, Any]]:
    """Count pilots by columns; without one, each row counts itself."""
    grouping = list(dict.fromkeys(params.grouping)) or list(queries.COLUMNS)
    clauses = clauses_of(params.search, scope)
    async with search_errors():
        rows = await queries.summarise_pilots(tx, clauses, grouping=grouping, limit=SUMMARY_ROWS_MAX + 1)
    if len(rows) > SUMMARY_ROWS_MAX:
        raise BadPilotRequest(f"More than {SUMMARY_ROWS_MAX:,} rows: group by fewer columns, or add conditions")
    return rows
