"""Remembers the offers that pilots make, and writes them down now and then: never on the way of an answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from weyl.kit import json
from weyl.kit.db import Database
from weyl.matcher.models import Offer
from weyl.matcher.offers import Place, distinct_parts, registered_form
from weyl.matcher.queries import offers as queries


@dataclass(slots=True)
class _Seen:
    # None: the table has it already.
    document: Mapping[str, Any] | None
    hits: int = 0
    misses: int = 0


DIGESTS_KEPT = 20_000


class OfferBook:
    """Hits and misses of each distinct offer since they were last written."""

    def __init__(self, on_new: Callable[[], None]) -> None:
        self._on_new = on_new
        self._seen: dict[tuple[bytes, Place], _Seen] = {}
        # Of offers that were met before, by their parts; forgotten all at once, which is cheaper than by age.
        self._digests: dict[object, bytes] = {}
        self._written: set[tuple[bytes, Place]] = set()

    def note(self, offer: Offer, place: Place, *, is_hit: bool) -> None:
        """Count one question."""
        seen = self._seen_of(offer, place)
        if is_hit:
            seen.hits += 1
        else:
            seen.misses += 1

    def meet(self, offer: Offer, place: Place) -> None:
        """Remember an offer whose question is not answered yet."""
        self._seen_of(offer, place)

    def _seen_of(self, offer: Offer, place: Place) -> _Seen:
        """Find an offer by its parts; its document, which takes long to make, is made for the first write only."""
        parts = distinct_parts(offer)
        digest = self._digests.get(parts)
        if digest is not None:
            seen = self._seen.get((digest, place))
            if seen is not None:
                return seen
            if (digest, place) in self._written:
                return self._seen.setdefault((digest, place), _Seen(None))
        if len(self._digests) >= DIGESTS_KEPT:
            self._digests.clear()
        digest, document = registered_form(offer)
        self._digests[parts] = digest
        self._on_new()
        return self._seen.setdefault((digest, place), _Seen(document))

    async def write(self, db: Database, now: datetime, *, only_new: bool = False) -> None:
        """Add the counts to the table, if so asked of new offers only; what cannot be written is kept for later."""
        new = {key: seen for key, seen in self._seen.items() if seen.document is not None}
        known = {key: seen for key, seen in self._seen.items() if seen.document is None}
        if only_new:
            known, self._seen = {}, known
        else:
            self._seen = {}
        taken = {**new, **known}
        if not taken:
            return
        try:
            async with db.transaction() as tx:
                if known and await queries.count_offers(tx, _columns(known), now) < len(known):
                    self._written.clear()
                if new:
                    await queries.record_offers(tx, _columns(new), now)
        except BaseException:
            self._put_back(taken)
            raise
        if len(self._written) >= DIGESTS_KEPT:
            self._written.clear()
        self._written.update(new)

    def _put_back(self, taken: dict[tuple[bytes, Place], _Seen]) -> None:
        for key, seen in taken.items():
            kept = self._seen.setdefault(key, _Seen(seen.document))
            kept.hits += seen.hits
            kept.misses += seen.misses


def _columns(taken: dict[tuple[bytes, Place], _Seen]) -> dict[str, list[object]]:
    return {
        "hash": [digest for digest, _ in taken],
        "vo": [place.vo for _, place in taken],
        "site": [place.site for _, place in taken],
        "ce": [place.ce or "" for _, place in taken],
        "queue": [place.queue or "" for _, place in taken],
        "doc": [json.dumps_text(seen.document) for seen in taken.values()],
        "hits": [seen.hits for seen in taken.values()],
        "misses": [seen.misses for seen in taken.values()],
    }
