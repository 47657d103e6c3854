"""A test of a storage element: write, look, read, delete, each with the seconds that it took."""

import hashlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable

from weyl.config.models import Config
from weyl.storage.errors import Corrupt, StorageError
from weyl.storage.models.elements import ProbeStep, StepName
from weyl.storage.permits import Prober
from weyl.storage.service.reach import Reached, Storages

SIZE = 4096
READ_BYTES_MAX = 65_536


async def probe(storages: Storages, config: Config, prober: Prober, se: str) -> list[ProbeStep]:
    """Write a small file of random bytes and delete it again; the first step that fails is followed by the last one.

    Raises `UnknownElement`, or `ClosedElement` if the element may not be written to.
    """
    reached = storages.open(config, se, vo=prober.vo, access="write")
    path = reached.path(f"/{prober.vo}/.weyl-probe/{secrets.token_hex(16)}")
    content = secrets.token_bytes(SIZE)
    done = [await _timed("write", _write(reached, path, content))]
    if done[-1].error is None:
        done.append(await _timed("stat", _stat(reached, path, content)))
    if done[-1].error is None:
        done.append(await _timed("read", _read(reached, path, content)))
    done.append(await _timed("delete", _delete(reached, path)))
    return done


async def _timed(name: StepName, work: Awaitable[None]) -> ProbeStep:
    began, error = time.monotonic(), None
    try:
        await work
    except StorageError as fault:
        error = str(fault)
    return ProbeStep(step=name, seconds=round(time.monotonic() - began, 4), error=error)


async def _write(reached: Reached, path: str, content: bytes) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield content

    await reached.driver.write(path, chunks(), size=SIZE, sha256=hashlib.sha256(content).hexdigest())


async def _stat(reached: Reached, path: str, content: bytes) -> None:
    found = (await reached.driver.stat([path])).get(path)
    if found is None:
        raise Corrupt("What was written is not there")
    if found.size != len(content):
        raise Corrupt(f"What was written has {found.size} bytes in place of {len(content)}")


async def _read(reached: Reached, path: str, content: bytes) -> None:
    read = bytearray()
    async with reached.driver.read(path) as chunks:
        async for chunk in chunks:
            read += chunk
            if len(read) > READ_BYTES_MAX:
                break
    if read != content:
        raise Corrupt("What is read is not what was written")


async def _delete(reached: Reached, path: str) -> None:
    failed = await reached.driver.delete([path])
    if failed:
        raise StorageError(failed[path])
