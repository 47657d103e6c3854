"""Permits on jobs, as the policy grants them and services and queries demand them."""

from collections.abc import Mapping
from dataclasses import dataclass

from weyl.jobs.errors import JobNotFound
from weyl.jobs.models.bulk import BulkAction
from weyl.kit.errors import Forbidden


@dataclass(frozen=True, slots=True)
class JobScope:
    """May see the jobs of this VO and this owner; None means any."""

    vo: str | None
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class Readable:
    """May read these jobs; `missing` are those that do not exist, told only to who may know."""

    job_ids: frozenset[int]
    missing: frozenset[int]

    def one(self, job_id: int) -> int:
        """Return the id of the one job that was asked for; 404 if there is none."""
        if job_id not in self.job_ids:
            raise JobNotFound(job_id)
        return job_id


@dataclass(frozen=True, slots=True)
class Managed:
    """May change these jobs.

    `runs` holds for each job the stamp of the run that the caller speaks for: a pilot or payload its own, a person
    whatever runs now. `past` are jobs whose run with the caller's pilot is over: it may learn that, and change nothing.
    """

    runs: Mapping[int, str | None]
    missing: frozenset[int]
    past: frozenset[int] = frozenset()

    def current(self) -> dict[int, str | None]:
        """Return the runs that are not over."""
        return {job_id: stamp for job_id, stamp in self.runs.items() if job_id not in self.past}

    def all_exist(self) -> None:
        """Refuse when one of the jobs does not exist."""
        for job_id in sorted(self.missing)[:1]:
            raise JobNotFound(job_id)

    def all_run(self) -> None:
        """Refuse when one of the runs is over."""
        for job_id in sorted(self.past)[:1]:
            raise Forbidden(f"Job {job_id} does not run here any more")


@dataclass(frozen=True, slots=True)
class Forcer:
    """May move jobs as the machine of states does not allow."""

    subject: str


@dataclass(frozen=True, slots=True)
class Orderer:
    """May order this `action` on many jobs of this VO: on those of `owner`, None on any; and sees those of `seen`."""

    action: BulkAction
    vo: str
    owner: str | None
    seen: JobScope

    def may_change(self, vo: str, owner: str) -> bool:
        """Tell whether a job is one that may be changed."""
        return vo == self.vo and self.owner in (None, owner)

    def may_see(self, vo: str, owner: str) -> bool:
        """Tell whether the existence of a job may be known."""
        return vo == self.vo and self.seen.owner in (None, owner)
