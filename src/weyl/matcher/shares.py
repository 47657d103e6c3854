"""Who is to be served next: usage that decays, divided by the share that the configuration gives."""

import math
import random
from bisect import bisect_left, insort
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter

from weyl.config.models import Config
from weyl.config.operations import Operations, Tier

SHARE_MIN = 0.001
JOB_SHARING = "JobSharing"
# How much of its share a group may catch up with when it comes back from having had no jobs.
CATCH_UP_S = 3_600.0
# The row of usage that lifts a group and belongs to none of its owners.
NOBODY = ""

GroupKey = tuple[str, str]
OwnerKey = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class JobTypes:
    """One tier: job types that come at once, or, with weights, each as often as its weight says."""

    names: tuple[str, ...]
    weights: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Scheduling:
    """What a VO says about the order of its jobs."""

    tiers: tuple["JobTypes", ...] = ()
    half_life_s: float = 86_400.0
    max_age_s: float = 600.0
    every: int = 50
    shares: Mapping[str, float] = field(default_factory=dict)
    # Groups whose jobs form one queue, whoever owns them.
    one_queue: frozenset[str] = frozenset()
    share_default: float = 1_000.0
    # Whether, of the jobs of one owner, those go first that have their input data where the pilot is.
    local_data_first: bool = True

    def share(self, group: str) -> float:
        """Return the share of a group."""
        return max(SHARE_MIN, self.shares.get(group, self.share_default))


def scheduling_of(config: Config, vo: str) -> Scheduling:
    """Read what the configuration says about the order of a VO's jobs."""
    matching = config.operations.get(vo, _NOTHING_SAID).matching
    groups = config.registry[vo].groups if vo in config.registry else {}
    return Scheduling(
        tiers=tuple(_job_types(tier) for tier in matching.tiers),
        half_life_s=float(matching.half_life),
        max_age_s=float(matching.max_age),
        every=matching.every,
        shares={name: float(group.job_share) for name, group in groups.items()},
        one_queue=frozenset(name for name, group in groups.items() if JOB_SHARING in group.properties),
        local_data_first=matching.local_data_first,
    )


_NOTHING_SAID = Operations()


def _job_types(tier: Tier) -> JobTypes:
    if isinstance(tier, str):
        return JobTypes((tier,))
    return JobTypes(tuple(tier)) if isinstance(tier, list) else JobTypes(tuple(tier), dict(tier))


def drawn(weights: Mapping[str, float], chance: random.Random) -> list[str]:
    """Return the names in an order drawn by weight: each comes first as often as its weight says."""
    return sorted(weights, key=lambda name: -math.log(1.0 - chance.random()) / weights[name])


@dataclass(slots=True)
class _Account:
    """Usage of one owner: what the database said last, and what was charged since, both in inflated units."""

    told: float = 0.0
    pending: float = 0.0

    @property
    def total(self) -> float:
        return self.told + self.pending


