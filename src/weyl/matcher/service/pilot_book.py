"""Remembers what each pilot asked and got last, and writes it down now and then: never on the way of an answer."""

from dataclasses import dataclass
from datetime import datetime

from weyl.kit.db import Database
from weyl.matcher.models import Offer
from weyl.matcher.offers import distinct_parts
from weyl.matcher.queries.offers import record_questions

OFFERS_KEPT = 50_000
PORTION = 200


@dataclass(slots=True)
class _Asked:
    """What one pilot has asked since it was last written down."""

    # What its last offer is told apart by, and the offer if the table does not have it: of thousands of pilots that
    # make the same one again and again nothing is kept that the garbage collector would have to walk over.
    kind: int = 0
    offer: Offer | None = None
    asked: int = 0
    hits: int = 0
    at: datetime = datetime.min
    miss: str | None = None
    miss_at: datetime | None = None

    def count(self, other: "_Asked") -> None:
        """Add what came before."""
        self.asked += other.asked
        self.hits += other.hits
        if self.miss is None:
            self.miss, self.miss_at = other.miss, other.miss_at


class PilotBook:
    """The questions of each pilot since they were last written."""

    def __init__(self) -> None:
        self._asked: dict[str, _Asked] = {}
        # The offers that the table has: most pilots make the same one all their life.
        self._written: dict[str, int] = {}

    def note(self, stamp: str, offer: Offer, miss: str | None, now: datetime) -> None:
        """Count one question; without a miss it got jobs."""
        asked, kind = self._asked.get(stamp), hash(distinct_parts(offer))
        if asked is None:
            asked = self._asked[stamp] = _Asked()
        if asked.kind != kind:
            asked.kind, asked.offer = kind, None if self._written.get(stamp) == kind else offer
        asked.at = now
        asked.asked += 1
        if miss is None:
            asked.hits += 1
        else:
            asked.miss, asked.miss_at = miss, now

    async def write(self, db: Database) -> None:
        """Add the counts to the table; what cannot be written is kept for the next time.

        A portion at a time: thousands of offers take a third of a second to write down, and pilots wait meanwhile.
        """
        taken, self._asked = list(self._asked.items()), {}
        for stamp, asked in taken:
            if asked.offer is not None:
                self._written.pop(stamp, None)  # until it is written: a pilot may take up its old offer meanwhile
        try:
            while taken:
                await self._write(db, dict(taken[:PORTION]))
                del taken[:PORTION]
        except BaseException:
            for stamp, before in taken:
                self._asked.setdefault(stamp, _Asked(before.kind, before.offer, at=before.at)).count(before)
            raise

    async def _write(self, db: Database, portion: dict[str, _Asked]) -> None:
        columns: dict[str, list[object]] = {
            "stamp": list(portion),
            "doc": [None if asked.offer is None else asked.offer.model_dump_json() for asked in portion.values()],
            "asked": [asked.asked for asked in portion.values()],
            "hits": [asked.hits for asked in portion.values()],
            "at": [asked.at for asked in portion.values()],
            "miss": [asked.miss for asked in portion.values()],
            "miss_at": [asked.miss_at for asked in portion.values()],
        }
        async with db.transaction() as tx:
            await record_questions(tx, columns)
        if len(self._written) + len(portion) > OFFERS_KEPT:
            self._written.clear()
        self._written.update({stamp: asked.kind for stamp, asked in portion.items()})
