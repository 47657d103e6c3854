"""The local files that travel with jobs: which names of a description are files here, and which lie elsewhere."""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path

from weyl.client.errors import UsageFault

PLACEHOLDER = re.compile(r"%(\(\w+\))?[snj]")
REMOTE = ("SB:", "LFN:", "lfn:", "http://", "https://", "root://")
# Names that are compared with one that is not there.
_LOOKED_AT_MAX = 1_000


def local_files(names: Sequence[str], *, origin: str, directory: Path) -> tuple[list[Path], list[str]]:
    """Return the files that InputSandbox names, and the names that are no files here; raises UsageFault."""
    files: list[Path] = []
    remote: list[str] = []
    has_sandbox = any(name.startswith("SB:") for name in names)
    for name in names:
        found = [] if name.startswith(REMOTE) else _found(name, directory)
        if not found and not name.startswith(REMOTE) and "%" in name:
            # One file a value: all of them travel, and each job uses its own.
            found = _found(PLACEHOLDER.sub("*", name), directory)
        if found:
            files += found
        elif name.startswith(REMOTE) or has_sandbox:
            # A plain name may be inside the sandbox that is named beside it.
            remote.append(name)
        else:
            raise UsageFault(
                f"{origin}: InputSandbox names {name!r}, and there is no such file in {directory}.",
                hint=absent(name, directory) or "Correct the name, or put the file beside the description.",
            )
    return list(dict.fromkeys(files)), remote


def brought_with(files: Iterable[Path], remote: Iterable[str]) -> list[str] | None:
    """Return the names that a job finds in its directory; None if a sandbox or a page of the web brings more."""
    if any(not name.lower().startswith("lfn:") for name in remote):
        return None
    return [*(path.name for path in files), *(name.rpartition("/")[2] for name in remote)]


def absent(name: str, directory: Path) -> str | None:
    """Return what to say of a file that is not there: the names that are nearly the same, if any."""
    place = (directory / name).parent
    try:
        known = [path.name for path, _ in zip(place.iterdir(), range(_LOOKED_AT_MAX), strict=False)]
    except OSError:
        return None
    near = get_close_matches(Path(name).name, known, n=2, cutoff=0.7)
    return f"Did you mean {' or '.join(near)}?" if near else None


def _found(name: str, directory: Path) -> list[Path]:
    path = directory / name
    if path.exists():
        return [path]
    if any(mark in name for mark in "*?["):
        return sorted(directory.glob(name))
    return []
