"""Sandboxes as files: reading tar archives that others made, writing ours, and never leaving the directory."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import importlib
import io
import lzma
import os
import re
import shutil
import stat
import subprocess
import tarfile
from pathlib import Path
from typing import IO, Any, Collection, Iterable, List, Mapping, Optional, Tuple, cast

from weyl_pilot.spool import Spool, TooLarge

BLOCK = 1 << 20
# No name or header is longer; tarfile would read one of any size into memory.
READ_MAX = 4 << 20
MEMBERS_MAX = 200_000
UNPACKED_MAX = 10 << 30
PACKED_FROM_MAX = 4 << 30
PACKED_MAX = 512 << 20


class BadArchive(Exception):
    """An archive that cannot be read, or whose members want to go where they must not."""


def can_read_zstd() -> bool:
    """Whether this machine can unpack a tar.zst by itself."""
    return _zstd_module() is not None or _zstd_command(Path("-")) is not None


def unpack(archive: Path, directory: Path, *, bytes_max: int = UNPACKED_MAX) -> None:
    """Extracts regular files, directories and harmless links below the directory; later archives win.

    Some thousand bytes can unpack to a terabyte: more than `bytes_max` is refused before the disk is full.
    """
    try:
        if archive.name.endswith(".zst"):
            _unpack_zstd(archive, directory, bytes_max)
        else:
            with _opened(archive) as stream:
                _extract(_Bounded(stream, bytes_max), directory)
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise BadArchive("%s cannot be unpacked: %s" % (archive.name, error)) from error


def _opened(archive: Path) -> IO[bytes]:
    """Opens an archive of whatever compression, by its first bytes."""
    with open(str(archive), "rb") as stream:
        head = stream.read(6)
    for magic, module in ((b"BZh", bz2), (b"\x1f\x8b", gzip), (b"\xfd7zXZ\x00", lzma)):
        if head.startswith(magic):
            return module.open(str(archive), "rb")  # type: ignore[no-any-return]
    return open(str(archive), "rb")


class _Bounded:
    """What tarfile reads from: only forward, in pieces of bounded size, and never beyond the limit."""

    def __init__(self, stream: IO[bytes], bytes_max: int) -> None:
        self._stream = stream
        self._bytes_max = bytes_max
        self._position = 0

    def read(self, size: int = -1) -> bytes:
        """Reads a piece."""
        if not 0 <= size <= READ_MAX:
            raise BadArchive("a header claims %d bytes" % size)
        pieces: List[bytes] = []
        while size > 0:
            piece = self._stream.read(size)
            if not piece:
                break
            pieces.append(piece)
            size -= len(piece)
            self._position += len(piece)
            if self._position > self._bytes_max:
                raise BadArchive("it unpacks to more than %d bytes" % self._bytes_max)
        return b"".join(pieces)

    def tell(self) -> int:
        """How far we are."""
        return self._position

    def seek(self, position: int, whence: int = 0) -> int:
        """Skips what lies between; there is no way back."""
        if whence != 0 or position < self._position:
            raise BadArchive("its members are not in order")
        while self._position < position:
            if not self.read(min(BLOCK, position - self._position)):
                break
        return self._position


def _zstd_module() -> Any:
    try:
        return importlib.import_module("compression.zstd")
    except ImportError:
        return None


def _zstd_command(archive: Path) -> Optional[List[str]]:
    """A program that writes the plain tar to its standard output."""
    if shutil.which("zstd"):
        return ["zstd", "-q", "-d", "-c", "--", str(archive)]
    if shutil.which("bsdtar"):
        return ["bsdtar", "-c", "-f", "-", "@" + str(archive)]
    return None


def _unpack_zstd(archive: Path, directory: Path, bytes_max: int) -> None:
    module = _zstd_module()
    if module is not None:
        with module.open(str(archive), "rb") as stream:
            _extract(_Bounded(stream, bytes_max), directory)
        return
    command = _zstd_command(archive)
    if command is None:
        raise BadArchive("nothing on this machine reads zstd")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as program:
        assert program.stdout is not None
        try:
            _extract(_Bounded(program.stdout, bytes_max), directory)
        except BaseException:
            program.kill()
            raise
        _drain(program.stdout)
    if program.returncode != 0:
        raise BadArchive("%s: %s ended with %d" % (archive.name, command[0], program.returncode))


def _drain(stream: IO[bytes]) -> None:
    while stream.read(BLOCK):
        continue


def _extract(stream: _Bounded, directory: Path) -> None:
    with tarfile.open(fileobj=stream, mode="r:") as tar:  # type: ignore[call-overload]
        _extract_members(tar, os.path.realpath(str(directory)))


def _extract_members(tar: tarfile.TarFile, base: str) -> None:
    for number, member in enumerate(tar):
        if number >= MEMBERS_MAX:
            raise BadArchive("it has more than %d members" % MEMBERS_MAX)
        # Else tarfile remembers every member until the end.
        tar.members = []  # type: ignore[attr-defined]
        safe = _checked(member, base)
        target = os.path.join(base, safe.name)
        if not safe.isdir() and os.path.lexists(target) and not os.path.isdir(target):
            os.unlink(target)
        if hasattr(tarfile, "data_filter"):
            tar.extract(safe, base, set_attrs=True, filter="data")
        else:
            tar.extract(safe, base, set_attrs=True)


def _checked(member: tarfile.TarInfo, base: str) -> tarfile.TarInfo:
    """Refuses members that leave the directory, devices and pipes; forgets owners and special bits."""
    if not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
        raise BadArchive("%s is neither file, directory nor link" % member.name)
    _demand_inside(member.name, os.path.join(base, member.name), base=base)
    if member.issym():
        _demand_inside(member.name, os.path.join(base, os.path.dirname(member.name), member.linkname), base=base)
    if member.islnk():
        _demand_inside(member.name, os.path.join(base, member.linkname), base=base)
    member.mode = (member.mode & 0o755) | (0o700 if member.isdir() else 0o600)
    member.uid, member.gid, member.uname, member.gname = os.geteuid(), os.getegid(), "", ""
    return member


def _demand_inside(name: str, path: str, *, base: str) -> None:
    resolved = os.path.realpath(path)
    if os.path.isabs(name) or (resolved != base and not resolved.startswith(base + os.sep)):
        raise BadArchive("%s leads out of the directory" % name)


def pack(
    directory: Path,
    names: Iterable[str],
    *,
    extra: Optional[Mapping[str, bytes]] = None,
    owner: Optional[int] = None,
    left_out: Collection[str] = (),
    place: Optional[Path] = None,
) -> Spool:
    """Makes a tar.bz2 of contents that are only in memory, and of files and directories below `directory`.

    What is `left_out` is not packed, also where it lies in a directory that is. The archive is kept in `place`.

    The payload may have planted links, pipes or devices: they are not followed and not read, and links that lead
    out are left behind, because whoever unpacks the archive would refuse all of it. So are files that do not belong to
    `owner`, if there is one: second names of files that the payload itself cannot read.
    """
    base, extra = os.path.realpath(str(directory)), extra or {}
    spool = Spool(place, bytes_max=PACKED_MAX)
    left = [PACKED_FROM_MAX]

    def wanted(member: tarfile.TarInfo) -> Optional[tarfile.TarInfo]:
        if member.name in left_out or (owner is not None and member.isfile() and member.uid != owner):
            return None
        left[0] -= member.size
        if left[0] < 0:
            raise TooLarge("the output sandbox would hold more than %d bytes" % PACKED_FROM_MAX)
        return _anonymous(member, base)

    with tarfile.open(fileobj=cast("IO[bytes]", spool), mode="w:bz2") as tar:
        # First, so that whoever wants only these need not unpack what the payload made.
        for name, content in extra.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for name in names:
            if name not in extra:
                tar.add(str(directory / name), arcname=name, filter=wanted)
    return spool


def _anonymous(member: tarfile.TarInfo, base: str) -> Optional[tarfile.TarInfo]:
    if member.issym():
        target = os.path.realpath(os.path.join(base, os.path.dirname(member.name), member.linkname))
        if os.path.isabs(member.linkname) or not target.startswith(base + os.sep):
            return None
    elif not (member.isfile() or member.isdir()):
        return None
    member.uid, member.gid, member.uname, member.gname = 0, 0, "", ""
    return member


def find_outputs(directory: Path, patterns: Iterable[str]) -> Tuple[List[str], List[str]]:
    """Names below the directory that the patterns mean, and the patterns that mean nothing there.

    A pattern that Python refuses is one of these, with the reason behind it: `a**b` before Python 3.13.
    """
    found, missing = [], []  # type: List[str], List[str]
    base = os.path.realpath(str(directory))
    for pattern in patterns:
        clean = os.path.normpath(pattern)
        if os.path.isabs(clean) or clean == ".." or clean.startswith("../"):
            missing.append(pattern)
            continue
        try:
            names = sorted(str(path.relative_to(directory)) for path in directory.glob(clean)) if clean != "." else []
        except (ValueError, re.error) as error:
            missing.append("%s (not a pattern: %s)" % (pattern, error))
            continue
        inside = [name for name in names if _is_plain(directory / name, base)]
        if not inside:
            missing.append(pattern)
        found += [name for name in inside if name not in found]
    return found, missing


def _is_plain(path: Path, base: str) -> bool:
    mode = os.lstat(str(path)).st_mode
    parent = os.path.realpath(str(path.parent))
    is_inside = parent == base or parent.startswith(base + os.sep)
    return is_inside and (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def sha256_file(path: Path) -> str:
    """Digest of a file, read in pieces."""
    digest = hashlib.sha256()
    with open(str(path), "rb") as stream:
        for block in iter(lambda: stream.read(BLOCK), b""):
            digest.update(block)
    return digest.hexdigest()
