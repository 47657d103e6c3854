"""Sandboxes as files: reading tar archives that others made, writing ours, and never leaving the directory."""

from __future__ import annotations

import hashlib
import importlib
import io
import os
import shutil
import stat
import subprocess
import tarfile
from pathlib import Path
from typing import IO, Any, Iterable, List, Optional, Tuple

BLOCK = 1 << 20


class BadArchive(Exception):
    """An archive that cannot be read, or whose members want to go where they must not."""


def can_read_zstd() -> bool:
    """Whether this machine can unpack a tar.zst by itself."""
    return _zstd_module() is not None or _zstd_command(Path("-")) is not None


def unpack(archive: Path, directory: Path) -> None:
    """Extracts regular files, directories and harmless links below the directory; later archives win."""
    try:
        if archive.name.endswith(".zst"):
            _unpack_zstd(archive, directory)
        else:
            with tarfile.open(str(archive), mode="r:*") as tar:
                _extract(tar, directory)
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise BadArchive("%s cannot be unpacked: %s" % (archive.name, error)) from error


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


def _unpack_zstd(archive: Path, directory: Path) -> None:
    module = _zstd_module()
    if module is not None:
        with module.open(str(archive), "rb") as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
            _extract(tar, directory)
        return
    command = _zstd_command(archive)
    if command is None:
        raise BadArchive("nothing on this machine reads zstd")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as program:
        assert program.stdout is not None
        with tarfile.open(fileobj=program.stdout, mode="r|") as tar:
            _extract(tar, directory)
        _drain(program.stdout)
    if program.returncode != 0:
        raise BadArchive("%s: %s ended with %d" % (archive.name, command[0], program.returncode))


def _drain(stream: IO[bytes]) -> None:
    while stream.read(BLOCK):
        continue


def _extract(tar: tarfile.TarFile, directory: Path) -> None:
    base = os.path.realpath(str(directory))
    for member in tar:
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


def pack(directory: Path, names: Iterable[str], *, extra: Iterable[Tuple[str, bytes]] = ()) -> bytes:
    """Makes a tar.bz2 of files and directories below `directory`, and of contents that are only in memory.

    The payload may have planted links, pipes or devices: they are not followed and not read, and links that lead
    out are left behind, because whoever unpacks the archive would refuse all of it.
    """
    base = os.path.realpath(str(directory))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:bz2") as tar:
        for name in names:
            tar.add(str(directory / name), arcname=name, filter=lambda member: _anonymous(member, base))
        for name, content in extra:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


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
    """Names below the directory that the patterns mean, and the patterns that mean nothing there."""
    found, missing = [], []  # type: List[str], List[str]
    base = os.path.realpath(str(directory))
    for pattern in patterns:
        clean = os.path.normpath(pattern)
        if os.path.isabs(clean) or clean == ".." or clean.startswith("../"):
            missing.append(pattern)
            continue
        names = sorted(str(path.relative_to(directory)) for path in directory.glob(clean)) if clean != "." else []
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
