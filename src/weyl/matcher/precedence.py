"""Who is served before a waiting job, as the matcher would decide now: from the index and the ledger of one process."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from heapq import nsmallest

from weyl.matcher.bitsets import mask_of
from weyl.matcher.entries import Entry
from weyl.matcher.index import Index
from weyl.matcher.lines import Chosen
from weyl.matcher.models import Before
from weyl.matcher.queries.looks import COUNTED_MAX
from weyl.matcher.shares import Ledger
from weyl.matcher.waiting import Waiting

# So many kinds of one owner are looked into for older jobs, those with the oldest first; who has more is told less.
OLDER_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Rivals:
    """The jobs that come before those of a class, beside older ones of the class itself."""

    of_earlier_types: int = 0
    groups: int = 0
    of_groups: int = 0
    owners: int = 0
    of_owners: int = 0
    more_urgent: int = 0
    older: list[int] = field(default_factory=list)
    """Classes of which the jobs come first that are older than the job."""
    is_one_queue: bool = False
    """Whether the jobs of all owners of the group stand in one line."""


def rivals_of(entry: Entry, job_id: int, mask: int, *, index: Index, ledger: Ledger, waiting: Waiting) -> Rivals:
    """Return who comes before a job of a class among the classes of a mask: those that the same pilots could run.

    As in `ranking`: types by tier, groups and then owners by what they have used, of one owner the more urgent jobs and
    then the older ones.
    """
    needs, mask = entry.needs, mask & index.waiting_of(entry.needs.vo)
    says = ledger.scheduling(needs.vo)
    earlier = 0
    for tier in says.tiers:
        named = index.of_job_types(tier.names) & mask
        if needs.job_type in tier.names:
            mask = named
            break
        earlier, mask = earlier | named, mask & ~named
    parts = dict(index.groups(mask))
    used = ledger.of_group(needs.vo, needs.group)
    groups = [each for group, each in parts.items() if ledger.of_group(needs.vo, group) < used]
    own_group = parts.get(needs.group, 0)
    of_types, of_groups = waiting.jobs(earlier), sum(map(waiting.jobs, groups))
    if needs.group in says.one_queue:
        older = _older(index.chosen(own_group), entry, job_id)
        return Rivals(of_types, len(groups), of_groups, older=older, is_one_queue=True)
    lines = index.lines(needs.vo, needs.group)
    mine = ledger.of_owner(needs.vo, needs.group, needs.owner)
    owners = [name for name in lines if ledger.of_owner(needs.vo, needs.group, name) < mine]
    theirs = {name: part for name in owners if (part := index.of_owners([name]) & own_group)}
    own = [turn[-1] for turn in lines[needs.owner].of(Chosen(own_group))] if needs.owner in lines else []
    urgent = [each.bit for each in own if each.needs.user_priority > needs.user_priority]
    equal = (each for each in own if each.needs.user_priority == needs.user_priority)
    return Rivals(
        of_types,
        len(groups),
        of_groups,
        len(theirs),
        sum(map(waiting.jobs, theirs.values())),
        waiting.jobs(mask_of(urgent, max(urgent, default=0))),
        _older(equal, entry, job_id),
    )


def _older(entries: Iterable[Entry], entry: Entry, job_id: int) -> list[int]:
    older = ((each.head, each.class_id) for each in entries if each is not entry and 0 < each.head < job_id)
    return [class_id for _, class_id in nsmallest(OLDER_MAX, older)]


def before(rivals: Rivals, *, of_kind: int, older: int) -> list[Before]:
    """Return what comes before a job: so many older ones of its kind and of its owner, and its rivals."""
    return list(_before(rivals, of_kind=of_kind, older=older))


def _counted(jobs: int, what: str) -> Before:
    return Before(jobs=min(jobs, COUNTED_MAX), or_more=jobs > COUNTED_MAX, what=what)


def _before(rivals: Rivals, *, of_kind: int, older: int) -> Iterator[Before]:
    if of_kind:
        yield _counted(of_kind, "of the same kind")
    if older:
        yield _counted(older, "of its group, which are older" if rivals.is_one_queue else "of its owner, older")
    if rivals.more_urgent:
        yield Before(jobs=rivals.more_urgent, what="of its owner with a higher priority")
    if rivals.of_owners:
        others = "another owner" if rivals.owners == 1 else f"{rivals.owners:,} other owners"
        yield Before(jobs=rivals.of_owners, what=f"of {others} in its group who used less")
    if rivals.of_groups:
        others = "another group" if rivals.groups == 1 else f"{rivals.groups:,} other groups"
        yield Before(jobs=rivals.of_groups, what=f"of {others} that used less of their share")
    if rivals.of_earlier_types:
        yield Before(jobs=rivals.of_earlier_types, what="of types that the VO serves first")
