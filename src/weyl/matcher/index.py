"""All classes with waiting jobs as bitsets: which of them an offer may run is an AND of a dozen integers.

The index may be behind the database, never in its place: a bit that is set too long costs one empty pop, and a bit
that is missing delays a job until the next notice or sweep. The pop and the jobs row decide.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from weyl.matcher.bitsets import MemoMasks, PrefixMasks, ValueMasks, bits_of, mask_of
from weyl.matcher.evaluation import JOB_TYPE_OF_CLOSED_SITES, GpuNeed, Needs, gpu_fits, needs_of
from weyl.matcher.offers import GpuOffer, PilotOffer
from weyl.task_queues import tags
from weyl.task_queues.tags import Expression

DEAD_BITS_MIN = 1_024

TagKey = tuple[frozenset[str], frozenset[str]]


@dataclass(slots=True)
class Entry:
    """One class in the index, with what this process believes of its jobs."""

    class_id: int
    document: Mapping[str, Any]
    needs: Needs
    bit: int
    # The oldest waiting job when last seen, and how many waited; None: not known.
    head: int = 0
    waiting: int | None = None
    # The last job popped here: the index of the queue holds dead entries below it. 0: start at the beginning.
    floor: int = 0
    # Notices heard for this class, to tell whether one came while a pop was under way.
    notices: int = 0
    idle_sweeps: int = 0


def _tags_accept(expression: Expression, key: TagKey) -> bool:
    offered, required = key
    return tags.evaluate(expression, offered) and all(tags.requires(expression, tag) for tag in required)


@dataclass(slots=True)
class _Masks:
    """The masks of everything by which classes are told apart."""

    vo: ValueMasks[str] = field(default_factory=ValueMasks)
    site: ValueMasks[str | None] = field(default_factory=ValueMasks)
    banned_site: ValueMasks[str] = field(default_factory=ValueMasks)
    avoided_host: ValueMasks[str] = field(default_factory=ValueMasks)
    job_type: ValueMasks[str] = field(default_factory=ValueMasks)
    group: ValueMasks[str] = field(default_factory=ValueMasks)
    owner: ValueMasks[str] = field(default_factory=ValueMasks)
    system: ValueMasks[str] = field(default_factory=ValueMasks)
    architecture: ValueMasks[str | None] = field(default_factory=ValueMasks)
    whole_node: ValueMasks[bool] = field(default_factory=ValueMasks)
    cores: PrefixMasks = field(default_factory=PrefixMasks)
    ram: PrefixMasks = field(default_factory=PrefixMasks)
    wall_time: PrefixMasks = field(default_factory=PrefixMasks)
    work: PrefixMasks = field(default_factory=PrefixMasks)
    scratch: PrefixMasks = field(default_factory=PrefixMasks)
    features: MemoMasks[frozenset[str], frozenset[str]] = field(
        default_factory=lambda: MemoMasks(lambda wanted, offered: wanted <= offered)
    )
    gpu: MemoMasks[GpuNeed | None, GpuOffer] = field(default_factory=lambda: MemoMasks(gpu_fits))
    tags: MemoMasks[Expression, TagKey] = field(default_factory=lambda: MemoMasks(_tags_accept))


def _values(needs: Needs) -> Iterator[tuple[str, Any]]:
    """Yield every (mask, value) under which a class stands."""
    yield "vo", needs.vo
    for site in (None,) if needs.sites is None else needs.sites:
        yield "site", site
    for site in needs.banned_sites:
        yield "banned_site", site
    for host in needs.avoided_hosts:
        yield "avoided_host", host
    yield "job_type", needs.job_type
    yield "group", needs.group
    yield "owner", needs.owner
    yield "system", needs.system
    yield "architecture", needs.architecture
    yield "whole_node", needs.whole_node
    yield "cores", needs.cores_min
    yield "ram", 0 if needs.ram is None else needs.ram.at(needs.cores_min)
    yield "wall_time", needs.wall_time_s
    yield "work", needs.work
    yield "scratch", needs.scratch_mb
    yield "features", needs.features
    yield "gpu", needs.gpu
    yield "tags", needs.expression


class Index:
    """The classes of one process; a bit a class, bits of retired classes are used again."""

    def __init__(self) -> None:
        self._masks = _Masks()
        self._entries: dict[int, Entry] = {}
        self._by_bit: list[Entry | None] = []
        self._free: list[int] = []
        self._active = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, class_id: int) -> Entry | None:
        """Return the entry of a class, if it is here."""
        return self._entries.get(class_id)

    def entry(self, bit: int) -> Entry:
        """Return the entry that stands for a bit of a mask that this index made."""
        found = self._by_bit[bit]
        assert found is not None
        return found

    def entries(self) -> Iterable[Entry]:
        """Return every entry."""
        return self._entries.values()

    def build(self, documents: Mapping[int, Mapping[str, Any]]) -> None:
        """Take all classes at once, every one active; what was here before is forgotten."""
        entries = [
            Entry(class_id, document, needs_of(document), bit)
            for bit, (class_id, document) in enumerate(documents.items())
        ]
        self._rebuild(entries)
        self._active = mask_of(range(len(entries)), len(entries))

    def add(self, documents: Mapping[int, Mapping[str, Any]]) -> list[Entry]:
        """Take further classes, active; those that are here already stay as they are."""
        new = {class_id: document for class_id, document in documents.items() if class_id not in self._entries}
        for memo in (self._masks.features, self._masks.gpu, self._masks.tags):
            memo.prepare(len(new))
        return [self._add(class_id, document) for class_id, document in new.items()]

    def retire(self, class_id: int) -> None:
        """Forget a class; its bit is given to the next one."""
        entry = self._entries.pop(class_id, None)
        if entry is None:
            return
        self._active &= ~(1 << entry.bit)
        for name, value in _values(entry.needs):
            getattr(self._masks, name).remove(entry.bit, value)
        self._by_bit[entry.bit] = None
        self._free.append(entry.bit)
        if len(self._free) > max(DEAD_BITS_MIN, len(self._entries)):
            self._compact()

    def activate(self, entry: Entry) -> None:
        """Let a class take part; one that was retired meanwhile has no bit any more."""
        if self._entries.get(entry.class_id) is entry:
            self._active |= 1 << entry.bit

    def deactivate(self, entry: Entry) -> None:
        """Leave a class out until it is told to have jobs again."""
        if self._entries.get(entry.class_id) is entry:
            self._active &= ~(1 << entry.bit)

    def is_active(self, entry: Entry) -> bool:
        """Say whether a class takes part."""
        return bool(self._active >> entry.bit & 1)

    def eligible(self, offer: PilotOffer) -> int:
        """Return the mask of classes that may run there; arithmetic that depends on the allocation is left to `fit`."""
        mask = self._active
        for _, condition in self.steps(offer):
            mask &= condition
            if not mask:
                break
        return mask

    def first_empty(self, offer: PilotOffer) -> str | None:
        """Name the condition after which no class is left; None if some are."""
        mask = self._active
        if not mask:
            return "queue"
        for name, condition in self.steps(offer):
            mask &= condition
            if not mask:
                return name
        return None

    def steps(self, offer: PilotOffer) -> Iterator[tuple[str, int]]:
        """Yield the conditions in their fixed order, each with the mask of the classes that pass it."""
        masks, place = self._masks, offer.place
        yield "vo", masks.vo.of(place.vo)
        wanted = masks.site.of(None) | masks.site.of(place.site)
        yield "site", wanted & ~masks.banned_site.of(place.site) & ~masks.avoided_host.of(offer.host)
        if offer.closed:
            yield "site_status", masks.job_type.of(JOB_TYPE_OF_CLOSED_SITES)
        accept = offer.accept
        if accept.job_types is not None:
            yield "accept", masks.job_type.of_any(accept.job_types)
        if accept.groups is not None:
            yield "accept", masks.group.of_any(accept.groups)
        if accept.owners is not None:
            yield "accept", masks.owner.of_any(accept.owners)
        if accept.banned_job_types:
            yield "accept", ~masks.job_type.of_any(accept.banned_job_types)
        yield "os", masks.system.of(offer.system)
        yield "architecture", masks.architecture.of(None) | masks.architecture.of(offer.architecture)
        yield "features", masks.features.for_key(offer.features)
        cores = masks.cores.up_to(offer.cores)
        yield "cores", cores if offer.whole_node else cores & ~masks.whole_node.of(True)
        if offer.ram_mb is not None:
            yield "ram", masks.ram.up_to(offer.ram_mb)
        yield "wall_time", masks.wall_time.up_to(offer.wall_time_s)
        yield "cpu_work", masks.work.up_to(offer.wall_time_s * offer.power * offer.cores)
        yield "gpu", masks.gpu.for_key(offer.gpu)
        if offer.scratch_mb is not None:
            yield "scratch", masks.scratch.up_to(offer.scratch_mb)
        yield "tags", masks.tags.for_key((offer.tags, accept.required_tags))

    def limited(self, vo: str, job_type: str, group: str, owner: str) -> int:
        """Return the mask of the classes with these values; an empty one stands for any."""
        mask = self._masks.vo.of(vo)
        for masks, value in ((self._masks.job_type, job_type), (self._masks.group, group), (self._masks.owner, owner)):
            if value:
                mask &= masks.of(value)
        return mask

    def groups(self, mask: int) -> Iterator[tuple[str, int]]:
        """Split a mask by the group of the owners."""
        for group, members in self._masks.group.items().items():
            if shared := members & mask:
                yield group, shared

    def chosen(self, mask: int) -> Iterator[Entry]:
        """Yield the entries of a mask, the lowest bit first."""
        return (self.entry(bit) for bit in bits_of(mask))

    def _add(self, class_id: int, document: Mapping[str, Any]) -> Entry:
        if self._free:
            bit = self._free.pop()
        else:
            bit = len(self._by_bit)
            self._by_bit.append(None)
        entry = Entry(class_id, document, needs_of(document), bit)
        self._by_bit[bit] = entry
        self._entries[class_id] = entry
        for name, value in _values(entry.needs):
            getattr(self._masks, name).add(bit, value)
        self._active |= 1 << bit
        return entry

    def _compact(self) -> None:
        """Close the gaps that retired classes left."""
        entries = list(self._entries.values())
        awake = [self.is_active(entry) for entry in entries]
        for bit, entry in enumerate(entries):
            entry.bit = bit
        self._rebuild(entries)
        self._active = mask_of(
            (entry.bit for entry, active in zip(entries, awake, strict=True) if active), len(entries)
        )

    def _rebuild(self, entries: list[Entry]) -> None:
        """Build every mask from its whole set of members: one by one, 10^5 classes would take minutes."""
        pairs: dict[str, list[tuple[int, Any]]] = {name: [] for name in _Masks.__slots__}
        for entry in entries:
            for name, value in _values(entry.needs):
                pairs[name].append((entry.bit, value))
        self._masks = _Masks()
        for name, members in pairs.items():
            getattr(self._masks, name).build(members, len(entries))
        self._entries = {entry.class_id: entry for entry in entries}
        self._by_bit = list(entries)
        self._free = []
