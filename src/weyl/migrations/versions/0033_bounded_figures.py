"""Leaves impossible figures of nodes out of the sums, and repairs those already stored."""

from alembic import op

revision = "0033_bounded_figures"
down_revision = "0032_jobs_at_pilots"
branch_labels = None
depends_on = None

# The ranges of `weyl.jobs.models.values`: a figure outside was not measured. Times of nodes are bounded by ours.
_CPU_S_MAX, _WALL_S_MAX, _MEMORY_KIB_MAX = "1e13", "1e9", "2199023255552"
_LATEST = "now() + interval '1 day'"
_OF_JOB = """
      SELECT max(cpu_consumed) AS cpu_s, max(memory_used) AS memory_kib_max FROM job_heartbeats b"""
_OF_JOB_BOUNDED = f"""
      SELECT max(cpu_consumed) FILTER (WHERE cpu_consumed BETWEEN 0 AND {_CPU_S_MAX}) AS cpu_s,
        max(memory_used) FILTER (WHERE memory_used BETWEEN 0 AND {_MEMORY_KIB_MAX}) AS memory_kib_max
      FROM job_heartbeats b"""


def _bounded_wall(span: str, *, is_bounded: bool) -> str:
    seconds = f"greatest(0, coalesce(extract(epoch FROM {span}), 0))"
    return f"least({seconds}, {_WALL_S_MAX})" if is_bounded else seconds


def _bounded_time(time: str, *, is_bounded: bool) -> str:
    return f"least({time}, {_LATEST})" if is_bounded else time


def _jobs_account(*, is_bounded: bool) -> str:
    ended_at = (
        "coalesce(CASE WHEN n.minor_status LIKE 'Job stalled%' THEN o.heart_beat_time END,"
        " n.end_exec_time, n.last_update_time)"
    )
    return f"""
CREATE OR REPLACE FUNCTION jobs_account() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  WITH ended AS (
    SELECT n.job_id, n.vo, n.owner, n.owner_group, n.job_type, n.job_group, o.site, o.ce, o.pilot_stamp,
      CASE WHEN n.status IN ('Received', 'Checking', 'Waiting') THEN 'Rescheduled' ELSE n.status END AS status,
      n.minor_status, o.reschedule_counter AS attempt, n.submission_time AS submitted_at,
      coalesce(o.start_exec_time, n.start_exec_time) AS started_at,
      coalesce(CAST(o.allocated->>'cores' AS integer), 1) AS cores,
      n.minor_status LIKE 'Job stalled%' AS lost,
      {_bounded_time(ended_at, is_bounded=is_bounded)} AS ended_at
    FROM new_rows n JOIN old_rows o USING (job_id)
    WHERE o.status NOT IN ('Done', 'Completed', 'Failed', 'Killed', 'Deleted') AND (
      n.status IN ('Done', 'Completed', 'Failed', 'Killed', 'Deleted') OR (
        o.status IN ('Running', 'Stalled', 'Completing')
        AND n.status IN ('Rescheduled', 'Received', 'Checking', 'Waiting')))
  ), measured AS (
    SELECT e.*, {_bounded_wall("e.ended_at - e.started_at", is_bounded=is_bounded)} AS wall_s,
      coalesce(f.cpu_s, 0) AS cpu_s, f.memory_kib_max
    FROM ended e LEFT JOIN LATERAL ({_OF_JOB_BOUNDED if is_bounded else _OF_JOB}
      WHERE b.job_id = e.job_id AND b.at >= e.started_at) f ON e.started_at IS NOT NULL
  ), kept AS (
    INSERT INTO job_records (job_id, vo, owner, owner_group, job_type, job_group, site, ce, pilot_stamp, status,
      minor_status, attempt, submitted_at, started_at, ended_at, cores, wall_s, cpu_s, core_s, memory_kib_max, lost)
    SELECT job_id, vo, owner, owner_group, job_type, job_group, site, ce, pilot_stamp, status, minor_status, attempt,
      submitted_at, started_at, ended_at, cores, wall_s, cpu_s, wall_s * cores, memory_kib_max, lost FROM measured
  )
  INSERT INTO job_hour_deltas (hour, vo, owner, owner_group, job_type, site, status, jobs, wall_s, cpu_s, core_s)
  SELECT date_trunc('hour', ended_at, 'UTC'), vo, owner, owner_group, job_type, site, status,
    count(*), sum(wall_s), sum(cpu_s), sum(wall_s * cores) FROM measured GROUP BY 1, 2, 3, 4, 5, 6, 7;
  RETURN NULL; END $$
"""


