"""What the catalogue and a storage element say of the same files, merged: lost, dark, truncated, differing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from weyl.file_catalog.checksums import Checksums


class FindingKind(StrEnum):
    """How catalogue and storage disagree of a path."""

    LOST = "lost"
    DARK = "dark"
    TRUNCATED = "truncated"
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True)
class Registered:
    """A replica of the catalogue, under its storage path."""

    path: str
    lfn: str
    size: int
    checksums: Checksums


@dataclass(frozen=True, slots=True)
class Finding:
    """A path of which catalogue and storage do not say the same."""

    kind: FindingKind
    path: str
    detail: str
    lfn: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A part of the two sorted lists that both cover, and where the next part begins; None: the lists end here."""

    registered: Sequence[Registered]
    stored: Mapping[str, int]
    """Sizes by storage path."""
    cursor: str | None


def page_of(registered: Sequence[Registered], stored: Sequence[tuple[str, int]], *, limit: int) -> Page:
    """Return what two lists of at most `limit` entries, sorted by path in the order of bytes, both cover.

    A list that is full may go on behind its last path, so nothing is said of paths that come after that.
    """
    ends = [each[-1] for each in ([row.path for row in registered], [path for path, _ in stored]) if len(each) >= limit]
    horizon = min(ends, key=str.encode) if ends else None
    if horizon is None:
        return Page(registered, dict(stored), None)
    bound = horizon.encode()
    return Page(
        [row for row in registered if row.path.encode() <= bound],
        {path: size for path, size in stored if path.encode() <= bound},
        horizon,
    )


def findings_of(page: Page) -> Iterator[Finding]:
    """Yield what the lists alone show, in the order of paths; each may have changed while they were read."""
    by_path = {row.path: row for row in page.registered}
    for path in sorted({*by_path, *page.stored}, key=str.encode):
        row, size = by_path.get(path), page.stored.get(path)
        if row is None:
            yield Finding(FindingKind.DARK, path, f"{size:,} bytes that no file of the catalogue has")
        elif size is None:
            yield Finding(FindingKind.LOST, path, f"{row.size:,} bytes that are not there", row.lfn)
        elif size != row.size:
            kind = FindingKind.TRUNCATED if size < row.size else FindingKind.DIFFERS
            yield Finding(kind, path, f"{size:,} bytes there, {row.size:,} in the catalogue", row.lfn)
