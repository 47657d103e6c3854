"""What may be noted about a job: the site, and parameters under free names."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_pascal
from pydantic_core import PydanticCustomError

from weyl.jobs.models.values import (
    AMOUNT_MAX,
    CPU_TIME_S_MAX,
    MEMORY_MB_MAX,
    NAME_CHARACTERS_MAX,
    POWER_DB12_MAX,
    PROCESS_ID_MAX,
    StorableText,
    check_document,
    check_text,
    whole,
)
from weyl.kit.bounds import ATTRIBUTES_MAX

SITE_CHARACTERS_MAX = 100

# A whole number, also when it is written as text or with a fraction.
_Power = Annotated[int, Field(ge=0, le=POWER_DB12_MAX), BeforeValidator(whole)]
_NormalisedTime = Annotated[int, Field(ge=0, le=AMOUNT_MAX), BeforeValidator(whole)]
_CPUTime = Annotated[int, Field(ge=0, le=CPU_TIME_S_MAX), BeforeValidator(whole)]
_Memory = Annotated[int, Field(ge=0, le=MEMORY_MB_MAX)]
_Count = Annotated[int, Field(ge=0, lt=1 << 31)]
_Process = Annotated[int, Field(ge=0, le=PROCESS_ID_MAX)]


class JobMetaData(BaseModel):
    """Columns and parameters of a job; null leaves the value as it is."""

    model_config = ConfigDict(
        extra="allow",
        alias_generator=to_pascal,
        protected_namespaces=(),
        json_schema_extra={"maxProperties": ATTRIBUTES_MAX},
    )

    job_type: StorableText | None = None
    job_group: StorableText | None = None
    site: Annotated[str, Field(max_length=SITE_CHARACTERS_MAX), AfterValidator(check_text)] | None = None
    job_name: StorableText | None = None
    owner: StorableText | None = None
    owner_group: StorableText | None = None
    vo: StorableText | None = Field(default=None, alias="VO")
    submission_time: datetime | None = None
    reschedule_time: datetime | None = None
    last_update_time: datetime | None = None
    start_exec_time: datetime | None = None
    heart_beat_time: datetime | None = None
    end_exec_time: datetime | None = None
    status: StorableText | None = None
    minor_status: StorableText | None = None
    application_status: StorableText | None = None
    user_priority: _Count | None = None
    reschedule_counter: _Count | None = None
    verified_flag: bool | None = None
    accounted_flag: bool | StorableText | None = None

    cpu_normalization_factor: _Power | None = Field(default=None, alias="CPUNormalizationFactor")
    norm_cpu_time_s: _NormalisedTime | None = Field(default=None, alias="NormCPUTime(s)")
    total_cpu_time_s: _CPUTime | None = Field(default=None, alias="TotalCPUTime(s)")
    memory_mb: _Memory | None = Field(default=None, alias="Memory(MB)")
    payload_pid: _Process | None = Field(default=None, alias="PayloadPID")
    timestamp: datetime | None = Field(default=None, alias="timestamp")
    host_name: StorableText | None = None
    grid_ce: StorableText | None = Field(default=None, alias="GridCE")
    model_name: StorableText | None = None
    pilot_agent: StorableText | None = None
    pilot_reference: StorableText | None = Field(default=None, alias="Pilot_Reference")
    local_account: StorableText | None = None
    ce_queue: StorableText | None = Field(default=None, alias="CEQueue")
    batch_system: StorableText | None = None

    @model_validator(mode="after")
    def check_extras(self) -> Self:
        """Refuse names and documents that cannot be stored, and more of them than a job can have."""
        if len(self.model_extra or {}) > ATTRIBUTES_MAX:
            raise PydanticCustomError("too_long", "a job has at most {n} parameters", {"n": ATTRIBUTES_MAX})
        for name, value in (self.model_extra or {}).items():
            if not name or len(name) > NAME_CHARACTERS_MAX:
                raise PydanticCustomError(
                    "name", "a parameter's name has 1 to {n} characters", {"n": NAME_CHARACTERS_MAX}
                )
            check_text(name)
            check_document(value)
        return self
