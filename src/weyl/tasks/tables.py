"""Tables of the thin layer over the task engine; the engine has its own."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from weyl.kit.db import Timestamp, metadata

task_kinds = sa.Table(
    "task_kinds",
    metadata,
    sa.Column("name", sa.String(128), primary_key=True),
    sa.Column("size", sa.String(16), nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("attempts_max", sa.Integer, nullable=False),
    sa.Column("rule", sa.Text),
    sa.Column("per_vo", sa.Boolean, nullable=False),
    sa.Column("seen_at", Timestamp, nullable=False),
)

task_schedules = sa.Table(
    "task_schedules",
    metadata,
    sa.Column("task", sa.String(128), primary_key=True),
    sa.Column("vo", sa.String(64), primary_key=True),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("arguments", JSONB(none_as_null=True)),
    sa.Column("next_at", Timestamp),
    sa.Column("last_at", Timestamp),
)

task_locks = sa.Table(
    "task_locks",
    metadata,
    sa.Column("key", sa.String(256), primary_key=True),
    sa.Column("holder", sa.String(64), primary_key=True),
    sa.Column("mode", sa.String(8), nullable=False),
    sa.Column("task", sa.String(128), nullable=False),
    sa.Column("since", Timestamp, nullable=False),
    sa.Column("expires_at", Timestamp, nullable=False),
    sa.Column("fencing", sa.BigInteger, nullable=False),
)

# One sequence for all locks: fencing numbers of a key only grow, and no row is kept for a key that nobody holds.
task_fencing = sa.Sequence("task_fencing", metadata=metadata)

task_buckets = sa.Table(
    "task_buckets",
    metadata,
    sa.Column("key", sa.String(256), primary_key=True),
    sa.Column("tokens", sa.Double, nullable=False),
    sa.Column("filled_at", Timestamp, nullable=False),
)

task_groups = sa.Table(
    "task_groups",
    metadata,
    sa.Column("group_id", sa.Uuid, primary_key=True),
    sa.Column("total", sa.Integer, nullable=False),
    sa.Column("remaining", sa.Integer, nullable=False),
    sa.Column("failed", ARRAY(sa.BigInteger), nullable=False),
    sa.Column("follow_up", sa.String(128), nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("payload", JSONB),
    sa.Column("created_at", Timestamp, nullable=False),
)

task_dead_letters = sa.Table(
    "task_dead_letters",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("task", sa.String(128), nullable=False),
    sa.Column("vo", sa.String(64)),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("payload", JSONB),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("traceback", sa.Text, nullable=False),
    sa.Column("history", JSONB, nullable=False),
    sa.Column("enqueued_at", Timestamp, nullable=False),
    sa.Column("died_at", Timestamp, nullable=False),
    sa.Index("ix_task_dead_letters_task", "task", "id"),
)

# Orders of people about very many things, done in batches. `items` are the ids that were named, and null where a
# condition says which; `last_item` is how far the batches have come. Both go forward in the transaction of the batch.
operations = sa.Table(
    "operations",
    metadata,
    sa.Column("operation_id", sa.Uuid, primary_key=True),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("vo", sa.String(64), nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    # Properties whose holders, in the same VO, may see and cancel it.
    sa.Column("administrators", ARRAY(sa.Text), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("arguments", JSONB, nullable=False),
    sa.Column("items", ARRAY(sa.BigInteger)),
    sa.Column("last_item", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("total", sa.BigInteger, nullable=False),
    sa.Column("done", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("failed", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("errors", JSONB, nullable=False, server_default=sa.text("'[]'::jsonb")),
    sa.Column("detail", sa.Text),
    sa.Column("created_at", Timestamp, nullable=False),
    sa.Column("starts_at", Timestamp, nullable=False),
    sa.Column("ended_at", Timestamp),
    sa.Index("ix_operations_subject", "vo", "subject", "created_at"),
    sa.Index("ix_operations_live", "vo", "subject", postgresql_where=sa.text("ended_at IS NULL")),
    sa.Index("ix_operations_ended_at", "ended_at"),
)

# Owned by the engine; the few columns that our statements name.
queue = sa.table(
    "pgqueuer",
    *(sa.column(name) for name in ("id", "entrypoint", "status", "headers", "attempts", "execute_after", "heartbeat")),
)
