"""The engine archives that a process knows: its own, packed when it is first asked for, and those of a directory."""

import asyncio
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import NamedTuple

import structlog

from weyl.pilots import engines
from weyl.pilots.compute_elements.directory import UntrustedDirectory, make_trusted
from weyl.pilots.engines import Engine
from weyl.pilots.errors import BadEngine
from weyl.pilots.permits import PilotItself
from weyl.pilots.service.shelf import Shelf
from weyl.pilots.tarballs import SUFFIX

log = structlog.get_logger(__name__)

FOLDER = ".engines"
"""Where our own is kept, below the directory of pilots: no site can be called so."""
TRIED_AGAIN_AFTER_S = 60.0
PACKED_KEPT_S = 7 * 86_400


class Packed(NamedTuple):
    """An archive and where it is."""

    engine: Engine
    path: Path

    @property
    def name(self) -> str:
        """Under which it travels."""
        return f"{self.engine.sha256}{SUFFIX}"

    async def content(self) -> bytes:
        """Return all of it."""
        return await asyncio.to_thread(self.path.read_bytes)


class _Seen(NamedTuple):
    """A file of the directory as it was when it was read."""

    mtime_ns: int
    size: int


@dataclass(slots=True)
class Engines:
    """Answers for a process; nothing is packed, and no file read, before somebody asks."""

    shelf: Shelf
    cache: Path
    """Directory of pilots, in which our own archive is kept."""
    directory: Path | None = None
    _own: Packed | None = None
    _failed_at: float | None = None
    _packing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _read: dict[Path, tuple[_Seen, Packed | None]] = field(default_factory=dict)
    _own_machine: str | None = None

    async def known(self) -> list[Packed]:
        """Return all archives, our own first, newer Pythons before older ones; what is wrong with one is logged."""
        own = await self._packed()
        others = await asyncio.to_thread(self._of_directory) if self.directory is not None else ()
        return [*([own] if own else []), *(each for each in others if own is None or each.engine != own.engine)]

    async def told(self) -> list[dict[str, str | int]]:
        """Return what pilots are told of the archives."""
        return [each.engine.told() for each in await self.known()]

    async def machines(self) -> frozenset[str]:
        """Return the machines for which there is an archive, or will be as soon as one is wanted."""
        if self._own_machine is None:
            self._own_machine = await asyncio.to_thread(_machine_here)
        others = await asyncio.to_thread(self._of_directory) if self.directory is not None else ()
        return frozenset([*filter(None, [self._own_machine]), *(each.engine.needs.machine for each in others)])

    async def for_machine(self, machine: str) -> list[Packed]:
        """Return the archives for nodes of this kind."""
        return [each for each in await self.known() if each.engine.needs.machine == machine]

    async def url(self, pilot: PilotItself, sha256: str) -> str:
        """Return where an archive can be fetched for a while; it is stored with the first that asks."""
        return await self.shelf.url(pilot, sha256, self._content)

    async def _content(self, sha256: str) -> bytes | None:
        found = next((each for each in await self.known() if each.engine.sha256 == sha256), None)
        return None if found is None else await found.content()

    async def _packed(self) -> Packed | None:
        """Return our own, which is packed now if it never was here; what fails is not tried again at once."""
        async with self._packing:
            if self._own is None and not self._has_just_failed():
                try:
                    self._own = await asyncio.to_thread(pack_once, self.cache)
                except (BadEngine, UntrustedDirectory, OSError) as error:
                    self._failed_at = time.monotonic()
                    log.warning("engine.not_packed", error=str(error))
        return self._own

    def _has_just_failed(self) -> bool:
        return self._failed_at is not None and time.monotonic() - self._failed_at < TRIED_AGAIN_AFTER_S

    def _of_directory(self) -> Sequence[Packed]:
        """Read what is new in the directory; somebody may add an archive at any time."""
        found: dict[Path, tuple[_Seen, Packed | None]] = {}
        for path in sorted(self.directory.glob(f"*{SUFFIX}")) if self.directory is not None else ():
            try:
                status = path.stat()
                seen = _Seen(status.st_mtime_ns, status.st_size)
                known = self._read.get(path)
                found[path] = known if known is not None and known[0] == seen else (seen, _read(path))
            except OSError as error:
                log.warning("engine.not_read", file=str(path), error=str(error))
        self._read = found
        packed = [each for _, each in found.values() if each is not None]
        return sorted(
            packed, key=lambda each: [int(part) for part in each.engine.needs.python.split(".")], reverse=True
        )


def _read(path: Path) -> Packed | None:
    try:
        return Packed(engines.read_engine(path), path)
    except BadEngine as error:
        log.warning("engine.not_read", file=str(path), error=str(error.detail))
        return None


def _machine_here() -> str:
    """Return the machine of the engine that could be packed here; nothing if it cannot."""
    try:
        engines.distributions()
        return platform.machine()
    except BadEngine as error:
        log.warning("engine.not_packed", error=str(error.detail))
        return ""


def pack_once(directory: Path) -> Packed:
    """Pack the engine of this environment, unless one that was made of the same files is there; blocks for seconds."""
    made_of = engines.source()
    make_trusted(directory)
    folder = directory / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{made_of.digest}{SUFFIX}"
    if not path.exists():
        with NamedTemporaryFile(dir=folder, delete=False) as file:
            try:
                engines.pack(made_of, file)
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).rename(path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
        _forget_others(folder, path)
    return Packed(engines.read_engine(path), path)


def _forget_others(folder: Path, path: Path) -> None:
    """Remove what earlier releases have packed, and what was cut short; another process may still send it today."""
    for other in folder.iterdir():
        if other != path and time.time() - other.stat().st_mtime > PACKED_KEPT_S:
            other.unlink(missing_ok=True)
