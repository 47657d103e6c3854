"""Bytes that are to go, wherever they lie; a storage that refuses keeps only its own from going."""

import asyncio
from collections.abc import Collection, Sequence

from weyl.config.models import Config
from weyl.storage.elements import BadPath
from weyl.storage.errors import StorageError, UnknownElement
from weyl.storage.service.reach import Storages

DELETED_AT_ONCE = 1_000

Place = tuple[str, str]
"""A storage element and a storage path there."""


async def remove(
    storages: Storages, config: Config, vo: str, places: Collection[Place], *, passed_over: Collection[str] = ()
) -> dict[Place, str]:
    """Delete what lies at these places, and return those where something may still lie, each with the reason.

    Storage elements that are `passed_over` are not asked.
    """
    by_se: dict[str, list[str]] = {}
    for se, path in places:
        by_se.setdefault(se, []).append(path)
    found = await asyncio.gather(
        *(_remove_at(storages, config, vo, se, paths) for se, paths in by_se.items() if se not in passed_over)
    )
    refused = {place: reason for each in found for place, reason in each.items()}
    for se in by_se.keys() & set(passed_over):
        refused |= {(se, path): "It refused others just now" for path in by_se[se]}
    return refused


async def _remove_at(storages: Storages, config: Config, vo: str, se: str, paths: Sequence[str]) -> dict[Place, str]:
    refused: dict[Place, str] = {}
    try:
        door = storages.open(config, se, vo=vo, access="remove")
    except (StorageError, UnknownElement) as error:
        return {(se, path): str(error) for path in paths}
    by_door: dict[str, str] = {}
    for path in paths:
        try:
            by_door[door.path(path)] = path
        except BadPath as error:
            refused[se, path] = str(error)
    wanted = sorted(by_door)
    for first in range(0, len(wanted), DELETED_AT_ONCE):
        batch = wanted[first : first + DELETED_AT_ONCE]
        try:
            failed = await door.driver.delete(batch)
        except StorageError as error:
            failed = dict.fromkeys(batch, str(error))
        refused |= {(se, by_door[path]): reason for path, reason in failed.items()}
    return refused
