"""SQL that removes workflows that nobody uses any more."""

from datetime import datetime

from weyl.kit.db import Tx
from weyl.kit.sql import Sql

_LOCK = Sql("SELECT pg_advisory_xact_lock(724512037)")


async def lock_storing(tx: Tx) -> None:
    """Keep others from storing bundles until the commit, once those are done that store one now."""
    await _LOCK.run(tx)


_ACCESS = Sql(
    """
    DELETE FROM workflow_access
    WHERE (vo, bundle_id) IN (
      SELECT vo, bundle_id
      FROM workflow_access a
      WHERE last_used < :before AND NOT EXISTS (
        SELECT FROM job_descriptions d
        WHERE d.document ? 'Workflow' AND d.document #>> '{Workflow,Bundle}' = encode(a.bundle_id, 'hex')
      )
      LIMIT :most
    )
    """
)


async def delete_unused_access(tx: Tx, *, before: datetime, most: int) -> int:
    """Take from VOs what they have not used since a time and no description names; returns how many were taken."""
    return await _ACCESS.run(tx, before=before, most=most)


_BUNDLES = Sql(
    """
    WITH gone AS (
      DELETE FROM workflow_bundles b
      WHERE NOT EXISTS (SELECT FROM workflow_access a WHERE a.bundle_id = b.bundle_id)
      RETURNING bundle_id
    ), labels AS (
      DELETE FROM workflow_labels WHERE bundle_id IN (SELECT bundle_id FROM gone)
    )
    DELETE FROM workflow_compilations WHERE bundle_id IN (SELECT bundle_id FROM gone)
    """
)

_BLOB_ACCESS = Sql(
    """
    -- all manifests are read once, whatever there is to remove
    WITH member AS MATERIALIZED (
      SELECT DISTINCT a.vo, decode(file.value ->> 'sha256', 'hex') AS sha256
      FROM workflow_access a
      JOIN workflow_bundles b USING (bundle_id)
      CROSS JOIN json_each(b.manifest -> 'files') AS file
    )
    DELETE FROM workflow_blob_access had
    WHERE NOT EXISTS (SELECT FROM member m WHERE m.vo = had.vo AND m.sha256 = had.sha256)
    """
)

_BLOBS = Sql(
    """
    DELETE FROM workflow_blobs b
    WHERE NOT EXISTS (SELECT FROM workflow_blob_access a WHERE a.sha256 = b.sha256)
    """
)


async def delete_orphans(tx: Tx) -> None:
    """Remove bundles that no VO has any more, with their labels and compilations, and files of no bundle."""
    for statement in (_BUNDLES, _BLOB_ACCESS, _BLOBS):
        await statement.run(tx)


_COMPILATIONS = Sql(
    """
    DELETE FROM workflow_compilations c
    WHERE at < :before AND (NOT is_sound OR NOT EXISTS (
      SELECT FROM workflow_bundles b WHERE b.bundle_id = c.bundle_id
    ))
    """
)


async def delete_failed_compilations(tx: Tx, *, before: datetime) -> int:
    """Forget compilations from before a time that failed, or whose bundle nobody stored."""
    return await _COMPILATIONS.run(tx, before=before)
