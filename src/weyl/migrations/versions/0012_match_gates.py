"""Running limits and delays, exact: rules, their gates, the journal of what moves, and decayed usage for fair shares."""

import sqlalchemy as sa
from alembic import op

revision = "0012_match_gates"
down_revision = "0011_pilot_drain"
branch_labels = None
depends_on = None

# Held shared by whatever moves jobs, exclusively by whoever changes the rules or counts anew.
LIMITS_LOCK = 7_142_001
_ACTIVE = "('Matched', 'Running', 'Stalled', 'Completing')"
_BY = ("site", "ce", "job_type", "owner_group", "owner")
_CLEAN_EARLY = {"autovacuum_vacuum_scale_factor": "0.01", "autovacuum_vacuum_cost_delay": "0"}


def upgrade() -> None:
    op.add_column("jobs", sa.Column("ce", sa.String(128), nullable=True))
    _create_tables()
    _create_triggers()


def downgrade() -> None:
    for event in ("insert", "update", "delete"):
        op.execute(f"DROP TRIGGER jobs_gate_{event} ON jobs")
        op.execute(f"DROP FUNCTION jobs_gate_{event}()")
    for table in ("share_usage", "match_gate_delta", "match_gate", "match_rule", "match_epoch"):
        op.drop_table(table)
    op.drop_column("jobs", "ce")


def _create_tables() -> None:
    op.create_table(
        "match_epoch",
        sa.Column("is_the_one", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("modified", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("is_the_one", name="pk_match_epoch"),
        sa.CheckConstraint("is_the_one", name="one_row"),
    )
    op.execute("INSERT INTO match_epoch (epoch, modified) VALUES (0, '-infinity')")
    op.create_table(
        "match_rule",
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("vo", sa.String(32), nullable=False),
        *(sa.Column(name, sa.Text, nullable=False, server_default="") for name in _BY),
        sa.Column("max_jobs", sa.Integer),
        sa.Column("max_cores", sa.Integer),
        sa.Column("delay_s", sa.Double),
        sa.Column("burst", sa.Integer, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("rule", name="pk_match_rule"),
    )
    op.create_table(
        "match_gate",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("used_jobs", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("used_cores", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("tat", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("key", name="pk_match_gate"),
        postgresql_with={**_CLEAN_EARLY, "fillfactor": "20"},
    )
    op.create_table(
        "match_gate_delta",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("jobs", sa.BigInteger, nullable=False),
        sa.Column("cores", sa.BigInteger, nullable=False),
        postgresql_with=_CLEAN_EARLY,
    )
    op.create_index("ix_match_gate_delta_key", "match_gate_delta", ["key"])
    op.create_table(
        "share_usage",
        sa.Column("vo", sa.String(32), nullable=False),
        sa.Column("owner_group", sa.String(128), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("usage", sa.Double, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("vo", "owner_group", "owner", name="pk_share_usage"),
        postgresql_with={**_CLEAN_EARLY, "fillfactor": "50"},
    )
    op.create_index("ix_share_usage_at", "share_usage", ["at"])


def _create_triggers() -> None:
    """A journal of differences, written once a statement: no mover of jobs can forget it, and none waits for another.

    What a rule counts is a function of the rows that a statement found and left, so changes of owner or site count too.
    """
    gained = (
        f"SELECT vo, {', '.join(_BY)}, 1 AS jobs, coalesce((allocated ->> 'cores')::bigint, 1) AS cores FROM gained"
    )
    lost = f"SELECT vo, {', '.join(_BY)}, -1 AS jobs, -coalesce((allocated ->> 'cores')::bigint, 1) AS cores FROM lost"
    for event, sources, transition in (
        ("insert", {"gained": gained}, "NEW TABLE AS gained"),
        ("update", {"gained": gained, "lost": lost}, "OLD TABLE AS lost NEW TABLE AS gained"),
        (
            "delete",
            {"lost": lost},
            "OLD TABLE AS lost",
        ),
    ):
        active = " OR ".join(f"EXISTS (SELECT FROM {name} WHERE status IN {_ACTIVE})" for name in sources)
        rows = " UNION ALL ".join(f"{rows} WHERE status IN {_ACTIVE}" for rows in sources.values())
        values = ", ".join(f"coalesce({name}, '') AS {name}" for name in _BY)
        applies = " AND ".join(f"r.{name} IN ('', '*', m.{name})" for name in _BY)
        key = " || ".join(f"CASE WHEN r.{name} = '*' THEN chr(31) || m.{name} ELSE '' END" for name in _BY)
        op.execute(
            f"CREATE FUNCTION jobs_gate_{event}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF {active} THEN "
            f"PERFORM pg_advisory_xact_lock_shared({LIMITS_LOCK}); "
            "IF EXISTS (SELECT FROM match_rule) THEN "
            "INSERT INTO match_gate_delta (key, jobs, cores) "
            f"SELECT r.rule || {key}, sum(m.jobs), sum(m.cores) FROM ("
            f"SELECT vo, {values}, sum(jobs) AS jobs, sum(cores) AS cores FROM ({rows}) AS moved "
            f"GROUP BY vo, {', '.join(_BY)} HAVING sum(jobs) <> 0 OR sum(cores) <> 0) AS m "
            f"JOIN match_rule r ON r.vo = m.vo AND {applies} GROUP BY 1 HAVING sum(m.jobs) <> 0 OR sum(m.cores) <> 0; "
            "END IF; END IF; RETURN NULL; END $$"
        )
        op.execute(
            f"CREATE TRIGGER jobs_gate_{event} AFTER {event.upper()} ON jobs REFERENCING {transition} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION jobs_gate_{event}()"
        )
