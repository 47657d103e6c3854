"""SQL of what goes into workflows and what they put out."""

from datetime import datetime
from typing import NamedTuple

from weyl.kit.db import Tx
from weyl.kit.sql import Sql


class Ended(NamedTuple):
    """How far a job is, and what its run has reported; the manifest is JSON text."""

    status: str
    minor_status: str
    application_status: str
    sandbox: str | None
    manifest: str | None


_INPUTS = Sql("SELECT CAST(inputs AS text) FROM jobs WHERE job_id = :job_id", str)
_OUTPUTS = Sql(
    """
    SELECT status, minor_status, application_status, sandbox, CAST(manifest AS text) AS manifest
    FROM jobs LEFT JOIN job_outputs USING (job_id) WHERE job_id = :job_id
    """,
    Ended,
)
_PUT = Sql(
    """
    INSERT INTO job_outputs (job_id, sandbox, manifest, at)
    SELECT job_id, :sandbox, CAST(CAST(:manifest AS text) AS json), :now FROM jobs
    -- Once the job is another pilot's, or nobody's, a report of the run before comes too late.
    WHERE job_id = :job_id AND pilot_stamp IS NOT DISTINCT FROM :stamp
    ON CONFLICT (job_id) DO UPDATE
    SET sandbox = excluded.sandbox, manifest = excluded.manifest, at = excluded.at
    """
)


async def select_inputs(tx: Tx, job_id: int) -> str | None:
    """Return the input object of a job as it was submitted, as JSON text; None if it has none."""
    return await _INPUTS.first(tx, job_id=job_id)


async def select_outputs(tx: Tx, job_id: int) -> Ended | None:
    """Return how a job has ended, if it has, and the manifest of its run, if there is one."""
    return await _OUTPUTS.first(tx, job_id=job_id)


async def put_outputs(
    tx: Tx, job_id: int, *, stamp: str | None, sandbox: str | None, manifest: str, now: datetime
) -> bool:
    """Keep the manifest of a run, in place of one that it has sent before; False if the run is over."""
    return (await _PUT.run(tx, job_id=job_id, stamp=stamp, sandbox=sandbox, manifest=manifest, now=now)) == 1
