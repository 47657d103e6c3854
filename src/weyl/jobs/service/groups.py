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
    found, total = await queries.select_groups(tx, selection, first=first, limit=per_page)
    since = now - BACK
    ended = await queries.select_ended(tx, [group.key for group in found if group.left], since=since)
    ends = {
        group.key: estimated_end(group.left, ended[group.key], since=since, now=now)
        for group in found
        if group.key in ended
    }
    return Groups([_wire(group, ends.get(group.key)) for group in found], total)


def _wire(group: queries.Group, end: datetime | None) -> dict[str, Any]:
    return {
        "JobGroup": group.job_group,
        "Owner": group.owner,
        "VO": group.vo,
        "Jobs": group.jobs,
        "Waiting": group.waiting,
        "Running": group.running,
        "Done": group.done,
        "Failed": group.failed,
        "Killed": group.killed,
        "Progress": round(100 * (group.jobs - group.left) / group.jobs, 1),
        "LastJobID": group.last_job_id,
        "LastSubmissionTime": group.last_submission_time,
        "EstimatedEnd": end,
    }


def estimated_end(left: int, ended: queries.Ended, *, since: datetime, now: datetime) -> datetime | None:
    """Return when the last of `left` jobs will have ended, if they end as quickly as those before.

    The pace is that since the first of the jobs that ended lately started, or since `since` if that is later.
    """
    pace = max(now - max(ended.first_start, since), PACE_MIN) / ended.jobs
    if not left or left > END_MAX / pace:
        return None
    return now + left * pace
