"""What failures have in common: a signature on each failed job, and how many there were of each by the hour."""

import sqlalchemy as sa
from alembic import op

revision = "0027_failures"
down_revision = "0026_browser_sessions"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)

# The same steps as in `weyl.jobs.failures`, which a test compares with these.
_TEXT = r"""
CREATE FUNCTION job_failure_text(told text, owner text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  upper_case CONSTANT text := 'ABCDEFGHIJKLMNOPQRSTUVWXYZ' || E'\t\n\v\f\r';
  lower_case CONSTANT text := 'abcdefghijklmnopqrstuvwxyz     ';
  said text := translate(told, upper_case, lower_case);
  name text := translate(owner, upper_case, lower_case);
BEGIN
  IF name ~ '^[a-z0-9_.-]{3,}$' THEN
    said := regexp_replace(
      said, '(^|[^a-z0-9_])' || replace(name, '.', '[.]') || '(?![a-z0-9_])', '\1<user>', 'g');
  END IF;
  said := regexp_replace(said, '[a-z][a-z0-9+.-]*://[^ ,;)''\"]*', '<url>', 'g');
  said := regexp_replace(said, '[a-z0-9._%+-]+@[a-z0-9.-]+', '<email>', 'g');
  said := regexp_replace(said, '(^|[^a-z0-9])''[^'']*''', '\1<text>', 'g');
  said := regexp_replace(said, '"[^"]*"', '<text>', 'g');
  said := regexp_replace(said, '`[^`]*`', '<text>', 'g');
  said := regexp_replace(said, '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}', '<id>', 'g');
  said := regexp_replace(said, '[0-9]{4}-[0-9]{2}-[0-9]{2}([t ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?)?', '<time>', 'g');
  said := regexp_replace(said, '[0-9]{1,2}:[0-9]{2}:[0-9]{2}([.,][0-9]+)?', '<time>', 'g');
  said := regexp_replace(said, '(^|[ (=:,])(lfn:|pfn:)?/[^ ,;:()]+', '\1<path>', 'g');
  said := regexp_replace(said, '[0-9]{1,3}[.][0-9]{1,3}[.][0-9]{1,3}[.][0-9]{1,3}', '<host>', 'g');
  said := regexp_replace(said, '(^|[^a-z0-9_])[a-z0-9-]+([.][a-z0-9-]+)+[.][a-z]{2,5}(?![a-z0-9_])', '\1<host>', 'g');
  said := regexp_replace(said, '0x[0-9a-f]+', '<hex>', 'g');
  said := regexp_replace(said, '(^|[^a-z0-9_])[0-9]+([.][0-9]+)*(?![a-z0-9_])', '\1<n>', 'g');
  said := regexp_replace(said, '(^|[^a-z0-9_])(?=[a-f]*[0-9])[0-9a-f]{6,}(?![a-z0-9_])', '\1<hex>', 'g');
  said := regexp_replace(said, '[0-9]+([.][0-9]+)*', '<n>', 'g');
  said := regexp_replace(said, ' +', ' ', 'g');
  RETURN left(btrim(said, ' '), 200);
END $$
"""

# Before the row is written, so that no statement that fails jobs can forget it; rows that neither fail nor have failed
# never come here. A job that has failed already may say more later: its failure moves to the other signature.
_TRIGGER = r"""
CREATE FUNCTION jobs_sign() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  told text;
  said text;
BEGIN
  NEW.signature := NULL;
  IF NEW.status = 'Failed' THEN
    told := NEW.minor_status
      || CASE WHEN NEW.application_status IN ('', 'Unknown') THEN '' ELSE ': ' || NEW.application_status END;
    said := job_failure_text(told, NEW.owner);
    NEW.signature := left(encode(sha256(convert_to(said, 'UTF8')), 'hex'), 16);
  END IF;
  IF TG_OP = 'UPDATE' AND OLD.status = 'Failed' AND NEW.status = 'Failed' THEN
    IF NEW.signature IS NOT DISTINCT FROM OLD.signature THEN RETURN NEW; END IF;
    IF OLD.signature IS NOT NULL THEN
      INSERT INTO failure_deltas (vo, signature, at, site, owner, job_id, delta)
      VALUES (OLD.vo, OLD.signature, OLD.last_update_time, OLD.site, OLD.owner, OLD.job_id, -1);
    END IF;
  END IF;
  IF NEW.signature IS NOT NULL THEN
    INSERT INTO failure_deltas (vo, signature, at, site, owner, job_id, delta, text, example)
    VALUES (NEW.vo, NEW.signature, NEW.last_update_time, NEW.site, NEW.owner, NEW.job_id, 1, said, told);
  END IF;
  RETURN NEW;
END $$
"""
_ON_UPDATE = (
    "(OLD.status <> NEW.status AND 'Failed' IN (OLD.status, NEW.status)) OR (NEW.status = 'Failed' AND ("
    "NEW.signature IS NULL OR NEW.minor_status <> OLD.minor_status"
    " OR NEW.application_status <> OLD.application_status))"
)


