"""Of which files a file was made, and which were made of it."""

from collections.abc import Sequence

from weyl.config.models import Config
from weyl.file_catalog.errors import BadFileOrder
from weyl.file_catalog.models.files import Outcome
from weyl.file_catalog.modes import READ
from weyl.file_catalog.names import Space
from weyl.file_catalog.permits import Member
from weyl.file_catalog.queries.relatives import Relative, select_relatives
from weyl.file_catalog.service.reading import admitted, may_read_relative
from weyl.kit.db import Tx

RELATIVES_MAX = 100_000


async def relatives(
    tx: Tx, member: Member, lfns: Sequence[str], *, descendants: bool, depth: int, config: Config
) -> Outcome:
    """Return ancestors or descendants of files with the least number of steps to each, as far as they may be read.

    Raises `BadFileOrder` for more than 100,000 of them.
    """
    space = Space.of(config, member)
    rows = await admitted(tx, member, lfns, READ, config=config)
    starts = {row.file_id: lfn for lfn, row in rows.good.items() if row.file_id is not None}
    found: list[Relative] = []
    if starts:
        most = RELATIVES_MAX + 1
        found = await select_relatives(tx, sorted(starts), descendants=descendants, depth=depth, most=most)
    if len(found) > RELATIVES_MAX:
        raise BadFileOrder(f"More than {RELATIVES_MAX:,} files: ask for fewer at once, or for fewer steps")
    outcome = Outcome({lfn: [] for lfn in starts.values()}, rows.failed)
    for each in found:
        if may_read_relative(space, member, each):
            outcome.success[starts[each.start_id]].append({"lfn": each.lfn, "depth": each.depth})
    return outcome
