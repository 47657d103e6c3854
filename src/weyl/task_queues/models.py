"""Task queues as the API shows them."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel


class TaskQueue(BaseModel):
    """One requirement class with its waiting jobs."""

    class_id: int
    vo: str
    owner_group: str
    owner: str
    job_type: str
    user_priority: int
    waiting: int
    first_job_id: int | None
    waiting_since: datetime | None = None
    """Since when the first of them could have been taken, at most."""
    document: dict[str, Any]


class Rebuilt(BaseModel):
    """What a rebuild put into the queue."""

    classes: int
    jobs: int
