"""The bytes of sandboxes: comparing them with what was announced, and packing them anew."""

import asyncio
import bz2
import hashlib
import sys

from weyl.kit.s3 import ObjectStore

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


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


async def repack_as_bz2(archive: bytes) -> bytes:
    """Return the same tar archive, compressed by bzip2 instead of Zstandard; in a thread, because it takes seconds."""
    return await asyncio.to_thread(_repack, archive)


def _repack(archive: bytes) -> bytes:
    return bz2.compress(zstd.decompress(archive))
