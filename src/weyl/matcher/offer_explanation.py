"""What an offer could get: the classes of its VO against it, one condition after the other, in words.

The other side of `explanation`: there one class meets many offers, here one offer meets all classes, as masks.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from weyl.matcher.bitsets import bits_of, mask_of
from weyl.matcher.entries import Entry
from weyl.matcher.evaluation import CONDITIONS, Needs, failures
from weyl.matcher.index import Index
from weyl.matcher.models import NearClass, OfferStep
from weyl.matcher.offers import PilotOffer
from weyl.matcher.waiting import Waiting
from weyl.matcher.wording import OFFERED, SHOWN_MAX, WANTED, false_atoms, joined

HOST_HEALTH, LIMITS = "host_health", "limits"
ORDER = (*CONDITIONS, HOST_HEALTH, LIMITS)
NEAREST_MAX = 10
# Of so many classes it is looked up one by one whether their arithmetic holds: more would take too long.
EXACT_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits: the index of classes, and the numbers of their jobs."""

    index: Index
    waiting: Waiting


@dataclass(frozen=True, slots=True)
class OfferFindings:
    """What the conditions removed of the waiting classes, which come nearest, and how many are left."""

    classes: int
    jobs: int
    steps: list[OfferStep]
    nearest: list[NearClass]
    classes_left: int
    jobs_left: int
    # Of those left, the jobs that go first because their input data are on disk at the site.
    jobs_near: int = 0
    blocked_by: str | None = None
    # The class with the most jobs of those that the blocking condition removed.
    example: Entry | None = None


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What keeps classes away though the offer is good: nothing is given to its host, and limits that are reached."""

    host_is_closed: bool = False
    shut: int = 0
    """The mask of the classes that a limit keeps from the place."""
    local_data_first: bool = True


@dataclass(slots=True)
class _Scales:
    """For each condition the mask of the classes that fail it."""

    base: int
    failed: dict[str, int] = field(default_factory=dict)

    def add(self, condition: str, failing: int) -> None:
        self.failed[condition] = self.failed.get(condition, 0) | (failing & self.base)

    def failing_once(self) -> int:
        once = twice = 0
        for failing in self.failed.values():
            twice |= once & failing
            once |= failing
        return once & ~twice

    def failing(self) -> int:
        found = 0
        for failing in self.failed.values():
            found |= failing
        return found


def examine_offer(queue: Queue, offer: PilotOffer, circumstances: Circumstances) -> OfferFindings:
    """Apply the conditions one at a time to all classes at once; those that remove nothing are left out."""
    index, waiting = queue.index, queue.waiting
    scales = _weigh(index, offer, circumstances)
    left, steps = scales.base, []
    blocked_by, example = None, None
    for condition in ORDER:
        removed = left & scales.failed.get(condition, 0)
        if not removed:
            continue
        left &= ~removed
        steps.append(_step(queue, offer, condition, removed=removed, left=left))
        if not left:
            blocked_by, example = condition, index.entry(waiting.largest(removed))
            break
    return OfferFindings(
        classes=scales.base.bit_count(),
        jobs=waiting.jobs(scales.base),
        steps=steps,
        nearest=_nearest(queue, offer, scales),
        classes_left=left.bit_count(),
        jobs_left=waiting.jobs(left),
        jobs_near=waiting.jobs(left & index.with_data_at(offer.place.site)) if circumstances.local_data_first else 0,
        blocked_by=blocked_by,
        example=example,
    )


def offer_verdict(findings: OfferFindings, queue: Queue, offer: PilotOffer, *, closed_because: str | None) -> str:
    """Say in a sentence what keeps the offer from getting a job, or what it could get."""
    if not findings.classes:
        return f"No job of {offer.place.vo} waits"
    if findings.blocked_by is None:
        near = f"; of one owner's, those with their input data on disk there go first ({_jobs(findings.jobs_near)})"
        return (
            f"{_jobs(findings.jobs_left)} of the {findings.jobs:,} that wait could run there: "
            f"a pilot with this offer gets one when it asks{near if findings.jobs_near else ''}"
        )
    assert findings.example is not None
    because = _because(findings, queue, offer, closed_because=closed_because)
    return f"None of the {_jobs(findings.jobs)} that wait can run there. {because}"


def _weigh(index: Index, offer: PilotOffer, circumstances: Circumstances) -> _Scales:
    scales = _Scales(index.waiting_of(offer.place.vo))
    for condition, passing in index.steps(offer):
        scales.add(condition, ~passing)
    if circumstances.host_is_closed:
        scales.add(HOST_HEALTH, scales.base)
    scales.add(LIMITS, circumstances.shut)
    # The masks are for the most that the offer could give; for some classes the cores that they would get decide.
    unsure = (scales.base & ~scales.failing() | scales.failing_once()) & index.hangs_on_cores(offer)
    found: dict[str, list[int]] = {}
    for bit in islice(bits_of(unsure), EXACT_MAX):
        for condition in failures(index.entry(bit).needs, offer):
            found.setdefault(condition, []).append(bit)
    for condition, bits in found.items():
        scales.add(condition, mask_of(bits, max(bits) + 1))
    return scales


def _step(queue: Queue, offer: PilotOffer, condition: str, *, removed: int, left: int) -> OfferStep:
    return OfferStep(
        condition=condition,
        offered=_offered(condition, queue.index.entry(queue.waiting.largest(removed)).needs, offer),
        wanted=_wanted(queue, condition, removed),
        classes_removed=removed.bit_count(),
        jobs_removed=queue.waiting.jobs(removed),
        classes_left=left.bit_count(),
        jobs_left=queue.waiting.jobs(left),
    )


def _wanted(queue: Queue, condition: str, mask: int) -> Any:
    """Return the least amount that classes want, or what the class with the most jobs wants."""
    least = queue.index.least(condition, mask)
    if least is not None:
        return least
    return _wanted_by(condition, queue.index.entry(queue.waiting.largest(mask)).needs)


def _wanted_by(condition: str, needs: Needs) -> Any:
    return WANTED[condition](needs) if condition in WANTED else "open"


def _offered(condition: str, needs: Needs, offer: PilotOffer) -> Any:
    return OFFERED[condition](needs, offer) if condition in OFFERED else "closed"


def _nearest(queue: Queue, offer: PilotOffer, scales: _Scales) -> list[NearClass]:
    """Return, for each condition that alone keeps classes away, how many and the one with the most jobs."""
    once = scales.failing_once()
    found = []
    for condition, failing in scales.failed.items():
        near = failing & once
        if not near:
            continue
        entry = queue.index.entry(queue.waiting.largest(near))
        found.append(
            NearClass(
                condition=condition,
                wanted=_wanted_by(condition, entry.needs),
                offered=_offered(condition, entry.needs, offer),
                classes=near.bit_count(),
                jobs=queue.waiting.jobs(near),
                class_id=entry.class_id,
                group=entry.needs.group,
                job_type=entry.needs.job_type,
            )
        )
    return sorted(found, key=lambda each: -each.jobs)[:NEAREST_MAX]


def _because(findings: OfferFindings, queue: Queue, offer: PilotOffer, *, closed_because: str | None) -> str:
    condition, entry, last = findings.blocked_by or "", findings.example, findings.steps[-1]
    assert entry is not None
    if condition == "site_status":
        return f"Only test jobs start there: {closed_because}"
    if condition in _SENTENCES:
        return _SENTENCES[condition](entry.needs, offer)
    what, unit = _AMOUNTS[condition]
    if not isinstance(last.wanted, int):
        return f"Of those left, the most want {last.wanted} of {what}; it offers {last.offered}"
    offered = f"{last.offered:,}{unit}" if isinstance(last.offered, int) else "what is not known"
    if isinstance(last.offered, int) and last.wanted <= last.offered:
        return f"The {what} that it offers do not suffice for those left with the cores that they would get"
    return f"Those left want {last.wanted:,}{unit} of {what} or more; it offers {offered}"


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count:,} jobs"


def _listed(names: Iterable[str]) -> str:
    shown = list(names)
    return joined(shown[:SHOWN_MAX]) + (" ..." if len(shown) > SHOWN_MAX else "")


def _site(needs: Needs, offer: PilotOffer) -> str:
    site = offer.place.site
    if site in needs.banned_sites:
        return f"Those left must not run at {site}"
    if needs.sites is not None and site not in needs.sites:
        return f"Those left want other sites than {site}, the most of them {_listed(needs.sites)}"
    return f"Those left have failed on {offer.host}, and keep off it for a time"


def _gpu(needs: Needs, offer: PilotOffer) -> str:
    if needs.gpu is None:
        return "It has GPUs, and jobs that ask for none are kept off such nodes"
    return f"Those left want GPUs, the most of them {WANTED['gpu'](needs)}; it offers {OFFERED['gpu'](needs, offer)}"


def _tags(needs: Needs, offer: PilotOffer) -> str:
    atoms: Sequence[str] = false_atoms(needs.expression, offer.tags)
    lacking, excluded = [a for a in atoms if a[0] != "~"], [a[1:] for a in atoms if a[0] == "~"]
    if lacking:
        return f"It lacks the tag {_listed(lacking)}, which the most of those left want"
    return f"It has the tag {_listed(excluded)}, which the most of those left exclude" if excluded else "Tags differ"


_AMOUNTS = {
    "cores": ("cores", ""),
    "ram": ("memory", " MiB"),
    "wall_time": ("time", " s"),
    "cpu_work": ("CPU work", " DB12 core-seconds"),
    "scratch": ("scratch space", " MiB"),
}

_SENTENCES: Mapping[str, Callable[[Needs, PilotOffer], str]] = {
    "site": _site,
    "accept": lambda needs, _: f"It takes other jobs only, not those left, such as {WANTED['accept'](needs)}",
    "os": lambda needs, offer: f"Those left want {needs.system}; it runs {offer.system}",
    "architecture": lambda needs, offer: (
        f"Those left want other processors, the most of them {needs.architecture}; it offers {offer.architecture}"
    ),
    "features": lambda needs, offer: (
        f"Its processors lack what those left want, such as {_listed(sorted(needs.features - offer.features))}"
    ),
    "gpu": _gpu,
    "tags": _tags,
    HOST_HEALTH: lambda _, offer: f"The host {offer.host} breaks its jobs and gets none until it recovers",
    LIMITS: lambda _, offer: f"A limit on what runs at {offer.place.site} is reached for all that are left",
}
