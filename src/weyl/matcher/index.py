"""All classes with waiting jobs as bitsets: which of them an offer may run is an AND of a dozen integers.

The index may be behind the database, never in its place: a bit that is set too long costs one empty pop, and a bit
that is missing delays a job until the next notice or sweep. The pop and the jobs row decide.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

from weyl.matcher.bitsets import bits_of, mask_of
from weyl.matcher.entries import Entry, EntryMaker
from weyl.matcher.evaluation import JOB_TYPE_OF_CLOSED_SITES
from weyl.matcher.lines import Line, Turn, turn_of
from weyl.matcher.masks import Masks, values_of
from weyl.matcher.offers import PilotOffer

DEAD_BITS_MIN = 1_024
KINDS_MAX, KINDS_BYTES_MAX = 10_000, 1 << 23
FOREVER_S = 1 << 62
SHARED_MIN = 10_000


class Index:
    """The classes of one process; a bit a class, bits of retired classes are used again."""

    def __init__(self) -> None:
        self._masks = Masks()
        self._maker = EntryMaker()
        self._entries: dict[int, Entry] = {}
        self._by_bit: list[Entry | None] = []
        self._free: list[int] = []
        self._active = 0
        self._lines: dict[tuple[str, str], dict[str, Line]] = {}
        self._owned: dict[str, set[Entry]] = {}
        # What the nodes of a kind may run, whatever their name and however much time, memory and disk they have.
        self._kinds: dict[tuple[object, ...], int] = {}
        self.edition = 0
        """Changes whenever somebody comes who owned nothing here."""
        self.old = 0
        """The classes whose oldest job has waited for so long that its group is owed a match."""

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def kinds(self) -> int:
        """How many kinds of nodes are remembered."""
        return len(self._kinds)

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
        self._maker = EntryMaker()
        entries = [self._maker.entry(number, document, bit) for bit, (number, document) in enumerate(documents.items())]
        self._rebuild(entries, entries)

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
        self._leave(entry)
        self._kinds.clear()
        self.old &= ~(1 << entry.bit)
        self._owned[entry.needs.owner].discard(entry)
        for name, value in values_of(entry.needs):
            getattr(self._masks, name).remove(entry.bit, value)
        self._by_bit[entry.bit] = None
        self._free.append(entry.bit)
        if len(self._free) > max(DEAD_BITS_MIN, len(self._entries)):
            self._compact()

    def activate(self, entry: Entry) -> None:
        """Let a class take part; one that was retired meanwhile has no bit any more."""
        if self._entries.get(entry.class_id) is entry:
            self._join(entry)

    def deactivate(self, entry: Entry) -> None:
        """Leave a class out until it is told to have jobs again."""
        if self._entries.get(entry.class_id) is entry:
            self._leave(entry)

    def is_active(self, entry: Entry) -> bool:
        """Say whether a class takes part."""
        return entry.is_in_line

    def eligible(self, offer: PilotOffer) -> int:
        """Return the mask of classes that may run there; arithmetic that depends on the allocation is left to `fit`."""
        kind = offer.kind()
        mask = self._kinds.get(kind)
        if mask is None:
            mask = self._of_kind(offer)
            if len(self._kinds) >= min(KINDS_MAX, 1 + 8 * KINDS_BYTES_MAX // max(1, len(self._by_bit))):
                self._kinds.clear()
            self._kinds[kind] = mask
        masks = self._masks
        mask &= self._active & masks.wall_time.up_to(offer.wall_time_s) & masks.work.up_to(_work_of(offer))
        if offer.ram_mb is not None:
            mask &= masks.ram.up_to(offer.ram_mb)
        if offer.scratch_mb is not None:
            mask &= masks.scratch.up_to(offer.scratch_mb)
        if mask and (failed_there := mask & masks.avoided_host.of(offer.host)):
            mask &= ~self._keeping_off(failed_there, offer)
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

    def waiting_of(self, vo: str) -> int:
        """Return the mask of the classes of a VO that have jobs."""
        return self._active & self._masks.vo.of(vo)

    def least(self, condition: str, mask: int) -> int | None:
        """Return the smallest amount that a class of the mask wants; None for conditions that are no amounts."""
        masks = getattr(self._masks, _AMOUNTS.get(condition, ""), None)
        return None if masks is None else masks.least(mask)

    def hangs_on_cores(self, offer: PilotOffer) -> int:
        """Return the mask of the classes that `steps` may let pass though they do not fit: cores decide for them."""
        return self._masks.whole_node.of(True) | ~self._masks.work.up_to(offer.wall_time_s * offer.power)

    def steps(self, offer: PilotOffer) -> Iterator[tuple[str, int]]:
        """Yield the conditions in their fixed order, each with the mask of the classes that pass it."""
        masks, place = self._masks, offer.place
        yield "vo", masks.vo.of(place.vo)
        wanted = (masks.site.of(None) | masks.site.of(place.site)) & ~masks.banned_site.of(place.site)
        if failed_there := masks.avoided_host.of(offer.host):
            wanted &= ~self._keeping_off(failed_there, offer)
        yield "site", wanted
        if offer.closed:
            yield "site_status", masks.job_type.of(JOB_TYPE_OF_CLOSED_SITES)
        accept = offer.accept
        if accept.job_types is not None:
            yield "accept", masks.job_type.of_any(accept.job_types)
        if accept.groups is not None:
            yield "accept", masks.group.of_any(accept.groups)
        if accept.owners is not None:
            yield "accept", self.of_owners(accept.owners)
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
        yield "cpu_work", masks.work.up_to(_work_of(offer))
        yield "gpu", masks.gpu.for_key(offer.gpu)
        if offer.scratch_mb is not None:
            yield "scratch", masks.scratch.up_to(offer.scratch_mb)
        yield "tags", masks.tags.for_key((offer.tags, accept.required_tags))

    def with_data_at(self, site: str) -> int:
        """Return the mask of the classes whose input data are on disk at a site."""
        return self._masks.local_data.of(site)

    def limited(self, vo: str, job_type: str, group: str, owner: str) -> int:
        """Return the mask of the classes with these values; an empty one stands for any."""
        mask = self._masks.vo.of(vo)
        for masks, value in ((self._masks.job_type, job_type), (self._masks.group, group)):
            if value:
                mask &= masks.of(value)
        return mask & self.of_owners([owner]) if owner else mask

    def of_job_types(self, job_types: Iterable[str]) -> int:
        """Return the mask of the classes of some job types."""
        return self._masks.job_type.of_any(job_types)

    def of_owners(self, names: Iterable[str]) -> int:
        """Return the mask of the classes of some owners."""
        owned = (entry for name in names for entry in self._owned.get(name, ()))
        return mask_of((entry.bit for entry in owned), len(self._by_bit))

    def lines(self, vo: str, group: str) -> Mapping[str, Line]:
        """Return the classes of each owner of a group, in the order in which they are served."""
        return self._lines.get((vo, group), {})

    def active_groups(self) -> list[tuple[str, str]]:
        """Return the groups of every VO that have classes with jobs."""
        vos = [(vo, mask & self._active) for vo, mask in self._masks.vo.items().items()]
        groups = self._masks.group.items().items()
        return [(vo, group) for vo, of_vo in vos for group, of_group in groups if of_vo & of_group]

    def set_head(self, entry: Entry, head: int) -> None:
        """Note the oldest job of a class; its place among the classes of its owner follows."""
        if head == entry.head:
            return
        if not entry.is_in_line:
            entry.head = head
            return
        line = self._line(entry)
        line.remove(turn_of(entry))
        entry.head = head
        line.add(turn_of(entry))

    def mark_old(self, oldest_young: Mapping[str, int]) -> None:
        """Note which classes have jobs that have waited for long: of each VO those up to the given one."""
        self.old = mask_of(
            (e.bit for e in self._entries.values() if 0 < e.head <= oldest_young.get(e.needs.vo, 0)),
            len(self._by_bit),
        )

    def groups(self, mask: int) -> Iterator[tuple[str, int]]:
        """Split a mask by the group of the owners."""
        for group, members in self._masks.group.items().items():
            if shared := members & mask:
                yield group, shared

    def chosen(self, mask: int) -> Iterator[Entry]:
        """Yield the entries of a mask, the lowest bit first."""
        return cast(Iterator[Entry], map(self._by_bit.__getitem__, bits_of(mask)))

    def _of_kind(self, offer: PilotOffer) -> int:
        """Return what a node of the kind may run that has no name, and all the time, memory and disk of the world."""
        mask = -1
        for _, condition in self.steps(replace(offer, host="", wall_time_s=FOREVER_S, ram_mb=None, scratch_mb=None)):
            mask &= condition
            if not mask:
                break
        return mask

    def _add(self, class_id: int, document: Mapping[str, Any]) -> Entry:
        if self._free:
            bit = self._free.pop()
        else:
            bit = len(self._by_bit)
            self._by_bit.append(None)
        if len(self._maker) > SHARED_MIN + 2 * len(self._entries):
            self._maker = EntryMaker()  # it keeps what classes had that are gone
        entry = self._maker.entry(class_id, document, bit)
        self._kinds.clear()
        self._by_bit[bit] = entry
        self._entries[class_id] = entry
        self._owned.setdefault(entry.needs.owner, set()).add(entry)
        for name, value in values_of(entry.needs):
            getattr(self._masks, name).add(bit, value)
        self._join(entry)
        return entry

    def _compact(self) -> None:
        """Close the gaps that retired classes left."""
        entries = list(self._entries.values())
        for bit, entry in enumerate(entries):
            entry.bit = bit
        self._rebuild(entries, [entry for entry in entries if entry.is_in_line])

    def _rebuild(self, entries: list[Entry], active: list[Entry]) -> None:
        """Build every mask from its whole set of members: one by one, 10^5 classes would take minutes."""
        found: dict[str, dict[Any, list[int]]] = {name: {} for name in Masks.__slots__}
        for entry in entries:
            for name, value in values_of(entry.needs):
                found[name].setdefault(value, []).append(entry.bit)
        self._masks = Masks()
        self._kinds.clear()
        for name, members in found.items():
            getattr(self._masks, name).build(members, len(entries))
        self._entries = {entry.class_id: entry for entry in entries}
        self._lines, self._owned = {}, {}
        self.edition += 1
        self.old = 0
        for entry in entries:
            self._owned.setdefault(entry.needs.owner, set()).add(entry)
        turns: dict[tuple[str, str, str], list[Turn]] = {}
        for entry in active:
            entry.is_in_line = True
            turns.setdefault((entry.needs.vo, entry.needs.group, entry.needs.owner), []).append(turn_of(entry))
        for (vo, group, owner), theirs in turns.items():
            self._lines.setdefault((vo, group), {})[owner] = Line(theirs)
        self._active = mask_of((entry.bit for entry in active), len(entries))
        self._by_bit = list(entries)
        self._free = []

    def _keeping_off(self, failed_there: int, offer: PilotOffer) -> int:
        """Return the classes of those that failed on the host that did so of late: few, and each has its own time."""
        bits = (bit for bit in bits_of(failed_there) if self.entry(bit).needs.keeps_off(offer))
        return mask_of(bits, failed_there.bit_length())

    def _line(self, entry: Entry) -> Line:
        lines = self._lines.setdefault((entry.needs.vo, entry.needs.group), {})
        if entry.needs.owner not in lines:
            self.edition += 1
            lines[entry.needs.owner] = Line()
        return lines[entry.needs.owner]

    def _join(self, entry: Entry) -> None:
        if not entry.is_in_line:
            entry.is_in_line = True
            self._active |= 1 << entry.bit
            self._line(entry).add(turn_of(entry))

    def _leave(self, entry: Entry) -> None:
        """Take a class out of the line; the name of its owner stays, as most come back."""
        if entry.is_in_line:
            entry.is_in_line = False
            self._active &= ~(1 << entry.bit)
            self._line(entry).remove(turn_of(entry))


def _work_of(offer: PilotOffer) -> float:
    return offer.wall_time_s * offer.power * offer.cores


_AMOUNTS = {"cores": "cores", "ram": "ram", "wall_time": "wall_time", "cpu_work": "work", "scratch": "scratch"}
