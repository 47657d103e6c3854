"""Failures that are alike: how often, where and whose; `job_failure` of `jobs/triggers.sql` says which are alike."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

BUCKETS_MAX = 24
TOP = 10
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HOURLY_DAYS_MAX = 10


@dataclass(frozen=True, slots=True)
class Asked:
    """Which failures are asked for, and by what their course is told apart."""

    since: datetime | None
    by: str
    limit: int
    signature: str | None = None
    only_new: bool = False


@dataclass(frozen=True, slots=True)
class Window:
    """The time that is looked at, in buckets of whole hours or days, and before it one as long to compare with."""

    start: datetime
    end: datetime
    bucket: timedelta

    @property
    def before(self) -> datetime:
        """When the window before this one starts."""
        return self.start - (self.end - self.start)

    @property
    def is_daily(self) -> bool:
        """Whether it is made of whole days."""
        return self.bucket % DAY == timedelta(0)

    @property
    def starts(self) -> list[datetime]:
        """When each bucket starts."""
        count = -(-(self.end - self.start) // self.bucket)
        return [self.start + number * self.bucket for number in range(count)]


def window_of(since: datetime, now: datetime) -> Window:
    """Return the window from an hour, or a day if that is long ago, to this one, in at most `BUCKETS_MAX` buckets."""
    since, now = since.astimezone(UTC), now.astimezone(UTC)
    unit = HOUR if now - since <= HOURLY_DAYS_MAX * DAY else DAY
    start, end = (_floor(at, unit) for at in (since, now))
    units = max(1, (end + unit - start) // unit)
    return Window(start, start + units * unit, -(-units // BUCKETS_MAX) * unit)


def _floor(at: datetime, unit: timedelta) -> datetime:
    hour = at.replace(minute=0, second=0, microsecond=0)
    return hour.replace(hour=0) if unit == DAY else hour


@dataclass(frozen=True, slots=True)
class Tally:
    """How many failures of one signature there were in a bucket, at a site, of an owner; what is None was summed up."""

    vo: str
    signature: str
    count: int
    bucket: int | None = None
    site: str | None = None
    owner: str | None = None
    before: int = 0
    first: datetime | None = None
    last: datetime | None = None


@dataclass(frozen=True, slots=True)
class Daily:
    """The failures of one signature on one day, by site and by owner."""

    vo: str
    signature: str
    day: datetime
    sites: Mapping[str, int]
    owners: Mapping[str, int]
    before: int
    first: datetime
    last: datetime


def tallies_of(days: Iterable[Daily], window: Window, *, by: str) -> list[Tally]:
    """Sum days up: all of a signature, by bucket, by site, by owner, and by place and bucket."""
    sums: Counter[tuple[str, str, int | None, str | None, str | None]] = Counter()
    known: dict[tuple[str, str], tuple[int, datetime, datetime]] = {}
    for each in days:
        key, bucket = (each.vo, each.signature), (each.day - window.start) // window.bucket
        before, first, last = known.get(key, (each.before, each.first, each.last))
        known[key] = (before, min(first, each.first), max(last, each.last))
        total = sum(each.sites.values())
        sums[*key, None, None, None] += total
        sums[*key, bucket, None, None] += total
        for site, count in each.sites.items():
            sums[*key, None, site, None] += count
            if by == "site":
                sums[*key, bucket, site, None] += count
        for owner, count in each.owners.items():
            sums[*key, None, None, owner] += count
            if by == "owner":
                sums[*key, bucket, None, owner] += count
    return [
        Tally(vo, name, count, bucket, site, owner, *known[vo, name])
        for (vo, name, bucket, site, owner), count in sums.items()
        if count > 0
    ]


def clusters_of(
    tallies: Sequence[Tally], said: Mapping[tuple[str, str], Mapping[str, Any]], window: Window, *, by: str
) -> list[dict[str, Any]]:
    """Put the sums of each signature together, the most frequent first."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for each in tallies:
        key = (each.vo, each.signature)
        cluster = found.setdefault(key, _empty(each, said.get(key, {}), len(window.starts)))
        _add(cluster, each, by)
    for cluster in found.values():
        for name in ("sites", "users"):
            cluster[f"{name}_total"] = len(cluster[name])
            cluster[name] = _top(cluster[name])
        kept = cluster["sites"] if by == "site" else cluster["users"]
        cluster["split"] = {name: cluster["split"][name] for name in kept}
    return sorted(found.values(), key=lambda cluster: (-cluster["count"], cluster["signature"], cluster["vo"]))


def _empty(tally: Tally, said: Mapping[str, Any], buckets: int) -> dict[str, Any]:
    return {
        "vo": tally.vo,
        "signature": tally.signature,
        "text": said.get("text") or "",
        "example": said.get("example") or "",
        "example_job_id": said.get("job_id"),
        "count": 0,
        "before": 0,
        "is_new": False,
        "first_seen": said.get("first_seen"),
        "last_seen": None,
        "sites": {},
        "users": {},
        "trend": [0] * buckets,
        "split": {},
        "note": said.get("note"),
        "_buckets": buckets,
    }


def _add(cluster: dict[str, Any], tally: Tally, by: str) -> None:
    place = tally.site if by == "site" else tally.owner
    if tally.bucket is not None and place is not None:
        row = cluster["split"].setdefault(place, [0] * cluster["_buckets"])
        row[tally.bucket] += tally.count
    elif tally.bucket is not None:
        cluster["trend"][tally.bucket] += tally.count
    elif tally.site is not None:
        cluster["sites"][tally.site] = tally.count
    elif tally.owner is not None:
        cluster["users"][tally.owner] = tally.count
    else:
        cluster |= {"count": tally.count, "before": tally.before, "is_new": tally.before == 0}
        seen = [at for at in (cluster["first_seen"], tally.first) if at is not None]
        cluster |= {"first_seen": min(seen, default=None), "last_seen": tally.last}


def _top(counts: Mapping[str, int]) -> dict[str, int]:
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return dict(most[:TOP])
