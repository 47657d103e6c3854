"""A pilot's offer as it is matched: what the pilot said, where its token puts it, and what we know of the place."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import orjson

from weyl.config.models import Config
from weyl.matcher.models import Accept, Offer
from weyl.resource_status.statuses import Usable
from weyl.task_queues import architectures, platforms

WALL_TIME_STEP_S = 3_600
DRAIN_MARGIN_S = 900
KINDS_OF_NODES_KEPT = 8_000
SERVER_MADE = ("platform:", "ce:")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a pilot runs and for whom, as its token says."""

    vo: str
    site: str
    ce: str | None = None
    queue: str | None = None


@dataclass(frozen=True, slots=True)
class PlaceFacts:
    """What the configuration says of a place."""

    tags: frozenset[str] = frozenset()
    compatibility: Mapping[str, Iterable[str]] = field(default_factory=dict)
    # Why no job but a test may be sent there now; None: it is open.
    closed: str | None = None
    # When the place stops: what is started there must have ended by then.
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class GpuOffer:
    """The GPUs on offer."""

    count: int = 0
    vendor: str | None = None
    arch: str | None = None
    vram_mb: int = 0
    runtime: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What the pilot is willing to run; None stands for everything."""

    job_types: frozenset[str] | None = None
    groups: frozenset[str] | None = None
    owners: frozenset[str] | None = None
    required_tags: frozenset[str] = frozenset()
    banned_job_types: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PilotOffer:
    """Everything that matching looks at, in the types that it compares."""

    place: Place
    cores: int
    wall_time_s: int
    power: float
    architecture: str
    host: str = ""
    system: str = "Linux"
    whole_node: bool = False
    ram_mb: int | None = None
    scratch_mb: int | None = None
    features: frozenset[str] = frozenset()
    gpu: GpuOffer = GpuOffer()
    tags: frozenset[str] = frozenset()
    accept: Acceptance = Acceptance()
    closed: bool = False
    at: int = 0
    """When it was made, as a Unix time."""

    def kind(self) -> tuple[object, ...]:
        """Return what nodes of a kind have in common: all but their name, their speed, and amounts that change."""
        return (
            *(self.place, self.closed, self.accept, self.system, self.architecture, self.features),
            *(self.cores, self.whole_node, self.gpu, self.tags),
        )

    def without(self, *, cores: int, ram_mb: int | None, gpus: int, scratch_mb: int) -> "PilotOffer | None":
        """Return what is left beside a job; None when no core is."""
        if cores >= self.cores:
            return None
        return replace(
            self,
            cores=self.cores - cores,
            whole_node=False,
            ram_mb=None if self.ram_mb is None else self.ram_mb - (ram_mb or 0),
            scratch_mb=None if self.scratch_mb is None else self.scratch_mb - scratch_mb,
            gpu=replace(self.gpu, count=self.gpu.count - gpus),
        )


@dataclass(frozen=True, slots=True)
class Equipment:
    """What a node has, by name: the features of its processors and its tags. Nodes of a kind share one."""

    features: frozenset[str]
    tags: frozenset[str]


def equipment_of(offer: Offer, place: Place, facts: PlaceFacts) -> Equipment:
    """Join what the pilot says with what the server knows; tags that only the server makes come from the server."""
    architecture = offer.cpu.architecture
    features = architectures.features_of_flags(frozenset(architecture.features))
    said = {tag for tag in offer.tags if not tag.startswith(SERVER_MADE)}
    system = next((tag.removeprefix("os:") for tag in sorted(said) if tag.startswith("os:")), None)
    own = platforms.own_platform(architecture.name, features, system)
    made = {f"platform:{name}" for name in platforms.platforms_offered(own, facts.compatibility)}
    made.add(f"arch:{architecture.name}")
    if place.ce is not None:
        made.add(f"ce:{place.ce}")
    return Equipment(features, frozenset(said | made | facts.tags))


class EquipmentBook:
    """The equipment of nodes that were met: those of a kind share one, and kinds share the names that they have."""

    def __init__(self) -> None:
        self._known: dict[object, Equipment] = {}
        self._names: dict[frozenset[str], frozenset[str]] = {}

    def of(self, offer: Offer, place: Place, facts: PlaceFacts) -> Equipment:
        """Return what the node of an offer has; `facts` are taken to be the same until `clear`."""
        architecture = offer.cpu.architecture
        kind = (place, architecture.name, architecture.features, offer.tags)
        known = self._known.get(kind)
        if known is None:
            if len(self._known) >= KINDS_OF_NODES_KEPT:
                self.clear()
            made = equipment_of(offer, place, facts)
            known = self._known[kind] = Equipment(self._shared(made.features), self._shared(made.tags))
        return known

    def clear(self) -> None:
        """Forget all: what is known of places has changed."""
        self._known.clear()
        self._names.clear()

    def _shared(self, names: frozenset[str]) -> frozenset[str]:
        return self._names.setdefault(names, names)


def pilot_offer(
    offer: Offer, place: Place, facts: PlaceFacts, equipment: Equipment | None = None, *, now: datetime
) -> PilotOffer:
    """Return an offer as it is matched; `equipment` saves the work if it was made for another node of the kind.

    Where a place stops at a known time, the pilot offers only the time until a quarter of an hour before.
    """
    equipment = equipment or equipment_of(offer, place, facts)
    return PilotOffer(
        place=place,
        cores=offer.cpu.num_cores,
        wall_time_s=time_until(facts.ends_at, offer.wall_time, now=now),
        power=offer.cpu_power_db12,
        architecture=offer.cpu.architecture.name,
        host=offer.host,
        system=offer.system.name,
        whole_node=offer.cpu.whole_node,
        ram_mb=offer.cpu.ram_mb,
        scratch_mb=offer.io.scratch_mb,
        features=equipment.features,
        gpu=_gpu(offer),
        tags=equipment.tags,
        accept=_acceptance(offer.accept),
        closed=facts.closed is not None,
        at=int(now.timestamp()),
    )


def time_until(ends_at: datetime | None, wall_time_s: int, *, now: datetime) -> int:
    """Return what is left of a pilot's time where a place stops: a quarter of an hour before, all must be done."""
    if ends_at is None:
        return wall_time_s
    return min(wall_time_s, max(0, int((ends_at - now).total_seconds()) - DRAIN_MARGIN_S))


