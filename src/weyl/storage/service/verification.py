"""Whether files lie where they should: their size, and a checksum that the storage tells or that is read back."""

import asyncio
import hashlib
import random
import zlib
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from weyl.config.models import Config
from weyl.file_catalog.checksums import Checksums
from weyl.storage.drivers.driver import Stat
from weyl.storage.elements import BadPath
from weyl.storage.errors import Corrupt, NotThere, StorageError, UnknownElement
from weyl.storage.service.reach import Reached, Storages
from weyl.storage.verdicts import fault_of, is_proven

STATS_AT_ONCE = 1_000
COMPLETED_AT_ONCE = 16
ASKED_AT_ONCE = 8
READ_AT_ONCE, SMALL_READ_AT_ONCE = 4, 16
SMALL_BYTES = 1024 * 1024
"""Files up to this are read without asking for their size first, where they must be read in any case."""
GIVEN_UP_AFTER = 8
"""So many faults of a storage element one after the other are its own, and not those of the files."""


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


@dataclass(slots=True)
class Looked:
    """What is known of claims, by key: filled as the answers come, so that what was cut short is worth something."""

    proven: set[int] = field(default_factory=set)
    faults: dict[int, str] = field(default_factory=dict)
    """What is wrong with files that are not what somebody says."""
    unknown: dict[int, str] = field(default_factory=dict)
    """Why their storage cannot tell now."""

    def is_open(self, claim: Claim) -> bool:
        """Tell whether a file is still to be looked at."""
        return not (claim.key in self.proven or claim.key in self.faults or claim.key in self.unknown)


async def look_at(storages: Storages, config: Config, vo: str, claims: Sequence[Claim], looked: Looked) -> None:
    """Find out of each claim whether it is right, each storage element beside the others; what cannot be is told."""
    by_se: dict[str, list[Claim]] = {}
    for claim in claims:
        by_se.setdefault(claim.se, []).append(claim)
    await _all(_look_at(storages, config, vo, each, looked) for each in by_se.values())


async def faults_of(storages: Storages, config: Config, vo: str, claims: Sequence[Claim]) -> dict[int, str]:
    """Return what is wrong with each file that is not what somebody says, by key; raises `Unverified`."""
    looked = Looked()
    await look_at(storages, config, vo, claims, looked)
    for reason in looked.unknown.values():
        raise Unverified(reason)
    return looked.faults


async def _all(work: Iterable[Coroutine[None, None, None]]) -> None:
    """Do things beside each other; the first error is raised once all have ended."""
    for each in await asyncio.gather(*work, return_exceptions=True):
        if each is not None:
            raise each


async def _look_at(storages: Storages, config: Config, vo: str, claims: Sequence[Claim], looked: Looked) -> None:
    """Look at the files of one storage element, in another order each time: none keeps the same others waiting."""
    se, asking = claims[0].se, _Asking(claims[0].se, looked)
    try:
        door = storages.open(config, se, vo=vo, access="check")
    except (StorageError, UnknownElement) as error:
        asking.give_up(claims, error)
        return
    paths = _paths(door, claims, looked)
    await _complete(door, [claim for claim in claims if claim.etags and looked.is_open(claim)], paths, asking)
    unproven = [claim for claim in claims if looked.is_open(claim) and _is_to_be_read(door, claim)]
    read = {claim.key for claim in unproven}
    left = [claim for claim in claims if looked.is_open(claim) and claim.key not in read]
    for first in range(0, len(left), STATS_AT_ONCE):
        unproven += await _compared(door, left[first : first + STATS_AT_ONCE], paths, asking)
    if unproven:
        try:
            reader = storages.open(config, se, vo=vo, access="read")
        except (StorageError, UnknownElement) as error:
            asking.give_up(unproven, error)
            return
        await _read_back(reader, unproven, asking)