def _pilots_account(*, is_bounded: bool) -> str:
    heard_at = _bounded_time("coalesce(j.heart_beat_time, e.ended_at)", is_bounded=is_bounded)
    return f"""
CREATE OR REPLACE FUNCTION pilots_account() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  WITH ended AS (
    SELECT n.pilot_stamp, n.vo, n.grid_site AS site, n.destination_site AS ce, n.queue, n.status, n.status_reason,
      n.submission_time AS submitted_at, n.spoke_at AS started_at, n.ended_at,
      greatest(0, coalesce(extract(epoch FROM n.ended_at - n.spoke_at), 0)) AS wall_s
    FROM new_rows n JOIN old_rows o USING (pilot_id) WHERE o.ended_at IS NULL AND n.ended_at IS NOT NULL
  ), measured AS (
    SELECT e.*, coalesce(r.jobs, 0) AS jobs, coalesce(r.job_wall_s, 0) AS job_wall_s
    FROM ended e LEFT JOIN LATERAL (
      SELECT count(*) AS jobs, sum(wall_s) AS job_wall_s FROM (
        SELECT j.wall_s FROM job_records j WHERE j.pilot_stamp = e.pilot_stamp AND j.ended_at >= e.submitted_at
        UNION ALL
        SELECT {_bounded_wall(f"{heard_at} - j.start_exec_time", is_bounded=is_bounded)}
        FROM jobs j WHERE j.pilot_stamp = e.pilot_stamp AND j.status IN ('Running', 'Stalled', 'Completing')
      ) run) r ON true
  ), kept AS (
    INSERT INTO pilot_records (pilot_stamp, vo, site, ce, queue, status, status_reason, submitted_at, started_at,
      ended_at, jobs, wall_s, job_wall_s)
    SELECT pilot_stamp, vo, site, ce, queue, status, status_reason, submitted_at, started_at, ended_at, jobs, wall_s,
      job_wall_s FROM measured
  )
  INSERT INTO pilot_hour_deltas (hour, vo, site, ce, queue, status, pilots, empty, jobs, wall_s, job_wall_s)
  SELECT date_trunc('hour', ended_at, 'UTC'), vo, site, ce, queue, status,
    count(*), count(*) FILTER (WHERE jobs = 0), sum(jobs), sum(wall_s), sum(job_wall_s)
  FROM measured GROUP BY 1, 2, 3, 4, 5, 6;
  RETURN NULL; END $$
"""


_JOB_TIMES = ("start_exec_time", "end_exec_time", "heart_beat_time")
_JOB_KEYS = "vo, owner, owner_group, job_type, site, status"
_JOB_SUMS = "jobs, wall_s, cpu_s, core_s"
_HOUR = "date_trunc('hour', now(), 'UTC')"
# Of an hour as of a record: more than any hour can have, and far less than what a sum of hours cannot hold.
_SUM_MAX = "1e15"
# An hour is kept for each owner and status by itself: nobody else's sums lose anything.
_REPAIRS = (
    *(
        f"UPDATE job_records r SET cpu_s = 0 FROM (SELECT DISTINCT vo, hour FROM {table}"
        f" WHERE cpu_s NOT BETWEEN 0 AND {_SUM_MAX}) h WHERE r.vo = h.vo AND r.ended_at >= h.hour"
        f" AND r.ended_at < h.hour + interval '1 hour' AND r.cpu_s NOT BETWEEN 0 AND {_CPU_S_MAX}"
        for table in ("job_hours", "job_hour_deltas")
    ),
    *(
        f"UPDATE {table} SET cpu_s = 0 WHERE cpu_s NOT BETWEEN 0 AND {_SUM_MAX}"
        for table in ("job_hours", "job_hour_deltas")
    ),
    *(
        f"UPDATE {table} SET job_wall_s = 0 WHERE job_wall_s NOT BETWEEN 0 AND {_SUM_MAX}"
        for table in ("pilot_hours", "pilot_hour_deltas")
    ),
    # The default partition must be empty of months to come: they could not get partitions of their own.
    f"UPDATE job_records SET ended_at = now(), wall_s = least(wall_s, {_WALL_S_MAX}),"
    f" core_s = least(wall_s, {_WALL_S_MAX}) * cores WHERE ended_at > {_LATEST}",
    f"WITH late AS (DELETE FROM job_hours WHERE hour > {_LATEST} RETURNING *)"
    f" INSERT INTO job_hour_deltas (hour, {_JOB_KEYS}, {_JOB_SUMS}) SELECT {_HOUR}, {_JOB_KEYS}, {_JOB_SUMS} FROM late",
    f"UPDATE job_hour_deltas SET hour = {_HOUR}, wall_s = least(wall_s, jobs * {_WALL_S_MAX}),"
    f" core_s = least(core_s, {_SUM_MAX}) WHERE hour > {_LATEST}",
    "UPDATE jobs SET "
    + ", ".join(f"{name} = CASE WHEN {name} > {_LATEST} THEN now() ELSE {name} END" for name in _JOB_TIMES)
    + " WHERE "
    + " OR ".join(f"{name} > {_LATEST}" for name in _JOB_TIMES),
)


def upgrade() -> None:
    """Bound what the triggers count, and put right what they have counted."""
    op.execute(_jobs_account(is_bounded=True))
    op.execute(_pilots_account(is_bounded=True))
    for statement in _REPAIRS:
        op.execute(statement)


def downgrade() -> None:
    """Count whatever is said."""
    op.execute(_jobs_account(is_bounded=False))
    op.execute(_pilots_account(is_bounded=False))
