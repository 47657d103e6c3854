"""Failures by the day, with where and whose they were in one row a signature: what lists of weeks read."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0028_failure_days"
down_revision = "0027_failures"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)

_SUM = """
CREATE FUNCTION failure_counts_sum(one jsonb, other jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(jsonb_object_agg(name, count), '{}') FROM (
    SELECT name, sum(CAST(count AS bigint)) AS count
    FROM (SELECT * FROM jsonb_each_text(one) UNION ALL SELECT * FROM jsonb_each_text(other)) AS each (name, count)
    GROUP BY name HAVING sum(CAST(count AS bigint)) <> 0
  ) summed
$$
"""
_FILL = """
WITH cells AS (
  SELECT vo, date_trunc('day', hour, 'UTC') AS day, signature, site, owner, sum(count) AS count,
    min(first_at) AS first_at, max(last_at) AS last_at
  FROM failure_hours GROUP BY 1, 2, 3, 4, 5
), of_sites AS (
  SELECT vo, day, signature, jsonb_object_agg(site, count) AS sites, sum(count) AS count, min(first_at) AS first_at,
    max(last_at) AS last_at
  FROM (SELECT vo, day, signature, site, sum(count) AS count, min(first_at) AS first_at, max(last_at) AS last_at
        FROM cells GROUP BY vo, day, signature, site) summed GROUP BY vo, day, signature
), of_owners AS (
  SELECT vo, day, signature, jsonb_object_agg(owner, count) AS owners
  FROM (SELECT vo, day, signature, owner, sum(count) AS count FROM cells GROUP BY vo, day, signature, owner) summed
  GROUP BY vo, day, signature
)
INSERT INTO failure_days (vo, day, signature, count, sites, owners, first_at, last_at)
SELECT vo, day, signature, count, sites, owners, first_at, last_at
FROM of_sites JOIN of_owners USING (vo, day, signature)
"""


def upgrade() -> None:
    """Create the table, and fill it from the hours."""
    op.create_table(
        "failure_days",
        sa.Column("vo", sa.String(32), nullable=False),
        sa.Column("day", _TIME, nullable=False),
        sa.Column("signature", sa.String(16), nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("sites", JSONB, nullable=False),
        sa.Column("owners", JSONB, nullable=False),
        sa.Column("first_at", _TIME, nullable=False),
        sa.Column("last_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("vo", "day", "signature", name="pk_failure_days"),
    )
    op.create_index("ix_failure_days_day", "failure_days", ["day"])
    op.execute(_SUM)
    op.execute(_FILL)


def downgrade() -> None:
    """Drop them."""
    op.execute("DROP FUNCTION failure_counts_sum(jsonb, jsonb)")
    op.drop_table("failure_days")
