"""One class against one offer: may the job run there, and what does it get? The index must always agree with this."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import compress
from operator import not_
from typing import Any

from weyl.matcher.offers import Acceptance, GpuOffer, PilotOffer, version_of
from weyl.task_queues import tags
from weyl.task_queues.tags import Expression

CONDITIONS = (
    "vo", "site", "site_status", "accept", "os", "architecture", "features",
    "cores", "ram", "wall_time", "cpu_work", "gpu", "scratch", "tags",
)  # fmt: skip
"""In the order in which they are tried; a miss names the first that leaves no class."""

JOB_TYPE_OF_CLOSED_SITES = "Test"
LIMIT_MARGIN_MB = 512
_NUMBERED_ARCH = re.compile(r"([a-z]+)_(\d+)")


@dataclass(frozen=True, slots=True)
class RamTerms:
    """Memory as a fixed part and a part for each core, in MiB."""

    overhead: int
    per_core: int

    def at(self, cores: int) -> int:
        """Return the memory for so many cores."""
        return self.overhead + self.per_core * cores


@dataclass(frozen=True, slots=True)
class GpuNeed:
    """What a class wants of GPUs."""

    count_min: int
    count_max: int
    vendor: str | None
    arch: str | None
    vram_mb: int
    runtime: tuple[int, ...]

    def usable(self, gpu: GpuOffer) -> int:
        """Return how many of the offered GPUs the job would use."""
        fits = (
            gpu.count > 0
            and gpu.vendor == self.vendor
            and _runs_on(self.arch, gpu.arch)
            and gpu.vram_mb >= self.vram_mb
            and gpu.runtime >= self.runtime
        )
        return min(self.count_max, gpu.count) if fits else 0


@dataclass(frozen=True, slots=True)
class Needs:
    """A class document in the types that matching compares."""

    vo: str
    group: str
    owner: str
    job_type: str
    user_priority: int
    # In order, and no set: there may be thousands of different ones, and a set of ten takes 700 bytes.
    sites: tuple[str, ...] | None
    banned_sites: frozenset[str]
    avoided_hosts: frozenset[str]
    # Until when, as a Unix time; None: for as long as the class lives.
    avoided_until: int | None
    # Where all input data are on disk.
    local_data: frozenset[str]
    system: str
    architecture: str | None
    features: frozenset[str]
    cores_min: int
    cores_max: int | None
    whole_node: bool
    ram: RamTerms | None
    ram_limit: RamTerms | None
    wall_time_s: int
    work: int
    gpu: GpuNeed | None
    scratch_mb: int
    expression: Expression

    def keeps_off(self, offer: PilotOffer) -> bool:
        """Say whether a job of the class failed on the host of the offer not long ago."""
        return offer.host in self.avoided_hosts and (self.avoided_until is None or offer.at < self.avoided_until)


@dataclass(frozen=True, slots=True)
class Allocation:
    """What a job gets of an offer, and where it is stopped."""

    cores: int
    ram_mb: int | None
    gpus: int
    scratch_mb: int
    limit_ram_mb: int | None
    limit_wall_s: int

    def allocated(self) -> dict[str, int | None]:
        """Return the wire form of what is allocated."""
        return {"cores": self.cores, "ram_mb": self.ram_mb, "gpus": self.gpus, "scratch_mb": self.scratch_mb}


def allocate(class_document: Mapping[str, Any], offer: PilotOffer) -> Allocation | None:
    """Say what the jobs of a class get of an offer; None if they cannot run there."""
    needs = needs_of(class_document)
    return None if first_failure(needs, offer) else fit(needs, offer)


def needs_of(document: Mapping[str, Any]) -> Needs:
    """Read a class document."""
    wanted = document["requirements"]
    cpu = wanted["cpu"]
    ram = cpu.get("ram_mb") or {}
    avoid = document.get("avoid") or {}
    sites = document.get("sites")
    return Needs(
        vo=document["vo"],
        group=document["group"],
        owner=document["owner"],
        job_type=document["job_type"],
        user_priority=document["user_priority"],
        sites=None if sites is None else tuple(sorted(set(sites))),
        banned_sites=frozenset(document.get("banned_sites") or ()) | frozenset(avoid.get("sites") or ()),
        avoided_hosts=frozenset(avoid.get("hosts") or ()),
        avoided_until=avoid.get("until"),
        local_data=frozenset(document.get("local_data") or ()),
        system=wanted["system"]["name"],
        architecture=(cpu.get("architecture") or {}).get("name"),
        features=frozenset(document.get("features") or ()),
        cores_min=cpu["num_cores"]["min"],
        cores_max=cpu["num_cores"]["max"],
        whole_node=cpu["whole_node"],
        ram=_terms(ram.get("request")),
        ram_limit=_terms(ram.get("limit")),
        wall_time_s=wanted.get("wall_time") or 0,
        work=wanted.get("cpu_work_db12") or 0,
        gpu=_gpu_need(wanted.get("gpu")),
        scratch_mb=(wanted.get("io") or {}).get("scratch_mb") or 0,
        expression=tags.parse(wanted["tags"]),
    )


def first_failure(needs: Needs, offer: PilotOffer) -> str | None:
    """Name the first condition that keeps the class from the offer."""
    return next(iter(failures(needs, offer)), None)


def failures(needs: Needs, offer: PilotOffer) -> tuple[str, ...]:
    """Name every condition that keeps the class from the offer, in their fixed order."""
    checks = (
        needs.vo == offer.place.vo,
        _site_is_wanted(needs, offer),
        not offer.closed or needs.job_type == JOB_TYPE_OF_CLOSED_SITES,
        is_accepted(needs, offer.accept),
        needs.system == offer.system,
        needs.architecture in (None, offer.architecture),
        needs.features <= offer.features,
        _has_cores(needs, offer),
        needs.ram is None or offer.ram_mb is None or needs.ram.at(_cores_at_least(needs, offer)) <= offer.ram_mb,
        needs.wall_time_s <= offer.wall_time_s,
        # without enough cores or memory, which is told by itself, the work is judged as if all cores were had
        needs.work <= offer.wall_time_s * offer.power * (_cores(needs, offer) or offer.cores),
        gpu_fits(needs.gpu, offer.gpu),
        offer.scratch_mb is None or needs.scratch_mb <= offer.scratch_mb,
        tags.evaluate(needs.expression, offer.tags),
    )
    return () if all(checks) else tuple(compress(CONDITIONS, map(not_, checks)))


def fit(needs: Needs, offer: PilotOffer) -> Allocation | None:
    """Do the arithmetic alone: what the class gets of an offer that it may otherwise use."""
    cores = _cores(needs, offer)
    if cores < needs.cores_min or needs.work > offer.wall_time_s * offer.power * cores:
        return None
    ram_mb = None if needs.ram is None else needs.ram.at(cores)
    if ram_mb is not None and offer.ram_mb is not None and ram_mb > offer.ram_mb:
        return None
    gpus = 0 if needs.gpu is None else needs.gpu.usable(offer.gpu)
    return Allocation(
        cores=cores,
        ram_mb=ram_mb,
        gpus=gpus,
        scratch_mb=needs.scratch_mb,
        limit_ram_mb=_memory_limit(needs, cores, ram_mb),
        limit_wall_s=needs.wall_time_s or offer.wall_time_s,
    )


def gpu_fits(need: GpuNeed | None, gpu: GpuOffer) -> bool:
    """Keep jobs that did not ask for GPUs away from them, and the others on them."""
    if need is None:
        return gpu.count == 0
    return need.usable(gpu) >= need.count_min


def is_accepted(needs: Needs, accept: Acceptance) -> bool:
    """Say whether the pilot is willing to run such a job."""
    return (
        (accept.job_types is None or needs.job_type in accept.job_types)
        and (accept.groups is None or needs.group in accept.groups)
        and (accept.owners is None or needs.owner in accept.owners)
        and needs.job_type not in accept.banned_job_types
        and (not accept.required_tags or all(tags.requires(needs.expression, tag) for tag in accept.required_tags))
    )


def _site_is_wanted(needs: Needs, offer: PilotOffer) -> bool:
    site = offer.place.site
    return (
        (needs.sites is None or site in needs.sites) and site not in needs.banned_sites and not needs.keeps_off(offer)
    )


def _has_cores(needs: Needs, offer: PilotOffer) -> bool:
    if not needs.whole_node:
        return needs.cores_min <= offer.cores
    return offer.whole_node and needs.cores_min <= offer.cores and offer.cores <= (needs.cores_max or offer.cores)


def _cores_at_least(needs: Needs, offer: PilotOffer) -> int:
    return offer.cores if needs.whole_node else needs.cores_min


def _cores(needs: Needs, offer: PilotOffer) -> int:
    """Return the largest number of cores that the bounds and the memory allow; 0 if the job cannot have enough."""
    if needs.whole_node:
        return offer.cores if _has_cores(needs, offer) else 0
    cores = offer.cores if needs.cores_max is None else min(needs.cores_max, offer.cores)
    if needs.ram is not None and offer.ram_mb is not None:
        left = offer.ram_mb - needs.ram.overhead
        if left < 0:
            return 0
        if needs.ram.per_core:
            cores = min(cores, left // needs.ram.per_core)
    return cores if cores >= needs.cores_min else 0


def _memory_limit(needs: Needs, cores: int, ram_mb: int | None) -> int | None:
    if needs.ram_limit is not None:
        return needs.ram_limit.at(cores)
    return None if ram_mb is None else max((3 * ram_mb + 1) // 2, ram_mb + LIMIT_MARGIN_MB)


def _terms(block: Mapping[str, int] | None) -> RamTerms | None:
    return None if not block else RamTerms(block.get("overhead", 0), block.get("per_core", 0))


def _gpu_need(block: Mapping[str, Any] | None) -> GpuNeed | None:
    if block is None:
        return None
    return GpuNeed(
        count_min=block["count"]["min"],
        count_max=block["count"]["max"],
        vendor=block.get("vendor"),
        arch=block.get("arch"),
        vram_mb=block.get("vram_mb_per_gpu") or 0,
        runtime=version_of(block.get("min_runtime_version") or "0"),
    )


def _runs_on(wanted: str | None, offered: str | None) -> bool:
    """Say whether a GPU is of the generation asked for or a newer one; a name with a letter at its end is exact."""
    if wanted is None or wanted == offered:
        return True
    want, have = _NUMBERED_ARCH.fullmatch(wanted), _NUMBERED_ARCH.fullmatch(offered or "")
    return want is not None and have is not None and want[1] == have[1] and int(want[2]) <= int(have[2])