def distinct_parts(offer: Offer) -> tuple[object, ...]:
    """Return what an offer is told apart by when it is remembered: plain values, which compare fast."""
    cpu, hours = offer.cpu, offer.wall_time // WALL_TIME_STEP_S
    return (
        *(cpu.num_nodes, cpu.num_cores, cpu.whole_node, cpu.ram_mb, cpu.architecture.name, cpu.architecture.features),
        *(offer.tags, offer.gpu if offer.gpu.count else None, offer.io.scratch_mb),
        *(offer.accept if offer.accept.model_fields_set else None, offer.system.name, _power(offer), hours),
    )


def registered_form(offer: Offer) -> tuple[bytes, dict[str, Any]]:
    """Return the form in which an offer is remembered, and its hash: without the host, in whole hours and powers."""
    document = offer.model_dump(mode="json", exclude={"host", "site", "ce", "queue", "vo"})
    document["wall_time"] = offer.wall_time // WALL_TIME_STEP_S * WALL_TIME_STEP_S
    document["cpu_power_db12"] = _power(offer)
    document["tags"] = sorted(set(offer.tags))
    document["cpu"]["architecture"]["features"] = sorted(set(offer.cpu.architecture.features))
    canonical = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(canonical).digest(), document


def _power(offer: Offer) -> int:
    """Measured power differs from node to node; whole numbers tell them apart well enough."""
    return max(1, round(offer.cpu_power_db12))


def _gpu(offer: Offer) -> GpuOffer:
    gpu = offer.gpu
    if gpu.count == 0:
        return GpuOffer()
    return GpuOffer(gpu.count, gpu.vendor, gpu.arch, gpu.vram_mb_per_gpu or 0, version_of(gpu.runtime_version or "0"))


def version_of(text: str) -> tuple[int, ...]:
    """Read dotted integers; zeros at the end say nothing, so that 12 equals 12.0."""
    parts = [int(part) for part in text.split(".")]
    while parts and parts[-1] == 0:
        parts.pop()
    return tuple(parts)


def _acceptance(accept: Accept) -> Acceptance:
    if not accept.model_fields_set:
        return Acceptance()

    def chosen(names: tuple[str, ...] | None) -> frozenset[str] | None:
        return None if names is None else frozenset(names)

    return Acceptance(
        job_types=chosen(accept.job_types),
        groups=chosen(accept.groups),
        owners=chosen(accept.owners),
        required_tags=frozenset(accept.required_tags),
        banned_job_types=frozenset(accept.banned_job_types),
    )


def facts_of(config: Config, place: Place, told: Usable) -> PlaceFacts:
    """Collect what is said of a place: its tags, what its platforms run, whether it is open and until when."""
    tags: set[str] = set()
    site = config.resources.sites.get(place.site)
    if site is not None:
        tags.update(site.tags)
        element = site.ces.get(place.ce or "")
        if element is not None:
            tags.update(element.tags)
            queue = element.queues.get(place.queue or "")
            tags.update(queue.tags if queue is not None else ())
    return PlaceFacts(
        tags=frozenset(tags),
        compatibility=config.resources.computing.os_compatibility,
        closed=told.reason,
        ends_at=told.until,
    )
