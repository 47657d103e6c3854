"""SQL of the jobs that run workflows."""

from typing import NamedTuple

from weyl.jobs.permits import Readable
from weyl.kit.db import Tx
from weyl.kit.sql import Sql


class WorkflowOfJob(NamedTuple):
    """What a job runs, if it runs a workflow."""

    vo: str
    bundle_id: str | None
    fragment: str | None
    workflow_id: str | None
    steps: str | None
    """The job parameter WorkflowSteps: how far each step has come, as JSON."""


_OF_JOB = Sql(
    """
    SELECT
      j.vo,
      d.document #>> '{Workflow,Bundle}' AS bundle_id,
      d.document #>> '{Workflow,Fragment}' AS fragment,
      j.workflow_id,
      (SELECT p.value #>> '{}' FROM job_parameters p WHERE p.job_id = j.job_id AND p.name = 'WorkflowSteps') AS steps
    FROM jobs j
    JOIN job_descriptions d USING (description_id)
    WHERE j.job_id = :job_id
    """,
    WorkflowOfJob,
)


async def select_workflow_of_job(tx: Tx, permit: Readable, job_id: int) -> WorkflowOfJob | None:
    """Return what a job runs, and how far it has come."""
    return await _OF_JOB.first(tx, job_id=permit.one(job_id))
