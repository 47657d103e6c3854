"""Failures that are alike: what is left of an error's text once it names nobody, and clusters of jobs made of it."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

TEXT_LENGTH_MAX = 200
HASH_LENGTH = 16
BUCKETS_MAX = 24
TOP = 10
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HOURLY_DAYS_MAX = 10

# The database has the same steps (migration 0027) and signs with them whatever fails: a test compares the two. So the
# patterns keep to what both kinds of regular expressions read alike: no words' ends, no classes but those spelled out.
_BEFORE, _AFTER = "(^|[^a-z0-9_])", "(?![a-z0-9_])"
STEPS: tuple[tuple[str, str], ...] = (
    (r"[a-z][a-z0-9+.-]*://[^ ,;)'\"]*", "<url>"),
    (r"[a-z0-9._%+-]+@[a-z0-9.-]+", "<email>"),
    ("(^|[^a-z0-9])'[^']*'", r"\1<text>"),
    ('"[^"]*"', "<text>"),
    ("`[^`]*`", "<text>"),
    ("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<id>"),
    ("[0-9]{4}-[0-9]{2}-[0-9]{2}([t ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?)?", "<time>"),
    ("[0-9]{1,2}:[0-9]{2}:[0-9]{2}([.,][0-9]+)?", "<time>"),
    (r"(^|[ (=:,])(lfn:|pfn:)?/[^ ,;:()]+", r"\1<path>"),
    (r"[0-9]{1,3}[.][0-9]{1,3}[.][0-9]{1,3}[.][0-9]{1,3}", "<host>"),
    (rf"{_BEFORE}[a-z0-9-]+([.][a-z0-9-]+)+[.][a-z]{{2,5}}{_AFTER}", r"\1<host>"),
    ("0x[0-9a-f]+", "<hex>"),
    (rf"{_BEFORE}[0-9]+([.][0-9]+)*{_AFTER}", r"\1<n>"),
    (rf"{_BEFORE}(?=[a-f]*[0-9])[0-9a-f]{{6,}}{_AFTER}", r"\1<hex>"),
    ("[0-9]+([.][0-9]+)*", "<n>"),
    (" +", " "),
)
"""What stands for something else, and what takes its place, in this order."""

_COMPILED = tuple((re.compile(pattern), put) for pattern, put in STEPS)
_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)} | dict.fromkeys(map(ord, "\t\n\v\f\r"), " ")
_USER = re.compile("[a-z0-9_.-]{3,}")


@dataclass(frozen=True, slots=True)
class Signature:
    """What failures that are alike have in common: a short name, and the text that it is made of."""

    name: str
    text: str


def signature(text: str, users: Iterable[str] = ()) -> Signature:
    """Return what an error's text says apart from when, where, to whom and to what it happened."""
    said = text.translate(_LOWER)
    for user in users:
        name = user.translate(_LOWER)
        if _USER.fullmatch(name):
            said = re.sub(f"{_BEFORE}{name.replace('.', '[.]')}{_AFTER}", r"\1<user>", said)
    for pattern, put in _COMPILED:
        said = pattern.sub(put, said)
    cut = said.strip(" ")[:TEXT_LENGTH_MAX]
    return Signature(hashlib.sha256(cut.encode()).hexdigest()[:HASH_LENGTH], cut)


def failure_text(minor_status: str, application_status: str) -> str:
    """Return what a failed job says of its failure."""
    return minor_status if application_status in ("", "Unknown") else f"{minor_status}: {application_status}"


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
