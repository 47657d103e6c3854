"""Tables of the thin layer over the task engine; the engine has its own."""

import sqlalchemy as sa

from weyl.kit.db import Timestamp, metadata

task_schedules = sa.Table(
    "task_schedules",
    metadata,
    sa.Column("name", sa.String(128), primary_key=True),
    sa.Column("rule", sa.String(128), nullable=False),
    sa.Column("next_at", Timestamp, nullable=False),
)

task_locks = sa.Table(
    "task_locks",
    metadata,
    sa.Column("key", sa.String(256), primary_key=True),
    sa.Column("holder", sa.String(64), nullable=False),
    sa.Column("expires_at", Timestamp, nullable=False),
    sa.Column("fencing", sa.BigInteger, nullable=False),
)
