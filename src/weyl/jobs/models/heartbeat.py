"""What a job says while it runs, and what it is told in return."""

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_pascal

from weyl.jobs.models.values import Amount, CPUTime, Load, MemoryKiB, StorableOutput, WallTime
from weyl.kit.bounds import ClosedModel


class HeartbeatData(ClosedModel):
    """Figures of a running job; what is absent was not measured."""

    model_config = ConfigDict(alias_generator=to_pascal)

    load_average: Load | None = None
    memory_used: MemoryKiB | None = Field(default=None, description="KiB")
    vsize: Amount | None = Field(default=None, description="KiB")
    available_disk_space: Amount | None = Field(default=None, description="MB")
    cpu_consumed: CPUTime | None = Field(default=None, alias="CPUConsumed", description="Seconds, of all cores")
    wall_clock_time: WallTime | None = Field(default=None, description="Seconds")
    standard_output: StorableOutput | None = None
    standard_error: StorableOutput | None = None


class JobCommand(BaseModel):
    """What the wrapper of a job is asked to do."""

    job_id: int
    command: str
    arguments: str | None = None
