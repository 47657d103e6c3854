"""The figures of pilots for operators, and for those who ask why a job waits."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from weyl.config.models import Config
from weyl.config.service import ConfigStore
from weyl.kit.db import Tx
from weyl.kit.metrics import Figure
from weyl.matcher.explanation import PilotsAt
from weyl.matcher.models import Offer
from weyl.matcher.offers import Place
from weyl.pilots.need import pushed_offer, template
from weyl.pilots.queries.figures import select_live_pilots, select_present


async def figures(tx: Tx) -> list[Figure]:
    """Return the pilots that have not ended by VO, site and status."""
    rows = [((vo, site, status), float(count)) for vo, site, status, count in await select_live_pilots(tx)]
    meaning = "Pilots that have not ended, by VO, site and status."
    return [Figure("weyl_pilots", meaning, ("vo", "site", "status"), rows)]


def pilots_seen(store: ConfigStore) -> Callable[[Tx, str, datetime], Awaitable[Mapping[Place, PilotsAt]]]:
    """Return what counts the pilots of a VO by place: who spoke since a time, and who waits and runs now."""

    async def seen(tx: Tx, vo: str, since: datetime) -> dict[Place, PilotsAt]:
        rows = await select_present(tx, vo, since)
        config = store.current().config
        return {
            Place(vo, row.site, row.ce, row.queue): PilotsAt(
                row.seen, row.waiting, row.running, _expected(config, row.site, row.ce, row.queue)
            )
            for row in rows
        }

    return seen


def _expected(config: Config, site: str, ce: str, queue: str) -> Offer | None:
    """Return what a pilot of a queue should offer by its configuration; None for a queue that is not there."""
    found = config.resources.sites.get(site)
    element = None if found is None else found.ces.get(ce)
    configured = None if element is None else element.queues.get(queue)
    if configured is None:
        return None
    return pushed_offer(configured) if configured.mode == "push" else template(configured, ())
