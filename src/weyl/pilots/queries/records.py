"""SQL of how the last pilots of each queue have fared."""

from datetime import datetime, timedelta
from typing import NamedTuple

from weyl.kit.db import Tx
from weyl.kit.sql import Sql
from weyl.pilots.throttle import ENDED_LOOKED_AT, WANTED_NOTHING

# Pilots are numbered as they come: the newest are found without an index of their own.
NEWEST_LOOKED_AT = 20_000
STARTED_SINCE = timedelta(hours=1)

# What a pilot of ours writes as its reason when it gives up: the condition of its last miss.
MISS_PATTERN = r"no job in .*, the last for `([a-z_]+)`"


class Fared(NamedTuple):
    """How the last pilots of a queue have ended, if any has, and how many have started."""

    vo: str
    site: str
    ce: str
    queue: str
    last_sent_at: datetime
    started: int
    ended: int | None
    hits: int | None
    empty_in_a_row: int | None
    misses: int | None
    miss: str | None
    miss_count: int | None


_RECORDS = Sql(
    f"""
    WITH newest AS (
        SELECT vo, grid_site AS site, destination_site AS ce, queue, pilot_stamp, pilot_id, submission_time,
            spoke_at, ended_at, status, substring(status_reason FROM '{MISS_PATTERN}') AS miss, handle
        FROM pilots
        WHERE pilot_id > (SELECT max(pilot_id) FROM pilots) - {NEWEST_LOOKED_AT} AND origin = 'submitted'
    ), judged AS (
        SELECT n.*, EXISTS (SELECT FROM job_pilots j WHERE j.pilot_stamp = n.pilot_stamp) AS is_hit FROM newest n
        WHERE ended_at IS NOT NULL AND handle IS NOT NULL AND status <> 'Deleted'
    ), counted AS (
        SELECT j.*, row_number() OVER (PARTITION BY vo, site, ce, queue ORDER BY ended_at DESC, pilot_id DESC) AS age
        FROM judged j WHERE is_hit OR status <> 'Done' OR miss <> ALL(:nothing)
    ), figures AS (
        SELECT vo, site, ce, queue, count(*) AS ended, count(*) FILTER (WHERE is_hit) AS hits,
            COALESCE(min(age) FILTER (WHERE is_hit), count(*) + 1) - 1 AS empty_in_a_row,
            count(miss) FILTER (WHERE NOT is_hit) AS misses,
            mode() WITHIN GROUP (ORDER BY miss) FILTER (WHERE NOT is_hit) AS miss
        FROM counted WHERE age <= {ENDED_LOOKED_AT} GROUP BY vo, site, ce, queue
    ), blamed AS (
        SELECT c.vo, c.site, c.ce, c.queue, count(*) AS miss_count FROM counted c
        JOIN figures f USING (vo, site, ce, queue)
        WHERE c.age <= {ENDED_LOOKED_AT} AND NOT c.is_hit AND c.miss = f.miss GROUP BY c.vo, c.site, c.ce, c.queue
    ), starts AS (
        SELECT vo, site, ce, queue, max(submission_time) AS last_sent_at,
            count(*) FILTER (WHERE spoke_at > :started_since) AS started
        FROM newest GROUP BY vo, site, ce, queue
    )
    SELECT vo, site, ce, queue, last_sent_at, started, ended, hits, empty_in_a_row, misses, miss, miss_count
    FROM starts LEFT JOIN figures USING (vo, site, ce, queue) LEFT JOIN blamed USING (vo, site, ce, queue)
    """,
    Fared,
)


async def select_records(tx: Tx, *, now: datetime) -> list[Fared]:
    """Return, for each queue that has had pilots, how the last ones ended and how many have started."""
    return await _RECORDS.rows(tx, nothing=sorted(WANTED_NOTHING), started_since=now - STARTED_SINCE)
