"""Why a job waits: its class against the offers of the last day, one condition after the other, in words."""

import difflib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from weyl.matcher.evaluation import CONDITIONS, Needs, failures
from weyl.matcher.models import Failing, Finding, Near, Offer, PilotsThere, ShareShown, Step
from weyl.matcher.offers import PilotOffer, Place
from weyl.matcher.queries.looks import COUNTED_MAX, Position
from weyl.matcher.wording import OFFERED, SHOWN_MAX, TITLES, UNITS, WANTED, at_sites, false_atoms, joined
from weyl.task_queues import tags

NEAREST_MAX = 10


@dataclass(frozen=True, slots=True)
class Candidate:
    """Pilots of one kind at one place, seen in the last day."""

    offer: PilotOffer
    pilots: int
    closed_because: str | None = None
    # When the place stops for a while: the time of the offer ends before.
    stops_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """What the conditions removed, who came nearest, and who is left."""

    needs: Needs
    steps: list[Step]
    nearest: list[Near]
    left: list[Candidate]
    blocked_by: str | None = None
    # Those that the blocking condition removed: all that had been left until then.
    removed_last: list[Candidate] = field(default_factory=list)

    @property
    def progress(self) -> tuple[int, int]:
        """Return how far the class came, to tell which of several alternatives comes nearest."""
        stage = len(CONDITIONS) if self.blocked_by is None else CONDITIONS.index(self.blocked_by)
        return stage, sum(candidate.pilots for candidate in self.left or self.removed_last)


@dataclass(frozen=True, slots=True)
class PilotsAt:
    """The pilots at a place: how many spoke in the last day, and of those that exist how many wait and run.

    `expected` is what a pilot of the place should offer by its configuration; None: nothing is known.
    """

    seen: int
    waiting: int
    running: int
    expected: Offer | None = None


@dataclass(frozen=True, slots=True)
class Pilots:
    """The pilots of a VO: kinds that asked for work in the last day, who exists where, and kinds that never asked."""

    candidates: list[Candidate]
    places: Mapping[Place, PilotsAt]
    silent: list[Candidate]

    def there(self, findings: Findings) -> list[PilotsThere]:
        """Return the pilots that exist and could run what was examined, by site, where there are most first."""
        silent = [one for one in self.silent if not failures(findings.needs, one.offer)]
        places = {one.offer.place for one in [*findings.left, *silent]}
        waiting: Counter[str] = Counter()
        running: Counter[str] = Counter()
        for place in places & self.places.keys():
            waiting[place.site] += self.places[place].waiting
            running[place.site] += self.places[place].running
        found = [PilotsThere(site=site, running=running[site], waiting=waiting[site]) for site in waiting]
        found = [each for each in found if each.running or each.waiting]
        return sorted(found, key=lambda each: (-each.running - each.waiting, each.site))


def coming(pilots: Sequence[PilotsThere]) -> str:
    """Say which pilots exist that should fit a job and have not asked for work yet."""
    count = sum(each.running + each.waiting for each in pilots)
    where = at_sites([each.site for each in pilots])
    should = "should fit it, and has not asked yet" if count == 1 else "should fit it, and have not asked yet"
    return f"{_pilots(count)} at {where} {should}"


def facts_of_waiting(
    share: ShareShown, place: Position, pilots: Sequence[PilotsThere], *, is_blocked: bool
) -> list[Finding]:
    """Return what is known of a waiting job beside the conditions: its place in line, and the pilots that exist."""
    found = []
    if place.jobs:
        number = f"{place.ahead + 1:,}" if place.ahead < COUNTED_MAX else f"more than {COUNTED_MAX:,}"
        found.append(Finding(condition="Place", text=f"number {number} of {place.jobs:,} of its kind"))
    if share.of > 1:
        line = f"group {share.group} is number {share.rank} of {share.of} in line, by what each used of its share"
        found.append(Finding(condition="Share", text=line))
    if pilots or not is_blocked:
        found.append(Finding(condition="Pilots now", text=_now(pilots)))
    return found


def _now(pilots: Sequence[PilotsThere]) -> str:
    if not pilots:
        return "none runs, or waits to start, where it could run"
    running, waiting = sum(each.running for each in pilots), sum(each.waiting for each in pilots)
    counts = [f"{running:,} running"] if running else []
    counts += [f"{waiting:,} waiting to start"] if waiting else []
    return f"{joined(counts)}, at {at_sites([each.site for each in pilots])}"


