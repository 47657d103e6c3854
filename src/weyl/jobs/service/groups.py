"""Job groups: how far each is, and when it will have ended if it goes on as of late."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from weyl.jobs.permits import JobScope
from weyl.jobs.queries import groups as queries
from weyl.jobs.queries.search import Selection
from weyl.kit.db import Tx
from weyl.kit.errors import BadRequest
from weyl.kit.search import FIRST_MAX, SearchSpec
from weyl.kit.search import may_scan as has_pattern

BACK = timedelta(hours=1)
"""What ended within this time tells the pace."""
COLUMNS = ("VO", "Owner", "OwnerGroup", "JobType", "JobGroup")
"""What groups may be filtered by."""
PACE_MIN = timedelta(seconds=1)
END_MAX = timedelta(days=365)
"""An end further away than this is not told."""


@dataclass(frozen=True, slots=True)
class Groups:
    """A page of job groups, and how many there are in all."""

    rows: list[dict[str, Any]]
    total: int


def may_scan(specs: Sequence[SearchSpec]) -> bool:
    """Tell whether the counters of all jobs may have to be looked at with a pattern."""
    return has_pattern(specs, (), indexed=COLUMNS, order="LastJobID")


async def search(
    tx: Tx, specs: Sequence[SearchSpec], *, scope: JobScope, page: int, per_page: int, now: datetime
) -> Groups:
    """Return a page of the groups that a person sees; that of the newest job comes first.

    Raises `BadRequest` for a condition on something that groups are not kept by.
    """
    for spec in specs:
        if spec.parameter not in COLUMNS:
            raise BadRequest(f"Job groups are found by {', '.join(COLUMNS)}, not by {spec.parameter}")
    selection = Selection(scope, specs)
    first = min((page - 1) * per_page, FIRST_MAX)
    rows, total = await queries.select_groups(tx, selection, first=first, limit=per_page)
    left = {_key(row): row["Waiting"] + row["Running"] for row in rows}
    since = now - BACK
    ended = await queries.select_ended(tx, [key for key, jobs in left.items() if jobs], since=since)
    for row in rows:
        row["Progress"] = round(100 * (row["Jobs"] - left[_key(row)]) / row["Jobs"], 1)
        found = ended.get(_key(row))
        row["EstimatedEnd"] = None if found is None else estimated_end(left[_key(row)], found, since=since, now=now)
    return Groups(rows, total)


def _key(row: dict[str, Any]) -> queries.Key:
    return row["VO"], row["Owner"], row["JobGroup"]


def estimated_end(left: int, ended: queries.Ended, *, since: datetime, now: datetime) -> datetime | None:
    """Return when the last of `left` jobs will have ended, if they end as quickly as those before.

    The pace is that since the first of the jobs that ended lately started, or since `since` if that is later.
    """
    pace = max(now - max(ended.first_start, since), PACE_MIN) / ended.jobs
    if not left or left > END_MAX / pace:
        return None
    return now + left * pace