class Ledger:
    """Usage of groups and owners in one process.

    All usage of a VO halves at the same pace, so nothing is ever multiplied: what is charged later counts for more
    (inflated units), and an order by usage stays right by itself.
    """

    def __init__(self, began: datetime, chance: random.Random | None = None) -> None:
        self.chance = chance or random.Random()
        self._began = began
        self._scheduling: dict[str, Scheduling] = {}
        self._accounts: dict[OwnerKey, _Account] = {}
        self._groups: dict[GroupKey, float] = {}
        self._passed: dict[GroupKey, int] = {}
        self._active: set[GroupKey] = set()
        self._lifts: dict[GroupKey, float] = {}
        self._scales: dict[str, float] = {}
        self._plain_scale = 1.0
        self._queues: dict[GroupKey, tuple[int, OwnerQueue]] = {}

    def configure(self, scheduling: Mapping[str, Scheduling]) -> None:
        """Take what the VOs say."""
        self._scheduling = dict(scheduling)

    def scheduling(self, vo: str) -> Scheduling:
        """Return what a VO says."""
        return self._scheduling.get(vo, _PLAIN)

    def tick(self, now: datetime) -> None:
        """Note the time: what is charged from now on counts as of now."""
        elapsed_s = (now - self._began).total_seconds()
        self._scales = {vo: _scale(elapsed_s, each.half_life_s) for vo, each in self._scheduling.items()}
        self._plain_scale = _scale(elapsed_s, _PLAIN.half_life_s)

    def of_group(self, vo: str, group: str) -> float:
        """Return the usage of a group by its share: the least is served first."""
        return self._groups.get((vo, group), 0.0) / self.scheduling(vo).share(group)

    def of_owner(self, vo: str, group: str, owner: str) -> float:
        """Return the usage of an owner inside a group, where all shares are equal."""
        account = self._accounts.get((vo, group, owner))
        return 0.0 if account is None else account.total

    def charge(self, vo: str, group: str, owner: str, amount: float) -> None:
        """Charge (or, with a negative amount, give back) DB12 core-seconds."""
        inflated = amount * self._scale(vo)
        account = self._accounts.setdefault((vo, group, owner), _Account())
        account.pending += inflated
        self._groups[vo, group] = self._groups.get((vo, group), 0.0) + inflated
        self._move(vo, group, owner, account)

    def owners(self, vo: str, group: str, names: Collection[str], *, edition: int) -> "OwnerQueue":
        """Return the queue of all owners of a group, which is kept: a thousand owners are not sorted for a question.

        `edition` changes when the names do.
        """
        known = self._queues.get((vo, group))
        if known is None or known[0] != edition:
            queue = OwnerQueue((self.of_owner(vo, group, name), name) for name in names)
            known = self._queues[vo, group] = (edition, queue)
        return known[1]

    def in_order(self, vo: str, group: str, names: Iterable[str]) -> list[str]:
        """Return some owners of a group, the least served one first."""
        return sorted(names, key=lambda name: (self.of_owner(vo, group, name), name))

    def due(self, vo: str, groups: Iterable[str]) -> list[str]:
        """Return those of the groups that were passed by as often as they may be, the most patient one first."""
        most = self.scheduling(vo).every - 1
        found = [group for group in groups if self._passed.get((vo, group), 0) >= most]
        return sorted(found, key=lambda group: (-self._passed.get((vo, group), 0), group))

    def served(self, vo: str, chosen: str, waited: Iterable[str]) -> None:
        """Note that a group was served while these, with jobs that have waited long, could have been."""
        for group in waited:
            if group != chosen:
                self._passed[vo, group] = self._passed.get((vo, group), 0) + 1
        if (vo, chosen) in self._passed:
            self._passed[vo, chosen] = 0

    def see_active(self, active: Iterable[GroupKey]) -> None:
        """Take which groups have waiting jobs now; one that comes back is lifted to where it can catch up a little."""
        found = set(active)
        for vo, group in sorted(found - self._active):
            others = [key for key in self._active & found if key[0] == vo]
            if others:
                self._lift(vo, group, others)
        self._active = found

    def _lift(self, vo: str, group: str, others: list[GroupKey]) -> None:
        says = self.scheduling(vo)
        least = min(self.of_group(*key) for key in others)
        # In a steady state usage is what is charged in the mean life of it; this much falls to a share in an hour.
        rate = sum(self._groups.get(key, 0.0) for key in others) * math.log(2) / says.half_life_s
        shares = sum(says.share(name) for _, name in others) + says.share(group)
        wanted = (least - CATCH_UP_S * rate / shares) * says.share(group)
        missing = wanted - self._groups.get((vo, group), 0.0)
        if missing > 0:
            account = self._accounts.setdefault((vo, group, NOBODY), _Account())
            account.told += missing
            self._groups[vo, group] = self._groups.get((vo, group), 0.0) + missing
            self._lifts[vo, group] = account.total / self._scale(vo)

    def take_pending(self) -> tuple[dict[OwnerKey, float], dict[GroupKey, float]]:
        """Return what was charged since the last time, and lifts (as totals of nobody's rows), as of now."""
        charged = {}
        for key, account in self._accounts.items():
            if account.pending:
                charged[key] = account.pending / self._scale(key[0])
                account.told, account.pending = account.total, 0.0
        lifts, self._lifts = self._lifts, {}
        return charged, lifts

    def put_back(self, charged: Mapping[OwnerKey, float], lifts: Mapping[GroupKey, float]) -> None:
        """Keep for the next time what could not be written."""
        for key, amount in charged.items():
            inflated = amount * self._scale(key[0])
            account = self._accounts[key]
            account.told -= inflated
            account.pending += inflated
        self._lifts = {**lifts, **self._lifts}

    def see_usage(self, rows: Iterable[tuple[OwnerKey, float, datetime]]) -> None:
        """Take what the database says of some owners; what is pending comes on top of it."""
        for key, usage, at in rows:
            half_life_s = self.scheduling(key[0]).half_life_s
            told = usage * _scale((at - self._began).total_seconds(), half_life_s)
            account = self._accounts.setdefault(key, _Account())
            group = key[:2]
            self._groups[group] = self._groups.get(group, 0.0) + told - account.told
            account.told = told
            self._move(*key, account)

    def _move(self, vo: str, group: str, owner: str, account: _Account) -> None:
        known = self._queues.get((vo, group))
        if known is not None:
            known[1].move(owner, account.total)

    def _scale(self, vo: str) -> float:
        return self._scales.get(vo, self._plain_scale)


_PLAIN = Scheduling()


def _scale(elapsed_s: float, half_life_s: float) -> float:
    # A process that lives for long would overflow, also by what is charged; long before, what is old is as nothing.
    return float(2.0 ** min(800.0, elapsed_s / half_life_s))


class OwnerQueue:
    """The owners of a group, the least served one first; nobody moves while it is walked."""

    def __init__(self, usages: Iterable[tuple[float, str]]) -> None:
        self._order = sorted(usages)
        self._usage = {owner: usage for usage, owner in self._order}

    def __iter__(self) -> Iterator[str]:
        return map(itemgetter(1), self._order)

    def move(self, owner: str, usage: float) -> None:
        """Let an owner, if it is one of these, stand where it belongs with so much usage."""
        before = self._usage.get(owner)
        if before is not None:
            del self._order[bisect_left(self._order, (before, owner))]
            insort(self._order, (usage, owner))
            self._usage[owner] = usage