def examine(needs: Needs, candidates: Sequence[Candidate]) -> Findings:
    """Apply the conditions one at a time; those that remove nobody are left out of the steps."""
    left: list[Candidate] = []
    removed: dict[str, list[Candidate]] = {condition: [] for condition in CONDITIONS}
    near: list[tuple[Candidate, str]] = []
    for candidate in candidates:
        failed = failures(needs, candidate.offer)
        if not failed:
            left.append(candidate)
            continue
        removed[failed[0]].append(candidate)
        if len(failed) == 1:
            near.append((candidate, failed[0]))
    removing = [condition for condition in CONDITIONS if removed[condition]]
    blocked_by = removing[-1] if removing and not left else None
    return Findings(
        needs=needs,
        steps=_steps(needs, [(condition, removed[condition]) for condition in removing], left),
        nearest=_nearest(needs, near),
        left=left,
        blocked_by=blocked_by,
        removed_last=removed[blocked_by] if blocked_by else [],
    )


def verdict(findings: Findings, *, alternatives: int = 1) -> str:
    """Say in a sentence why no pilot of the last day could run the job, or that some could."""
    if findings.blocked_by is None:
        pilots, places = _size(findings.left), sorted({one.offer.place.site for one in findings.left})
        if not places:
            return f"No pilot of {findings.needs.vo} has asked for work in the last 24 h"
        where = joined(places) if len(places) <= SHOWN_MAX else f"{len(places)} sites"
        return f"{_pilots(pilots)} of the last 24 h, at {where}, could run it: it waits for its turn"
    several = f"None of its {alternatives} alternatives fits. The one that comes nearest: " if alternatives > 1 else ""
    return several + _SENTENCES[findings.blocked_by](findings.needs, findings.removed_last)


def with_origins(findings: Findings, origins: Mapping[str, str]) -> Findings:
    """Say of each condition which requirements of the job's document ask for it; `origins` names tags themselves."""
    if not origins:
        return findings
    atoms = [each for each in tags.ATOM.findall(str(findings.needs.expression)) if each in origins]
    of_tags = ", ".join(dict.fromkeys(origins[atom] for atom in atoms)) or None
    steps = [
        step.model_copy(update={"origin": of_tags if step.condition == "tags" else origins.get(step.condition)})
        for step in findings.steps
    ]
    return replace(findings, steps=steps)


def origin_of_block(findings: Findings, origins: Mapping[str, str]) -> str | None:
    """Return what asks for the condition that left no pilot; None if nothing is known of it."""
    if findings.blocked_by != "tags":
        return origins.get(findings.blocked_by or "")
    return origins.get(_missing_atom(findings.needs, findings.removed_last).removeprefix("~"))


def _size(candidates: Iterable[Candidate]) -> int:
    return sum(candidate.pilots for candidate in candidates)


def _steps(needs: Needs, removals: Sequence[tuple[str, Sequence[Candidate]]], left: Sequence[Candidate]) -> list[Step]:
    """Return the steps in their order; from the last to the first, since all that a later one removes is left yet."""
    sites_left, pilots_left = _sites(left), _size(left)
    steps = []
    for condition, removed in reversed(removals):
        sites, pilots = _sites(removed), _size(removed)
        steps.append(
            Step(
                condition=condition,
                title=TITLES[condition],
                unit=UNITS.get(condition),
                wanted=WANTED[condition](needs),
                best_offered=_best(condition, needs, removed),
                sites_removed=len(sites - sites_left),
                pilots_removed=pilots,
                sites_left=len(sites_left),
                pilots_left=pilots_left,
            )
        )
        sites_left |= sites
        pilots_left += pilots
    return steps[::-1]


def _sites(candidates: Iterable[Candidate]) -> set[str]:
    return {candidate.offer.place.site for candidate in candidates}


def _best(condition: str, needs: Needs, candidates: Sequence[Candidate]) -> Any:
    """Return the largest number that was offered, or the most frequent other things."""
    offered = [(OFFERED[condition](needs, one.offer), one.pilots) for one in candidates]
    numbers = [value for value, _ in offered if isinstance(value, int | float)]
    if numbers:
        return max(numbers)
    counted: Counter[str] = Counter()
    for value, pilots in offered:
        counted[str(value)] += pilots
    return [text for text, _ in counted.most_common(SHOWN_MAX)]


def _nearest(needs: Needs, near: Iterable[tuple[Candidate, str]]) -> list[Near]:
    grouped: Counter[tuple[str, str, str]] = Counter()
    values: dict[tuple[str, str, str], Any] = {}
    for candidate, condition in near:
        offered = OFFERED[condition](needs, candidate.offer)
        key = (candidate.offer.place.site, condition, str(offered))
        grouped[key] += candidate.pilots
        values[key] = offered
    return [
        Near(
            site=key[0],
            pilots=pilots,
            fails=[
                Failing(
                    condition=key[1],
                    title=TITLES[key[1]],
                    unit=UNITS.get(key[1]),
                    wanted=WANTED[key[1]](needs),
                    offered=values[key],
                )
            ],
        )
        for key, pilots in grouped.most_common(NEAREST_MAX)
    ]


def _pilots(count: int) -> str:
    return "1 pilot" if count == 1 else f"{count:,} pilots"