def upgrade() -> None:
    """Add the column, the tables and the triggers; jobs that have failed before are signed by a task."""
    op.add_column("jobs", sa.Column("signature", sa.String(16)))
    op.create_index(
        "ix_jobs_signature", "jobs", ["vo", "signature", "job_id"], postgresql_where=sa.text("signature IS NOT NULL")
    )
    op.create_index(
        "ix_jobs_unsigned",
        "jobs",
        ["job_id"],
        postgresql_where=sa.text("status = 'Failed' AND signature IS NULL"),
    )
    _create_tables()
    op.execute(_TEXT)
    op.execute(_TRIGGER)
    for event, condition in (("INSERT", "NEW.status = 'Failed'"), ("UPDATE", _ON_UPDATE)):
        op.execute(
            f"CREATE TRIGGER jobs_sign_{event.lower()} BEFORE {event} ON jobs FOR EACH ROW WHEN ({condition})"
            " EXECUTE FUNCTION jobs_sign()"
        )


def downgrade() -> None:
    """Drop them."""
    for event in ("update", "insert"):
        op.execute(f"DROP TRIGGER jobs_sign_{event} ON jobs")
    op.execute("DROP FUNCTION jobs_sign()")
    op.execute("DROP FUNCTION job_failure_text(text, text)")
    for table in ("failure_notes", "failure_signatures", "failure_hours", "failure_deltas"):
        op.drop_table(table)
    op.drop_index("ix_jobs_unsigned", "jobs")
    op.drop_index("ix_jobs_signature", "jobs")
    op.drop_column("jobs", "signature")


def _create_tables() -> None:
    op.create_table(
        "failure_deltas",
        sa.Column("vo", sa.String(32), nullable=False),
        sa.Column("signature", sa.String(16), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("site", sa.String(100), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("job_id", sa.BigInteger, nullable=False),
        sa.Column("delta", sa.Integer, nullable=False),
        sa.Column("text", sa.Text),
        sa.Column("example", sa.Text),
    )
    op.create_table(
        "failure_hours",
        sa.Column("vo", sa.String(32), nullable=False),
        sa.Column("hour", _TIME, nullable=False),
        sa.Column("signature", sa.String(16), nullable=False),
        sa.Column("site", sa.String(100), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("first_at", _TIME, nullable=False),
        sa.Column("last_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("vo", "hour", "signature", "site", "owner", name="pk_failure_hours"),
    )
    op.create_index("ix_failure_hours_hour", "failure_hours", ["hour"])
    op.create_table(
        "failure_signatures",
        sa.Column("vo", sa.String(32), nullable=False),
        sa.Column("signature", sa.String(16), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("example", sa.Text, nullable=False),
        sa.Column("job_id", sa.BigInteger, nullable=False),
        sa.Column("first_seen", _TIME, nullable=False),
        sa.Column("last_seen", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("vo", "signature", name="pk_failure_signatures"),
    )
    op.create_table(
        "failure_notes",
        sa.Column("vo", sa.String(32), nullable=False),
        sa.Column("signature", sa.String(16), nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("link", sa.Text),
        sa.Column("author", sa.String(64), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("vo", "signature", name="pk_failure_notes"),
    )
