"""How many pilots a queue should get: pure arithmetic over what waits, what is there, and the queue's limits."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

from weyl.config.models import Config
from weyl.config.operations import Operations
from weyl.config.resources import ComputingElement, GpuKind, Queue, Site
from weyl.matcher.evaluation import Allocation, allocate, failures, needs_of
from weyl.matcher.models import Offer
from weyl.matcher.offers import PilotOffer, Place, PlaceFacts, pilot_offer
from weyl.pilots.throttle import NO_RECORD, Record, throttled
from weyl.resource_status.claims import Claims
from weyl.resource_status.statuses import usable
from weyl.task_queues.tags import PYTHONS

POWER_DB12_ASSUMED = 10.0
PUSH_MARGIN_S = 600
"""What a job that is pushed leaves of its time for its own beginning and end."""


RUNS_CWL = "hostfeat:cwl"
"""The tag of nodes on which the engine works; every CWL job wants it."""
RUNS_PYTHON = frozenset(f"hostfeat:{version}" for version in PYTHONS)
"""The tags of nodes that have a version of Python; each call of a function from Python wants one of them."""


class QueueKey(NamedTuple):
    """One queue as one VO uses it: the unit of submission."""

    vo: str
    site: str
    ce: str
    queue: str

    def fields(self) -> dict[str, str]:
        """Return the key by name, as rows and payloads have it."""
        return self._asdict()

    def lock(self) -> str:
        """Return the name of the lock under which pilots are sent to the queue."""
        return f"pilots.submit:{self.vo}:{self.site}:{self.ce}:{self.queue}"


def is_pushed(config: Config, key: QueueKey) -> bool:
    """Tell whether the worker plays the pilots of a queue."""
    site = config.resources.sites.get(key.site)
    element = site.ces.get(key.ce) if site else None
    queue = element.queues.get(key.queue) if element else None
    return queue is not None and queue.mode == "push"


@dataclass(frozen=True, slots=True)
class Means:
    """What there is to send pilots with: the installed drivers, and the machines for which there are engines."""

    drivers: Collection[str]
    machines: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """A queue with its configuration and what one pilot of it would offer."""

    key: QueueKey
    site: Site
    ce: ComputingElement
    queue: Queue
    offer: PilotOffer
    reason: str | None
    seen: tuple[PilotOffer, ...] = ()
    """What pilots of it have really offered in the last day."""


@dataclass(frozen=True, slots=True)
class Presence:
    """The live pilots that one VO has in a queue, and how many of all VOs there are in it."""

    waiting: int = 0
    orphans: int = 0
    queue_total: int = 0
    queue_waiting: int = 0
    used_cores: Sequence[int] = ()
    record: Record = NO_RECORD

    def usable(self, cores: int) -> float:
        """Return how many pilots' worth of room there is: those that wait, and what the running ones have free."""
        return self.waiting + sum(max(0.0, 1 - used / cores) for used in self.used_cores)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done for one queue, and why not more."""

    demand: float
    usable: float
    need: int
    reason: str | None = None


def targets(
    config: Config,
    vo: str,
    *,
    means: Means,
    seen: Mapping[QueueKey, Sequence[Offer]],
    claims: Claims,
    now: datetime,
) -> list[Target]:
    """Return every queue that a VO may use, with the offer that a fresh pilot of it would make.

    Where a place stops at a known time, no pilot is sent that could live longer.
    """
    found = []
    for site_name, site in config.resources.sites.items():
        if not site.serves(vo):
            continue
        for ce_name, ce in site.ces.items():
            told = usable(config, claims, vo, site=site_name, ce=ce_name, now=now)
            reason = told.reason
            if reason is None and ce.driver not in means.drivers:
                reason = f"No driver {ce.driver!r} is installed for {ce_name}"
            for queue_name, queue in ce.queues.items():
                if queue.vos and vo not in queue.vos:
                    continue
                key = QueueKey(vo, site_name, ce_name, queue_name)
                tags = frozenset([*site.tags, *ce.tags, *queue.tags])
                facts = PlaceFacts(tags=tags, compatibility=config.resources.computing.os_compatibility)
                read = partial(pilot_offer, place=Place(*key), facts=facts, now=now)
                offers = seen.get(key, ())
                is_pushed = queue.mode == "push"
                offers = () if is_pushed else offers  # those would be our own
                offer = read(pushed_offer(queue) if is_pushed else template(queue, offers, means.machines))
                late = _ends_too_soon(told.until, queue.wall_time, now)
                found.append(Target(key, site, ce, queue, offer, reason or late, tuple(map(read, offers))))
    return found


def _ends_too_soon(until: datetime | None, wall_time_s: int, now: datetime) -> str | None:
    if until is None or now + timedelta(seconds=wall_time_s) <= until:
        return None
    return f"Draining until {until:%Y-%m-%d %H:%M} UTC, which is sooner than a pilot's {wall_time_s} s"


def template(queue: Queue, seen: Sequence[Offer], machines: Collection[str] = ()) -> Offer:
    """Return what a fresh pilot of a queue offers: the configured allocation, on nodes as they were seen there.

    Nodes differ, so whatever one of them had counts. Of a queue that no pilot has told us of we know the configured
    figures only; its processors are taken for the best of their kind, because the first pilot corrects that, and a
    doubt would keep it from being sent. For the same reason it is expected to run CWL where it has an engine, or can
    fetch one for its architecture, and to have every Python.
    """
    last = seen[0] if seen else None
    architecture = last.cpu.architecture.name if last else queue.architecture
    flags = [offer.cpu.architecture.features for offer in seen if offer.cpu.architecture.name == architecture]
    features = sorted(set().union(*flags)) if seen else _BEST_FLAGS.get(queue.architecture, [])
    return Offer.model_validate(
        {
            "wall_time": queue.wall_time,
            "cpu_power_db12": queue.power_db12 or (last.cpu_power_db12 if last else POWER_DB12_ASSUMED),
            "cpu": {
                "num_cores": queue.cores,
                "whole_node": queue.whole_node,
                "ram_mb": queue.memory_mb,
                "architecture": {"name": architecture, "features": features},
            },
            "gpu": _gpus(queue, seen),
            "io": {"scratch_mb": queue.scratch_mb},
            "tags": sorted({tag for offer in seen for tag in offer.tags} if seen else _expected(queue, machines)),
        }
    )


def _expected(queue: Queue, machines: Collection[str]) -> set[str]:
    runs_cwl = queue.payload.engine or queue.architecture in machines
    return {*RUNS_PYTHON, *([RUNS_CWL] if runs_cwl else ())}


def pushed_offer(queue: Queue) -> Offer:
    """Return what is offered for a node that nobody has looked at: what the configuration vouches for, and no more."""
    return Offer.model_validate(
        {
            "wall_time": max(0, queue.wall_time - PUSH_MARGIN_S),
            "cpu_power_db12": queue.power_db12 or POWER_DB12_ASSUMED,
            "cpu": {
                "num_cores": queue.cores,
                "whole_node": queue.whole_node,
                "ram_mb": queue.memory_mb,
                "architecture": {"name": queue.architecture, "features": _flags_of(queue.level)},
            },
            "gpu": _gpus(queue, ()),
            "io": {"scratch_mb": queue.scratch_mb},
        }
    )


def _flags_of(level: str | None) -> list[str]:
    number = int(level[-1]) if level else 1
    return _BEST_FLAGS["x86_64"][: _FLAGS_UP_TO[number]]


def _gpus(queue: Queue, seen: Sequence[Offer]) -> dict[str, Any]:
    if not queue.gpus:
        return {"count": 0}
    known = next((offer.gpu for offer in seen if offer.gpu.count), None)
    if known is not None:
        return known.model_dump() | {"count": queue.gpus}
    kind = queue.gpu or GpuKind(arch="sm_999", memory_mb=2**20, runtime="999")
    return {
        "count": queue.gpus,
        "vendor": kind.vendor,
        "arch": kind.arch,
        "vram_mb_per_gpu": kind.memory_mb,
        "runtime_version": kind.runtime,
    }


# As /proc/cpuinfo writes them: everything up to x86-64-v4.
_BEST_FLAGS = {
    "x86_64": [
        *("cx16", "lahf_lm", "popcnt", "pni", "ssse3", "sse4_1", "sse4_2"),
        *("avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"),
        *("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"),
    ],
}
_FLAGS_UP_TO = {1: 0, 2: 7, 3: 16, 4: 21}
"""How many of them the processors of a level have."""


def slots(allocation: Allocation, offer: PilotOffer) -> int:
    """Return how many such payloads one pilot runs side by side."""
    limits = [offer.cores // max(allocation.cores, 1)]
    if allocation.ram_mb and offer.ram_mb is not None:
        limits.append(offer.ram_mb // allocation.ram_mb)
    if allocation.scratch_mb and offer.scratch_mb is not None:
        limits.append(offer.scratch_mb // allocation.scratch_mb)
    if allocation.gpus:
        limits.append(offer.gpu.count // allocation.gpus)
    return max(1, min(limits))


def demands(
    waiting: Mapping[int, int],
    documents: Mapping[int, Mapping[str, Any]],
    places: Sequence[Target],
    records: Mapping[QueueKey, Record] = MappingProxyType({}),
) -> dict[QueueKey, float]:
    """Return how many pilots of each queue the waiting jobs would fill.

    A class that fits several queues is shared among them as they have started pilots of late. It does not count where
    most pilots have come back empty for a condition in which their real offers fail it.
    """
    found = {place.key: 0.0 for place in places}
    open_places = [place for place in places if place.reason is None]
    for class_id, document in documents.items():
        fitting = [
            (place.key, 1 if place.queue.mode == "push" else slots(allocation, place.offer))
            for place in open_places
            if document["vo"] == place.key.vo
            and (allocation := allocate(document, place.offer)) is not None
            and not _disproved(document, place, records.get(place.key, NO_RECORD))
        ]
        weights = [records.get(key, NO_RECORD).weight for key, _ in fitting]
        for (key, side_by_side), weight in zip(fitting, weights, strict=True):
            found[key] += waiting.get(class_id, 0) / side_by_side * weight / sum(weights)
    return found


def _disproved(document: Mapping[str, Any], place: Target, record: Record) -> bool:
    """Say whether the condition that keeps a queue's pilots empty is one in which what they offer fails the class."""
    if record.blamed is None or not place.seen:
        return False
    needs = needs_of(document)
    return all(record.blamed in failures(needs, offer) for offer in place.seen)


