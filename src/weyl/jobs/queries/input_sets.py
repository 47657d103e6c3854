"""SQL of the sets of files that jobs read: each distinct one is one row, gone with the last of its jobs."""

import hashlib
from collections.abc import Collection, Sequence

from weyl.kit import json
from weyl.kit.db import Tx
from weyl.kit.sql import Sql

_PUT = Sql(
    """
    INSERT INTO job_input_sets (digest, lfns)
    SELECT digest, ARRAY(SELECT jsonb_array_elements_text(lfns))
    FROM unnest(CAST(:digests AS bytea[]), CAST(:lfns AS jsonb[])) AS wanted (digest, lfns) ORDER BY digest
    -- the update changes nothing: it locks the row, so that whoever removes the last job of a set waits for those that
    -- join it
    ON CONFLICT (digest) DO UPDATE SET digest = excluded.digest RETURNING input_set_id, digest
    """,
    tuple[int, bytes],
)
_LOCK = Sql(
    "SELECT input_set_id FROM job_input_sets WHERE input_set_id = ANY(:ids) ORDER BY digest FOR UPDATE",
    int,
)
_DELETE = Sql(
    """
    -- a statement of its own, after the lock: in the locking one it would see the jobs as they were before the wait
    DELETE FROM job_input_sets AS one WHERE input_set_id = ANY(:ids)
      AND NOT EXISTS (SELECT FROM jobs WHERE jobs.input_set_id = one.input_set_id)
    """
)

Lfns = tuple[str, ...]


async def put_sets(tx: Tx, sets: Collection[Lfns]) -> dict[Lfns, int]:
    """Keep sets of files and return the number of each; those that are there already stay until the transaction ends.

    A set is sorted, and no name is in it twice.
    """
    digests = {_digest(lfns): lfns for lfns in sets}
    order = sorted(digests)
    rows = await _PUT.rows(tx, digests=order, lfns=[json.dumps_text(list(digests[digest])) for digest in order])
    return {digests[digest]: input_set_id for input_set_id, digest in rows}


async def delete_unused(tx: Tx, input_set_ids: Sequence[int]) -> None:
    """Remove those of these sets that no job has any more."""
    await _LOCK.rows(tx, ids=input_set_ids)
    await _DELETE.run(tx, ids=input_set_ids)


def _digest(lfns: Lfns) -> bytes:
    return hashlib.sha256("\n".join(lfns).encode()).digest()
