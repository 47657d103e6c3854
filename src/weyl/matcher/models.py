"""What pilots and the matcher say to each other: the offer, the request and the answer."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from weyl.failures.models import FailureExplained
from weyl.kit.bounds import ClosedModel

CORES_MAX = 65_535
WALL_TIME_MAX = 31_536_000
RAM_MB_MAX = 2**31
TAGS_MAX = 512
FLAGS_MAX = 2_048
JOBS_PER_MATCH_MAX = 1_000
WAIT_MAX_S = 30
TOKENS_INLINE_MAX = 4

Atom = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.:/-]*$", max_length=256)]
# PostgreSQL keeps no text with NUL: one such offer would keep all others of a process from being written down.
NO_NUL = r"^[^\x00]*$"
Word = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=NO_NUL)]
Names = Annotated[tuple[Word, ...], Field(max_length=1_000)]


class Part(BaseModel):
    """A piece of an offer: newer pilots may say more than this server knows, numbers are finite.

    Lists are tuples, so that pieces can be keys: what is made of them is made once for all pilots of a kind.
    """

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False, frozen=True)


class System(Part):
    """The operating system's family."""

    name: Word = "Linux"


class CpuArchitecture(Part):
    """What the processors are: `uname -m`, and the flags of /proc/cpuinfo as they stand there."""

    name: Word
    features: Annotated[tuple[Word, ...], Field(max_length=FLAGS_MAX)] = ()


class Cpu(Part):
    """Cores and memory of the allocation, not of the machine."""

    num_nodes: int = Field(default=1, ge=1, le=CORES_MAX)
    num_cores: int = Field(ge=1, le=CORES_MAX)
    whole_node: bool = False
    ram_mb: int | None = Field(default=None, ge=0, le=RAM_MB_MAX)
    architecture: CpuArchitecture


class Gpu(Part):
    """The GPUs of the allocation; at least their number must be told."""

    count: int = Field(ge=0, le=CORES_MAX)
    vendor: Word | None = None
    arch: Word | None = None
    vram_mb_per_gpu: int | None = Field(default=None, ge=0, le=RAM_MB_MAX)
    runtime_version: Annotated[str, StringConstraints(max_length=27, pattern=r"^\d{1,6}(\.\d{1,6}){0,3}$")] | None = (
        None
    )

    @model_validator(mode="after")
    def _described(self) -> "Gpu":
        if self.count > 0 and None in (self.vendor, self.arch, self.vram_mb_per_gpu, self.runtime_version):
            raise ValueError("vendor, arch, vram_mb_per_gpu and runtime_version are required when count is not 0")
        return self


class Io(Part):
    """The disk space of the allocation."""

    scratch_mb: int | None = Field(default=None, ge=0, le=RAM_MB_MAX)


class Accept(Part):
    """What the pilot itself wants to run; null is everything."""

    job_types: Names | None = None
    groups: Names | None = None
    owners: Names | None = None
    required_tags: Annotated[tuple[Atom, ...], Field(max_length=16)] = ()
    banned_job_types: Names = ()


class Offer(Part):
    """A node's offer; while payloads run, all quantities are what is left."""

    host: Annotated[str, StringConstraints(max_length=255, pattern=NO_NUL)] = ""
    system: System = System()
    wall_time: int = Field(ge=0, le=WALL_TIME_MAX)
    cpu_power_db12: float = Field(gt=0, le=1_000_000)
    cpu: Cpu
    gpu: Gpu
    io: Io = Io()
    tags: Annotated[tuple[Atom, ...], Field(max_length=TAGS_MAX)] = ()
    accept: Accept = Accept()
    # Never used to match: these come from the token. They are read only to refuse a pilot that names another place.
    site: Word | None = None
    ce: Word | None = None
    queue: Word | None = None
    vo: Word | None = None


class MatchRequest(ClosedModel):
    """A pilot's question; `fill` wants jobs that fit side by side, otherwise each may use the whole offer."""

    model_config = ConfigDict(allow_inf_nan=False)

    offer: Offer
    count: int = Field(default=1, ge=1, le=JOBS_PER_MATCH_MAX)
    fill: bool = False
    wait_s: float = Field(default=0, ge=0, le=WAIT_MAX_S)
    request_id: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=NO_NUL)] | None = None


class Allocated(BaseModel):
    """What a job may use of the offer."""

    cores: int
    ram_mb: int | None
    gpus: int
    scratch_mb: int


class PayloadLimits(BaseModel):
    """Where the payload is stopped."""

    ram_mb: int | None
    wall_s: int


class MatchedJob(BaseModel):
    """One job that now belongs to the pilot, with what its wrapper needs."""

    job_id: int
    class_id: int
    allocated: Allocated
    limits: PayloadLimits
    work: dict[str, Any]
    token: str | None = None


class Miss(BaseModel):
    """Why nothing was found: the first condition after which no waiting job was left."""

    condition: str
    retry_after_s: int


