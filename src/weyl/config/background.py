"""What the configuration says of background work: schedules that differ from the code's, and limits."""

from typing import Any

from pydantic import Field, model_validator

from weyl.config.section import Number, Section


class ScheduleOptions(Section):
    """What replaces the schedule of one task; give one of `Every`, `Cron` and `RRule`, or none to keep the code's."""

    enabled: bool = True
    every: Number | None = Field(default=None, ge=0.1)
    cron: str | None = None
    rrule: str | None = None
    arguments: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _has_one_rule(self) -> "ScheduleOptions":
        if sum(rule is not None for rule in (self.every, self.cron, self.rrule)) > 1:
            raise ValueError("give one of Every, Cron and RRule")
        return self


class LimitOptions(Section):
    """How much may go on at a time, and how much may start in a while."""

    concurrent: int | None = Field(default=None, ge=0)
    rate: Number | None = Field(default=None, gt=0)
    per: Number = Field(default=60, gt=0)
    burst: int | None = Field(default=None, ge=1)


class TaskOptions(Section):
    """Background work, of the installation or for one VO."""

    schedules: dict[str, ScheduleOptions] = Field(default_factory=dict)
    limits: dict[str, LimitOptions] = Field(default_factory=dict)
