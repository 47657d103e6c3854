"""Which local files are put under which names."""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

FILES_MAX = 1_000_000


class LocalFault(Exception):
    """Raised for files that cannot be put as they are named."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file of this machine and the name that it is put under; size in bytes, time of the last change in ns."""

    path: Path
    lfn: str
    size: int
    mtime_ns: int

    @classmethod
    def at(cls, path: Path, lfn: str) -> "LocalFile":
        """Return a file as it is now; raises `LocalFault` for what is none."""
        try:
            found = path.stat()
        except OSError as error:
            raise LocalFault(f"{path}: {error.strerror}") from error
        if not stat.S_ISREG(found.st_mode):
            raise LocalFault(f"{path} is not a file")
        return cls(path, lfn, found.st_size, found.st_mtime_ns)


def local_files(paths: Sequence[Path], target: str) -> list[LocalFile]:
    """Return the files to put, with all that are below directories.

    A single path is put as `target`; several, or any if `target` ends with a slash, are put below it by their own
    names. Raises `LocalFault` if there is nothing to put, too much, or two files for one name.
    """
    into = target.rstrip("/")
    is_directory = len(paths) > 1 or target.endswith("/")
    found: dict[str, LocalFile] = {}
    for path in paths:
        for each in _files_of(path, f"{into}/{path.resolve().name}" if is_directory else into):
            if each.lfn in found:
                raise LocalFault(f"{found[each.lfn].path} and {each.path} would both be {each.lfn}")
            found[each.lfn] = each
            if len(found) > FILES_MAX:
                raise LocalFault(f"There are more than {FILES_MAX:,} files; put them in parts")
    if not found:
        raise LocalFault(f"There is no file in {', '.join(map(str, paths))}")
    return list(found.values())


def _files_of(path: Path, lfn: str) -> Iterator[LocalFile]:
    if not path.is_dir():
        yield LocalFile.at(path, lfn)
        return
    for directory, names, files in os.walk(path):
        names.sort()
        below = Path(directory).relative_to(path).as_posix()
        prefix = lfn if below == "." else f"{lfn}/{below}"
        for name in sorted(files):
            yield LocalFile.at(Path(directory) / name, f"{prefix}/{name}")
