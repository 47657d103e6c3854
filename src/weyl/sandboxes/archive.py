"""Sandbox archives on the user's machine: equal files give equal bytes, unpacking never leaves its directory."""

import hashlib
import sys
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# Level 18, which DiracX's client takes, makes archives an eighth smaller and needs forty times as long: half a minute
# for 50 MB of text, while somebody waits.
LEVEL = 9
SIZE_MAX = 100 * 1024 * 1024


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
    with (
        zstd.ZstdFile(target, "wb", level=LEVEL) as file,
        tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name in sorted(by_name):
            _add(tar, by_name[name], name)
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
            tar.extractall(directory, filter="data")
            return sorted(member.name for member in tar.getmembers() if not member.isdir())
    except (tarfile.TarError, zstd.ZstdError, EOFError) as error:
        raise ArchiveFault(f"The sandbox cannot be unpacked: {error}") from error


def read_member(archive: Path, name: str) -> bytes | None:
    """Return the content of one file of an archive; None if it is not there."""
    wanted = PurePosixPath(name)
    try:
        with _opened(archive) as tar:
            for member in tar:
                if PurePosixPath(member.name) == wanted and member.isfile():
                    content = tar.extractfile(member)
                    return content.read() if content is not None else None
    except (tarfile.TarError, zstd.ZstdError, EOFError) as error:
        raise ArchiveFault(f"The sandbox cannot be read: {error}") from error
    return None


def names(archive: Path) -> list[tuple[str, int]]:
    """Return the files of an archive and their sizes."""
    try:
        with _opened(archive) as tar:
            return [(member.name, member.size) for member in tar if not member.isdir()]
    except (tarfile.TarError, zstd.ZstdError, EOFError) as error:
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
    with archive.open("rb") as raw:
        is_zstd = raw.read(4) == b"\x28\xb5\x2f\xfd"
        raw.seek(0)
        if not is_zstd:
            with tarfile.open(fileobj=raw, mode="r:*") as tar:
                yield tar
            return
        with zstd.ZstdFile(raw, "rb") as plain, tarfile.open(fileobj=plain, mode="r:") as tar:
            yield tar


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
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
        for child in sorted(path.iterdir()):
            _add(tar, child, f"{name}/{child.name}")
