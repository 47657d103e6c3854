"""Schedules per VO, read-write locks, limits, groups and dead letters of background tasks."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0008_tasks_complete"
down_revision = "0007_pilots"
branch_labels = None
depends_on = None


# All or none, in one round trip: those that want the same key stand in line for as long as the statement takes only.
# Each statement of the function sees what was committed while it waited at the gates.
_TAKE = """
CREATE FUNCTION task_take(wanted_keys text[], wanted_modes text[], wanted_slots int[], the_holder text, the_task text,
                          ttl_s float8, is_durable boolean)
RETURNS TABLE (taken_key text, taken_fencing bigint, is_refused boolean) LANGUAGE plpgsql AS $$
DECLARE
    gate text;
    refused text;
BEGIN
    IF NOT is_durable THEN
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;
    FOR gate IN SELECT DISTINCT k FROM unnest(wanted_keys) k ORDER BY k LOOP
        PERFORM pg_advisory_xact_lock(hashtextextended('weyl task lock ' || gate, 0));
    END LOOP;
    SELECT w.key INTO refused FROM unnest(wanted_keys, wanted_modes, wanted_slots) AS w (key, mode, slots)
    WHERE CASE w.mode
        WHEN 'slot' THEN
            (SELECT count(*) FROM task_locks l WHERE l.key = w.key AND l.expires_at > clock_timestamp()) >= w.slots
        ELSE EXISTS (
            SELECT FROM task_locks l WHERE l.key = w.key AND l.expires_at > clock_timestamp()
            AND (w.mode = 'write' OR l.mode = 'write'))
        END
    ORDER BY w.key LIMIT 1;
    IF refused IS NOT NULL THEN
        RETURN QUERY SELECT refused, CAST(0 AS bigint), true;
        RETURN;
    END IF;
    DELETE FROM task_locks l WHERE l.key = ANY(wanted_keys) AND l.expires_at <= clock_timestamp();
    RETURN QUERY
    INSERT INTO task_locks AS l (key, holder, mode, task, since, expires_at, fencing)
    SELECT w.key, the_holder, w.mode, the_task, clock_timestamp(), clock_timestamp() + ttl_s * interval '1 s',
        nextval('task_fencing')
    FROM unnest(wanted_keys, wanted_modes) AS w (key, mode)
    RETURNING CAST(l.key AS text), l.fencing, false;
END $$
"""


def upgrade() -> None:
    """Make the tables anew that only hold what workers write again, and move failed tasks to the dead letters."""
    op.drop_table("task_schedules")
    op.drop_table("task_locks")
    op.create_table(
        "task_kinds",
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("size", sa.String(16), nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("attempts_max", sa.Integer, nullable=False),
        sa.Column("rule", sa.Text),
        sa.Column("per_vo", sa.Boolean, nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "task_schedules",
        sa.Column("task", sa.String(128), primary_key=True),
        sa.Column("vo", sa.String(64), primary_key=True),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("arguments", JSONB),
        sa.Column("next_at", sa.DateTime(timezone=True)),
        sa.Column("last_at", sa.DateTime(timezone=True)),
    )
    op.execute("CREATE SEQUENCE task_fencing")
    # Numbers that were handed out before stay below those to come.
    op.execute("SELECT setval('task_fencing', 1000000000)")
    op.create_table(
        "task_locks",
        sa.Column("key", sa.String(256), primary_key=True),
        sa.Column("holder", sa.String(64), primary_key=True),
        sa.Column("mode", sa.String(8), nullable=False),
        sa.Column("task", sa.String(128), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fencing", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "task_buckets",
        sa.Column("key", sa.String(256), primary_key=True),
        sa.Column("tokens", sa.Double, nullable=False),
        sa.Column("filled_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "task_groups",
        sa.Column("group_id", sa.Uuid, primary_key=True),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("remaining", sa.Integer, nullable=False),
        sa.Column("failed", ARRAY(sa.BigInteger), nullable=False),
        sa.Column("follow_up", sa.String(128), nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("payload", JSONB),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.execute(_TAKE)
    _create_dead_letters()


def _create_dead_letters() -> None:
    op.create_table(
        "task_dead_letters",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("task", sa.String(128), nullable=False),
        sa.Column("vo", sa.String(64)),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("payload", JSONB),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("traceback", sa.Text, nullable=False),
        sa.Column("history", JSONB, nullable=False),
        sa.Column("enqueued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("died_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_task_dead_letters_task", "task_dead_letters", ["task", "id"])
    op.execute(
        "INSERT INTO task_dead_letters"
        " (id, task, priority, payload, attempts, error, traceback, history, enqueued_at, died_at) "
        "SELECT id, entrypoint, priority, convert_from(payload, 'UTF8')::jsonb, attempts + 1,"
        " 'Failed before dead letters were kept', '', '[]', created, updated FROM pgqueuer WHERE status = 'failed'"
    )
    op.execute("DELETE FROM pgqueuer WHERE status = 'failed'")


def downgrade() -> None:
    """Go back to one lock and one schedule a name; dead letters are lost."""
    op.execute("DROP FUNCTION task_take")
    for table in ("task_dead_letters", "task_groups", "task_buckets", "task_locks", "task_schedules", "task_kinds"):
        op.drop_table(table)
    op.execute("DROP SEQUENCE task_fencing")
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
