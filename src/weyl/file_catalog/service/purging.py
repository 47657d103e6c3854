"""What leaves the catalogue for good, after storage has said that it is gone; and what storage should have."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from weyl.file_catalog.checksums import Checksums
from weyl.file_catalog.queries import purging as queries
from weyl.file_catalog.queries.registration import Storing, select_taken
from weyl.kit.db import Tx

LOOKED_AT_FIRST, LOOKED_AT = 16, 2_000
"""Directories of one statement."""
TRASH_LOOKED_AT = 20_000
"""Files of the trash of all VOs that one statement looks at."""
NAMES_MIN, NAMES_TIMES = 16, 4
"""Of each directory at least so many names, of all of them so many times those that are asked for."""
STUCK_LOOKED_AT = 10_000
_EVER = (datetime(1, 1, 1, tzinfo=UTC), 0)
_NEVER = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Purge:
    """A file whose bytes are to be deleted; replicas as (storage element, storage path)."""

    file_id: int
    lfn: str
    trashed_at: datetime
    replicas: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class ReplicaBelow:
    """A replica as the catalogue has it, by its storage path."""

    storage_path: str
    lfn: str
    size: int
    checksums: Checksums
    status: str
    file_status: str
    """`Purging`: its bytes may be gone already."""

    @property
    def is_purged(self) -> bool:
        """Tell whether the file is on its way out."""
        return self.file_status == "Purging"


async def purgeable(
    tx: Tx,
    vo: str,
    *,
    before: datetime,
    stored_before: datetime | None = None,
    after: tuple[datetime, int] | None = None,
    limit: int,
) -> list[Purge]:
    """Return files that were deleted by a time, the oldest first, and let nobody restore them any more.

    Those with a replica that was registered after `stored_before` are left: somebody may still be able to write there.
    `after` is the place (`trashed_at`, `file_id`) of the last one that was seen. Files that another transaction holds
    are passed by.
    """
    place, due = after or _EVER, queries.Due(before, stored_before or _NEVER)
    following: queries.Place | None = place
    rows: list[queries.Doomed] = []
    while following is not None and not rows:
        place, looked = following, TRASH_LOOKED_AT
        rows = await queries.doom_files(tx, vo, due, after=place, limit=limit, looked=looked)
        following = None if rows else await queries.last_looked(tx, before=before, after=place, looked=looked)
    return [Purge(row.file_id, f"{row.directory}/{row.name}", row.trashed_at, row.replicas) for row in rows]


async def purged(tx: Tx, file_ids: Sequence[int], *, author: str, reason: str | None, now: datetime) -> int:
    """Delete files of `purgeable` whose bytes are gone; returns how many. Their names stay on tombstones."""
    return await queries.delete_files(tx, file_ids, author=author, reason=reason, now=now) if file_ids else 0


async def dropped(tx: Tx, pairs: Sequence[tuple[int, str]]) -> int:
    """Delete replicas (file, storage element) whose bytes are gone; returns how many there were."""
    return await queries.drop_replicas(tx, pairs) if pairs else 0


async def not_purged(tx: Tx) -> list[queries.Stuck]:
    """Return how many replicas were to be purged and are still there, by VO and storage element.

    That a storage does not delete is why, or that this is done just now. Many more than ten thousand are not counted.
    """
    return await queries.select_stuck(tx, looked=STUCK_LOOKED_AT)


async def paths_taken(tx: Tx, pairs: Sequence[tuple[str, str]], *, vo: str) -> set[tuple[str, str]]:
    """Return those (storage element, storage path) that a replica has, of a file in the trash too."""
    return await select_taken(tx, [Storing(se, path) for se, path in pairs], vo=vo) if pairs else set()


async def replicas_below(
    tx: Tx, vo: str, se: str, after: str | None, limit: int, *, under: str | None = None
) -> list[ReplicaBelow]:
    """Return the replicas of a VO at a storage element, in the order of bytes of their storage paths.

    `after` is the path of the last one that was seen, `under` a path that all lie below; fewer than `limit` are the
    last ones. Those of files in the trash are among them: their bytes are there.
    """
    first, end = ("", None) if under is None else (f"{under}/", f"{under}0")
    place = max(after or "", first)
    found: list[ReplicaBelow] = []
    look = _Look(limit)
    while len(found) < limit and (end is None or place < end):
        rows, of_directories, of_names = await queries.select_lying(
            tx, vo, se, after=place, limit=limit, reach=look.reach()
        )
        bound = min((each for each in (of_directories, of_names) if each is not None), default=None)
        found += [_stored(row) for row in rows if end is None or row.path < end]
        if len(rows) == limit:
            place = rows[-1].path
        elif bound is not None:
            place = bound
        else:
            break
        look.go_on(is_cut=of_names is not None and of_names == bound)
    return found[:limit]


@dataclass(slots=True)
class _Look:
    """How far statements look: many directories where each has few names, many names where a directory has them."""

    limit: int
    directories: int = LOOKED_AT_FIRST
    names: int = 1
    """Of directories that lead to the path: so many times the limit."""

    def reach(self) -> queries.Reach:
        """Return how far the next statement looks; that is bounded, whatever the directories hold."""
        directories = min(self.directories, LOOKED_AT)
        names = max(NAMES_TIMES * self.limit // directories, NAMES_MIN)
        return queries.Reach(directories, names, self.names * self.limit)

    def go_on(self, *, is_cut: bool) -> None:
        """Look differently, as one directory had more names than were read, or not."""
        if is_cut:
            self.directories, self.names = max(self.directories // 4, LOOKED_AT_FIRST), min(2 * self.names, NAMES_TIMES)
        else:
            self.directories, self.names = min(2 * self.directories, LOOKED_AT), 1


def _stored(row: queries.Lying) -> ReplicaBelow:
    checksums = Checksums.from_row(row.adler32, row.md5, row.sha1, row.sha256)
    return ReplicaBelow(row.path, row.lfn, row.size, checksums, row.status, row.file_status)
