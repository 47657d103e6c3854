"""The bytes of sandboxes: comparing them with what was announced, and packing them anew."""

import asyncio
import bz2
import hashlib
import io
import sys
from collections.abc import Iterator

from weyl.kit.s3 import ObjectStore

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


UNPACKED_BYTES_MAX = 512 * 1024 * 1024
"""Largest archive, unpacked, that is packed anew for nodes without Zstandard."""
PIECE_BYTES = 1024 * 1024


async def is_intact(store: ObjectStore, key: str, *, size: int, sha256: str) -> bool:
    """Tell whether the store holds an object of this size and digest; it is read where the store keeps no checksum."""
    stored = await store.head(key)
    if stored is None or stored.size != size:
        return False
    if stored.sha256 is not None:
        return stored.sha256 == sha256
    digest = hashlib.sha256()
    async with store.read(key) as pieces:
        if pieces is None:
            return False
        async for piece in pieces:
            digest.update(piece)
    return digest.hexdigest() == sha256


async def read(store: ObjectStore, key: str) -> bytes | None:
    """Return a whole object, or None if there is none."""
    async with store.read(key) as pieces:
        return None if pieces is None else b"".join([piece async for piece in pieces])


async def repack_as_bz2(archive: bytes) -> bytes | None:
    """Return the same tar archive, compressed by bzip2 instead of Zstandard; None if it is none or too large.

    In a thread, because it takes seconds.
    """
    return await asyncio.to_thread(_repack, archive)


def _repack(archive: bytes) -> bytes | None:
    try:
        # Some thousand bytes can unpack to a terabyte: looked at before the slow part, and never held whole.
        if sum(len(piece) for piece in _unpacked(archive)) > UNPACKED_BYTES_MAX:
            return None
        compressor = bz2.BZ2Compressor()
        packed = [compressor.compress(piece) for piece in _unpacked(archive)]
    except (zstd.ZstdError, EOFError):
        return None
    return b"".join([*packed, compressor.flush()])


def _unpacked(archive: bytes) -> Iterator[bytes]:
    """Yield the unpacked pieces, and stop soon after the limit."""
    total = 0
    with zstd.ZstdFile(io.BytesIO(archive)) as stream:
        while total <= UNPACKED_BYTES_MAX and (piece := stream.read(PIECE_BYTES)):
            total += len(piece)
            yield piece
