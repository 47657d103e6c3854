"""Who may store and read workflows: each function raises, or returns a permit that services and queries demand."""

from weyl.cwl.permits import Pusher, WorkflowReader
from weyl.cwl.queries.jobs import select_workflow_of_job
from weyl.jobs.policy import may_read
from weyl.kit.db import Tx
from weyl.kit.errors import Forbidden
from weyl.kit.http import User


def may_push(user: User) -> Pusher:
    """Admit holders of NormalUser."""
    if not user.has("NormalUser"):
        raise Forbidden(f"Storing workflows needs the property NormalUser, which group {user.group} does not have")
    return Pusher(user.vo, user.subject)


async def may_read_workflows(tx: Tx, user: User) -> WorkflowReader:
    """Admit users and administrators of jobs to what their VO has, payloads to the bundle of their job."""
    if user.kind == "job" and user.job_id is not None:
        permit = await may_read(tx, user, [user.job_id])
        found = await select_workflow_of_job(tx, permit, user.job_id)
        if found is not None and found.bundle_id is not None:
            return WorkflowReader(user.vo, bytes.fromhex(found.bundle_id))
        raise Forbidden("Your job runs no workflow")
    if user.kind == "user" and user.has("NormalUser", "JobAdministrator"):
        return WorkflowReader(user.vo)
    raise Forbidden("Reading workflows needs the property NormalUser or JobAdministrator, or a payload's token")
