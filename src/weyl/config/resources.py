"""The grid itself: sites with their computing elements and queues, storage elements, transfer servers."""

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from weyl.config.section import LossySection, OpenSection, Section, StringSet
from weyl.config.status import StatusSetting
from weyl.config.storage_elements import StorageElement, StorageElementBase, with_bases


class Computing(LossySection):
    """Which platform runs programs built for which other ones."""

    os_compatibility: dict[str, StringSet] = Field(default_factory=dict)

    @field_validator("os_compatibility")
    @classmethod
    def _reflexive(cls, platforms: dict[str, frozenset[str]]) -> dict[str, frozenset[str]]:
        return {platform: runs | {platform} for platform, runs in platforms.items()}


CARRIES_NOTHING = frozenset({"arc", "htcondor", "kubernetes"})
"""Drivers, and systems behind SSH, that do not bring back what a job has written."""


class Payload(Section):
    """What a queue gives to every payload."""

    environment: dict[str, str] = Field(default_factory=dict)
    software: list[str] = Field(default_factory=list)
    # Directory of a Python environment that has `weyl_engine`, which runs CWL jobs there.
    engine: str | None = Field(default=None, pattern=r"^/[^\x00]*$", max_length=4096)


class GpuKind(Section):
    """What each GPU of a queue is, where nobody looks before a job is there."""

    vendor: Literal["nvidia"] = "nvidia"
    arch: str = Field(pattern=r"^sm_\d{2,3}[a-z]?$")
    memory_mb: int = Field(gt=0)
    runtime: str = Field(pattern=r"^\d+(\.\d+){0,3}$")


class Queue(Section):
    """A queue of a computing element, with what one pilot of it gets and how many pilots it may hold."""

    wall_time: int = Field(default=86_400, gt=0)
    cores: int = Field(default=1, gt=0)
    whole_node: bool = False
    memory_mb: int | None = Field(default=None, gt=0)
    scratch_mb: int | None = Field(default=None, gt=0)
    power_db12: float | None = Field(default=None, gt=0)
    power_hs23: float | None = Field(default=None, gt=0)
    gpus: int = Field(default=0, ge=0)
    gpu: GpuKind | None = None
    architecture: str = "x86_64"
    tags: list[str] = Field(default_factory=list)
    vos: list[str] = Field(default_factory=list)
    max_waiting: int = Field(default=100, ge=0)
    max_total: int = Field(default=2000, ge=0)
    payload: Payload = Payload()
    # `pull`: pilots ask for jobs. `push`: the worker does it for nodes without a network, and carries all files.
    mode: Literal["pull", "push"] = "pull"
    # Level of the oldest processors, such as x86-64-v3. In push mode nobody looks before the job is there.
    level: str | None = Field(default=None, pattern=r"^x86-64-v[1-4]$")

    @model_validator(mode="after")
    def _can_be_offered(self) -> "Queue":
        if self.mode == "push" and self.gpus and self.gpu is None:
            raise ValueError("Mode push offers only GPUs of which it is known what they are: give GPU, or no GPUs")
        if self.gpu is not None and not self.gpus:
            raise ValueError("GPU says what GPUs are, and the queue has none: give GPUs as well")
        return self


class ComputingElement(Section):
    """The door of a site through which pilots are sent."""

    driver: str
    endpoint: str | None = None
    credentials: str | None = None
    tags: list[str] = Field(default_factory=list)
    status: StatusSetting | None = None
    driver_options: dict[str, Any] = Field(default_factory=dict)
    queues: dict[str, Queue] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _can_push(self) -> "ComputingElement":
        pushed = [name for name, queue in self.queues.items() if queue.mode == "push"]
        system = self.driver_options.get("Scheduler", "direct") if self.driver == "ssh" else self.driver
        if pushed and system in CARRIES_NOTHING:
            raise ValueError(
                f"Queue {pushed[0]} has Mode push, for which the driver must carry files back: local, slurm, and ssh "
                f"with Scheduler direct or slurm can, {system} cannot"
            )
        return self


class Site(Section):
    """A computing centre, or a part of one; open to every VO unless it names some."""

    vos: list[str] | None = None
    tags: list[str] = Field(default_factory=list)
    max_pilots: int = Field(default=5000, ge=0)
    status: StatusSetting | None = None
    # Subjects (`vo:sub`) of the people with SiteManager who may speak for this site to every VO.
    managers: list[str] = Field(default_factory=list)
    ces: dict[str, ComputingElement] = Field(default_factory=dict)

    def serves(self, vo: str) -> bool:
        """Tell whether members of the VO may use the site."""
        return self.vos is None or vo in self.vos


class TransferServer(OpenSection):
    """A server of the file transfer service."""

    status: StatusSetting | None = None


class Resources(Section):
    """What there is to use."""

    computing: Computing = Computing()
    sites: dict[str, Site] = Field(default_factory=dict)
    # Left out where nothing is said: the published document has no such section.
    storage_element_bases: dict[str, StorageElementBase] = Field(
        default_factory=dict, exclude_if=lambda value: not value
    )
    storage_elements: dict[str, StorageElement] = Field(default_factory=dict)
    fts: dict[str, TransferServer] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _spread_bases(cls, document: Any) -> Any:
        return with_bases(document) if isinstance(document, dict) else document
