"""What one process knows of the gates: which classes they close where, and what a batch that is planned takes up."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from weyl.matcher.entries import Entry
from weyl.matcher.index import Index
from weyl.matcher.offers import Place
from weyl.task_queues.gates import ANY, DIMENSIONS, SEPARATOR, GateState, Rule, has_room

CLASSES_KEPT = 200_000


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate: a rule and the values that it limits together."""

    key: str
    rule: Rule
    # The values of the dimensions, `` for those that the rule does not look at.
    values: tuple[str, ...]

    def is_at(self, place: Place) -> bool:
        """Say whether pilots of the place go through the gate."""
        return (
            self.rule.vo == place.vo and self.values[0] in (ANY, place.site) and self.values[1] in (ANY, place.ce or "")
        )


class GateBook:
    """The gates as they were last seen; the database decides, this only keeps hopeless questions from it."""

    def __init__(self) -> None:
        self.epoch = -1
        self.rules: dict[str, Rule] = {}
        self._by_vo: dict[str, list[Rule]] = {}
        self._gates: dict[tuple[int, Place], tuple[Gate, ...]] = {}
        self._known: dict[str, Gate] = {}
        self._states: dict[str, GateState] = {}
        # What the batch under way has planned on top, and gates that it may not wait for.
        self._planned: Counter[str] = Counter()
        self._planned_cores: Counter[str] = Counter()
        self._busy: set[str] = set()
        self._now = datetime.min
        self._closed: dict[Place, int] = {}
        self._kept_out: set[str] = set()
        self.met_busy = False
        """Whether something was left out only because others hold its gate: asking again may find it."""

    @property
    def is_empty(self) -> bool:
        """Say whether nothing is limited."""
        return not self.rules

    def load(self, epoch: int, rules: Iterable[Rule]) -> None:
        """Take another edition of the rules."""
        self.epoch = epoch
        self.rules = {rule.name: rule for rule in rules}
        self._by_vo = {}
        for rule in self.rules.values():
            self._by_vo.setdefault(rule.vo, []).append(rule)
        self._gates.clear()
        self._known = {}
        self._states = {}
        self._kept_out = set()

    def see(self, states: Mapping[str, GateState]) -> None:
        """Take what the database says of gates."""
        self._states.update(states)

    def state(self, key: str) -> GateState:
        """Return what was last seen of a gate."""
        return self._states.get(key, _UNSEEN)

    def start_batch(self, now: datetime) -> None:
        """Begin to plan: nothing is planned yet, and every gate may be asked."""
        self._planned.clear()
        self._planned_cores.clear()
        self._busy.clear()
        self._closed.clear()
        self._now = now

    def start_round(self) -> None:
        """Begin another round of a batch: what was planned has been tried, and is in the states or was refused."""
        self._planned.clear()
        self._planned_cores.clear()
        self._closed.clear()

    def gates(self, entry: Entry, place: Place) -> tuple[Gate, ...]:
        """Return the gates that a job of the class goes through at the place."""
        key = (entry.class_id, place)
        found = self._gates.get(key)
        if found is None:
            if len(self._gates) >= CLASSES_KEPT:
                self._gates.clear()
            found = self._gates[key] = tuple(self._found(entry, place))
        return found

    def shut(self, place: Place, now: datetime) -> list[Gate]:
        """Return the gates of the place through which no further job may start now, whoever has met them."""
        found = []
        for key, state in self._states.items():
            rule = self.rules.get(key.split(SEPARATOR)[0])
            if rule is not None and not has_room(rule, state, cores=1, now=now):
                values = rule.values(key)
                found.append(Gate(key, rule, tuple(values.get(name, ANY) for name in DIMENSIONS)))
        return [gate for gate in found if gate.is_at(place)]

    def closed(self, place: Place, index: Index) -> int:
        """Return the mask of the classes that some gate keeps from the place now."""
        mask = self._closed.get(place)
        if mask is None:
            mask = 0
            for gate in self._known.values():
                if gate.is_at(place) and not self._is_open(gate, 0):
                    mask |= index.limited(gate.rule.vo, *gate.values[2:])
            self._closed[place] = mask
        return mask

    def admits(self, entry: Entry, place: Place, cores: int) -> bool:
        """Say whether one more job may be planned."""
        return all(self._is_open(gate, cores) for gate in self.gates(entry, place))

    def plan(self, entry: Entry, place: Place, cores: int) -> None:
        """Note that a job is planned."""
        for gate in self.gates(entry, place):
            self._planned[gate.key] += 1
            self._planned_cores[gate.key] += cores

    def avoid(self, keys: Iterable[str]) -> None:
        """Plan nothing through these gates until the next batch: others hold them."""
        self._busy.update(keys)

    def opened(self, states: Mapping[str, GateState], now: datetime) -> bool:
        """Take new states; says whether a gate that kept somebody out has room now."""
        self.see(states)
        opened = {key for key in self._kept_out if has_room(self._known[key].rule, self.state(key), cores=1, now=now)}
        self._kept_out -= opened
        return bool(opened)

    def unseen(self, gates: Sequence[Gate]) -> list[tuple[str, str]]:
        """Return (key, rule) of the gates that the database may not have yet."""
        return sorted({(gate.key, gate.rule.name) for gate in gates if gate.key not in self._states})

    def _found(self, entry: Entry, place: Place) -> Iterable[Gate]:
        needs = entry.needs
        if needs.vo != place.vo:
            return
        names = (place.site, place.ce or "", needs.job_type, needs.group, needs.owner)
        values = dict(zip(DIMENSIONS, names, strict=True))
        for rule in self._by_vo.get(place.vo, ()):
            if rule.applies(values):
                key = rule.key(values)
                looked_at = tuple(ANY if getattr(rule, name) == ANY else values[name] for name in DIMENSIONS)
                yield self._known.setdefault(key, Gate(key, rule, looked_at))

    def _is_open(self, gate: Gate, cores: int) -> bool:
        if gate.key in self._busy:
            self.met_busy = True
            return False
        state = self._states.get(gate.key, _UNSEEN)
        planned = self._planned[gate.key]
        if planned:
            state = state.after(gate.rule, jobs=planned, cores=self._planned_cores[gate.key], now=self._now)
        if has_room(gate.rule, state, cores=max(1, cores), now=self._now):
            return True
        self._kept_out.add(gate.key)
        return False


_UNSEEN = GateState()
