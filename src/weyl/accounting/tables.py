"""The tables of accounting: a record per run of a job and per pilot, their sums by the hour, and samples of the load.

Records and sums are written by triggers on `jobs` and `pilots` (`triggers.sql`), in the transaction that ends the
job or the pilot: no path can forget them.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from weyl.kit.db import Timestamp, metadata

# Append-only, by month of the end: expiry drops a partition.
job_records = sa.Table(
    "job_records",
    metadata,
    sa.Column(
        "record_id", sa.BigInteger, nullable=False, server_default=sa.text("nextval('accounting_record_id_seq')")
    ),
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
    sa.Column("submitted_at", Timestamp, nullable=False),
    sa.Column("started_at", Timestamp),
    sa.Column("ended_at", Timestamp, nullable=False),
    sa.Column("cores", sa.Integer, nullable=False),
    sa.Column("wall_s", sa.Double, nullable=False),
    sa.Column("cpu_s", sa.Double, nullable=False),
    sa.Column("core_s", sa.Double, nullable=False),
    sa.Column("memory_kib_max", sa.Double),
    # It was lost: its end is that of its last sign of life.
    sa.Column("lost", sa.Boolean, nullable=False),
    sa.Index("ix_job_records_vo_ended_at", "vo", "ended_at", "record_id"),
    sa.Index("ix_job_records_pilot_stamp", "pilot_stamp"),
    postgresql_partition_by="RANGE (ended_at)",
)

pilot_records = sa.Table(
    "pilot_records",
    metadata,
    sa.Column(
        "record_id", sa.BigInteger, nullable=False, server_default=sa.text("nextval('accounting_record_id_seq')")
    ),
    sa.Column("pilot_stamp", sa.String(32), nullable=False),
    sa.Column("vo", sa.String(128), nullable=False),
    sa.Column("site", sa.String(128), nullable=False),
    sa.Column("ce", sa.String(128), nullable=False),
    sa.Column("queue", sa.String(128), nullable=False),
    sa.Column("status", sa.String(32), nullable=False),
    sa.Column("status_reason", sa.String(255), nullable=False),
    sa.Column("submitted_at", Timestamp, nullable=False),
    sa.Column("started_at", Timestamp),
    sa.Column("ended_at", Timestamp, nullable=False),
    sa.Column("jobs", sa.Integer, nullable=False),
    sa.Column("wall_s", sa.Double, nullable=False),
    sa.Column("job_wall_s", sa.Double, nullable=False),
    sa.Index("ix_pilot_records_vo_ended_at", "vo", "ended_at", "record_id"),
    postgresql_partition_by="RANGE (ended_at)",
)

record_ids = sa.Sequence("accounting_record_id_seq", metadata=metadata)

# What runs and waits, every few minutes: counters say it of now only. Kept for as long as somebody looks back.
activity_samples = sa.Table(
    "activity_samples",
    metadata,
    sa.Column("vo", sa.String(128), primary_key=True),
    sa.Column("at", Timestamp, primary_key=True),
    sa.Column("running", sa.BigInteger, nullable=False),
    sa.Column("waiting", sa.BigInteger, nullable=False),
    sa.Column("pilots", sa.BigInteger, nullable=False),
    sa.Column("cores", sa.BigInteger, nullable=False),
    sa.Index("ix_activity_samples_at", "at"),
)

JOB_KEYS = ("vo", "owner", "owner_group", "job_type", "site", "status")
"""What the sums of jobs are kept by, each by the hour."""
JOB_SUMS = ("jobs", "wall_s", "cpu_s", "core_s")
PILOT_KEYS = ("vo", "site", "ce", "queue", "status")
PILOT_SUMS = ("pilots", "empty", "jobs", "wall_s", "job_wall_s")


def _hours(name: str, keys: Sequence[str], sums: Sequence[str], *, is_folded: bool) -> sa.Table:
    columns: list[Any] = [
        sa.Column("hour", Timestamp, nullable=False),
        *(sa.Column(key, sa.String(128), nullable=False) for key in keys),
        *(sa.Column(value, sa.Double, nullable=False) for value in sums),
    ]
    if is_folded:
        columns.append(sa.PrimaryKeyConstraint("hour", *keys))
        columns.append(sa.Index(f"ix_{name}_vo_hour", "vo", "hour"))
    return sa.Table(name, metadata, *columns)


# The truth at any moment is the sum of what is folded and of the differences that are not yet.
job_hours = _hours("job_hours", JOB_KEYS, JOB_SUMS, is_folded=True)
job_hour_deltas = _hours("job_hour_deltas", JOB_KEYS, JOB_SUMS, is_folded=False)
pilot_hours = _hours("pilot_hours", PILOT_KEYS, PILOT_SUMS, is_folded=True)
pilot_hour_deltas = _hours("pilot_hour_deltas", PILOT_KEYS, PILOT_SUMS, is_folded=False)
