"""The tables of the pilots room: the registry, secrets and what became of them, sessions, logs, submission."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA, JSONB, UUID

from weyl.kit.db import Timestamp, metadata

LIVE_STATUSES = ("Submitted", "Waiting", "Running", "Unknown")
"""Statuses of pilots that may still do something."""

_LIVE = sa.text(f"status IN ({', '.join(map(repr, LIVE_STATUSES))})")

# The wire's words for a place are kept: `grid_site` is the site, `destination_site` the computing element.
pilots = sa.Table(
    "pilots",
    metadata,
    sa.Column("pilot_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("initial_job_id", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("current_job_id", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("pilot_job_reference", sa.String(255), nullable=False, server_default="Unknown"),
    sa.Column("pilot_stamp", sa.String(32), nullable=False),
    sa.Column("destination_site", sa.String(128), nullable=False, server_default="NotAssigned"),
    sa.Column("queue", sa.String(128), nullable=False, server_default="Unknown"),
    sa.Column("grid_site", sa.String(128), nullable=False, server_default="Unknown"),
    sa.Column("vo", sa.String(128), nullable=False),
    sa.Column("grid_type", sa.String(32), nullable=False, server_default="DIRAC"),
    sa.Column("bench_mark", sa.Double, nullable=False, server_default="0"),
    sa.Column("submission_time", Timestamp, nullable=False),
    sa.Column("last_update_time", Timestamp, nullable=False),
    sa.Column("status", sa.String(32), nullable=False, server_default="Submitted"),
    sa.Column("status_reason", sa.String(255), nullable=False, server_default="Unknown"),
    sa.Column("accounting_sent", sa.Boolean, nullable=False, server_default=sa.false()),
    # How it came to us: `registered` by others, `submitted` by our task, `vacuum` by itself.
    sa.Column("origin", sa.String(16), nullable=False, server_default="registered"),
    # The computing element's name for it; null until the submission is recorded.
    sa.Column("handle", sa.Text),
    sa.Column("host", sa.String(255)),
    sa.Column("spoke_at", Timestamp),
    sa.Column("ended_at", Timestamp),
    sa.Column("not_after", Timestamp),
    sa.Column("revoked_at", Timestamp),
    # Since when it is to finish what it has and take nothing more.
    sa.Column("drain_at", Timestamp),
    sa.Column("checked_at", Timestamp),
    sa.Column("unknown_since", Timestamp),
    sa.Column("cleaned_at", Timestamp),
    sa.UniqueConstraint("pilot_stamp", name="uq_pilots_pilot_stamp"),
    sa.Index("ix_pilots_vo_status", "vo", "status", "pilot_id"),
    sa.Index("ix_pilots_last_update_time", "last_update_time"),
    sa.Index("ix_pilots_live", "grid_site", "destination_site", "queue", postgresql_where=_LIVE),
    sa.Index("ix_pilots_revoked_at", "revoked_at", postgresql_where=sa.text("revoked_at IS NOT NULL")),
    sa.Index("ix_pilots_drain_at", "drain_at", postgresql_where=sa.text("drain_at IS NOT NULL")),
    sa.Index("ix_pilots_uncleaned", "ended_at", postgresql_where=sa.text("handle IS NOT NULL AND cleaned_at IS NULL")),
)

pilot_secrets = sa.Table(
    "pilot_secrets",
    metadata,
    sa.Column("secret_id", UUID(as_uuid=True), primary_key=True),
    # HMAC-SHA256 of the secret under the pepper that the secret names; the secret itself is nowhere.
    sa.Column("mac", BYTEA, nullable=False),
    sa.Column("vo", sa.String(128), nullable=False),
    sa.Column("site", sa.String(128)),
    sa.Column("ce", sa.String(128)),
    sa.Column("queue", sa.String(128)),
    sa.Column("pilot_stamp", sa.String(32)),
    sa.Column("max_uses", sa.Integer, nullable=False, server_default="1"),
    sa.Column("uses", sa.Integer, nullable=False, server_default="0"),
    sa.Column("not_after", Timestamp, nullable=False),
    sa.Column("revoked_at", Timestamp),
    sa.Column("created_at", Timestamp, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.UniqueConstraint("mac", name="uq_pilot_secrets_mac"),
    sa.Index("ix_pilot_secrets_pilot_stamp", "pilot_stamp"),
    sa.Index("ix_pilot_secrets_not_after", "not_after"),
)

# One row an attempt to use a secret, good or bad; append-only, by month.
pilot_secret_uses = sa.Table(
    "pilot_secret_uses",
    metadata,
    sa.Column("at", Timestamp, nullable=False),
    sa.Column("secret_id", UUID(as_uuid=True)),
    sa.Column("pilot_stamp", sa.String(32)),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("address", sa.String(64), nullable=False),
    sa.Column("outcome", sa.String(32), nullable=False),
    sa.Index("ix_pilot_secret_uses_secret_id", "secret_id"),
    postgresql_partition_by="RANGE (at)",
)

# A session is a family of refresh tokens. Only the number of the one that is good is kept: the tokens prove themselves.
pilot_sessions = sa.Table(
    "pilot_sessions",
    metadata,
    sa.Column("session_id", UUID(as_uuid=True), primary_key=True),
    sa.Column("secret_id", UUID(as_uuid=True), nullable=False),
    sa.Column("pilot_stamp", sa.String(32), nullable=False),
    sa.Column("generation", sa.Integer, nullable=False, server_default="0"),
    sa.Column("started_at", Timestamp, nullable=False),
    # When the good token was made, and for whom: the answer that brought it may have got lost.
    sa.Column("refreshed_at", Timestamp),
    sa.Column("refreshed_from", sa.String(64)),
    sa.Column("not_after", Timestamp, nullable=False),
    sa.Column("revoked_at", Timestamp),
    sa.Index("ix_pilot_sessions_secret_id", "secret_id"),
    sa.Index("ix_pilot_sessions_pilot_stamp", "pilot_stamp"),
    sa.Index("ix_pilot_sessions_not_after", "not_after"),
)

# By month of the pilot's submission, which is the same for all its pieces, so that a number is unique in a pilot's log.
pilot_log_chunks = sa.Table(
    "pilot_log_chunks",
    metadata,
    sa.Column("submission_time", Timestamp, primary_key=True),
    sa.Column("pilot_stamp", sa.String(32), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("received_at", Timestamp, nullable=False),
    sa.Column("content", BYTEA, nullable=False),
    postgresql_partition_by="RANGE (submission_time)",
)

# What the last plan found for each queue, for people to see, and how long a failing queue is left alone.
pilot_queues = sa.Table(
    "pilot_queues",
    metadata,
    sa.Column("vo", sa.String(128), primary_key=True),
    sa.Column("site", sa.String(128), primary_key=True),
    sa.Column("ce", sa.String(128), primary_key=True),
    sa.Column("queue", sa.String(128), primary_key=True),
    sa.Column("planned_at", Timestamp, nullable=False),
    sa.Column("demand", sa.Double, nullable=False),
    sa.Column("usable", sa.Double, nullable=False),
    sa.Column("need", sa.Integer, nullable=False),
    sa.Column("waiting", sa.Integer, nullable=False),
    sa.Column("total", sa.Integer, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("skip_until", Timestamp),
)

# One job of a computing element that runs one of our jobs where there is no network. Kept until it is cleared away.
pushed_jobs = sa.Table(
    "pushed_jobs",
    metadata,
    sa.Column("stamp", sa.String(32), primary_key=True),
    sa.Column("pilot_stamp", sa.String(32), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("vo", sa.String(128), nullable=False),
    sa.Column("site", sa.String(128), nullable=False),
    sa.Column("ce", sa.String(128), nullable=False),
    sa.Column("queue", sa.String(128), nullable=False),
    sa.Column("job_id", sa.BigInteger, nullable=False),
    # The job as the matcher gave it out, without its token.
    sa.Column("job", JSONB, nullable=False),
    sa.Column("created_at", Timestamp, nullable=False),
    # When its submission began; with it and without a handle it may run without our knowing.
    sa.Column("sent_at", Timestamp),
    sa.Column("handle", sa.Text),
    sa.Column("checked_at", Timestamp),
    sa.Column("started_at", Timestamp),
    sa.Column("told_at", Timestamp),
    sa.Column("unknown_since", Timestamp),
    sa.Column("cancelled_at", Timestamp),
    # How many lines of its reports have been passed on, up to when, and by how much the clock of its node is wrong.
    sa.Column("lines_told", sa.Integer, nullable=False, server_default="0"),
    sa.Column("told_until", Timestamp),
    sa.Column("shift_s", sa.Double),
    sa.Column("closed_at", Timestamp),
    sa.Column("reason", sa.Text),
    sa.Column("cleaned_at", Timestamp),
    sa.Index("ix_pushed_jobs_open", "site", "ce", "queue", postgresql_where=sa.text("closed_at IS NULL")),
    sa.Index("ix_pushed_jobs_pilot_stamp", "pilot_stamp"),
    sa.Index(
        "ix_pushed_jobs_uncleaned", "closed_at", postgresql_where=sa.text("handle IS NOT NULL AND cleaned_at IS NULL")
    ),
)
