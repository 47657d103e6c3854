"""Keeps limits exact: who matches locks the gates that its jobs go through, and gets no more than they have room."""

from collections.abc import Callable, Sequence
from datetime import datetime

from weyl.config.service import ConfigStore
from weyl.jobs.service.limits import apply_limits
from weyl.kit.clock import utcnow
from weyl.kit.db import Database, Tx
from weyl.kit.following import Follower
from weyl.matcher.gate_book import Gate, GateBook
from weyl.matcher.planning import Slot
from weyl.task_queues.gates import GateState, Rule, has_room, merged, rules_of
from weyl.task_queues.queries import limits as queries

LOOK_EVERY_S = 1.0


class StaleLimits(Exception):
    """The rules have changed since the batch was planned: plan it anew."""


class LimitKeeper:
    """The limits of one process: its book of gates, and what it asks the database in a transaction."""

    def __init__(self, db: Database, config: ConfigStore, *, on_open: Callable[[], None]) -> None:
        self.book = GateBook()
        self.follower = Follower("limits", self._read, every_s=LOOK_EVERY_S)
        self._db = db
        self._config = config
        self._on_open = on_open
        self._applied = ""

    async def refresh(self) -> None:
        """Read rules, if there are newer ones, and gates."""
        async with self._db.transaction(opening=queries.HOLD_LIMITS) as tx:
            epoch = (await queries.select_epoch(tx)).epoch
            if epoch != self.book.epoch:
                self.book.load(epoch, await queries.select_rules(tx))
            rows = [] if self.book.is_empty else await queries.select_gates(tx)
        states = {row.key: GateState(row.used_jobs, row.used_cores, row.tat) for row in rows}
        if self.book.opened(states, utcnow()):
            self._on_open()

    async def prepare(self, slots: Sequence[Slot]) -> None:
        """Make the gates that nobody has met yet; apart from the claim, which must not wait for somebody's insert."""
        if self.book.is_empty:
            return
        unseen = self.book.unseen([gate for slot in slots for gate in self._gates(slot)])
        if unseen:
            async with self._db.transaction() as tx:
                await queries.ensure_gates(tx, unseen)

    async def admit(self, tx: Tx, slots: Sequence[Slot], *, wait: bool) -> list[Slot]:
        """Lock the gates of these slots, and return those slots for which there is room.

        Only the first round of a transaction may wait for gates: it takes them in the order of their keys, so that no
        two transactions wait for each other.
        """
        by_slot = [self._gates(slot) for slot in slots]
        keys = sorted({gate.key for gates in by_slot for gate in gates})
        if not keys:
            return list(slots)
        locked = await queries.lock_gates(tx, keys, wait=wait)
        self.book.avoid(set(keys) - set(locked))
        rows = await queries.fold_gates(tx, locked) if locked else []
        states = {row.key: GateState(row.used_jobs, row.used_cores, row.tat) for row in rows}
        self.book.see(states)
        now = rows[0].now if rows else utcnow()
        admitted = []
        for slot, gates in zip(slots, by_slot, strict=True):
            if self._takes(gates, states, slot.allocation.cores, now):
                admitted.append(slot)
        return admitted

    async def delay(self, tx: Tx, bound: Sequence[Slot]) -> None:
        """Note what has started: in the book, and where the next start has to wait, in the database."""
        if self.book.is_empty:
            return
        by_key: dict[str, tuple[Rule, int, int]] = {}
        for slot in bound:
            for gate in self._gates(slot):
                _, jobs, cores = by_key.get(gate.key, (gate.rule, 0, 0))
                by_key[gate.key] = (gate.rule, jobs + 1, cores + slot.allocation.cores)
        now = utcnow()
        states = {
            key: self.book.state(key).after(rule, jobs=jobs, cores=cores, now=now)
            for key, (rule, jobs, cores) in by_key.items()
        }
        self.book.see(states)
        times = {key: state.tat for key, state in states.items() if state.tat is not None and by_key[key][0].delay_s}
        if times:
            await queries.delay_gates(tx, times)

    def _gates(self, slot: Slot) -> tuple[Gate, ...]:
        return self.book.gates(slot.entry, slot.attempt.offer.place)

    @staticmethod
    def _takes(gates: Sequence[Gate], states: dict[str, GateState], cores: int, now: datetime) -> bool:
        """Say whether a job fits through its gates, and take its place in all of them."""
        for gate in gates:
            state = states.get(gate.key)
            if state is None or not has_room(gate.rule, state, cores=cores, now=now):
                return False
        for gate in gates:
            states[gate.key] = states[gate.key].after(gate.rule, jobs=1, cores=cores, now=now)
        return True

    async def _read(self) -> None:
        """Bring the database's rules up to the configuration, and look at the gates."""
        snapshot = self._config.current()
        if snapshot.revision != self._applied:
            limits = {vo: options.matching.limits for vo, options in snapshot.config.operations.items()}
            rules = merged(rule for vo, found in limits.items() for rule in rules_of(vo, found))
            async with self._db.transaction() as tx:
                await apply_limits(tx, rules, snapshot.modified)
            self._applied = snapshot.revision
        await self.refresh()
