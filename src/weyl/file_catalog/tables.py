"""The tables of the file catalogue: the tree of directories, files and replicas, metadata, usage, and history.

Rows of files outnumber everything else here (100 million are planned for), so names that repeat are small numbers, the
path of a directory is written once, and a move of a directory rewrites rows of directories only.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, JSONB

from weyl.kit.db import Timestamp, metadata

_Path = sa.Text(collation="C")

file_vos = sa.Table(
    "file_vos",
    metadata,
    sa.Column("vo_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("name", sa.String(32), nullable=False),
    sa.UniqueConstraint("name"),
)

# Owners and groups of directories and files: names, as jobs have them.
identities = sa.Table(
    "identities",
    metadata,
    sa.Column("identity_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("name", sa.String(128), nullable=False),
    sa.UniqueConstraint("name"),
)

se_names = sa.Table(
    "se_names",
    metadata,
    sa.Column("se_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.UniqueConstraint("name"),
)

# A path is found by its hash and compared as well; what lies below, by a range of paths; what lies above, by lineage.
directories = sa.Table(
    "directories",
    metadata,
    sa.Column("dir_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("parent_id", sa.BigInteger),
    sa.Column("vo_id", sa.BigInteger, nullable=False),
    sa.Column("path", _Path, nullable=False),
    # The first 16 bytes of its SHA-256, which PostgreSQL can compute as well.
    sa.Column("path_hash", BYTEA, nullable=False),
    # Ids from the root of the VO down to this directory itself.
    sa.Column("lineage", ARRAY(sa.BigInteger), nullable=False),
    sa.Column("depth", sa.SmallInteger, nullable=False),
    # Where its files lie on storage elements, since it has been moved; null: at its path.
    sa.Column("origin", _Path),
    # A root, and what leads to homes, belongs to nobody.
    sa.Column("owner_id", sa.BigInteger),
    sa.Column("group_id", sa.BigInteger),
    sa.Column("mode", sa.SmallInteger, nullable=False),
    sa.Column("metadata_set_id", sa.BigInteger),
    sa.Column("created_at", Timestamp, nullable=False),
    # It was removed, and holds files of the trash only.
    sa.Column("trashed_at", Timestamp),
    sa.UniqueConstraint("path_hash"),
    sa.Index("ix_directories_parent_id", "parent_id", "path"),
    sa.Index("ix_directories_path", "path"),
    sa.Index("ix_directories_metadata_set_id", "metadata_set_id"),
    sa.Index("ix_directories_origin", "origin", postgresql_where=sa.text("origin IS NOT NULL")),
    sa.Index("ix_directories_trashed", "trashed_at", postgresql_where=sa.text("trashed_at IS NOT NULL")),
)

files = sa.Table(
    "files",
    metadata,
    sa.Column("file_id", sa.BigInteger, sa.Identity(), primary_key=True),
    # A move of a directory waits for those who register files in it, by this key.
    sa.Column("dir_id", sa.BigInteger, sa.ForeignKey("directories.dir_id"), nullable=False),
    sa.Column("name", _Path, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    # As a signed number: the same bits.
    sa.Column("adler32", sa.Integer),
    sa.Column("md5", BYTEA),
    sa.Column("sha1", BYTEA),
    sa.Column("sha256", BYTEA),
    sa.Column("guid", sa.Uuid),
    sa.Column("owner_id", sa.BigInteger, nullable=False),
    sa.Column("group_id", sa.BigInteger, nullable=False),
    sa.Column("mode", sa.SmallInteger, nullable=False),
    # Purging: on its way from the trash to nowhere, and not to be restored any more.
    sa.Column("status", sa.String(8), nullable=False),
    # The run of a job that has put it out.
    sa.Column("job_id", sa.BigInteger),
    sa.Column("attempt", sa.Integer),
    sa.Column("created_at", Timestamp, nullable=False),
    sa.Column("modified_at", Timestamp, nullable=False),
    sa.Column("trashed_at", Timestamp),
    sa.CheckConstraint("status IN ('Good', 'Trash', 'Purging')", name="status"),
    sa.CheckConstraint("size >= 0", name="size"),
    sa.Index("uq_files_name", "dir_id", "name", unique=True, postgresql_where=sa.text("status = 'Good'")),
    # The foreign key asks by directory alone, of files in the trash too; orders walk through a directory by it.
    sa.Index("ix_files_dir_id", "dir_id", "file_id"),
    sa.Index("ix_files_trash", "dir_id", "name", "trashed_at", postgresql_where=sa.text("status <> 'Good'")),
    sa.Index("ix_files_trashed_at", "trashed_at", "file_id", postgresql_where=sa.text("trashed_at IS NOT NULL")),
    sa.Index("ix_files_guid", "guid", postgresql_where=sa.text("guid IS NOT NULL")),
    sa.Index("ix_files_job_id", "job_id", postgresql_where=sa.text("job_id IS NOT NULL")),
)

replicas = sa.Table(
    "replicas",
    metadata,
    sa.Column("file_id", sa.BigInteger, sa.ForeignKey("files.file_id"), primary_key=True, autoincrement=False),
    sa.Column("se_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("status", sa.String(8), nullable=False),
    # The storage path, where it is not the one by convention: that of its directory, then the name.
    sa.Column("pfn", _Path),
    sa.Column("created_at", Timestamp, nullable=False),
    # Null: somebody vouched for it.
    sa.Column("verified_at", Timestamp),
    sa.CheckConstraint("status IN ('Good', 'Suspect', 'Bad')", name="status"),
    sa.Index("ix_replicas_se_id", "se_id", "file_id"),
    sa.Index("ix_replicas_pfn", "se_id", "pfn", postgresql_where=sa.text("pfn IS NOT NULL")),
)

# No foreign keys: an edge stays when one of the two is purged, and the tombstone has its name.
file_ancestors = sa.Table(
    "file_ancestors",
    metadata,
    sa.Column("file_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("ancestor_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Index("ix_file_ancestors_ancestor_id", "ancestor_id", "file_id"),
)

metadata_fields = sa.Table(
    "metadata_fields",
    metadata,
    sa.Column("field_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("vo_id", sa.BigInteger, nullable=False),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("type", sa.String(8), nullable=False),
    sa.Column("applies_to", sa.String(9), nullable=False),
    sa.Column("is_indexed", sa.Boolean, nullable=False),
    # False while the values of files are being copied to or from the table of indexed ones.
    sa.Column("is_filled", sa.Boolean, nullable=False),
    sa.Column("unit", sa.String(64)),
    sa.Column("choices", JSONB),
    sa.Column("help", sa.Text),
    sa.Column("created_by", sa.String(128), nullable=False),
    sa.Column("created_at", Timestamp, nullable=False),
    sa.UniqueConstraint("vo_id", "name"),
    sa.CheckConstraint("type IN ('int', 'float', 'text', 'bool', 'date', 'time')", name="type"),
    sa.CheckConstraint("applies_to IN ('directory', 'file', 'both')", name="applies_to"),
)

# Own values of directories; what they have with those above them is a set.
directory_metadata = sa.Table(
    "directory_metadata",
    metadata,
    sa.Column("dir_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("field_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("value", JSONB, nullable=False),
    sa.Index("ix_directory_metadata_field_id", "field_id"),
)

# Distinct effective values of directories: millions of directories share a few of them.
metadata_sets = sa.Table(
    "metadata_sets",
    metadata,
    sa.Column("metadata_set_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("vo_id", sa.BigInteger, nullable=False),
    sa.Column("hash", BYTEA, nullable=False),
    sa.Column("doc", JSONB, nullable=False),
    sa.UniqueConstraint("vo_id", "hash"),
)


def _values_of_files(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Table:
    """Declare a table of indexed values of one type."""
    return sa.Table(
        name,
        metadata,
        sa.Column("file_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("field_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("value", kind, nullable=False),
        sa.Index(f"ix_{name}_field_id", "field_id", "value", "file_id"),
    )


file_metadata_int = _values_of_files("file_metadata_int", sa.BigInteger())
file_metadata_float = _values_of_files("file_metadata_float", sa.Double())
file_metadata_text = _values_of_files("file_metadata_text", _Path)
file_metadata_time = _values_of_files("file_metadata_time", Timestamp)

# Values of files that are not indexed.
file_metadata_doc = sa.Table(
    "file_metadata_doc",
    metadata,
    sa.Column("file_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("doc", JSONB, nullable=False),
)


def _sums() -> list[sa.Column[int]]:
    names = ("files", "bytes", "trash_files", "trash_bytes")
    return [sa.Column(name, sa.BigInteger, nullable=False) for name in names]


# Of the whole tree below a directory, by storage element; 0 stands for the files themselves. Written by `triggers.sql`
# and the fold, by nobody else.
file_usage = sa.Table(
    "file_usage",
    metadata,
    sa.Column("dir_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("se_id", sa.BigInteger, primary_key=True, autoincrement=False),
    *_sums(),
)

file_usage_deltas = sa.Table(
    "file_usage_deltas",
    metadata,
    sa.Column("delta_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("dir_id", sa.BigInteger, nullable=False),
    sa.Column("se_id", sa.BigInteger, nullable=False),
    *_sums(),
)

file_log = sa.Table(
    "file_log",
    metadata,
    sa.Column("at", Timestamp, nullable=False),
    sa.Column("log_id", sa.BigInteger, nullable=False, server_default=sa.text("nextval('file_log_id_seq')")),
    sa.Column("vo_id", sa.BigInteger, nullable=False),
    sa.Column("author", sa.String(128), nullable=False),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("file_ids", ARRAY(sa.BigInteger), nullable=False),
    sa.Column("detail", JSONB),
    # Whether something was done not long ago is asked for one action, and registrations have most of the rows.
    sa.Index("ix_file_log_vo_id", "vo_id", "action", "at"),
    postgresql_partition_by="RANGE (at)",
)

# What a higher room must be told of, in the transaction that has done it.
registration_outbox = sa.Table(
    "registration_outbox",
    metadata,
    sa.Column("outbox_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("vo_id", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("file_ids", ARRAY(sa.BigInteger), nullable=False),
    sa.Column("at", Timestamp, nullable=False),
    sa.CheckConstraint("kind IN ('files', 'metadata', 'moved', 'replica')", name="kind"),
    sa.Index("ix_registration_outbox_at", "at"),
)

# Files that are gone for good.
tombstones = sa.Table(
    "tombstones",
    metadata,
    sa.Column("at", Timestamp, nullable=False),
    sa.Column("file_id", sa.BigInteger, nullable=False),
    sa.Column("vo_id", sa.BigInteger, nullable=False),
    sa.Column("lfn", _Path, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("adler32", sa.Integer),
    sa.Column("md5", BYTEA),
    sa.Column("sha1", BYTEA),
    sa.Column("sha256", BYTEA),
    sa.Column("reason", sa.Text),
    sa.Column("author", sa.String(128), nullable=False),
    sa.Index("ix_tombstones_file_id", "file_id"),
    postgresql_partition_by="RANGE (at)",
)
