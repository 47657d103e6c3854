"""Which failed jobs are tried again by themselves, how often, and what changes; a rule for each class of error."""

from pydantic import Field, model_validator

from weyl.config.section import Number, Section

TRIES_MAX = 8
"""As many hosts and sites as a job may be told to avoid."""


class RetryRule(Section):
    """How often a job is tried again; 0: it fails at once."""

    max: int = Field(default=0, ge=0, le=TRIES_MAX)


class GrowingRetry(RetryRule):
    """A retry that asks for more of what was not enough."""

    factor: Number = Field(default=1.5, gt=1, le=10)


class HostRetry(RetryRule):
    """A retry elsewhere; the host may have the job again after a time, in seconds: it may be the only one."""

    avoid_for: int = Field(default=3_600, ge=0, le=2_592_000)


class LaterRetry(RetryRule):
    """A retry that waits before it looks again; time in seconds."""

    after: int = Field(default=600, ge=0, le=86_400)


class PayloadRetry(RetryRule):
    """A retry of programs that ended with one of the listed exit codes, and of no others."""

    exit_codes: list[int] = Field(default_factory=list)

    @model_validator(mode="after")
    def _has_reasons(self) -> "PayloadRetry":
        if self.max and not self.exit_codes:
            raise ValueError("give the ExitCodes after which a program is to run again")
        return self


class JobTypeRetry(Section):
    """What one type of jobs has of its own; what it leaves out is as in its VO."""

    memory: GrowingRetry | None = None
    time: GrowingRetry | None = None
    host: HostRetry | None = None
    site: RetryRule | None = None
    input_data: LaterRetry | None = None
    payload: PayloadRetry | None = None


class Retry(Section):
    """What becomes of a job that has failed, by the class of its error."""

    memory: GrowingRetry = GrowingRetry(max=2)
    time: GrowingRetry = GrowingRetry(max=1)
    host: HostRetry = HostRetry(max=5)
    site: RetryRule = RetryRule(max=3)
    input_data: LaterRetry = LaterRetry(max=3)
    payload: PayloadRetry = PayloadRetry()
    per_job_type: dict[str, JobTypeRetry] = Field(default_factory=dict)
