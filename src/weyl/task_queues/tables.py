"""The tables of waiting jobs: one row a requirement class, one row a waiting job, and the journal of counts."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA, JSONB

from weyl.kit.db import Timestamp, metadata

# Rows are never changed but for `active` and never deleted: jobs name their class by number for ever.
requirement_class = sa.Table(
    "requirement_class",
    metadata,
    sa.Column("class_id", sa.Integer, sa.Identity(), primary_key=True),
    sa.Column("hash", BYTEA, nullable=False, unique=True),
    sa.Column("document", JSONB, nullable=False),
    sa.Column("vo", sa.String(32), nullable=False),
    sa.Column("owner_group", sa.String(128), nullable=False),
    sa.Column("owner", sa.String(64), nullable=False),
    sa.Column("job_type", sa.String(32), nullable=False),
    sa.Column("user_priority", sa.SmallInteger, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Index("ix_requirement_class_active", "class_id", postgresql_where=sa.text("active")),
    sa.Index("ix_requirement_class_vo", "vo"),
)

# Waiting jobs only, a hint and never the truth: the status in the jobs row decides. Rows live shortly, so dead ones are
# cleaned early and without pause. The key's order is the order of service: retried jobs keep their age.
queue = sa.Table(
    "queue",
    metadata,
    sa.Column("class_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("job_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Index("ix_queue_job_id", "job_id"),
    postgresql_with={"autovacuum_vacuum_scale_factor": "0.01", "autovacuum_vacuum_cost_delay": "0"},
)

# A journal: each change adds a row, a task folds them. The number of waiting jobs of a class is the sum of its rows.
class_count = sa.Table(
    "class_count",
    metadata,
    sa.Column("entry_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("class_id", sa.Integer, nullable=False),
    sa.Column("delta", sa.BigInteger, nullable=False),
    sa.Column("at", Timestamp, nullable=False, server_default=sa.func.now()),
    sa.Index("ix_class_count_class_id", "class_id"),
    postgresql_with={"autovacuum_vacuum_scale_factor": "0.01", "autovacuum_vacuum_cost_delay": "0"},
)
