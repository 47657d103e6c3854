"""A pilot that ends before its jobs do is not empty: those that run are in its record."""

from alembic import op

revision = "0029_pilot_records"
down_revision = "0028_failure_days"
branch_labels = None
depends_on = None

# What it had that has ended, and, where they count, jobs that go on: those that are lost with it end in the same
# transaction, but later. Of these the last sign of life counts, as in their own records.
_OF_ENDED = """
      SELECT count(*) AS jobs, sum(j.wall_s) AS job_wall_s FROM job_records j
      WHERE j.pilot_stamp = e.pilot_stamp AND j.ended_at >= e.submitted_at"""
_OF_ALL = """
      SELECT count(*) AS jobs, sum(wall_s) AS job_wall_s FROM (
        SELECT j.wall_s FROM job_records j WHERE j.pilot_stamp = e.pilot_stamp AND j.ended_at >= e.submitted_at
        UNION ALL
        SELECT greatest(0, coalesce(extract(epoch FROM coalesce(j.heart_beat_time, e.ended_at) - j.start_exec_time), 0))
        FROM jobs j WHERE j.pilot_stamp = e.pilot_stamp AND j.status IN ('Running', 'Stalled', 'Completing')
      ) run"""


def _function(jobs_of_pilot: str) -> str:
    return f"""
CREATE OR REPLACE FUNCTION pilots_account() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  WITH ended AS (
    SELECT n.pilot_stamp, n.vo, n.grid_site AS site, n.destination_site AS ce, n.queue, n.status, n.status_reason,
      n.submission_time AS submitted_at, n.spoke_at AS started_at, n.ended_at,
      greatest(0, coalesce(extract(epoch FROM n.ended_at - n.spoke_at), 0)) AS wall_s
    FROM new_rows n JOIN old_rows o USING (pilot_id) WHERE o.ended_at IS NULL AND n.ended_at IS NOT NULL
  ), measured AS (
    SELECT e.*, coalesce(r.jobs, 0) AS jobs, coalesce(r.job_wall_s, 0) AS job_wall_s
    FROM ended e LEFT JOIN LATERAL ({jobs_of_pilot}) r ON true
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


def upgrade() -> None:
    """Count the jobs that still run as well."""
    op.execute(_function(_OF_ALL))


def downgrade() -> None:
    """Count those that have ended only."""
    op.execute(_function(_OF_ENDED))