class _Asking:
    """Asks one storage element about files one by one, until it fails too often."""

    def __init__(self, se: str, looked: Looked) -> None:
        self.looked = looked
        self._se = se
        self._failures = 0
        self._reason = ""

    def give_up(self, claims: Collection[Claim], error: Exception) -> None:
        """Note that of these files nothing can be told now."""
        self.looked.unknown |= {claim.key: f"{self._se}: {error}" for claim in claims}

    async def each(self, claims: Sequence[Claim], ask: Callable[[Claim], Awaitable[None]], *, at_once: int) -> None:
        """Ask about files, some at a time; what fails is noted with its file, and ends nothing else."""
        gate = asyncio.Semaphore(at_once)

        async def one(claim: Claim) -> None:
            async with gate:
                await self._one(claim, ask)

        await _all(map(one, random.sample(claims, len(claims))))

    async def _one(self, claim: Claim, ask: Callable[[Claim], Awaitable[None]]) -> None:
        if self._failures >= GIVEN_UP_AFTER:
            self.looked.unknown[claim.key] = self._reason
            return
        try:
            await ask(claim)
        except Corrupt as error:
            self.looked.faults[claim.key] = str(error)
        except StorageError as error:
            self._failures, self._reason = self._failures + 1, f"{self._se}: {error}"
            self.looked.unknown[claim.key] = self._reason
            return
        self._failures = 0


def _paths(door: Reached, claims: Sequence[Claim], looked: Looked) -> dict[int, str]:
    """Return the path of each claim at a door, and note what is wrong with those that have none."""
    paths: dict[int, str] = {}
    for claim in claims:
        try:
            paths[claim.key] = door.path(claim.path)
        except BadPath as error:
            looked.faults[claim.key] = str(error)
    return paths


async def _complete(door: Reached, claims: Sequence[Claim], paths: Mapping[int, str], asking: _Asking) -> None:
    """Put files together from their parts; what cannot be is not there afterwards."""

    async def complete(claim: Claim) -> None:
        if claim.multipart is not None:
            # Nothing of it is there, which the next question shows.
            with suppress(NotThere):
                await door.driver.complete(paths[claim.key], claim.multipart, claim.etags)

    await asking.each(claims, complete, at_once=COMPLETED_AT_ONCE)


def _is_to_be_read(door: Reached, claim: Claim) -> bool:
    return claim.size <= SMALL_BYTES and not door.may_tell(claim.checksums.as_json())


async def _compared(door: Reached, claims: Sequence[Claim], paths: Mapping[int, str], asking: _Asking) -> list[Claim]:
    """Compare files with what their storage tells of them; returns those of which that is no proof."""
    unproven: list[Claim] = []

    def compare(claim: Claim, stat: Stat | None) -> None:
        if (fault := fault_of(claim.size, claim.checksums, stat)) is not None:
            asking.looked.faults[claim.key] = fault
        elif stat is not None and is_proven(claim.checksums, stat):
            asking.looked.proven.add(claim.key)
        else:
            unproven.append(claim)

    async def ask(claim: Claim) -> None:
        found = await door.driver.stat([paths[claim.key]])
        compare(claim, found.get(paths[claim.key]))

    try:
        stats = await door.driver.stat(sorted(paths[claim.key] for claim in claims))
    except StorageError:
        # Of which of them it cannot tell, does not stand in the answer.
        await asking.each(claims, ask, at_once=ASKED_AT_ONCE)
    else:
        for claim in claims:
            compare(claim, stats.get(paths[claim.key]))
    return unproven


async def _read_back(door: Reached, claims: Sequence[Claim], asking: _Asking) -> None:
    async def read(claim: Claim) -> None:
        if (fault := fault_of(claim.size, claim.checksums, await read_stat(door, claim))) is not None:
            asking.looked.faults[claim.key] = fault
        else:
            asking.looked.proven.add(claim.key)

    for is_small, at_once in ((True, SMALL_READ_AT_ONCE), (False, READ_AT_ONCE)):
        await asking.each([each for each in claims if (each.size <= SMALL_BYTES) is is_small], read, at_once=at_once)


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
