"""Who may do what with jobs: each function raises, or returns a permit that the service or query demands."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from weyl.jobs.models.bulk import BulkAction
from weyl.jobs.permits import Forcer, JobScope, Managed, Orderer, Readable
from weyl.jobs.queries.access import Access, select_access
from weyl.jobs.queries.bulk import Meant
from weyl.kit.db import Tx
from weyl.kit.errors import Forbidden
from weyl.kit.http import User


@dataclass(frozen=True, slots=True)
class Submitter:
    """May submit jobs, which will belong to this owner, group and VO."""

    vo: str
    group: str
    owner: str
    subject: str


def may_submit(user: User) -> Submitter:
    """Admit holders of NormalUser."""
    if not user.has("NormalUser"):
        raise Forbidden(f"Submitting jobs needs the property NormalUser, which group {user.group} does not have")
    return Submitter(vo=user.vo, group=user.group, owner=user.preferred_username, subject=user.subject)


def may_search(user: User, *, global_jobs_info: bool) -> JobScope:
    """Admit users and administrators of jobs to their VO, or to their own jobs where the VO says so."""
    if not user.has("NormalUser", "JobAdministrator"):
        raise Forbidden(
            f"Searching jobs needs the property NormalUser or JobAdministrator, which group {user.group} does not have"
        )
    own_only = not global_jobs_info and not user.has("JobAdministrator")
    return JobScope(
        vo=None if user.has("ServiceAdministrator") else user.vo, owner=user.preferred_username if own_only else None
    )


async def may_read(tx: Tx, user: User, job_ids: Collection[int]) -> Readable:
    """Admit administrators to the jobs of their VO, owners, pilots and payloads to their own."""
    rows = await _admitted(tx, user, job_ids, administrators=("JobAdministrator",))
    return Readable(frozenset(rows), frozenset(job_ids) - rows.keys())


async def may_manage(tx: Tx, user: User, job_ids: Collection[int], *, legacy_pilots: bool) -> Managed:
    """Admit those who may read; also a person's token with GenericPilot, where the VO still allows such pilots."""
    administrators = ("JobAdministrator", "GenericPilot") if legacy_pilots else ("JobAdministrator",)
    rows = await _admitted(tx, user, job_ids, administrators=administrators)
    missing = frozenset(job_ids) - rows.keys()
    if user.kind == "user":
        return Managed({job_id: row.pilot_stamp for job_id, row in rows.items()}, missing)
    past = frozenset(job_id for job_id, row in rows.items() if row.pilot_stamp != user.pilot_stamp)
    return Managed(dict.fromkeys(rows, user.pilot_stamp), missing, past)


def may_order(user: User, action: BulkAction, *, global_jobs_info: bool) -> Orderer:
    """Admit users to orders about their own jobs, administrators of jobs to orders about those of their VO.

    Administrators alone remove jobs for good.
    """
    if action is BulkAction.REMOVE and not user.has("JobAdministrator"):
        raise Forbidden("Removing jobs for good needs the property JobAdministrator")
    found = may_search(user, global_jobs_info=global_jobs_info)
    owner = None if user.has("JobAdministrator") else user.preferred_username
    return Orderer(action, user.vo, owner, JobScope(user.vo, found.owner))


def may_change_ordered(orderer: Orderer, rows: Mapping[int, Access | Meant]) -> Managed:
    """Return the permit on those of these jobs that an order, given earlier, may be about."""
    allowed = {job_id: row for job_id, row in rows.items() if orderer.may_change(row.vo, row.owner)}
    return Managed({job_id: row.pilot_stamp for job_id, row in allowed.items()}, frozenset())


def may_force(user: User) -> Forcer:
    """Admit administrators to moves that the machine of states does not have."""
    if not user.has("JobAdministrator"):
        raise Forbidden("Forcing a status needs the property JobAdministrator")
    return Forcer(user.subject)


async def _admitted(
    tx: Tx, user: User, job_ids: Collection[int], *, administrators: tuple[str, ...]
) -> dict[int, Access]:
    """Return those jobs that exist; raises for one that the user may not know of, whether it exists or not."""
    if user.kind == "user" and not user.has("NormalUser", *administrators):
        raise Forbidden(
            f"This needs the property {' or '.join(['NormalUser', *administrators])}: group {user.group} has none"
        )
    rows = {
        job_id: row for job_id, row in (await select_access(tx, job_ids, user.pilot_stamp)).items() if row.vo == user.vo
    }
    match user.kind:
        case "user":
            own = {job_id for job_id, row in rows.items() if row.owner == user.preferred_username}
            whole = user.has(*administrators) or len(own) == len(set(job_ids))
        case "pilot":
            whole = len(rows) == len(set(job_ids)) and all(row.ran_here for row in rows.values())
        case _:
            whole = set(job_ids) <= {user.job_id} and len(rows) == len(set(job_ids))
            whole = whole and all(row.ran_here for row in rows.values())
    if not whole:
        raise Forbidden("One of these jobs is not yours, or does not exist")
    return rows
