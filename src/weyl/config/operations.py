"""How the work of a virtual organisation is to be done; each section has defaults that serve a small VO."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from weyl.config.background import TaskOptions
from weyl.config.cwl import CWLOptions
from weyl.config.data_management import DataManagementOptions
from weyl.config.input_data import InputDataOptions
from weyl.config.retries import Retry
from weyl.config.section import FreeSection, LossySection, Number, Section
from weyl.config.status import StatusSetting, StatusWord, StorageStatus


class JobDescription(Section):
    """Defaults and bounds of what a job may ask for."""

    default_cpu_time: int = 86_400
    min_cpu_time: int = 100
    max_cpu_time: int = 500_000
    default_priority: int = 1
    min_priority: int = 0
    max_priority: int = 10
    max_input_data: int = 100
    allowed_job_types: list[str] = Field(default_factory=lambda: ["User", "Test", "Hospital"])


class Protocols(LossySection):
    """Protocols tried in order, far from the data and near it."""

    remote: list[str] = Field(default_factory=list)
    local: list[str] = Field(default_factory=list)


class InputDataPolicy(LossySection):
    """Names of the modules that bring input data to a job; kept for the clients that read them."""

    default: str | None = None
    download: str | None = None
    protocol: str | None = None
    all_replicas: bool = True
    protocols: Protocols = Protocols()
    input_data_module: str | None = None


class JobMonitoring(Section):
    """What users see of the jobs of others."""

    global_jobs_info: bool = True


class JobScheduling(Section):
    """How often a job may be tried again, and whether shares are corrected by usage."""

    max_rescheduling: int = Field(default=3, ge=0)
    enable_shares_correction: bool = False


class ServiceOptions(Section):
    """Options of single services."""

    catalogs: FreeSection = None
    job_monitoring: JobMonitoring = JobMonitoring()
    job_scheduling: JobScheduling = JobScheduling()


class MatchLimit(Section):
    """How many jobs may run at once, on how many cores, or how fast they may start, where all of it fits.

    `*` limits each value by itself; what is not named is not looked at. Jobs count from their match to their end.
    """

    site: str | None = Field(default=None, min_length=1)
    ce: str | None = Field(default=None, min_length=1)
    job_type: str | None = Field(default=None, min_length=1)
    group: str | None = Field(default=None, min_length=1)
    owner: str | None = Field(default=None, min_length=1)
    count: int | None = Field(default=None, ge=0)
    cores: int | None = Field(default=None, ge=0)
    delay_s: float | None = Field(default=None, gt=0, le=86_400, allow_inf_nan=False)
    burst: int = Field(default=0, ge=0, le=100_000)

    @model_validator(mode="after")
    def _limits_something(self) -> "MatchLimit":
        if self.count is None and self.cores is None and self.delay_s is None:
            raise ValueError("give at least one of Count, Cores and DelayS")
        return self


TypeWeight = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Tier = str | list[str] | dict[str, TypeWeight]


class Matching(Section):
    """Which waiting job a pilot gets; times in seconds."""

    defaults: dict[str, Any] = Field(default_factory=dict)
    require_architecture: bool = False
    allow_invalid_sites: bool = True
    tiers: list[Tier] = Field(default_factory=list)
    half_life: int = Field(default=86_400, gt=0)
    max_age: int = Field(default=600, gt=0)
    every: int = Field(default=50, gt=0)
    limits: list[MatchLimit] = Field(default_factory=list)
    retry: Retry = Retry()
    ttl: int | None = Field(default=None, gt=0)
    db12_per_cpu_time: Number = Field(default=1.0, gt=0)
    wrapper_margin: int = Field(default=300, ge=0)
    local_data_first: bool = True


class SiteJobHealth(Section):
    """What a site that is slow to report overrides of `JobHealth`; times in seconds."""

    stalled_after: int | None = Field(default=None, gt=0)
    fail_after: int | None = Field(default=None, gt=0)
    matched_timeout: int | None = Field(default=None, gt=0)


class JobHealth(Section):
    """When a job without a sign of life is given up, and how often a job reports; times in seconds."""

    stalled_after: int = Field(default=4_500, gt=0)
    fail_after: int = Field(default=11_700, gt=0)
    matched_timeout: int = Field(default=7_200, gt=0)
    report_every: int = Field(default=120, gt=0)
    per_site: dict[str, SiteJobHealth] = Field(default_factory=dict)


class TypeCleaning(Section):
    """What a type of jobs overrides of `JobCleaning`; times in seconds."""

    enabled: bool | None = None
    delete_after: int | None = Field(default=None, ge=0)
    remove_after: int | None = Field(default=None, ge=0)


class JobCleaning(Section):
    """When jobs that have ended are deleted, and when deleted ones are removed for good; times in seconds."""

    enabled: bool = True
    delete_after: int = Field(default=604_800, ge=0)
    remove_after: int = Field(default=86_400, ge=0)
    per_job_type: dict[str, TypeCleaning] = Field(default_factory=dict)


class PilotOptions(Section):
    """How pilots are sent, trusted and stopped; times in seconds."""

    allow_legacy_tokens: bool = True
    submit_every: Number = Field(default=60, gt=0)
    status_every: Number = Field(default=120, gt=0)
    per_cycle: int = Field(default=100, ge=0)
    life_time: int = Field(default=259_200, gt=0, le=259_200)
    idle_after: int = Field(default=1_200, gt=0)
    empty_matches_max: int = Field(default=10, gt=0)


class ResourceStatusOptions(Section):
    """What a VO says of elements of the grid, over what `Resources` says for everybody."""

    default: StatusWord = StatusWord.ACTIVE
    sites: dict[str, StatusSetting] = Field(default_factory=dict)
    ces: dict[str, StatusSetting] = Field(default_factory=dict)
    storage_elements: dict[str, StorageStatus] = Field(default_factory=dict)
    fts: dict[str, StatusSetting] = Field(default_factory=dict)


class Operations(Section):
    """Everything that one VO may tune; sections without a type belong to features that read them themselves."""

    enable_security_logging: bool = False
    software_dist_module: str = "LocalSoftwareDist"
    job_description: JobDescription = JobDescription()
    input_data_policy: InputDataPolicy = InputDataPolicy()
    input_data: InputDataOptions = InputDataOptions()
    data_management: DataManagementOptions = DataManagementOptions()
    services: ServiceOptions = ServiceOptions()
    matching: Matching = Matching()
    job_health: JobHealth = JobHealth()
    job_cleaning: JobCleaning = JobCleaning()
    cwl: CWLOptions = CWLOptions()
    pilots: PilotOptions = PilotOptions()
    resource_status: ResourceStatusOptions = ResourceStatusOptions()
    tasks: TaskOptions = TaskOptions()

    cloud: FreeSection = None
    data_consistency: FreeSection = None
    e_mail: FreeSection = None
    gaudi_execution: FreeSection = None
    hospital: FreeSection = None
    job_scheduling: FreeSection = None
    job_type_mapping: FreeSection = None
    log_files: FreeSection = None
    log_storage: FreeSection = None
    logging: FreeSection = None
    monitoring_backends: FreeSection = None
    nagios_connector: FreeSection = None
    pilot: FreeSection = None
    productions: FreeSection = None
    shares: FreeSection = None
    shifter: FreeSection = None
    site_se_mapping_by_protocol: FreeSection = None
    transformation_plugins: FreeSection = None
    transformations: FreeSection = None
