"""The tables of waiting jobs: classes, queue and journal of counts; limits with their gates; usage for shares."""

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

# A journal: each change adds a row, a task folds them. The number of waiting jobs of a class is the sum of its rows;
# nobody names a row, so that it has no key.
class_count = sa.Table(
    "class_count",
    metadata,
    sa.Column("class_id", sa.Integer, nullable=False),
    sa.Column("delta", sa.BigInteger, nullable=False),
    sa.Column("at", Timestamp, nullable=False, server_default=sa.func.now()),
    sa.Index("ix_class_count_class_id", "class_id"),
    postgresql_with={"autovacuum_vacuum_scale_factor": "0.01", "autovacuum_vacuum_cost_delay": "0"},
)

# One row: which edition of the rules holds, and the time of the configuration that it comes from.
match_epoch = sa.Table(
    "match_epoch",
    metadata,
    sa.Column("is_the_one", sa.Boolean, primary_key=True, server_default=sa.true()),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("modified", Timestamp, nullable=False),
    sa.CheckConstraint("is_the_one", name="one_row"),
)

# A limit each; an empty value is not looked at, `*` stands for each value by itself.
match_rule = sa.Table(
    "match_rule",
    metadata,
    sa.Column("rule", sa.Text, primary_key=True),
    sa.Column("vo", sa.String(32), nullable=False),
    sa.Column("site", sa.Text, nullable=False, server_default=""),
    sa.Column("ce", sa.Text, nullable=False, server_default=""),
    sa.Column("job_type", sa.Text, nullable=False, server_default=""),
    sa.Column("owner_group", sa.Text, nullable=False, server_default=""),
    sa.Column("owner", sa.Text, nullable=False, server_default=""),
    sa.Column("max_jobs", sa.Integer),
    sa.Column("max_cores", sa.Integer),
    sa.Column("delay_s", sa.Double),
    sa.Column("burst", sa.Integer, nullable=False, server_default="0"),
)

# A row for each set of values that a rule has met. Its lock is what makes limits exact: who matches holds it.
match_gate = sa.Table(
    "match_gate",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("used_jobs", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("used_cores", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("tat", Timestamp),
    postgresql_with={
        "autovacuum_vacuum_scale_factor": "0.01",
        "autovacuum_vacuum_cost_delay": "0",
        "fillfactor": "20",
    },
)

# Written by the statement triggers on `jobs` (`triggers.sql` of that room): who ends a job adds a row and waits for
# nobody. What runs behind a gate is its row plus these; whoever holds the gate folds them in.
match_gate_delta = sa.Table(
    "match_gate_delta",
    metadata,
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("jobs", sa.BigInteger, nullable=False),
    sa.Column("cores", sa.BigInteger, nullable=False),
    sa.Index("ix_match_gate_delta_key", "key"),
    postgresql_with={"autovacuum_vacuum_scale_factor": "0.01", "autovacuum_vacuum_cost_delay": "0"},
)

# Hosts on which something went wrong lately; of all others nothing is known but good. The score is as it was at `at`,
# and recovers since then (see weyl.task_queues.health).
host_health = sa.Table(
    "host_health",
    metadata,
    sa.Column("site", sa.String(100), primary_key=True),
    sa.Column("host", sa.String(255), primary_key=True),
    sa.Column("score", sa.Double, nullable=False),
    sa.Column("at", Timestamp, nullable=False),
    # Jobs in a row that failed soon after their start, and whose they were if all were one owner's.
    sa.Column("quick_failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("quick_owner", sa.Text),
    sa.Column("reason", sa.String(128), nullable=False, server_default=""),
    postgresql_with={"fillfactor": "50"},
)

# Usage in DB12 core-seconds as it was at `at`; it halves with every half-life of the VO.
share_usage = sa.Table(
    "share_usage",
    metadata,
    sa.Column("vo", sa.String(32), primary_key=True),
    sa.Column("owner_group", sa.String(128), primary_key=True),
    sa.Column("owner", sa.String(64), primary_key=True),
    sa.Column("usage", sa.Double, nullable=False),
    sa.Column("at", Timestamp, nullable=False),
    sa.Index("ix_share_usage_at", "at"),
    postgresql_with={
        "autovacuum_vacuum_scale_factor": "0.01",
        "autovacuum_vacuum_cost_delay": "0",
        "fillfactor": "50",
    },
)
