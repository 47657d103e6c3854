"""SQL of bundles: storing one, finding it by id or label, and its files."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from weyl.cwl.permits import Pusher, WorkflowReader
from weyl.kit.db import Tx
from weyl.kit.sql import Sql

LOCK = "SELECT pg_advisory_xact_lock_shared(724512037)"
"""What a transaction that stores a bundle opens with: no cleaning takes away meanwhile what it takes for granted."""


class Found(NamedTuple):
    """A bundle that a VO has."""

    bundle_id: bytes
    manifest: str
    workflow_id: str | None


class FileRow(NamedTuple):
    """The bytes of a file."""

    sha256: bytes
    data: bytes


_STORE = Sql(
    """
    WITH blobs AS (
      INSERT INTO workflow_blobs (sha256, size, data)
      SELECT sha256, length(data), data
      FROM unnest(CAST(:digests AS bytea[]), CAST(:contents AS bytea[])) AS sent (sha256, data)
      ON CONFLICT DO NOTHING
    ), blob_access AS (
      INSERT INTO workflow_blob_access (vo, sha256)
      SELECT :vo, sha256 FROM unnest(CAST(:members AS bytea[])) AS member (sha256)
      ON CONFLICT DO NOTHING
    ), bundle AS (
      INSERT INTO workflow_bundles (bundle_id, manifest, created_at)
      VALUES (:bundle_id, CAST(CAST(:manifest AS text) AS json), :now)
      ON CONFLICT DO NOTHING
    ), label AS (
      INSERT INTO workflow_labels (workflow_id, bundle_id)
      SELECT CAST(:workflow_id AS text), :bundle_id WHERE CAST(:workflow_id AS text) IS NOT NULL
      ON CONFLICT DO NOTHING
    )
    INSERT INTO workflow_access AS known (vo, bundle_id, first_used, last_used)
    VALUES (:vo, :bundle_id, :now, :now)
    ON CONFLICT (vo, bundle_id) DO UPDATE SET last_used = :now
    -- as of the day
    WHERE known.last_used < CAST(:now AS timestamptz) - INTERVAL '1 day'
    RETURNING xmax = 0
    """,
    bool,
)


class NewBundle(NamedTuple):
    """A bundle that is to be stored; `contents` are the files that were sent, by digest."""

    bundle_id: bytes
    manifest: str
    members: Sequence[bytes]
    contents: Mapping[bytes, bytes]
    workflow_id: str | None


async def upsert_bundle(tx: Tx, pusher: Pusher, new: NewBundle, *, now: datetime) -> bool:
    """Store a bundle, its files and its label, and that the VO has them; returns whether the VO did not have it."""
    digests = sorted(new.contents)
    is_new = await _STORE.first(
        tx,
        digests=digests,
        contents=[new.contents[digest] for digest in digests],
        vo=pusher.vo,
        members=sorted(set(new.members)),
        bundle_id=new.bundle_id,
        manifest=new.manifest,
        workflow_id=new.workflow_id,
        now=now,
    )
    return bool(is_new)


_FIND = Sql(
    """
    SELECT a.bundle_id, CAST(b.manifest AS text) AS manifest, l.workflow_id
    FROM workflow_access a
    JOIN workflow_bundles b USING (bundle_id)
    LEFT JOIN workflow_labels l USING (bundle_id)
    WHERE a.vo = :vo AND a.bundle_id IN (
      SELECT CAST(:bundle_id AS bytea) UNION ALL SELECT bundle_id FROM workflow_labels WHERE workflow_id = :workflow_id
    )
    -- by a label it is the oldest
    ORDER BY a.first_used, a.bundle_id
    """,
    Found,
)


async def select_bundles(tx: Tx, reader: WorkflowReader, workflow_id: str) -> list[Found]:
    """Return the bundles of a VO that have this id, or this label, the oldest first."""
    rows = await _FIND.rows(tx, vo=reader.vo, bundle_id=bytes.fromhex(workflow_id), workflow_id=workflow_id)
    return [row for row in rows if reader.may_read(row.bundle_id)]


_FILES = Sql("SELECT sha256, data FROM workflow_blobs WHERE sha256 = ANY(:digests)", FileRow)


async def select_files(tx: Tx, found: Found, digests: Sequence[bytes]) -> dict[bytes, bytes]:
    """Return the bytes of files of a bundle, by digest; whoever has found the bundle may read them."""
    assert found.bundle_id, "a bundle that was found with a permit"
    return {row.sha256: row.data for row in await _FILES.rows(tx, digests=list(digests))}


_KNOWN = Sql(
    """
    SELECT b.sha256, b.data
    FROM workflow_blob_access a
    JOIN workflow_blobs b USING (sha256)
    WHERE a.vo = :vo AND a.sha256 = ANY(:digests)
    """,
    FileRow,
)


async def select_known_files(tx: Tx, pusher: Pusher, digests: Sequence[bytes]) -> dict[bytes, bytes]:
    """Return those of these files that the VO has, by digest."""
    return {row.sha256: row.data for row in await _KNOWN.rows(tx, vo=pusher.vo, digests=list(digests))}
