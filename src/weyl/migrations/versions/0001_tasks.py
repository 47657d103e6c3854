"""The task engine's tables, schedules and locks."""

import sqlalchemy as sa
from alembic import op
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment
from pgqueuer.domain.settings import DBSettings
from sqlalchemy.util import await_only

revision = "0001_tasks"
down_revision = None
branch_labels = None
depends_on = None


def _run_script(script: str) -> None:
    # asyncpg prepares what SQLAlchemy sends and so takes one statement at a time; a raw `execute` takes a script.
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    await_only(driver.execute(script))


def upgrade() -> None:
    """Create the engine's objects and ours beside them."""
    op.execute("SELECT 1")
    _run_script(QueryBuilderEnvironment(DBSettings()).build_install_query(create_schema=False))
    op.create_table(
        "task_schedules",
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("rule", sa.String(128), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "task_locks",
        sa.Column("key", sa.String(256), primary_key=True),
        sa.Column("holder", sa.String(64), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fencing", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Drop all of it."""
    op.drop_table("task_locks")
    op.drop_table("task_schedules")
    _run_script(QueryBuilderEnvironment(DBSettings()).build_uninstall_query())
