"""The tables of workflows: their files, once for all VOs, who has which, and what is known of them."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA

from weyl.kit.db import Timestamp, metadata

workflow_blobs = sa.Table(
    "workflow_blobs",
    metadata,
    sa.Column("sha256", BYTEA, primary_key=True),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("data", BYTEA, nullable=False),
)

# Whether a file is known is asked of the VO: a hash must neither open other people's files nor tell of them.
workflow_blob_access = sa.Table(
    "workflow_blob_access",
    metadata,
    sa.Column("vo", sa.String(32), primary_key=True),
    sa.Column("sha256", BYTEA, primary_key=True),
)

workflow_bundles = sa.Table(
    "workflow_bundles",
    metadata,
    sa.Column("bundle_id", BYTEA, primary_key=True),
    # As json, not jsonb: its text is what the id is the hash of.
    sa.Column("manifest", sa.JSON, nullable=False),
    sa.Column("created_at", Timestamp, nullable=False),
)

workflow_access = sa.Table(
    "workflow_access",
    metadata,
    sa.Column("vo", sa.String(32), primary_key=True),
    sa.Column("bundle_id", BYTEA, primary_key=True),
    sa.Column("first_used", Timestamp, nullable=False),
    # As of the day: a bundle that is used all the time is not written all the time.
    sa.Column("last_used", Timestamp, nullable=False),
    sa.Index("ix_workflow_access_bundle_id", "bundle_id"),
    sa.Index("ix_workflow_access_last_used", "last_used"),
)

# The id that DiracX computes: bundles of one label may mean different things.
workflow_labels = sa.Table(
    "workflow_labels",
    metadata,
    sa.Column("workflow_id", sa.String(64), primary_key=True),
    sa.Column("bundle_id", BYTEA, primary_key=True),
    sa.Index("ix_workflow_labels_bundle_id", "bundle_id"),
)

workflow_compilations = sa.Table(
    "workflow_compilations",
    metadata,
    sa.Column("bundle_id", BYTEA, primary_key=True),
    # Empty: none.
    sa.Column("fragment", sa.Text, primary_key=True),
    sa.Column("compiler", sa.Text, primary_key=True),
    sa.Column("result", sa.JSON, nullable=False),
    sa.Column("problems", sa.JSON, nullable=False),
    # False: the document has errors, and is looked at again after an hour.
    sa.Column("is_sound", sa.Boolean, nullable=False),
    sa.Column("at", Timestamp, nullable=False),
)
