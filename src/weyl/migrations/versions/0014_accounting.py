"""Records of jobs and pilots that have ended, and their sums by the hour, written by triggers."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0014_accounting"
down_revision = "0013_resource_status"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_ID = sa.text("nextval('accounting_record_id_seq')")
_JOB_KEYS, _JOB_SUMS = (
    ("vo", "owner", "owner_group", "job_type", "site", "status"),
    ("jobs", "wall_s", "cpu_s", "core_s"),
)
_PILOT_KEYS = ("vo", "site", "ce", "queue", "status")
_PILOT_SUMS = ("pilots", "empty", "jobs", "wall_s", "job_wall_s")

# A run ends when its job ends, or when the job leaves the node to run again. Of a run that was lost the last sign of
# life counts: nobody knows what it did after that.
_JOB_TRIGGER = """
CREATE FUNCTION jobs_account() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  WITH ended AS (
    SELECT n.job_id, n.vo, n.owner, n.owner_group, n.job_type, n.job_group, o.site, o.ce, o.pilot_stamp,
      CASE WHEN n.status IN ('Received', 'Checking', 'Waiting') THEN 'Rescheduled' ELSE n.status END AS status,
      n.minor_status, o.reschedule_counter AS attempt, n.submission_time AS submitted_at,
      coalesce(o.start_exec_time, n.start_exec_time) AS started_at,
      coalesce(CAST(o.allocated->>'cores' AS integer), 1) AS cores,
      n.minor_status LIKE 'Job stalled%' AS lost,
      coalesce(CASE WHEN n.minor_status LIKE 'Job stalled%' THEN o.heart_beat_time END,
        n.end_exec_time, n.last_update_time) AS ended_at
    FROM new_rows n JOIN old_rows o USING (job_id)
    WHERE o.status NOT IN ('Done', 'Completed', 'Failed', 'Killed', 'Deleted') AND (
      n.status IN ('Done', 'Completed', 'Failed', 'Killed', 'Deleted') OR (
        o.status IN ('Running', 'Stalled', 'Completing')
        AND n.status IN ('Rescheduled', 'Received', 'Checking', 'Waiting')))
  ), measured AS (
    SELECT e.*, greatest(0, coalesce(extract(epoch FROM e.ended_at - e.started_at), 0)) AS wall_s,
      coalesce(f.cpu_s, 0) AS cpu_s, f.memory_kib_max
    FROM ended e LEFT JOIN LATERAL (
      SELECT max(cpu_consumed) AS cpu_s, max(memory_used) AS memory_kib_max FROM job_heartbeats b
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

_PILOT_TRIGGER = """
CREATE FUNCTION pilots_account() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  WITH ended AS (
    SELECT n.pilot_stamp, n.vo, n.grid_site AS site, n.destination_site AS ce, n.queue, n.status, n.status_reason,
      n.submission_time AS submitted_at, n.spoke_at AS started_at, n.ended_at,
      greatest(0, coalesce(extract(epoch FROM n.ended_at - n.spoke_at), 0)) AS wall_s
    FROM new_rows n JOIN old_rows o USING (pilot_id) WHERE o.ended_at IS NULL AND n.ended_at IS NOT NULL
  ), measured AS (
    SELECT e.*, coalesce(r.jobs, 0) AS jobs, coalesce(r.job_wall_s, 0) AS job_wall_s
    FROM ended e LEFT JOIN LATERAL (
      SELECT count(*) AS jobs, sum(j.wall_s) AS job_wall_s FROM job_records j
      WHERE j.pilot_stamp = e.pilot_stamp AND j.ended_at >= e.submitted_at) r ON true
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
    """Create the tables and the triggers."""
    op.execute("CREATE SEQUENCE accounting_record_id_seq")
    _create_job_records()
    _create_pilot_records()
    for table in ("job_records", "pilot_records"):
        _create_partitions(table)
    for name, keys, sums in (("job", _JOB_KEYS, _JOB_SUMS), ("pilot", _PILOT_KEYS, _PILOT_SUMS)):
        _create_hours(f"{name}_hours", keys, sums, is_folded=True)
        _create_hours(f"{name}_hour_deltas", keys, sums, is_folded=False)
    for table, function in (("jobs", _JOB_TRIGGER), ("pilots", _PILOT_TRIGGER)):
        op.execute(function)
        op.execute(
            f"CREATE TRIGGER {table}_account AFTER UPDATE ON {table} REFERENCING OLD TABLE AS old_rows"
            f" NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION {table}_account()"
        )


def downgrade() -> None:
    """Drop them."""
    for table in ("pilots", "jobs"):
        op.execute(f"DROP TRIGGER {table}_account ON {table}")
        op.execute(f"DROP FUNCTION {table}_account()")
    for table in ("pilot_hour_deltas", "pilot_hours", "job_hour_deltas", "job_hours", "pilot_records", "job_records"):
        op.drop_table(table)
    op.execute("DROP SEQUENCE accounting_record_id_seq")


def _create_job_records() -> None:
    op.create_table(
        "job_records",
        sa.Column("record_id", sa.BigInteger, nullable=False, server_default=_ID),
        sa.Column("job_id", sa.BigInteger, nullable=False),
        sa.Column("vo", sa.String(32), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("owner_group", sa.String(128), nullable=False),
        sa.Column("job_type", sa.String(32), nullable=False),
        sa.Column("job_group", sa.String(32), nullable=False),
        sa.Column("site", sa.String(100), nullable=False),
        sa.Column("ce", sa.String(128)),
        sa.Column("pilot_stamp", sa.String(32)),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("minor_status", sa.String(128), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("submitted_at", _TIME, nullable=False),
        sa.Column("started_at", _TIME),
        sa.Column("ended_at", _TIME, nullable=False),
        sa.Column("cores", sa.Integer, nullable=False),
        sa.Column("wall_s", sa.Double, nullable=False),
        sa.Column("cpu_s", sa.Double, nullable=False),
        sa.Column("core_s", sa.Double, nullable=False),
        sa.Column("memory_kib_max", sa.Double),
        sa.Column("lost", sa.Boolean, nullable=False),
        postgresql_partition_by="RANGE (ended_at)",
    )
    op.create_index("ix_job_records_vo_ended_at", "job_records", ["vo", "ended_at", "record_id"])
    op.create_index("ix_job_records_pilot_stamp", "job_records", ["pilot_stamp"])


def _create_pilot_records() -> None:
    op.create_table(
        "pilot_records",
        sa.Column("record_id", sa.BigInteger, nullable=False, server_default=_ID),
        sa.Column("pilot_stamp", sa.String(32), nullable=False),
        sa.Column("vo", sa.String(128), nullable=False),
        sa.Column("site", sa.String(128), nullable=False),
        sa.Column("ce", sa.String(128), nullable=False),
        sa.Column("queue", sa.String(128), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("status_reason", sa.String(255), nullable=False),
        sa.Column("submitted_at", _TIME, nullable=False),
        sa.Column("started_at", _TIME),
        sa.Column("ended_at", _TIME, nullable=False),
        sa.Column("jobs", sa.Integer, nullable=False),
        sa.Column("wall_s", sa.Double, nullable=False),
        sa.Column("job_wall_s", sa.Double, nullable=False),
        postgresql_partition_by="RANGE (ended_at)",
    )
    op.create_index("ix_pilot_records_vo_ended_at", "pilot_records", ["vo", "ended_at", "record_id"])


def _create_hours(name: str, keys: tuple[str, ...], sums: tuple[str, ...], *, is_folded: bool) -> None:
    op.create_table(
        name,
        sa.Column("hour", _TIME, nullable=False),
        *(sa.Column(key, sa.String(128), nullable=False) for key in keys),
        *(sa.Column(value, sa.Double, nullable=False) for value in sums),
        *([sa.PrimaryKeyConstraint("hour", *keys, name=f"pk_{name}")] if is_folded else []),
    )
    if is_folded:
        op.create_index(f"ix_{name}_vo_hour", name, ["vo", "hour"])


def _create_partitions(table: str) -> None:
    """This month and the next two; a task keeps ahead, and the default one catches what it missed."""
    now = datetime.now(UTC)
    first = now.year * 12 + now.month - 1
    for month in range(first, first + 3):
        start = f"{month // 12}-{month % 12 + 1:02}-01"
        end = f"{(month + 1) // 12}-{(month + 1) % 12 + 1:02}-01"
        name = f"{table}_{start[:7].replace('-', '_')}"
        op.execute(f"CREATE TABLE {name} PARTITION OF {table} FOR VALUES FROM ('{start}') TO ('{end}')")
    op.execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")
