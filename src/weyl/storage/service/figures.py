"""The figures of uploads for operators."""

from weyl.kit.db import Tx
from weyl.kit.metrics import Figure
from weyl.storage.queries.intents import count_refused
from weyl.storage.queries.uploads import count_live


async def figures(tx: Tx) -> list[Figure]:
    """Return the uploads that are on their way, and the places that their storage does not let us sweep."""
    live = [((vo, state), float(count)) for vo, state, count in await count_live(tx)]
    refused = [((se,), float(count)) for se, count in await count_refused(tx)]
    return [
        Figure("weyl_uploads", "Uploads that have not ended, by VO and state.", ("vo", "state"), live),
        Figure(
            "weyl_places_not_swept",
            "Places of uploads that ended, which their storage element did not let us sweep.",
            ("se",),
            refused,
        ),
    ]
