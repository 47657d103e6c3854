"""Walks what lies below a directory in the order of paths, where a storage lists one directory at a time."""

from collections.abc import Awaitable, Callable, Sequence

from weyl.storage.drivers.driver import Entry
from weyl.storage.errors import StorageError
from weyl.storage.webdav import Child

DIRECTORIES_WALKED_MAX = 10_000
"""Directories that one listing looks into."""

Children = Callable[[str], Awaitable[Sequence[Child]]]
"""Returns what a directory holds, in any order; nothing for one that is not there."""


async def walk(children_of: Children, under: str, *, after: str | None, limit: int) -> Sequence[Entry]:
    """Return the files below a directory whose paths come after one, in the order of their bytes."""
    found: list[Entry] = []
    walked = 0
    # Last in, first out: what a directory holds is put there backwards, its files among its directories.
    waiting: list[tuple[str, Child | None]] = [(under.rstrip("/") or "/", None)]
    while waiting and len(found) < limit:
        path, child = waiting.pop()
        if child is not None and not child.is_directory:
            if after is None or path.encode() > after.encode():
                found.append(Entry(path, child.size, child.modified_at))
            continue
        if after is not None and not _may_hold(path, after):
            continue
        walked += 1
        if walked > DIRECTORIES_WALKED_MAX:
            raise StorageError(f"There are too many directories below {under} for one look")
        held = sorted(await children_of(path), key=_key)
        waiting += [(f"{path.rstrip('/')}/{each.name}", each) for each in reversed(held)]
    return found


def _key(child: Child) -> bytes:
    """Return what a child is sorted by: the paths below a directory go on with a slash."""
    return f"{child.name}/".encode() if child.is_directory else child.name.encode()


def _may_hold(directory: str, after: str) -> bool:
    """Tell whether something below a directory may come after a path."""
    prefix, last = f"{directory.rstrip('/')}/".encode(), after.encode()
    return last.startswith(prefix) or prefix > last
