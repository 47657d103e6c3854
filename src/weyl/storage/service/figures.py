"""The figures of uploads for operators."""

from weyl.file_catalog.service.purging import not_purged
from weyl.kit.db import Tx
from weyl.kit.metrics import Figure
from weyl.storage.queries.intents import count_refused
from weyl.storage.queries.uploads import count_live


async def figures(tx: Tx) -> list[Figure]:
    """Return the uploads that are on their way, and what storage does not let us sweep or purge."""
    live = [((vo, state), float(count)) for vo, state, count in await count_live(tx)]
    stuck = [((each.vo, each.se), float(each.replicas)) for each in await not_purged(tx)]
    refused = [((se,), float(count)) for se, count in await count_refused(tx)]
    return [
        Figure("weyl_uploads", "Uploads that have not ended, by VO and state.", ("vo", "state"), live),
        Figure(
            "weyl_places_not_swept",
            "Places of uploads that ended, which their storage element did not let us sweep.",
            ("se",),
            refused,
        ),
        Figure(
            "weyl_replicas_not_purged",
            "Replicas that were to be purged and are still at their storage element, by VO.",
            ("vo", "se"),
            stuck,
        ),
    ]
