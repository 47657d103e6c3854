"""Logins under way and refresh tokens, in monthly partitions."""

from datetime import UTC, datetime

from alembic import op

from weyl.kit.partitions import month_start

revision = "0002_auth"
down_revision = "0001_tasks"
branch_labels = None
depends_on = None

TABLES = ("device_flows", "authorization_flows", "refresh_tokens")


def upgrade() -> None:
    """Create the tables and the partitions of the months to come; a task adds the later ones."""
    op.execute("""
        CREATE TABLE device_flows (
            flow_id UUID NOT NULL,
            created_at TIMESTAMPTZ NOT NULL,
            expires_at TIMESTAMPTZ NOT NULL,
            user_code TEXT NOT NULL,
            device_code_hash BYTEA NOT NULL,
            client_id TEXT NOT NULL,
            scope TEXT NOT NULL,
            status TEXT NOT NULL,
            subject TEXT,
            CONSTRAINT pk_device_flows PRIMARY KEY (flow_id, created_at)
        ) PARTITION BY RANGE (created_at)
    """)
    op.execute("CREATE INDEX ix_device_flows_user_code ON device_flows (user_code)")
    op.execute("CREATE INDEX ix_device_flows_device_code_hash ON device_flows (device_code_hash)")
    op.execute("""
        CREATE TABLE authorization_flows (
            flow_id UUID NOT NULL,
            created_at TIMESTAMPTZ NOT NULL,
            expires_at TIMESTAMPTZ NOT NULL,
            client_id TEXT NOT NULL,
            scope TEXT NOT NULL,
            redirect_uri TEXT NOT NULL,
            client_state TEXT NOT NULL,
            code_challenge TEXT NOT NULL,
            code_hash BYTEA,
            status TEXT NOT NULL,
            subject TEXT,
            CONSTRAINT pk_authorization_flows PRIMARY KEY (flow_id, created_at)
        ) PARTITION BY RANGE (created_at)
    """)
    op.execute("CREATE INDEX ix_authorization_flows_code_hash ON authorization_flows (code_hash)")
    op.execute("""
        CREATE TABLE refresh_tokens (
            jti UUID NOT NULL,
            expires_at TIMESTAMPTZ NOT NULL,
            created_at TIMESTAMPTZ NOT NULL,
            family UUID NOT NULL,
            vo TEXT NOT NULL,
            subject TEXT NOT NULL,
            scope TEXT NOT NULL,
            status TEXT NOT NULL,
            legacy BOOLEAN NOT NULL,
            CONSTRAINT pk_refresh_tokens PRIMARY KEY (jti, expires_at)
        ) PARTITION BY RANGE (expires_at)
    """)
    op.execute("CREATE INDEX ix_refresh_tokens_family ON refresh_tokens (family)")
    op.execute("CREATE INDEX ix_refresh_tokens_vo_subject ON refresh_tokens (vo, subject)")
    now = datetime.now(UTC)
    # A refresh token may live a year (legacy exchange), and lies in the month in which it ends.
    for table, ahead in zip(TABLES, (2, 2, 14), strict=True):
        for offset in range(ahead + 1):
            start, end = month_start(now, offset), month_start(now, offset + 1)
            op.execute(
                f"CREATE TABLE {table}_{start:%Y_%m} PARTITION OF {table} "
                f"FOR VALUES FROM ('{start:%Y-%m-%d}') TO ('{end:%Y-%m-%d}')"
            )


def downgrade() -> None:
    """Drop the tables with all their partitions: every login ends."""
    for table in TABLES:
        op.execute(f"DROP TABLE {table}")
