"""Tables of the extension."""

import sqlalchemy as sa

from weyl.kit.db import Timestamp, metadata

notes = sa.Table(
    "example_vo_notes",
    metadata,
    sa.Column("note_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("vo", sa.String(64), nullable=False),
    sa.Column("campaign", sa.String(16), nullable=False),
    sa.Column("author", sa.String(128), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("at", Timestamp, nullable=False),
)
