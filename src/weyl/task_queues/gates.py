"""Rules that limit what runs at once or how fast it starts, and their gates: one for each set of values met."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from weyl.config.operations import MatchLimit

DIMENSIONS = ("site", "ce", "job_type", "owner_group", "owner")
"""What a rule may name, in the order of its key; the words are columns of `jobs`."""

EACH = "*"
ANY = ""
# Between the values in a key; names cannot have it, so that no two sets of values share a gate.
SEPARATOR = "\x1f"


@dataclass(frozen=True, slots=True)
class Rule:
    """One limit: `*` in a dimension makes a gate of each value, an empty one does not look at it."""

    vo: str
    site: str = ANY
    ce: str = ANY
    job_type: str = ANY
    owner_group: str = ANY
    owner: str = ANY
    max_jobs: int | None = None
    max_cores: int | None = None
    delay_s: float | None = None
    burst: int = 0

    @property
    def name(self) -> str:
        """Return what the rule looks at as text: two rules with one name are one."""
        looked_at = [f"{name}={value}" for name in DIMENSIONS if (value := getattr(self, name)) != ANY]
        return " ".join([self.vo, *looked_at])

    def applies(self, values: Mapping[str, str]) -> bool:
        """Say whether a job with these values of the dimensions is limited by the rule."""
        return all(getattr(self, name) in (ANY, EACH, values[name]) for name in DIMENSIONS)

    def key(self, values: Mapping[str, str]) -> str:
        """Return the gate of a job; the trigger on `jobs` makes the same."""
        return self.name + "".join(SEPARATOR + values[name] for name in DIMENSIONS if getattr(self, name) == EACH)

    def values(self, key: str) -> dict[str, str]:
        """Return what the gate of a key is about, by the name of the dimension."""
        met = iter(key.removeprefix(self.name).split(SEPARATOR)[1:])
        looked_at = {name: value for name in DIMENSIONS if (value := getattr(self, name)) != ANY}
        return {name: next(met, EACH) if value == EACH else value for name, value in looked_at.items()}

    def shown(self, key: str) -> str:
        """Return a gate's key as people read it."""
        return " ".join(f"{name}={value}" for name, value in self.values(key).items()) or "everything"


@dataclass(frozen=True, slots=True)
class GateState:
    """What is known of a gate: what runs behind it, and from when on the next job may start."""

    used_jobs: int = 0
    used_cores: int = 0
    tat: datetime | None = None

    def after(self, rule: Rule, *, jobs: int, cores: int, now: datetime) -> "GateState":
        """Return the state after so many jobs have started."""
        return GateState(self.used_jobs + jobs, self.used_cores + cores, tat_after(rule, self.tat, jobs=jobs, now=now))


def rules_of(vo: str, limits: Iterable[MatchLimit]) -> list[Rule]:
    """Read the limits of a VO's configuration."""
    return [
        Rule(
            vo,
            site=limit.site or ANY,
            ce=limit.ce or ANY,
            job_type=limit.job_type or ANY,
            owner_group=limit.group or ANY,
            owner=limit.owner or ANY,
            max_jobs=limit.count,
            max_cores=limit.cores,
            delay_s=limit.delay_s,
            burst=limit.burst,
        )
        for limit in limits
    ]


def merged(rules: Iterable[Rule]) -> dict[str, Rule]:
    """Return rules by name; of several that look at the same, the strictest of each limit counts."""
    found: dict[str, Rule] = {}
    for rule in rules:
        known = found.get(rule.name)
        found[rule.name] = rule if known is None else _stricter(known, rule)
    return found


def _stricter(one: Rule, other: Rule) -> Rule:
    slower = other if (other.delay_s or 0) > (one.delay_s or 0) else one
    return replace(
        one,
        max_jobs=_least(one.max_jobs, other.max_jobs),
        max_cores=_least(one.max_cores, other.max_cores),
        delay_s=slower.delay_s,
        burst=slower.burst,
    )


def _least(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else min(one, other)


def has_room(rule: Rule, state: GateState, *, cores: int, now: datetime) -> bool:
    """Say whether one more job of so many cores may start."""
    return (
        (rule.max_jobs is None or state.used_jobs < rule.max_jobs)
        and (rule.max_cores is None or state.used_cores + cores <= rule.max_cores)
        and (not rule.delay_s or state.tat is None or state.tat <= now + rule.burst * timedelta(seconds=rule.delay_s))
    )


def tat_after(rule: Rule, tat: datetime | None, *, jobs: int, now: datetime) -> datetime | None:
    """Return the theoretical arrival time after so many starts (generic cell rate algorithm)."""
    if not rule.delay_s or not jobs:
        return tat
    return max(tat or now, now) + jobs * timedelta(seconds=rule.delay_s)
