"""What jobs want and pilots offer, condition by condition, in the words of explanations to either side."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from weyl.matcher.evaluation import Needs
from weyl.matcher.offers import PilotOffer
from weyl.task_queues import tags

SHOWN_MAX = 5


def joined(names: Sequence[str]) -> str:
    """Return names as a sentence lists them."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def moment(at: datetime) -> str:
    """Return a time as sentences have it, to the second, in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def span(seconds: float) -> str:
    """Return a length of time in its largest unit: `1.5 h`, `12 min`."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            count = round(seconds / size, 1 if seconds < 10 * size else None)
            return f"{count:g} {unit}"
    return f"{seconds:.0f} s"


def at_sites(names: Collection[str]) -> str:
    """Name a few sites, or say how many they are."""
    return joined(sorted(names)) if len(names) <= SHOWN_MAX else f"{len(names)} sites"


def hosts_kept_off(needs: Needs, now: datetime) -> str | None:
    """Say on which hosts jobs of a class do not run now, as they failed there, and until when; None: on all."""
    until = None if needs.avoided_until is None else datetime.fromtimestamp(needs.avoided_until, UTC)
    if not needs.avoided_hosts or (until is not None and until <= now):
        return None
    named = f"not on {joined(sorted(needs.avoided_hosts))}, where it has failed"
    return named if until is None else f"{named}, before {until:%Y-%m-%d %H:%M} UTC"


def false_atoms(expression: tags.Expression, offered: frozenset[str]) -> list[str]:
    """Name the tags that make an expression false for an offer: absent ones, and with `~` those that must not be."""
    if tags.evaluate(expression, offered):
        return []
    if not expression.parts:
        return [str(expression)]
    found = (name for part in expression.parts for name in false_atoms(part, offered))
    return sorted(set(found))


def _gpu_text(needs: Needs) -> str:
    if needs.gpu is None:
        return "a node without GPUs"
    gpu = needs.gpu
    details = [text for text in (gpu.vendor, gpu.arch) if text]
    details += [f"{gpu.vram_mb} MiB each"] if gpu.vram_mb else []
    details += [f"runtime {'.'.join(map(str, gpu.runtime))}"] if gpu.runtime else []
    return f"{max(gpu.count_min, 1)} GPU(s): {', '.join(details) or 'any'}"


def _gpu_offered(offer: PilotOffer) -> str:
    gpu = offer.gpu
    return "no GPU" if gpu.count == 0 else f"{gpu.count} GPU(s): {gpu.vendor}, {gpu.arch}, {gpu.vram_mb} MiB each"


def _sites_text(needs: Needs) -> Any:
    if needs.sites is not None:
        return list(needs.sites)
    return {"not": sorted(needs.banned_sites)} if needs.banned_sites else None


def _site_offered(needs: Needs, offer: PilotOffer) -> str:
    return f"{offer.host}, where it has failed" if needs.keeps_off(offer) else offer.place.site


TITLES: Mapping[str, str] = {
    "vo": "VO",
    "site": "site",
    "site_status": "status of the site",
    "accept": "what pilots accept",
    "os": "operating system",
    "architecture": "architecture",
    "features": "processor features",
    "cores": "cores",
    "ram": "memory",
    "wall_time": "time",
    "cpu_work": "CPU work",
    "gpu": "GPU",
    "scratch": "scratch space",
    "tags": "tags",
}
UNITS: Mapping[str, str] = {"ram": "MiB", "wall_time": "s", "cpu_work": "DB12 core-seconds", "scratch": "MiB"}

WANTED: Mapping[str, Callable[[Needs], Any]] = {
    "vo": lambda needs: needs.vo,
    "site": _sites_text,
    "site_status": lambda _: "open",
    "accept": lambda needs: f"job type {needs.job_type}, group {needs.group}, owner {needs.owner}",
    "os": lambda needs: needs.system,
    "architecture": lambda needs: needs.architecture,
    "features": lambda needs: sorted(needs.features),
    "cores": lambda needs: f"a whole node of {needs.cores_min} or more" if needs.whole_node else needs.cores_min,
    "ram": lambda needs: None if needs.ram is None else needs.ram.at(needs.cores_min),
    "wall_time": lambda needs: needs.wall_time_s,
    "cpu_work": lambda needs: needs.work,
    "gpu": _gpu_text,
    "scratch": lambda needs: needs.scratch_mb,
    "tags": lambda needs: str(needs.expression),
}

OFFERED: Mapping[str, Callable[[Needs, PilotOffer], Any]] = {
    "vo": lambda _, offer: offer.place.vo,
    "site": _site_offered,
    "site_status": lambda _, offer: "closed" if offer.closed else "open",
    "accept": lambda _, offer: "other jobs only",
    "os": lambda _, offer: offer.system,
    "architecture": lambda _, offer: offer.architecture,
    "features": lambda needs, offer: "without " + ", ".join(sorted(needs.features - offer.features)[:SHOWN_MAX]),
    "cores": lambda _, offer: offer.cores,
    "ram": lambda _, offer: offer.ram_mb,
    "wall_time": lambda _, offer: offer.wall_time_s,
    "cpu_work": lambda _, offer: int(offer.wall_time_s * offer.power * offer.cores),
    "gpu": lambda _, offer: _gpu_offered(offer),
    "scratch": lambda _, offer: offer.scratch_mb,
    "tags": lambda needs, offer: "not " + ", ".join(false_atoms(needs.expression, offer.tags)),
}
