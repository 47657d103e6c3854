"""Orders about many jobs: planned first, then confirmed with the plan's token."""

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, Field

from weyl.kit.bounds import ClosedModel, Ids, Token
from weyl.kit.search import Conditions

UNDO_S = 10
UNDO_S_MAX = 60


class BulkAction(StrEnum):
    """What can be done to many jobs."""

    KILL = "kill"
    DELETE = "delete"
    RESCHEDULE = "reschedule"
    REMOVE = "remove"


class BulkFields(ClosedModel):
    """What an action may be told beside the jobs."""

    reset: bool = False
    """With `reschedule`: forget how often the jobs were rescheduled."""


class BulkOrder(ClosedModel):
    """What to do, and to which jobs: those named by `ids`, or those that meet all conditions of `search`."""

    action: BulkAction
    ids: Ids | None = None
    search: Conditions | None = None
    fields: BulkFields = BulkFields()
    dry_run: bool = True
    """Without a plan's token nothing but a plan is made; false is refused then."""
    plan_token: Token | None = None
    """Confirms the plan that the same call was answered with."""
    undo_s: int = Field(default=UNDO_S, ge=0, le=UNDO_S_MAX)
    """Seconds after the confirmation in which the operation can be cancelled before anything has happened."""

    def subject(self) -> dict[str, Any]:
        """Return what a plan is made for: everything but how it is confirmed."""
        return self.model_dump(mode="json", include={"action", "ids", "search", "fields"})


class BulkPlan(BaseModel):
    """What an order would do."""

    count: int
    """Jobs that it can be done to."""
    by: dict[str, dict[str, int]]
    """These jobs by `Status` and by `Owner`, the largest first; of owners the first hundred."""
    sample: list[dict[str, Any]]
    """The first ten of them."""
    not_allowed: int
    """Jobs that were named or found, and are not the caller's to change."""
    not_possible: int
    """Jobs whose status does not allow it; of a search they are left alone, of ids they are reported as failed."""
    missing: int
    """Ids of jobs that do not exist for the caller."""
    plan_token: str
    expires_in: int
    """Seconds for which the token is good."""
    undo_s: int
