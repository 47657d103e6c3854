"""Counts how often the worker of a task died: a task that kills its worker must not go on for ever."""

from alembic import op

revision = "0009_task_deaths"
down_revision = "0008_tasks_complete"
branch_labels = None
depends_on = None

# The engine takes over in the statement that takes new tasks, too, and tells nobody which is which. A trigger whose
# condition fails costs new tasks next to nothing, and the number comes back with the row.
_COUNT = """
CREATE FUNCTION task_count_death() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.headers = CASE WHEN jsonb_typeof(NEW.headers) = 'object' THEN NEW.headers ELSE '{}' END
        || jsonb_build_object('deaths', coalesce(CAST(OLD.headers ->> 'deaths' AS int), 0) + 1);
    RETURN NEW;
END $$
"""
_TRIGGER = """
CREATE TRIGGER task_count_death BEFORE UPDATE OF queue_manager_id ON pgqueuer FOR EACH ROW
WHEN (OLD.status = 'picked' AND NEW.status = 'picked' AND OLD.queue_manager_id <> NEW.queue_manager_id)
EXECUTE FUNCTION task_count_death()
"""


def upgrade() -> None:
    """Watch the engine's table."""
    op.execute(_COUNT)
    op.execute(_TRIGGER)


def downgrade() -> None:
    """Watch it no longer."""
    op.execute("DROP TRIGGER task_count_death ON pgqueuer")
    op.execute("DROP FUNCTION task_count_death")
