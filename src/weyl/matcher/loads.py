"""What the lists of operators show: limits with what runs behind them, shares of groups, and jobs by site."""

from datetime import datetime

from pydantic import BaseModel


class LimitLoad(BaseModel):
    """A limit with what runs behind it; a dimension that it does not look at is empty."""

    limit: str
    site: str = ""
    ce: str = ""
    job_type: str = ""
    owner_group: str = ""
    owner: str = ""
    jobs: int
    jobs_max: int | None
    cores: int
    cores_max: int | None
    delay_s: float | None
    open: bool
    """Whether one more job of one core may start."""


class GroupShare(BaseModel):
    """A group in the order of service: what it has used, decayed until now, by the share that it is given."""

    group: str
    rank: int
    """The least served first."""
    share: float
    usage: float
    """DB12 core-seconds."""
    usage_by_share: float
    waiting: int
    owners: dict[str, float]
    """What its owners have used, the most first, twenty at most."""


class SiteLoad(BaseModel):
    """A site with its status, the jobs there, and the limits that hold for it."""

    site: str
    status: str
    reason: str | None
    decided_by: str
    expires_at: datetime | None
    draining: bool
    drain_until: datetime | None
    ces: int
    matched: int
    running: int
    stalled: int
    jobs_max: int | None
    """The strictest limit on all jobs of the site."""
    limits: list[LimitLoad]
