"""Workflows: their files and bundles, which VO has them, their labels and compilations."""

from alembic import op

revision = "0037_workflows"
down_revision = "0036_workflow_jobs"
branch_labels = None
depends_on = None

_TABLES = (
    """
    CREATE TABLE workflow_blobs (
        sha256 BYTEA NOT NULL,
        size INTEGER NOT NULL,
        data BYTEA NOT NULL,
        CONSTRAINT pk_workflow_blobs PRIMARY KEY (sha256)
    )
    """,
    """
    CREATE TABLE workflow_blob_access (
        vo VARCHAR(32) NOT NULL,
        sha256 BYTEA NOT NULL,
        CONSTRAINT pk_workflow_blob_access PRIMARY KEY (vo, sha256)
    )
    """,
    """
    CREATE TABLE workflow_bundles (
        bundle_id BYTEA NOT NULL,
        manifest JSON NOT NULL,
        created_at TIMESTAMPTZ NOT NULL,
        CONSTRAINT pk_workflow_bundles PRIMARY KEY (bundle_id)
    )
    """,
    """
    CREATE TABLE workflow_access (
        vo VARCHAR(32) NOT NULL,
        bundle_id BYTEA NOT NULL,
        first_used TIMESTAMPTZ NOT NULL,
        last_used TIMESTAMPTZ NOT NULL,
        CONSTRAINT pk_workflow_access PRIMARY KEY (vo, bundle_id)
    )
    """,
    "CREATE INDEX ix_workflow_access_bundle_id ON workflow_access (bundle_id)",
    "CREATE INDEX ix_workflow_access_last_used ON workflow_access (last_used)",
    """
    CREATE TABLE workflow_labels (
        workflow_id VARCHAR(64) NOT NULL,
        bundle_id BYTEA NOT NULL,
        CONSTRAINT pk_workflow_labels PRIMARY KEY (workflow_id, bundle_id)
    )
    """,
    "CREATE INDEX ix_workflow_labels_bundle_id ON workflow_labels (bundle_id)",
    """
    CREATE TABLE workflow_compilations (
        bundle_id BYTEA NOT NULL,
        fragment TEXT NOT NULL,
        compiler TEXT NOT NULL,
        result JSON NOT NULL,
        problems JSON NOT NULL,
        is_sound BOOLEAN NOT NULL,
        at TIMESTAMPTZ NOT NULL,
        CONSTRAINT pk_workflow_compilations PRIMARY KEY (bundle_id, fragment, compiler)
    )
    """,
    # By it the daily cleaning asks which bundles descriptions still name.
    """
    CREATE INDEX ix_job_descriptions_bundle ON job_descriptions ((document #>> '{Workflow,Bundle}'))
        WHERE document ? 'Workflow'
    """,
)


def upgrade() -> None:
    """Create the tables."""
    for statement in _TABLES:
        op.execute(statement)


def downgrade() -> None:
    """Forget all workflows."""
    op.execute("DROP INDEX ix_job_descriptions_bundle")
    for table in ("compilations", "labels", "access", "bundles", "blob_access", "blobs"):
        op.execute(f"DROP TABLE workflow_{table}")
