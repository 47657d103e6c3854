"""The tables of the web pages: what people keep there."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, UUID

from weyl.kit.db import Timestamp, metadata

web_preferences = sa.Table(
    "web_preferences",
    metadata,
    sa.Column("vo", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("document", JSONB, nullable=False),
    sa.Column("updated_at", Timestamp, nullable=False),
)

web_dashboards = sa.Table(
    "web_dashboards",
    metadata,
    sa.Column("id", UUID, primary_key=True),
    sa.Column("vo", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("title", sa.String(200), nullable=False),
    sa.Column("shared", sa.Boolean, nullable=False),
    sa.Column("document", JSONB, nullable=False),
    # Whoever changes it names the one that he has read.
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("created_at", Timestamp, nullable=False),
    sa.Column("updated_at", Timestamp, nullable=False),
    sa.Index("ix_web_dashboards_vo", "vo", "subject"),
)
