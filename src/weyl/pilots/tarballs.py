"""Files as one gzipped tar that every Python of a node can read: the same files make the same bytes. Pure."""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Callable, Iterable
from typing import IO

SUFFIX = ".tar.gz"
LEVEL = 6
"""How hard to compress: what the highest level saves is not worth three times the time."""
# Not 0: some programs take that for an unknown time.
TIMESTAMP = 315_532_800


def write_tarball(into: IO[bytes], files: Iterable[tuple[str, Callable[[], bytes]]]) -> None:
    """Write files, each read when its turn comes, in the order given; neither owners nor times are kept."""
    with (
        gzip.GzipFile(filename="", mode="wb", compresslevel=LEVEL, fileobj=into, mtime=TIMESTAMP) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, read in files:
            content = read()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(content), 0o644, TIMESTAMP
            archive.addfile(entry, io.BytesIO(content))


def sha256_of(stream: IO[bytes]) -> tuple[str, int]:
    """Return the digest, in hexadecimal, and the size of what is left of a stream."""
    digest, size = hashlib.sha256(), 0
    while piece := stream.read(1 << 20):
        digest.update(piece)
        size += len(piece)
    return digest.hexdigest(), size
