"""Each document is compiled once: what the compiler said is kept in the database and in the memory of each process."""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cachetools import LRUCache

from weyl.cwl.compilation import Compilation
from weyl.cwl.drivers.compiler import Bundle, Compiler
from weyl.cwl.labels import workflow_label
from weyl.cwl.queries.compilations import CompilationKey, CompilationRow, select_compilation, upsert_compilation
from weyl.kit.db import Database, Tx
from weyl.kit.services import Key

KEPT_MAX = 1_000
FAILURE_KEPT = timedelta(hours=1)
# What is kept of a document counts as so many bytes at least, so that many small ones, or few large ones, are kept.
_WEIGHT_MIN = 64 * 1024
# Texts of this length and more are read in a thread.
_THREAD_FROM_CHARACTERS = 16_000


@dataclass(frozen=True, slots=True)
class _Kept:
    compilation: Compilation
    weight: int
    until_s: float | None


class Compilations:
    """The compilations that a process knows; one flight for each."""

    def __init__(self, db: Database, compiler: Compiler) -> None:
        self._db = db
        self._compiler = compiler
        self._kept: LRUCache[CompilationKey, _Kept] = LRUCache(
            KEPT_MAX * _WEIGHT_MIN, getsizeof=lambda kept: kept.weight
        )
        self._flights: dict[CompilationKey, asyncio.Task[Compilation]] = {}

    async def get(
        self, bundle_id: bytes, bundle: Bundle, *, user: str, now: datetime, keep: bool = True
    ) -> Compilation:
        """Return what there is to know of a bundle; raises `CompilerBusy`. No transaction may be open meanwhile.

        With `keep` false nothing is written into the database.
        """
        key = CompilationKey(bundle_id, bundle.fragment or "", self._compiler.version)
        kept = self._kept.get(key)
        if kept is not None and (kept.until_s is None or time.monotonic() < kept.until_s):
            return kept.compilation
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.create_task(self._compiled(key, bundle, user=user, now=now, keep=keep))
            self._flights[key] = flight
            flight.add_done_callback(lambda done: self._landed(key, done))
        return await asyncio.shield(flight)

    def _landed(self, key: CompilationKey, flight: "asyncio.Task[Compilation]") -> None:
        self._flights.pop(key, None)
        # Whoever waits gets the error; where nobody does any more, it is no fault of the loop's.
        if not flight.cancelled():
            flight.exception()

    async def kept(self, tx: Tx, bundle_id: bytes, fragment: str | None) -> Compilation | None:
        """Return what is known already of a bundle, and compile nothing."""
        key = CompilationKey(bundle_id, fragment or "", self._compiler.version)
        if (known := self._kept.get(key)) is not None:
            return known.compilation
        row = await select_compilation(tx, key)
        return None if row is None else self._remembered(key, row, row.at)

    async def _compiled(
        self, key: CompilationKey, bundle: Bundle, *, user: str, now: datetime, keep: bool
    ) -> Compilation:
        async with self._db.read() as tx:
            row = await select_compilation(tx, key)
        if row is not None and (row.is_sound or now < row.at + FAILURE_KEPT):
            return self._remembered(key, row, now)
        said = await self._compiler.compile(bundle, user=user)
        row = _row(said, await _label(bundle, said), now)
        if keep:
            async with self._db.writing() as tx:
                await upsert_compilation(tx, key, row)
        return self._remembered(key, row, now)

    def _remembered(self, key: CompilationKey, row: CompilationRow, now: datetime) -> Compilation:
        # Not orjson: a document may have numbers of any size.
        made = Compilation({**json.loads(row.result), "problems": json.loads(row.problems)})
        left_s = (row.at + FAILURE_KEPT - now).total_seconds()
        until_s = None if row.is_sound else time.monotonic() + left_s
        weight = max(_WEIGHT_MIN, 4 * len(row.result))
        # What is larger than all that may be kept is kept by nobody.
        if weight <= self._kept.maxsize:
            self._kept[key] = _Kept(made, weight, until_s)
        return made


async def _label(bundle: Bundle, said: Mapping[str, Any]) -> str | None:
    """Return the label of a workflow of one file: only what the compiler could read within its limits is read here."""
    if len(bundle.files) > 1 or not _is_sound(said["problems"]):
        return None
    [content] = bundle.files.values()
    text = content.decode(errors="replace")
    return (
        workflow_label(text) if len(text) < _THREAD_FROM_CHARACTERS else await asyncio.to_thread(workflow_label, text)
    )


def _is_sound(problems: Sequence[Mapping[str, Any]]) -> bool:
    return all(each["severity"] != "error" for each in problems)


def _row(said: Mapping[str, Any], label: str | None, now: datetime) -> CompilationRow:
    told = {**said, "workflow_id": label}
    problems = told.pop("problems")
    is_sound = _is_sound(problems)
    return CompilationRow(json.dumps(told), json.dumps(problems), is_sound, now)


COMPILATIONS: Key[Compilations] = Key("the compilations of workflows")
