"""Keeps the browsers that are logged in."""

from alembic import op

revision = "0026_browser_sessions"
down_revision = "0025_web"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; part of each page stays free, so that a session that is used needs no new index entries."""
    op.execute("""
        CREATE TABLE browser_sessions (
            session_id UUID NOT NULL,
            cookie_hash BYTEA NOT NULL,
            vo TEXT NOT NULL,
            subject TEXT NOT NULL,
            group_name TEXT NOT NULL,
            properties TEXT[] NOT NULL,
            created_at TIMESTAMPTZ NOT NULL,
            last_used_at TIMESTAMPTZ NOT NULL,
            expires_at TIMESTAMPTZ NOT NULL,
            user_agent TEXT NOT NULL,
            address TEXT NOT NULL,
            CONSTRAINT pk_browser_sessions PRIMARY KEY (session_id)
        ) WITH (fillfactor = 70)
    """)
    op.execute("CREATE UNIQUE INDEX ix_browser_sessions_cookie_hash ON browser_sessions (cookie_hash)")
    op.execute("CREATE INDEX ix_browser_sessions_vo_subject ON browser_sessions (vo, subject)")


def downgrade() -> None:
    """Drop the table: whoever is logged in with a browser logs in again."""
    op.execute("DROP TABLE browser_sessions")
