"""SQL of the commands that wait for the wrappers of jobs."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypedDict

from weyl.kit.db import Tx
from weyl.kit.sql import Sql

LIFETIME = timedelta(days=1)


class Command(TypedDict):
    """A command as it goes over the wire."""

    job_id: int
    command: str
    arguments: str


# A command is dated no earlier than the match of its run: an order that began before a match, and waited for it, is
# for the run that it found.
_INSERT_KILLS = Sql(
    """
    INSERT INTO job_commands (job_id, command, created_at, pilot_stamp)
    SELECT run.job_id, 'Kill', greatest(:now, match.at), run.pilot_stamp
    FROM unnest(CAST(:job_ids AS bigint[]), CAST(:stamps AS text[])) AS run (job_id, pilot_stamp)
    CROSS JOIN LATERAL (
      SELECT max(at) AS at FROM job_pilots WHERE job_id = run.job_id AND pilot_stamp = run.pilot_stamp
    ) AS match
    WHERE NOT EXISTS (
      SELECT FROM job_commands AS pending
      WHERE pending.job_id = run.job_id AND pending.command = 'Kill' AND pending.delivered_at IS NULL
        AND pending.pilot_stamp IS NOT DISTINCT FROM run.pilot_stamp
        AND pending.created_at >= coalesce(match.at, pending.created_at)
    )
    """
)
_INSERT_DRAINS = Sql(
    """
    INSERT INTO job_commands (job_id, command, created_at, pilot_stamp)
    SELECT run.job_id, 'Drain', greatest(:now, (
        SELECT max(at) FROM job_pilots AS match
        WHERE match.job_id = run.job_id AND match.pilot_stamp = run.pilot_stamp)), run.pilot_stamp
    -- of all jobs of a pilot one that runs is enough
    FROM (
      SELECT max(job_id) AS job_id, pilot_stamp FROM jobs
      WHERE pilot_stamp = ANY(:stamps) AND status IN ('Matched', 'Running', 'Stalled') GROUP BY pilot_stamp
    ) AS run
    """
)
_ASK_TO_SHOW = Sql(
    """
    INSERT INTO job_commands (job_id, command, created_at, pilot_stamp)
    SELECT run.job_id, 'Peek', greatest(:now, (
        SELECT max(at) FROM job_pilots AS match
        WHERE match.job_id = run.job_id AND match.pilot_stamp = run.pilot_stamp)), run.pilot_stamp
    FROM jobs AS run
    WHERE run.job_id = :job_id AND run.status IN ('Matched', 'Running', 'Stalled') AND run.pilot_stamp IS NOT NULL
      -- one that waits is enough for all who look
      AND NOT EXISTS (
        SELECT FROM job_commands AS pending
        WHERE pending.job_id = run.job_id AND pending.command = 'Peek' AND pending.delivered_at IS NULL
          AND pending.pilot_stamp = run.pilot_stamp)
    """
)
_DELETE_DRAINS = Sql(
    "DELETE FROM job_commands WHERE command = 'Drain' AND delivered_at IS NULL AND pilot_stamp = ANY(:stamps)"
)
_DELIVER = Sql(
    """
    WITH due AS (
      SELECT command.command_id FROM job_commands AS command
      JOIN unnest(CAST(:job_ids AS bigint[]), CAST(:stamps AS text[])) AS run (job_id, stamp) USING (job_id)
      WHERE command.delivered_at IS NULL AND command.created_at > :since
        AND (command.pilot_stamp IS NULL OR run.stamp IS NULL OR run.stamp = command.pilot_stamp)
        -- A command is for a run that there was when it was given; a later match of the same pilot, or, for a command
        -- that names no pilot, of any, makes it void.
        AND NOT EXISTS (
          SELECT FROM job_pilots AS later WHERE later.job_id = command.job_id
            AND later.at > command.created_at AND later.pilot_stamp = coalesce(command.pilot_stamp, later.pilot_stamp))
      ORDER BY command.command_id FOR UPDATE OF command SKIP LOCKED
    )
    UPDATE job_commands SET delivered_at = :now FROM due WHERE job_commands.command_id = due.command_id
    RETURNING job_commands.command_id, job_commands.job_id, job_commands.command, job_commands.arguments
    """,
    tuple[int, int, str, str],
)
_DELETE_EXPIRED = Sql("DELETE FROM job_commands WHERE created_at <= :before")


async def insert_kills(tx: Tx, runs: Mapping[int, str | None], now: datetime) -> None:
    """Ask the runs (job: stamp of its pilot) of locked jobs to end; a run that was asked already is asked once."""
    await _INSERT_KILLS.run(tx, job_ids=list(runs), stamps=list(runs.values()), now=now)


async def ask_to_show(tx: Tx, job_id: int, now: datetime) -> None:
    """Ask the run of a job, if there is one, to show what it writes."""
    await _ASK_TO_SHOW.run(tx, job_id=job_id, now=now)


async def insert_drains(tx: Tx, stamps: Sequence[str], now: datetime) -> None:
    """Ask pilots, through a job of each, to take no more."""
    await _INSERT_DRAINS.run(tx, stamps=stamps, now=now)


async def delete_drains(tx: Tx, stamps: Sequence[str]) -> None:
    """Forget the orders that these pilots have not heard."""
    await _DELETE_DRAINS.run(tx, stamps=stamps)


async def deliver(tx: Tx, runs: Mapping[int, str | None], now: datetime) -> list[Command]:
    """Take the commands that wait for these runs, in the order in which they were given."""
    rows = await _DELIVER.rows(tx, job_ids=list(runs), stamps=list(runs.values()), now=now, since=now - LIFETIME)
    return [
        {"job_id": job_id, "command": command, "arguments": arguments} for _, job_id, command, arguments in sorted(rows)
    ]


async def delete_expired(tx: Tx, now: datetime) -> None:
    """Forget commands, delivered or not, that are older than their life."""
    await _DELETE_EXPIRED.run(tx, before=now - LIFETIME)
