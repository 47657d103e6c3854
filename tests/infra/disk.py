"""Small disks that can be filled and emptied: a file system in memory, mounted where a component keeps its files."""

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BLOCK = b"\0" * (1 << 20)


@contextmanager
def small_disk(directory: Path, *, size_mb: int) -> Iterator[Path]:
    """Mount a file system of this size for the length of the block; only root can, and CI is root."""
    if os.geteuid() != 0:
        assert not os.environ.get("CI"), "disks that are full are tested as root"
        pytest.skip("mounting a small disk takes root")
    directory.mkdir(parents=True, exist_ok=True)
    mode = directory.stat().st_mode & 0o7777
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m,mode={mode:o}", "tmpfs", str(directory)], check=True
    )
    try:
        yield directory
    finally:
        # What still ends has files open; the memory is free once it has ended.
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


@contextmanager
def full(directory: Path, *, but_mb: int = 0) -> Iterator[None]:
    """Let no byte, or only so many MB, be free on the disk for the length of the block."""
    filler = directory / "filler"
    try:
        with filler.open("wb", buffering=0) as file:
            for size in (len(BLOCK), 4096, 1):
                _write_until_full(file.fileno(), BLOCK[:size])
            file.truncate(file.tell() - but_mb * len(BLOCK))
        yield
    finally:
        filler.unlink()


def _write_until_full(descriptor: int, block: bytes) -> None:
    try:
        while os.write(descriptor, block) == len(block):
            continue
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
