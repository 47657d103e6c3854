"""A file of five gigabytes in parts: sent as a client sends it, put together, read back, with a flat memory."""

import hashlib
import os
from collections.abc import AsyncIterator
from zlib import adler32

import httpx2
import psutil
import pytest
from tests.storage.doors import Door

from weyl.storage.s3_answers import PART_BYTES, parts_of

SIZE = 5 * 1024**3 + 12_345
BLOCK = os.urandom(1 << 20)
MEMORY_MAX = 200 << 20
"""A client that sends parts from memory has one of them there, and its library another."""

pytestmark = [
    pytest.mark.parametrize("system", [pytest.param("seaweedfs", marks=pytest.mark.xdist_group("storage-seaweedfs"))]),
    pytest.mark.system,
    pytest.mark.long,
    pytest.mark.timeout(1800),
]


async def piece(offset: int, size: int) -> AsyncIterator[bytes]:
    """Yield a part of the file, whose bytes are the block over and over."""
    end = offset + size
    while offset < end:
        at = offset % len(BLOCK)
        block = BLOCK[at : at + end - offset]
        yield block
        offset += len(block)


async def test_five_gigabytes_come_in_parts(door: Door) -> None:
    path, before = door.path("huge"), psutil.Process().memory_info().rss
    digest, checksum = hashlib.sha256(), 1
    async for block in piece(0, SIZE):
        digest.update(block)
        checksum = adler32(block, checksum)
    request = await door.request(path, "write", size=SIZE, sha256=digest.hexdigest())
    assert [part.number for part in request.parts] == [number for number, _, _ in parts_of(SIZE)]
    assert len(request.parts) == -(-SIZE // PART_BYTES)
    etags = []
    async with httpx2.AsyncClient(timeout=300) as http:
        for part in request.parts:
            answer = await http.put(part.url, headers=dict(part.headers), content=piece(part.offset, part.size))
            assert answer.status_code == 200, answer.text
            etags.append(answer.headers["ETag"])
    await door.driver.complete(path, str(request.upload), etags)
    assert (await door.driver.stat([path]))[path].size == SIZE
    read, found, seen = hashlib.sha256(), 1, 0
    async with door.driver.read(path) as chunks:
        async for chunk in chunks:
            read.update(chunk)
            found = adler32(chunk, found)
            seen += len(chunk)
    assert (seen, read.hexdigest(), found) == (SIZE, digest.hexdigest(), checksum)
    assert psutil.Process().memory_info().rss - before < MEMORY_MAX
    assert await door.driver.delete([path]) == {}
    assert await door.driver.stat([path]) == {}
