"""The tables of the auth room: logins under way and refresh tokens, in partitions that are dropped when they expire;
browsers that are logged in; whose a user name is."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, UUID

from weyl.kit.db import Timestamp, metadata

# What an address may still try, for all server processes together. The rows are bounded: an address is known by
# a keyed hash, which says nothing of it. Not in the write-ahead log: after a crash everybody may try anew.
login_attempts = sa.Table(
    "login_attempts",
    metadata,
    sa.Column("slot", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("due", Timestamp, nullable=False),
    prefixes=["UNLOGGED"],
)

# A flow lives minutes: the month in which it began decides when its partition goes.
device_flows = sa.Table(
    "device_flows",
    metadata,
    sa.Column("flow_id", UUID, primary_key=True),
    sa.Column("created_at", Timestamp, primary_key=True),
    sa.Column("expires_at", Timestamp, nullable=False),
    # Eight letters are soon guessed: a keyed hash, so that whoever reads the database cannot take a login over.
    sa.Column("user_code", sa.Text, nullable=False),
    sa.Column("device_code_hash", BYTEA, nullable=False),
    sa.Column("client_id", sa.Text, nullable=False),
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("subject", sa.Text),
    # What the page shows of the device before its user confirms the login; empty for logins of earlier releases.
    sa.Column("address", sa.Text, nullable=False, server_default=""),
    sa.Column("user_agent", sa.Text, nullable=False, server_default=""),
    sa.Index(None, "user_code"),
    sa.Index(None, "device_code_hash"),
    postgresql_partition_by="RANGE (created_at)",
)

authorization_flows = sa.Table(
    "authorization_flows",
    metadata,
    sa.Column("flow_id", UUID, primary_key=True),
    sa.Column("created_at", Timestamp, primary_key=True),
    sa.Column("expires_at", Timestamp, nullable=False),
    sa.Column("client_id", sa.Text, nullable=False),
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column("redirect_uri", sa.Text, nullable=False),
    sa.Column("client_state", sa.Text, nullable=False),
    sa.Column("code_challenge", sa.Text, nullable=False),
    sa.Column("code_hash", BYTEA),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("subject", sa.Text),
    sa.Index(None, "code_hash"),
    postgresql_partition_by="RANGE (created_at)",
)

# Partitioned by the end of life, which a refresh token carries in `exp`: one look-up knows its partition, a revoked row
# stays exactly as long as its token could be replayed, and a whole month goes at once.
refresh_tokens = sa.Table(
    "refresh_tokens",
    metadata,
    sa.Column("jti", UUID, primary_key=True),
    sa.Column("expires_at", Timestamp, primary_key=True),
    sa.Column("created_at", Timestamp, nullable=False),
    sa.Column("family", UUID, nullable=False),
    sa.Column("vo", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("legacy", sa.Boolean, nullable=False),
    sa.Index(None, "family"),
    sa.Index(None, "vo", "subject"),
    postgresql_partition_by="RANGE (expires_at)",
)

# One row a browser, changed when it is used, and deleted when it is logged out or by a task: as many as there are
# people, so no partitions. Of the cookie only a hash is kept; an id of its own names the session to people.
browser_sessions = sa.Table(
    "browser_sessions",
    metadata,
    sa.Column("session_id", UUID, primary_key=True),
    sa.Column("cookie_hash", BYTEA, nullable=False),
    sa.Column("vo", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("group_name", sa.Text, nullable=False),
    sa.Column("properties", ARRAY(sa.Text), nullable=False),
    sa.Column("created_at", Timestamp, nullable=False),
    sa.Column("last_used_at", Timestamp, nullable=False),
    sa.Column("expires_at", Timestamp, nullable=False),
    sa.Column("user_agent", sa.Text, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    # Nothing where a release before this one has begun the session.
    sa.Column("user_name", sa.Text),
    sa.Index(None, "cookie_hash", unique=True),
    sa.Index(None, "vo", "subject"),
)

# Jobs belong to names. Who has logged in with one keeps it, also where the configuration gives it to somebody else.
user_names = sa.Table(
    "user_names",
    metadata,
    sa.Column("vo", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("since", Timestamp, nullable=False),
)