def _where(candidates: Sequence[Candidate]) -> str:
    """Say where the last ones were: `at SITE`, or how many sites."""
    sites = sorted({one.offer.place.site for one in candidates})
    return f"at {joined(sites)}" if len(sites) <= 3 else f"at the {len(sites)} sites that are left"


def _too_little(what: str, unit: str, condition: str) -> Callable[[Needs, Sequence[Candidate]], str]:
    def sentence(needs: Needs, last: Sequence[Candidate]) -> str:
        wanted, best = WANTED[condition](needs), _best(condition, needs, last)
        told = f"{best:,}{unit}" if isinstance(best, int | float) else "nothing known"
        asked = f"{wanted:,}{unit}" if isinstance(wanted, int) else str(wanted)
        return f"No pilot of the last 24 h {_where(last)} offers {what} {asked}; the most was {told}"

    return sentence


def _too_short(what: str, unit: str, condition: str) -> Callable[[Needs, Sequence[Candidate]], str]:
    """Say that the time is too short, and where that is so because a place stops soon."""
    plain = _too_little(what, unit, condition)

    def sentence(needs: Needs, last: Sequence[Candidate]) -> str:
        stops = {one.offer.place.site: one.stops_at for one in last if one.stops_at is not None}
        told = [f"{site} is draining and stops at {at:%Y-%m-%d %H:%M} UTC" for site, at in sorted(stops.items())]
        return "; ".join([plain(needs, last), *told[:SHOWN_MAX]])

    return sentence


def _site_sentence(needs: Needs, last: Sequence[Candidate]) -> str:
    seen = sorted({one.offer.place.site for one in last})
    if needs.sites is None:
        banned = joined(sorted(needs.banned_sites))
        return f"Pilots came from {joined(seen[:SHOWN_MAX])} only, and the job must not run at {banned}"
    wanted = list(needs.sites)
    named = joined(wanted) if len(wanted) <= SHOWN_MAX else f"any of its {len(wanted)} sites"
    return f"No pilot came from {named} in the last 24 h; pilots came from {joined(seen[:SHOWN_MAX])}"


def _missing_atom(needs: Needs, last: Sequence[Candidate]) -> str:
    missing: Counter[str] = Counter()
    for one in last:
        for atom in false_atoms(needs.expression, one.offer.tags):
            missing[atom] += one.pilots
    return missing.most_common(1)[0][0]


def _tags_sentence(needs: Needs, last: Sequence[Candidate]) -> str:
    atom = _missing_atom(needs, last)
    if atom.startswith("~"):
        return f"Every pilot of the last 24 h {_where(last)} has the tag {atom[1:]}, which the job excludes"
    known = sorted({tag for one in last for tag in one.offer.tags})
    near = difflib.get_close_matches(atom, known, n=1, cutoff=0.75)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"No pilot of the last 24 h {_where(last)} has the tag {atom}{hint}"


def _features_sentence(needs: Needs, last: Sequence[Candidate]) -> str:
    fewest = min((needs.features - one.offer.features for one in last), key=len)
    return f"No pilot of the last 24 h {_where(last)} has processors with {joined(sorted(fewest)[:SHOWN_MAX])}"


def _gpu_sentence(needs: Needs, last: Sequence[Candidate]) -> str:
    if needs.gpu is None:
        return f"Every pilot left {_where(last)} has GPUs, and jobs that ask for none are kept off such nodes"
    offered = joined([str(text) for text in _best("gpu", needs, last)])
    return f"No pilot of the last 24 h {_where(last)} offers {WANTED['gpu'](needs)}; offered: {offered}"


_SENTENCES: Mapping[str, Callable[[Needs, Sequence[Candidate]], str]] = {
    "vo": lambda needs, _: f"No pilot of {needs.vo} has asked for work in the last 24 h",
    "site": _site_sentence,
    "site_status": lambda _, last: f"Closed for jobs: {joined(sorted({str(one.closed_because) for one in last}))}",
    "accept": lambda needs, last: f"The pilots {_where(last)} take other jobs only, not {WANTED['accept'](needs)}",
    "os": lambda needs, last: f"No pilot of the last 24 h {_where(last)} runs {needs.system}",
    "architecture": lambda needs, last: (
        f"No pilot of the last 24 h {_where(last)} has {needs.architecture} processors; "
        f"offered: {joined([str(text) for text in _best('architecture', needs, last)])}"
    ),
    "features": _features_sentence,
    "cores": _too_little("cores:", "", "cores"),
    "ram": _too_little("memory:", " MiB", "ram"),
    "wall_time": _too_short("time:", " s", "wall_time"),
    "cpu_work": _too_short("CPU work:", " DB12 core-seconds", "cpu_work"),
    "gpu": _gpu_sentence,
    "scratch": _too_little("scratch space:", " MiB", "scratch"),
    "tags": _tags_sentence,
}
