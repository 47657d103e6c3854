"""Pilots in a long poll: they hold no transaction, and are woken when a class that they could run gets jobs."""

import asyncio
from collections.abc import Sequence

from weyl.matcher.entries import Entry
from weyl.matcher.evaluation import first_failure, fit
from weyl.matcher.offers import PilotOffer

# With more news than this everybody is woken: looking at each pair would cost more than asking again.
CLASSES_LOOKED_AT_MAX = 50


class Parking:
    """Everybody who waits in this process."""

    def __init__(self) -> None:
        self._parked: dict[asyncio.Event, PilotOffer] = {}

    def __len__(self) -> int:
        return len(self._parked)

    async def wait(self, offer: PilotOffer, timeout_s: float) -> bool:
        """Wait for news that concern this offer; says whether some came in time."""
        woken = asyncio.Event()
        self._parked[woken] = offer
        try:
            async with asyncio.timeout(timeout_s):
                await woken.wait()
        except TimeoutError:
            return False
        finally:
            del self._parked[woken]
        return True

    def wake(self, entries: Sequence[Entry]) -> None:
        """Wake those who could run a job of one of these classes."""
        for woken, offer in self._parked.items():
            if len(entries) > CLASSES_LOOKED_AT_MAX or any(_could_run(entry, offer) for entry in entries):
                woken.set()

    def wake_all(self) -> None:
        """Wake everybody: the server stops."""
        for woken in self._parked:
            woken.set()


def _could_run(entry: Entry, offer: PilotOffer) -> bool:
    return first_failure(entry.needs, offer) is None and fit(entry.needs, offer) is not None
