"""The trash is emptied: bytes first, the row last, so that nothing lies at a storage element that no row knows of."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from weyl.config.models import Config
from weyl.file_catalog.service.purging import Purge, dropped, purgeable, purged
from weyl.storage.service.removal import Place, remove
from weyl.storage.service.state import Uploads
from weyl.storage.uploads import SETTLED_AFTER

log = structlog.get_logger(__name__)

AUTHOR = "storage.purge"
BATCH = 200
WITHIN_S = 25.0
"""The bytes of a batch go within this, before another worker could have the lock: see `weyl.tasks.locks.TTL`."""
TURN_S = 20.0
"""After so long other tasks have their turn."""

After = tuple[datetime, int]
"""When the last file that was looked at went to the trash, and its id."""


@dataclass(slots=True)
class Turn:
    """How far a turn came; `after` is none once everything that is due was looked at."""

    after: After | None = None
    purged: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """Replicas that their storage did not delete, by storage element."""
    reasons: dict[str, str] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    """Storage elements that deleted nothing of a batch: they are not asked again in this turn."""


async def purge(
    uploads: Uploads, config: Config, vo: str, *, now: datetime, after: After | None = None, turn_s: float = TURN_S
) -> Turn:
    """Delete the bytes of files that were in the trash for long, then their rows, oldest first; returns how far.

    What a storage refuses stays in the trash, and is asked again in the next run; it holds up no other storage. A file
    that was registered just now stays as well: a request of its upload that comes late would write it anew.
    """
    before = now - timedelta(days=config.operations[vo].data_management.trash_days)
    turn, began = Turn(after), time.monotonic()
    while True:
        async with uploads.db.transaction() as tx:
            # From here on these cannot be restored.
            batch = await purgeable(
                tx, vo, before=before, stored_before=now - SETTLED_AFTER, after=turn.after, limit=BATCH
            )
        if not batch:
            turn.after = None
            break
        await _purge(uploads, config, vo, batch, turn=turn, now=now)
        turn.after = (batch[-1].trashed_at, batch[-1].file_id)
        if time.monotonic() - began > turn_s:
            break
    for se, count in sorted(turn.refused.items()):
        log.warning("storage.not_purged", vo=vo, se=se, replicas=count, reason=turn.reasons[se][:300])
    return turn


async def _purge(
    uploads: Uploads, config: Config, vo: str, batch: Sequence[Purge], *, turn: Turn, now: datetime
) -> None:
    places = {place for each in batch for place in each.replicas}
    refused = await remove(uploads.storages, config, vo, places, within_s=WITHIN_S, passed_over=turn.silent)
    _note(turn, refused, places)
    gone = [each.file_id for each in batch if not any(place in refused for place in each.replicas)]
    parts = [
        (each.file_id, se)
        for each in batch
        if each.file_id not in set(gone)
        for se, path in each.replicas
        if (se, path) not in refused
    ]
    async with uploads.db.transaction() as tx:
        if parts:
            await dropped(tx, parts)
        if gone:
            await purged(tx, gone, author=AUTHOR, reason="Its time in the trash was over", now=now)
    turn.purged += len(gone)


def _note(turn: Turn, refused: Mapping[Place, str], places: set[Place]) -> None:
    asked = Counter(se for se, _ in places)
    counts = Counter(se for se, _ in refused)
    turn.refused += counts
    for (se, _), reason in refused.items():
        turn.reasons.setdefault(se, reason)
    turn.silent |= {se for se, count in counts.items() if count == asked[se]}
