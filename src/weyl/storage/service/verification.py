"""Whether files lie where they should: their size, and a checksum that the storage tells or that is read back."""

import asyncio
import hashlib
import zlib
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, TypeVar, cast

from weyl.config.models import Config
from weyl.file_catalog.checksums import Checksums
from weyl.storage.drivers.driver import Stat
from weyl.storage.elements import BadPath
from weyl.storage.errors import NotThere, StorageError, UnknownElement
from weyl.storage.service.reach import Reached, Storages
from weyl.storage.verdicts import fault_of, is_proven

T = TypeVar("T")

STATS_AT_ONCE = 1_000
COMPLETED_AT_ONCE = 16
READ_AT_ONCE = 4


class Unverified(Exception):
    """A storage element cannot tell now; the same question may be answered later."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A file that somebody says lies at a storage element."""

    key: int
    """By which the answer names it."""
    se: str
    path: str
    size: int
    checksums: Checksums
    multipart: str | None = None
    etags: Sequence[str] = ()
    """Of the parts that it is to be put together from first."""


async def faults_of(storages: Storages, config: Config, vo: str, claims: Sequence[Claim]) -> dict[int, str]:
    """Return what is wrong with each file that is not what somebody says, by key; raises `Unverified`."""
    by_se: dict[str, list[Claim]] = {}
    for claim in claims:
        by_se.setdefault(claim.se, []).append(claim)
    found = await _all(_faults_at(storages, config, vo, each) for each in by_se.values())
    return {key: fault for each in found for key, fault in each.items()}


async def _all(work: Iterable[Coroutine[None, None, T]]) -> list[T]:
    """Do things beside each other and return what they return; the first error is raised once all have ended."""
    done = await asyncio.gather(*work, return_exceptions=True)
    for each in done:
        if isinstance(each, BaseException):
            raise each
    return cast("list[T]", done)


async def _faults_at(storages: Storages, config: Config, vo: str, claims: Sequence[Claim]) -> dict[int, str]:
    se = claims[0].se
    try:
        door = storages.open(config, se, vo=vo, access="check")
        paths, faults = _paths(door, claims)
        await _complete(door, [claim for claim in claims if claim.etags and claim.key not in faults], paths)
        stats = await _stats(door, sorted(paths.values()))
        unproven = []
        for claim in claims:
            if claim.key in faults:
                continue
            stat = stats.get(paths[claim.key])
            if (fault := fault_of(claim.size, claim.checksums, stat)) is not None:
                faults[claim.key] = fault
            elif stat is not None and not is_proven(claim.checksums, stat):
                unproven.append(claim)
        if unproven:
            faults |= await _read_back(storages.open(config, se, vo=vo, access="read"), unproven)
    except (StorageError, UnknownElement) as error:
        raise Unverified(f"{se}: {error}") from error
    return faults


def _paths(door: Reached, claims: Sequence[Claim]) -> tuple[dict[int, str], dict[int, str]]:
    """Return the path of each claim at a door, and what is wrong with those that have none."""
    paths, faults = {}, {}
    for claim in claims:
        try:
            paths[claim.key] = door.path(claim.path)
        except BadPath as error:
            faults[claim.key] = str(error)
    return paths, faults


async def _complete(door: Reached, claims: Sequence[Claim], paths: Mapping[int, str]) -> None:
    """Put files together from their parts; what cannot be is not there afterwards."""
    gate = asyncio.Semaphore(COMPLETED_AT_ONCE)

    async def complete(claim: Claim) -> None:
        async with gate:
            if claim.multipart is not None:
                # Nothing of it is there, which the next question shows.
                with suppress(NotThere):
                    await door.driver.complete(paths[claim.key], claim.multipart, claim.etags)

    await _all(complete(claim) for claim in claims)


async def _stats(door: Reached, paths: Sequence[str]) -> dict[str, Stat]:
    found: dict[str, Stat] = {}
    for first in range(0, len(paths), STATS_AT_ONCE):
        found |= await door.driver.stat(paths[first : first + STATS_AT_ONCE])
    return found


async def _read_back(door: Reached, claims: Sequence[Claim]) -> dict[int, str]:
    gate = asyncio.Semaphore(READ_AT_ONCE)

    async def read(claim: Claim) -> str | None:
        async with gate:
            return fault_of(claim.size, claim.checksums, await read_stat(door, claim))

    faults = await _all(read(claim) for claim in claims)
    return {claim.key: fault for claim, fault in zip(claims, faults, strict=True) if fault is not None}


async def read_stat(door: Reached, claim: Claim) -> Stat | None:
    """Read a file and return its size and the strongest of the checksums that it should have; None: gone."""
    name = claim.checksums.strongest_common(claim.checksums)
    assert name is not None, "a file of which no checksum is known is never claimed"
    digest: _Digest = _Adler32() if name == "adler32" else hashlib.new(name, usedforsecurity=False)
    size = 0
    try:
        async with door.driver.read(door.path(claim.path)) as chunks:
            async for chunk in chunks:
                size += len(chunk)
                if size > claim.size:
                    break  # wrong already, however long it goes on
                digest.update(chunk)
    except NotThere:
        return None
    return Stat(size, Checksums.from_json({name: digest.hexdigest()}))


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


class _Adler32:
    def __init__(self) -> None:
        self._sum = zlib.adler32(b"")

    def update(self, data: bytes, /) -> None:
        self._sum = zlib.adler32(data, self._sum)

    def hexdigest(self) -> str:
        return f"{self._sum:08x}"
