"""Runs that end tell how healthy their hosts are, in the transaction that ends them."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from weyl.jobs.queries import hosts as queries
from weyl.jobs.queries.reschedule import Run
from weyl.jobs.retries import ErrorClass
from weyl.kit.db import Tx, notify
from weyl.task_queues.health import CHANNEL, RunEnd, after, standing_of

FORGET_AFTER = timedelta(days=1)
_GOOD, _BAD = frozenset({"Done", "Completed", "Completing"}), "Failed"


async def note_ends(tx: Tx, rows: Mapping[int, Run], classes: Mapping[int, ErrorClass | None], now: datetime) -> None:
    """Note how runs ended; matchers are told when what a host may get has changed."""
    ends: dict[queries.Host, list[RunEnd]] = {}
    for job_id, row in rows.items():
        end = _run_end(row, classes[job_id])
        if end is not None:
            ends.setdefault((end.site, end.host), []).append(end)
    if not ends:
        return
    known = await queries.lock_health(tx, sorted(ends))
    # of a host of which nothing is known, good news is no news
    told = {host: each for host, each in ends.items() if host in known or not all(end.is_good for end in each)}
    changed = {host: after(known.get(host), each, now) for host, each in told.items()}
    changed = {host: health for host, health in changed.items() if host in known or health != after(None, (), now)}
    if not changed:
        return
    await queries.write_health(tx, changed)
    for host, health in changed.items():
        before = known[host].now(now) if host in known else 1.0
        if standing_of(before) != standing_of(health.score):
            await notify(tx, CHANNEL, "")
            break


def _run_end(row: Run, error_class: ErrorClass | None) -> RunEnd | None:
    host = (row.allocated or {}).get("host")
    if not host or error_class is ErrorClass.PILOT or (row.status not in _GOOD and row.status != _BAD):
        return None
    start, end = row.start_exec_time, row.end_exec_time
    return RunEnd(
        row.site,
        host,
        owner=f"{row.vo}/{row.owner}",
        is_good=row.status in _GOOD,
        is_host_fault=error_class is ErrorClass.HOST,
        is_program_fault=error_class in (None, ErrorClass.PAYLOAD, ErrorClass.MEMORY, ErrorClass.TIME),
        ran_s=None if start is None or end is None else max(0.0, (end - start).total_seconds()),
    )
