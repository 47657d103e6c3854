"""What the routes that change jobs depend on: a permit that holds no connection, and the shared writes."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from weyl.config.models import Config
from weyl.config.routes import CurrentConfig
from weyl.jobs.additions import SUBMISSION_RULES, SubmissionRules
from weyl.jobs.permits import Managed
from weyl.jobs.policy import may_manage
from weyl.jobs.service.input_files import INPUTS, Inputs
from weyl.jobs.service.output_data import OUTPUTS, Outputs
from weyl.jobs.service.writes import JOB_WRITES, JobWrites
from weyl.kit.db import DATABASE, Database, Tx
from weyl.kit.http import CurrentActor, User


@dataclass(frozen=True, slots=True)
class Manager:
    """Whoever calls, on the way to a permit."""

    db: Database
    user: User
    config: Config

    async def admit(self, job_ids: Collection[int]) -> Managed:
        """Ask the policy on a connection that is given back at once: the shared write takes one of its own."""
        async with self.db.read() as tx:
            return await self.admit_in(tx, job_ids)

    async def admit_in(self, tx: Tx, job_ids: Collection[int]) -> Managed:
        """Ask the policy in the transaction of the request."""
        operations = self.config.operations.get(self.user.vo)
        legacy_pilots = operations is not None and operations.pilots.allow_legacy_tokens
        return await may_manage(tx, self.user, job_ids, legacy_pilots=legacy_pilots)


async def current_manager(request: Request, actor: CurrentActor, config: CurrentConfig) -> Manager:
    """Return whoever calls."""
    return Manager(DATABASE.of(request), actor, config)


CurrentManager = Annotated[Manager, Depends(current_manager)]
InputPlaces = Annotated[Inputs, Depends(INPUTS.dependency)]
OutputPlaces = Annotated[Outputs, Depends(OUTPUTS.dependency)]
Rules = Annotated[SubmissionRules, Depends(SUBMISSION_RULES.dependency)]
Writes = Annotated[JobWrites, Depends(JOB_WRITES.dependency)]