def plan(
    target: Target, demand: float, presence: Presence, *, site_total: int, options: Operations, now: datetime
) -> Plan:
    """Return how many pilots to send to a queue now."""
    # What waits in a queue in push mode has its job already.
    usable = 0.0 if target.queue.mode == "push" else presence.usable(target.queue.cores)
    if target.reason is not None:
        return Plan(demand, usable, 0, target.reason)
    wanted = math.ceil(round(demand - usable, 6))
    if wanted <= 0:
        return Plan(demand, usable, 0)
    limits = {
        f"MaxWaiting of {target.queue.max_waiting} reached": target.queue.max_waiting - presence.queue_waiting,
        f"MaxTotal of {target.queue.max_total} reached": target.queue.max_total - presence.queue_total,
        f"MaxPilots of {target.site.max_pilots} at {target.key.site} reached": target.site.max_pilots - site_total,
        f"PerCycle of {options.pilots.per_cycle} reached": options.pilots.per_cycle,
    }
    reason, room = min(limits.items(), key=lambda item: item[1])
    need = max(0, min(wanted, room))
    told = reason if need < wanted else None
    if target.queue.mode == "push":  # what is sent has its job already: nothing comes back empty
        return Plan(demand, usable, need, told)
    allowed, why = throttled(wanted, presence.record, waiting=presence.waiting, now=now)
    # The stricter of the two is told; of a throttle also when it takes nothing now: somebody should look at that queue.
    return Plan(demand, usable, min(need, allowed), why if why and (allowed <= need or told is None) else told)
