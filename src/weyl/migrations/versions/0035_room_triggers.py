"""Remembers which triggers of each room are applied: from here on they stand in the rooms' own files."""

from importlib import import_module
from types import ModuleType

from alembic import op

revision = "0035_room_triggers"
down_revision = "0034_logins"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; `migrate` applies the files after the last revision."""
    op.execute("""
        CREATE TABLE room_triggers (
            room TEXT NOT NULL,
            edition INTEGER NOT NULL,
            hash VARCHAR(64) NOT NULL,
            applied_at TIMESTAMPTZ NOT NULL,
            CONSTRAINT pk_room_triggers PRIMARY KEY (room)
        )
    """)


def downgrade() -> None:
    """Make those as the revisions had them that use functions which no revision has made, and drop these functions."""
    op.execute("DROP TABLE room_triggers")
    for event in ("insert", "update", "delete"):
        op.execute(f"DROP TRIGGER jobs_gate_{event} ON jobs")
        op.execute(f"DROP FUNCTION jobs_gate_{event}()")
    _revision("0012_match_gates")._create_triggers()
    op.execute(_revision("0027_failures")._TRIGGER.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
    op.execute("DROP FUNCTION job_failure(text, text, text)")
    op.execute("DROP FUNCTION job_is_active(text)")


def _revision(name: str) -> ModuleType:
    return import_module(f"weyl.migrations.versions.{name}")
