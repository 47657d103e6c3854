"""What a job says while it runs, and what it is told in return."""

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_pascal

from weyl.jobs.models.values import FiniteNumber, StorableText


class HeartbeatData(BaseModel):
    """Figures of a running job; what is absent was not measured."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_pascal)

    load_average: FiniteNumber | None = None
    memory_used: FiniteNumber | None = None
    vsize: FiniteNumber | None = None
    available_disk_space: FiniteNumber | None = None
    cpu_consumed: FiniteNumber | None = Field(default=None, alias="CPUConsumed")
    wall_clock_time: FiniteNumber | None = None
    standard_output: StorableText | None = None
    standard_error: StorableText | None = None


class JobCommand(BaseModel):
    """What the wrapper of a job is asked to do."""

    job_id: int
    command: str
    arguments: str | None = None
