"""Sandbox archives on the user's machine: equal files give equal bytes, unpacking never leaves its directory."""

import bz2
import gzip
import hashlib
import lzma
import shutil
import sys
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# Level 18, which DiracX's client takes, makes archives an eighth smaller and needs forty times as long: half a minute
# for 50 MB of text, while somebody waits.
LEVEL = 9
SIZE_MAX = 100 * 1024 * 1024
# Many times what a sandbox holds; some kilobytes can claim to be a terabyte.
UNPACKED_MAX = 20 * 1024**3
MEMBERS_MAX = 200_000
HEADER_MAX = 4 * 1024 * 1024
PIECE = 1024 * 1024
_UNREADABLE = (tarfile.TarError, zstd.ZstdError, lzma.LZMAError, zlib.error, EOFError, OSError)


class ArchiveFault(Exception):
    """Raised when files cannot become a sandbox, or a sandbox cannot become files."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A finished archive, with what the server wants to know of it before the upload."""

    path: Path
    checksum: str
    size: int
    format: str = "tar.zst"


def pack(paths: Iterable[Path], target: Path) -> Packed:
    """Write the given files and directories, by their own names, into one archive.

    Owner, time and order of directory entries are left out, so that equal content is stored once, whoever packs it.
    """
    by_name: dict[str, Path] = {}
    for path in paths:
        if by_name.setdefault(path.name, path).resolve() != path.resolve():
            raise ArchiveFault(
                f"{by_name[path.name]} and {path} have the same name: only one of them can be in a sandbox."
            )
    return _write(by_name, target, follows=False)


def pack_members(members: Mapping[str, Path], target: Path) -> Packed:
    """Write files and directories under the names given, which may have folders in them, into one archive.

    Links are followed: what they point to is packed in their place. All else is as with `pack`.
    """
    return _write(members, target, follows=True)


def _write(members: Mapping[str, Path], target: Path, *, follows: bool) -> Packed:
    with (
        zstd.ZstdFile(target, "wb", level=LEVEL) as file,
        tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT, dereference=follows) as tar,
    ):
        for name in sorted(members):
            _add(tar, members[name], name)
    size = target.stat().st_size
    if size > SIZE_MAX:
        raise ArchiveFault(
            f"The sandbox is {size / 2**20:.0f} MiB; at most {SIZE_MAX // 2**20} MiB are allowed. "
            "Put large files on a storage element and name them in InputData."
        )
    return Packed(target, sha256_of(target), size)


def unpack(archive: Path, directory: Path) -> list[str]:
    """Extract an archive of any format that sandboxes have, and return the names of its files."""
    directory.mkdir(parents=True, exist_ok=True)
    try:
        with _opened(archive) as tar:
            members = list(_within_bounds(tar, shutil.disk_usage(directory).free))
            tar.extractall(directory, members, filter="data")
            return sorted(member.name for member in members if not member.isdir())
    except _UNREADABLE as error:
        raise ArchiveFault(f"The sandbox cannot be unpacked: {error}") from error


def _within_bounds(tar: tarfile.TarFile, free: int) -> Iterator[tarfile.TarInfo]:
    """Yield the members of an archive; raises ArchiveFault before it fills the disk or the memory."""
    total = 0
    for number, member in enumerate(tar):
        total += member.size
        if total > min(free, UNPACKED_MAX):
            raise ArchiveFault(f"The sandbox unpacks to more than {min(free, UNPACKED_MAX) / 2**30:.1f} GiB.")
        if number >= MEMBERS_MAX:
            raise ArchiveFault(f"The sandbox has more than {MEMBERS_MAX:,} files.")
        yield member


class _Reader:
    """What tarfile reads from: in pieces of bounded size, since a header may claim to be of any."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int = -1) -> bytes:
        """Read a piece."""
        if not 0 <= size <= HEADER_MAX:
            raise ArchiveFault("The sandbox cannot be read: one of its headers is too large.")
        return self._stream.read(size)


def read_member(archive: Path, name: str) -> bytes | None:
    """Return the content of one file of an archive; None if it is not there."""
    wanted = PurePosixPath(name)
    try:
        with _opened(archive) as tar:
            for member in tar:
                if PurePosixPath(member.name) == wanted and member.isfile():
                    content = tar.extractfile(member)
                    return None if content is None else b"".join(iter(partial(content.read, PIECE), b""))
    except _UNREADABLE as error:
        raise ArchiveFault(f"The sandbox cannot be read: {error}") from error
    return None


def names(archive: Path) -> list[tuple[str, int]]:
    """Return the files of an archive and their sizes."""
    try:
        with _opened(archive) as tar:
            return [(member.name, member.size) for member in tar if not member.isdir()]
    except _UNREADABLE as error:
        raise ArchiveFault(f"The sandbox cannot be read: {error}") from error


def check(archive: Path, pfn: str) -> None:
    """Raise ArchiveFault unless the bytes are those that the sandbox's name promises."""
    promised = pfn.rpartition("sha256:")[2].partition(".")[0].lower()
    found = sha256_of(archive)
    if promised != found:
        raise ArchiveFault(f"The sandbox that arrived is not the one asked for (sha256 {found}, expected {promised}).")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _opened(archive: Path) -> Iterator[tarfile.TarFile]:
    with archive.open("rb") as file:
        head = file.read(6)
    opener = next((opener for magic, opener in _OPENERS.items() if head.startswith(magic)), open)
    with opener(archive, "rb") as plain, tarfile.open(fileobj=cast("BinaryIO", _Reader(plain)), mode="r:") as tar:
        yield tar


_OPENERS: dict[bytes, Callable[..., Any]] = {
    b"\x28\xb5\x2f\xfd": zstd.ZstdFile,
    b"BZh": bz2.open,
    b"\x1f\x8b": gzip.open,
    b"\xfd7zXZ\x00": lzma.open,
}


def _add(tar: tarfile.TarFile, path: Path, name: str, above: tuple[Path, ...] = ()) -> None:
    try:
        info = tar.gettarinfo(path, arcname=name)
    except OSError as error:
        raise ArchiveFault(f"Cannot read {path}: {error.strerror}.") from error
    if info is None:
        raise ArchiveFault(f"{path} is neither a file nor a directory.")
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mtime = 0
    # Only whether it may be run is part of the content, not who else may read it here.
    info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
    if info.isfile():
        with path.open("rb") as file:
            tar.addfile(info, file)
        return
    tar.addfile(info)
    if info.isdir():
        # A link to a directory around it would be followed for ever.
        here = path.resolve()
        if here in above:
            raise ArchiveFault(f"{path} is a link to a directory that it is in.")
        for child in sorted(path.iterdir()):
            _add(tar, child, f"{name}/{child.name}", (*above, here))
