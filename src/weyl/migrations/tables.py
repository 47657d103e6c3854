"""The table of what `weyl db migrate` has applied beside the revisions."""

import sqlalchemy as sa

from weyl.kit.db import Timestamp, metadata

# A row per room that has triggers or functions: which edition of its file was applied last.
room_triggers = sa.Table(
    "room_triggers",
    metadata,
    sa.Column("room", sa.Text, primary_key=True),
    sa.Column("edition", sa.Integer, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("applied_at", Timestamp, nullable=False),
)
