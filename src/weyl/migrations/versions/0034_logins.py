"""Remembers whose a user name is, under which name a browser has logged in, and where the login of a device began."""

from alembic import op

revision = "0034_logins"
down_revision = "0033_bounded_figures"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what is new; servers of the release before go on writing without it."""
    op.execute("""
        CREATE TABLE user_names (
            vo TEXT NOT NULL,
            name TEXT NOT NULL,
            subject TEXT NOT NULL,
            since TIMESTAMPTZ NOT NULL,
            CONSTRAINT pk_user_names PRIMARY KEY (vo, name)
        )
    """)
    op.execute("ALTER TABLE browser_sessions ADD COLUMN user_name TEXT")
    for column in ("address", "user_agent"):
        op.execute(f"ALTER TABLE device_flows ADD COLUMN {column} TEXT NOT NULL DEFAULT ''")


def downgrade() -> None:
    """Forget it."""
    for column in ("address", "user_agent"):
        op.execute(f"ALTER TABLE device_flows DROP COLUMN {column}")
    op.execute("ALTER TABLE browser_sessions DROP COLUMN user_name")
    op.execute("DROP TABLE user_names")
