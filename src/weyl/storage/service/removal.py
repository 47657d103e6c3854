"""Bytes that are to go, wherever they lie; a storage that refuses keeps only its own from going."""

import asyncio
from collections.abc import Collection, Sequence

from weyl.config.models import Config
from weyl.storage.elements import BadPath
from weyl.storage.errors import StorageError, UnknownElement
from weyl.storage.service.reach import Reached, Storages

DELETED_AT_ONCE = 200
OVERDUE = "There was no time left to delete it"

Place = tuple[str, str]
"""A storage element and a storage path there."""


async def remove(
    storages: Storages,
    config: Config,
    vo: str,
    places: Collection[Place],
    *,
    within_s: float,
    passed_over: Collection[str] = (),
) -> dict[Place, str]:
    """Delete what lies at these places, and return those where something may still lie, each with the reason.

    Storage elements that are `passed_over` are not asked. Nothing is asked after `within_s`, whatever was not answered:
    until then the places are the caller's, and afterwards they may be those of new files.
    """
    ends_at = asyncio.get_running_loop().time() + within_s
    by_se: dict[str, list[str]] = {}
    for se, path in places:
        by_se.setdefault(se, []).append(path)
    found = await asyncio.gather(
        *(
            _remove_at(storages, config, vo, (se, paths), ends_at=ends_at)
            for se, paths in by_se.items()
            if se not in passed_over
        )
    )
    refused = {place: reason for each in found for place, reason in each.items()}
    for se in by_se.keys() & set(passed_over):
        refused |= {(se, path): "It refused others just now" for path in by_se[se]}
    return refused


async def _remove_at(
    storages: Storages, config: Config, vo: str, what: tuple[str, Sequence[str]], *, ends_at: float
) -> dict[Place, str]:
    (se, paths), refused = what, dict[Place, str]()
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
        failed = await _delete(door, batch, ends_at=ends_at)
        refused |= {(se, by_door[path]): reason for path, reason in failed.items()}
    return refused


async def _delete(door: Reached, paths: Sequence[str], *, ends_at: float) -> dict[str, str]:
    if asyncio.get_running_loop().time() >= ends_at:
        return dict.fromkeys(paths, OVERDUE)
    try:
        async with asyncio.timeout_at(ends_at):
            return await door.driver.delete(paths)
    except TimeoutError:
        return dict.fromkeys(paths, OVERDUE)
    except StorageError as error:
        return dict.fromkeys(paths, str(error))
