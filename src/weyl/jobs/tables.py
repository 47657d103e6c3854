"""The tables of the jobs room: jobs, what was asked, what happened, and the counters that make summaries cheap."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, JSONB

from weyl.jobs.states import ACTIVE
from weyl.kit.db import Timestamp, metadata

# What `job_is_active` says; the indexes are older than the function.
_ACTIVE = sa.text(f"status IN ({', '.join(map(repr, sorted(ACTIVE)))})")

# One row a submitted text, shared by every job that was made from it: 100,000 jobs of one parametric JDL cost one
# description.
job_descriptions = sa.Table(
    "job_descriptions",
    metadata,
    sa.Column("description_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("jdl", sa.Text, nullable=False),
    sa.Column("document", JSONB, nullable=False),
    # How many jobs are left that were made from it: with the last one it is removed. Null is not known, and is kept.
    sa.Column("jobs", sa.BigInteger),
    # Which bundles of workflows are still named: the others are removed one day.
    sa.Index(
        "ix_job_descriptions_bundle",
        sa.text("(document #>> '{Workflow,Bundle}')"),
        postgresql_where=sa.text("document ? 'Workflow'"),
    ),
)

# `description_id` has no foreign key on purpose: its per-row trigger would cost more than the rest of a bulk insert,
# and descriptions are written by the same transaction and removed only after the last job that names them.
# The room left in each page keeps status updates on the page they started from.
jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("job_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("job_type", sa.String(32), nullable=False, server_default="user"),
    sa.Column("job_group", sa.String(32), nullable=False, server_default="00000000"),
    sa.Column("site", sa.String(100), nullable=False, server_default="ANY"),
    sa.Column("job_name", sa.String(128), nullable=False, server_default="Unknown"),
    sa.Column("owner", sa.String(64), nullable=False),
    sa.Column("owner_group", sa.String(128), nullable=False),
    sa.Column("vo", sa.String(32), nullable=False),
    sa.Column("submission_time", Timestamp, nullable=False),
    sa.Column("reschedule_time", Timestamp),
    sa.Column("last_update_time", Timestamp, nullable=False),
    sa.Column("start_exec_time", Timestamp),
    sa.Column("heart_beat_time", Timestamp),
    sa.Column("end_exec_time", Timestamp),
    sa.Column("status", sa.String(32), nullable=False, server_default="Received"),
    sa.Column("minor_status", sa.String(128), nullable=False, server_default="Unknown"),
    sa.Column("application_status", sa.String(255), nullable=False, server_default="Unknown"),
    sa.Column("user_priority", sa.Integer, nullable=False, server_default="0"),
    sa.Column("reschedule_counter", sa.Integer, nullable=False, server_default="0"),
    sa.Column("verified_flag", sa.Boolean, nullable=False, server_default=sa.true()),
    # The wire knows true, false and the string `Failed`: text here, turned at the edge.
    sa.Column("accounted_flag", sa.Text, nullable=False, server_default="false"),
    sa.Column(
        "class_ids",
        ARRAY(sa.Integer),
        nullable=False,
        server_default=sa.text("'{}'::integer[]"),
    ),
    sa.Column("pilot_stamp", sa.String(32)),
    sa.Column("allocated", JSONB),
    # What retries have changed of what the job asks for (descriptions/overrides); the description stays.
    sa.Column("overrides", JSONB),
    # Where it was last matched to; limits of a computing element count by it.
    sa.Column("ce", sa.String(128)),
    sa.Column("description_id", sa.BigInteger, nullable=False),
    # What its failure has in common with others (`job_failure` of triggers.sql); set by a trigger while it is Failed.
    sa.Column("signature", sa.String(16)),
    # Values of a parametric job ({"Parameter": .., "ParameterNumber": ..}), null for a plain one. Of a job that runs a
    # workflow the attributes that are its own, by their names.
    sa.Column("parameters", JSONB),
    # The input object of a job that runs a workflow, as it was submitted: as jsonb, 1.0E5 would come back as 100000, an
    # int.
    sa.Column("inputs", sa.JSON),
    # The label of that workflow, to search by; which bundle the job runs its description says.
    sa.Column("workflow_id", sa.String(64)),
    # Null: no output data is asked for. `wanted` until the files of the last run are registered, then `registered`.
    sa.Column("output_state", sa.String(16)),
    # The files that it reads, once its check has seen them.
    sa.Column("input_set_id", sa.BigInteger),
    # Whatever reports and orders say: a job does not end well while its files are nowhere.
    sa.CheckConstraint("status <> 'Done' OR output_state IS DISTINCT FROM 'wanted'", name="done_with_its_outputs"),
    sa.Index("ix_jobs_vo_status", "vo", "status", "job_id"),
    sa.Index("ix_jobs_vo_owner", "vo", "owner", "job_id"),
    # The newest job of each owner's groups is its last entry.
    sa.Index("ix_jobs_job_group", "job_group", "vo", "owner", "job_id"),
    sa.Index("ix_jobs_pilot_stamp_live", "pilot_stamp", postgresql_where=_ACTIVE),
    sa.Index("ix_jobs_heart_beat_time_live", "heart_beat_time", postgresql_where=_ACTIVE),
    sa.Index("ix_jobs_host_live", sa.text("(allocated ->> 'host')"), postgresql_where=_ACTIVE),
    # What is old enough to be deleted, and what to be removed.
    sa.Index(
        "ix_jobs_ended",
        "vo",
        "job_type",
        "last_update_time",
        "job_id",
        postgresql_where=sa.text("status IN ('Done', 'Failed', 'Killed')"),
    ),
    sa.Index(
        "ix_jobs_deleted",
        "vo",
        "job_type",
        "last_update_time",
        "job_id",
        postgresql_where=sa.text("status = 'Deleted'"),
    ),
    sa.Index("ix_jobs_signature", "vo", "signature", "job_id", postgresql_where=sa.text("signature IS NOT NULL")),
    sa.Index("ix_jobs_unsigned", "job_id", postgresql_where=sa.text("status = 'Failed' AND signature IS NULL")),
    sa.Index("ix_jobs_workflow_id", "vo", "workflow_id", "job_id", postgresql_where=sa.text("workflow_id IS NOT NULL")),
    sa.Index(
        "ix_jobs_without_outputs",
        "last_update_time",
        postgresql_where=sa.text("status = 'Completed' AND output_state = 'wanted'"),
    ),
    sa.Index("ix_jobs_input_set_id", "input_set_id", "job_id", postgresql_where=sa.text("input_set_id IS NOT NULL")),
    postgresql_with={"fillfactor": 80},
)

# Sets of files that jobs read, each distinct one once: thousands of jobs share one. Gone with the last of them.
job_input_sets = sa.Table(
    "job_input_sets",
    metadata,
    sa.Column("input_set_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("digest", BYTEA, nullable=False),
    sa.Column("lfns", ARRAY(sa.Text(collation="C")), nullable=False),
    sa.Index("uq_job_input_sets_digest", "digest", unique=True),
    sa.Index("ix_job_input_sets_lfns", "lfns", postgresql_using="gin"),
)

history_ids = sa.Sequence("job_history_id_seq", metadata=metadata)

# Append-only, by month of arrival: expiry drops a partition. `history_id` only keeps apart records of one instant and
# is not a key, because nothing refers to a record.
job_history = sa.Table(
    "job_history",
    metadata,
    sa.Column(
        "history_id",
        sa.BigInteger,
        nullable=False,
        server_default=history_ids.next_value(),
    ),
    sa.Column("job_id", sa.BigInteger, nullable=False),
    sa.Column("at", Timestamp, nullable=False),
    sa.Column("status", sa.String(32), nullable=False),
    sa.Column("minor_status", sa.String(128), nullable=False),
    sa.Column("application_status", sa.String(255), nullable=False),
    sa.Column("source", sa.String(32), nullable=False, server_default="Unknown"),
    sa.Column("recorded_at", Timestamp, nullable=False, server_default=sa.func.now()),
    sa.Index("ix_job_history_job_id", "job_id", "at"),
    # What was written since: pages that are open are told so. Rows come in its order, so it costs next to nothing.
    sa.Index("ix_job_history_history_id", "history_id"),
    postgresql_partition_by="RANGE (recorded_at)",
)

job_parameters = sa.Table(
    "job_parameters",
    metadata,
    sa.Column("job_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", JSONB, nullable=False),
)

# One row a report and a column a figure: a fifth of the rows of the (job, name, time, value) form.
job_heartbeats = sa.Table(
    "job_heartbeats",
    metadata,
    sa.Column("job_id", sa.BigInteger, nullable=False),
    sa.Column("at", Timestamp, nullable=False),
    sa.Column("load_average", sa.Double),
    sa.Column("memory_used", sa.Double),
    sa.Column("vsize", sa.Double),
    sa.Column("available_disk_space", sa.Double),
    sa.Column("cpu_consumed", sa.Double),
    sa.Column("wall_clock_time", sa.Double),
    sa.Index("ix_job_heartbeats_job_id", "job_id", "at"),
    postgresql_partition_by="RANGE (at)",
)

job_commands = sa.Table(
    "job_commands",
    metadata,
    sa.Column("command_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("job_id", sa.BigInteger, nullable=False),
    sa.Column("command", sa.String(32), nullable=False),
    sa.Column("arguments", sa.Text, nullable=False, server_default=""),
    sa.Column("created_at", Timestamp, nullable=False, server_default=sa.func.now()),
    sa.Column("delivered_at", Timestamp),
    # The run that the command is for: a `Kill` must not reach the run that a later match starts. Null: whichever runs.
    sa.Column("pilot_stamp", sa.String(32)),
    sa.Index(
        "ix_job_commands_pending",
        "job_id",
        postgresql_where=sa.text("delivered_at IS NULL"),
    ),
)

# Which pilots ran which jobs, for ever: the column on `jobs` holds the last one only.
job_pilots = sa.Table(
    "job_pilots",
    metadata,
    sa.Column("job_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("pilot_stamp", sa.String(32), primary_key=True),
    sa.Column("at", Timestamp, primary_key=True, server_default=sa.func.now()),
    sa.Index("ix_job_pilots_pilot_stamp", "pilot_stamp"),
)

# What a rescheduled job leaves behind of the run before: its times, place and parameters.
job_attempts = sa.Table(
    "job_attempts",
    metadata,
    sa.Column("job_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("ended_at", Timestamp, nullable=False),
    sa.Column("site", sa.String(100), nullable=False),
    sa.Column("pilot_stamp", sa.String(32)),
    sa.Column("status", sa.String(32), nullable=False),
    sa.Column("minor_status", sa.String(128), nullable=False),
    sa.Column("application_status", sa.String(255), nullable=False),
    sa.Column("start_exec_time", Timestamp),
    sa.Column("end_exec_time", Timestamp),
    sa.Column("parameters", JSONB, nullable=False, server_default=sa.text("'{}'::jsonb")),
    sa.Column("host", sa.Text),
    sa.Column("error_class", sa.String(32)),
    # What this run asked for beyond the description.
    sa.Column("overrides", JSONB),
)

# What a workflow has put out, as the engine on the node tells it, and the sandbox that holds the files. Goes with the
# job, and with the run: another one begins without.
job_outputs = sa.Table(
    "job_outputs",
    metadata,
    sa.Column("job_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("sandbox", sa.Text),
    sa.Column("manifest", sa.JSON, nullable=False),
    sa.Column("at", Timestamp, nullable=False),
)

# Why jobs do not go on to wait for a pilot, what lets them, and when they are looked at again all the same.
job_holds = sa.Table(
    "job_holds",
    metadata,
    sa.Column("job_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("vo", sa.String(32), nullable=False),
    sa.Column("reason", sa.String(32), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    # `site:NAME`, `se:NAME`, `catalog:NAME`.
    sa.Column("names", ARRAY(sa.Text), nullable=False),
    sa.Column("since", Timestamp, nullable=False),
    # Null: no timer ends it.
    sa.Column("hold_until", Timestamp),
    sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
    # A check has been enqueued since the hold began.
    sa.Column("woken_at", Timestamp),
    sa.Column("request_id", sa.BigInteger),
    sa.Index("ix_job_holds_hold_until", "hold_until", postgresql_where=sa.text("woken_at IS NULL")),
    sa.Index("ix_job_holds_names", "names", postgresql_using="gin"),
    sa.Index("ix_job_holds_request_id", "request_id", postgresql_where=sa.text("request_id IS NOT NULL")),
)


def _count_columns() -> list[sa.Column[str]]:
    return [
        sa.Column("vo", sa.String(32), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("owner_group", sa.String(128), nullable=False),
        sa.Column("job_type", sa.String(32), nullable=False),
        sa.Column("job_group", sa.String(32), nullable=False),
        sa.Column("site", sa.String(100), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("minor_status", sa.String(128), nullable=False),
    ]


COUNTED = tuple(column.name for column in _count_columns())
"""Columns of `jobs` by which the counters are kept."""

job_counts = sa.Table(
    "job_counts",
    metadata,
    *_count_columns(),
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint(*COUNTED),
)

# Written by the statement triggers on `jobs` (`triggers.sql`), folded into `job_counts` by a task; the truth at any
# moment is the sum of both.
job_count_deltas = sa.Table(
    "job_count_deltas",
    metadata,
    *_count_columns(),
    sa.Column("delta", sa.BigInteger, nullable=False),
)

# Answers kept for repeated requests with the same Idempotency-Key.
submissions = sa.Table(
    "submissions",
    metadata,
    sa.Column("vo", sa.String(32), primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("body_hash", BYTEA, nullable=False),
    sa.Column("job_ids", ARRAY(sa.BigInteger), nullable=False),
    sa.Column("submitted_at", Timestamp, nullable=False),
    sa.Index("ix_submissions_submitted_at", "submitted_at"),
)

# Every failure, written by the trigger that signs (`triggers.sql`); the room of failures folds them into its sums, and
# adds what is not folded yet. A failure that turns out to be another one is taken back with a delta of -1.
failure_deltas = sa.Table(
    "failure_deltas",
    metadata,
    sa.Column("vo", sa.String(32), nullable=False),
    sa.Column("signature", sa.String(16), nullable=False),
    sa.Column("at", Timestamp, nullable=False),
    sa.Column("site", sa.String(100), nullable=False),
    sa.Column("owner", sa.String(64), nullable=False),
    sa.Column("job_id", sa.BigInteger, nullable=False),
    sa.Column("delta", sa.Integer, nullable=False),
    sa.Column("text", sa.Text),
    sa.Column("example", sa.Text),
)