class MatchAnswer(BaseModel):
    """The matcher's answer: jobs, or why there are none, and what the pilot should do next."""

    jobs: list[MatchedJob]
    classes: dict[int, Mapping[str, Any]]
    miss: Miss | None
    action: Literal["continue", "drain", "stop"]


class JobToken(BaseModel):
    """The token of one payload."""

    access_token: str
    expires_in: int


class Step(BaseModel):
    """What one condition removed of the pilots of the last day."""

    condition: str
    title: str
    """The condition in words, such as `memory` for `ram`."""
    unit: str | None
    """Of amounts."""
    wanted: Any
    best_offered: Any
    sites_removed: int
    pilots_removed: int
    sites_left: int
    pilots_left: int
    origin: str | None = None
    """Which requirement of the job's document asks for it, where the job runs a workflow."""


class Failing(BaseModel):
    """A condition that keeps pilots from a job."""

    condition: str
    title: str
    unit: str | None
    wanted: Any
    offered: Any


class Near(BaseModel):
    """Pilots of a site that a single condition keeps from a job."""

    site: str
    pilots: int
    fails: list[Failing]


class LimitShown(BaseModel):
    """A limit that a job goes through: how much of it is used, and whether one more job may start now."""

    limit: str
    jobs: int
    jobs_max: int | None
    cores: int
    cores_max: int | None
    delay_s: float | None
    open: bool


class ShareShown(BaseModel):
    """Where a job's group stands among those with waiting jobs: the first has used least of its share."""

    group: str
    rank: int
    of: int


class HoldShown(BaseModel):
    """What keeps a job from waiting for a pilot, what lets it go on, and when it is looked at again all the same."""

    reason: str
    text: str
    waits_for: list[str]
    since: datetime
    until: datetime | None = Field(description="When it is looked at again; it goes on if nothing holds it then")
    tries: int


class Before(BaseModel):
    """Waiting jobs that come before another one: so many, or more where the count was stopped, and which."""

    jobs: int
    or_more: bool = False
    what: str


class PilotsThere(BaseModel):
    """Pilots that exist at a site and could run a job."""

    site: str
    running: int
    waiting: int = Field(description="Sent to the site, and not started yet")


class Finding(BaseModel):
    """What was found of one thing about a job; `link` is the address of the page that says more."""

    condition: str
    text: str
    link: str | None = None


class Suggestion(BaseModel):
    """What may be done, and the action of the jobs' page that does it, if one does."""

    text: str
    action: str | None = None


class Explanation(BaseModel):
    """Why a job is where it is: a sentence, what was looked at, and what may be done.

    Of a waiting job the steps are conditions against the pilots of the last day, beside the nearest misses, limits and
    everything before it; of any other job they are findings.
    """

    job_id: int
    status: str
    verdict: str
    waiting_s: int | None = Field(default=None, description="For how long it has been in this status")
    class_id: int | None = None
    position: int | None = None
    jobs_in_class: int | None = None
    ahead: int | None = Field(default=None, description="How many jobs come before it, all of `before`")
    before: list[Before] = []
    pilots: list[PilotsThere] = []
    facts: list[Finding] = Field(default=[], description="Of a waiting job, beside the steps")
    steps: list[Step] | list[Finding] = []
    suggestions: list[Suggestion] = []
    nearest: list[Near] = []
    limits: list[LimitShown] = []
    share: ShareShown | None = None
    hold: HoldShown | None = None
    failure: FailureExplained | None = None


class OfferQuestion(ClosedModel):
    """An offer to be explained; its `site`, and `ce` and `queue` if they matter, say where the pilot would be."""

    offer: Offer


class OfferStep(BaseModel):
    """What one condition removed of the classes of waiting jobs.

    `wanted` is the least of the removed classes for amounts, and what the one with the most jobs wants for the others.
    """

    condition: str
    offered: Any
    wanted: Any
    classes_removed: int
    jobs_removed: int
    classes_left: int
    jobs_left: int


class NearClass(BaseModel):
    """Classes that a single condition keeps from an offer; the one with the most jobs is named."""

    condition: str
    wanted: Any
    offered: Any
    classes: int
    jobs: int
    class_id: int
    group: str
    job_type: str


class PilotHistory(BaseModel):
    """What a pilot has asked for and got; `last_miss` is the condition that left no job when it last got none."""

    stamp: str
    status: str
    status_reason: str
    is_draining: bool
    asked: int
    hits: int
    last_asked_at: datetime | None = None
    last_miss: str | None = None
    last_miss_at: datetime | None = None


class OfferExplanation(BaseModel):
    """What an offer could get: condition by condition, what comes nearest, limits, and a sentence."""

    vo: str
    site: str
    ce: str | None
    queue: str | None
    host: str
    closed: str | None
    """Why no job but a test starts at the place now; null: it is open."""
    host_standing: str
    """What its host may get: `open`, `one job at a time` or `no jobs`."""
    classes: int
    jobs: int
    steps: list[OfferStep]
    nearest: list[NearClass]
    limits: list[LimitShown]
    classes_left: int
    jobs_left: int
    pilot: PilotHistory | None = None
    verdict: str
