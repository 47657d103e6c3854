"""What the storage elements of a VO are and how they do."""

import asyncio
import time
from collections.abc import Mapping, Sequence

from weyl.config.models import Config
from weyl.config.storage_elements import Endpoint
from weyl.file_catalog.errors import OtherMaster
from weyl.file_catalog.policy import check_master
from weyl.file_catalog.service.purging import not_purged
from weyl.file_catalog.service.usage import usage
from weyl.kit.db import Database
from weyl.storage.drivers.driver import Space
from weyl.storage.elements import Element, element_of, elements_of
from weyl.storage.errors import StorageError
from weyl.storage.models.elements import (
    AccessStatus,
    ElementDescription,
    EndpointShown,
    HealthShown,
    UsageShown,
)
from weyl.storage.permits import ElementViewer
from weyl.storage.service.reach import Storages

ACCESSES = ("read", "write", "check", "remove")
SPACE_KEPT_S = 60.0
SPACE_WAIT_S = 3.0


class Spaces:
    """How much space elements have, asked for at most once a minute each."""

    def __init__(self, storages: Storages) -> None:
        self.storages = storages
        self._known: dict[tuple[str, str], tuple[float, Space | None]] = {}

    async def of(self, element: Element) -> Space | None:
        """Return the space of an element; None where no door of it can say, or not in time."""
        key, now = (element.vo, element.name), time.monotonic()
        known = self._known.get(key)
        if known is not None and now - known[0] < SPACE_KEPT_S:
            return known[1]
        space = await self._ask(element)
        self._known[key] = (now, space)
        return space

    async def _ask(self, element: Element) -> Space | None:
        for endpoint in element.doors("check"):
            try:
                async with asyncio.timeout(SPACE_WAIT_S):
                    space = await self.storages.reach(element, endpoint).driver.space()
            except (StorageError, TimeoutError):
                continue
            if space is not None:
                return space
        return None


async def usage_of(db: Database, config: Config, viewer: ElementViewer) -> dict[str, UsageShown]:
    """Return what the files of a VO come to at each element, those in the trash with them: two statements.

    Nothing is said to those who may not use the catalogue, or where another catalogue has the files.
    """
    if viewer.member is None:
        return {}
    try:
        check_master(config, viewer.vo)
    except OtherMaster:
        return {}
    roots = config.operations[viewer.vo].data_management.roots_of(viewer.vo)
    async with db.read() as tx:
        outcome = await usage(tx, viewer.member, roots, config=config)
        stuck = {each.se: each for each in await not_purged(tx) if each.vo == viewer.vo}
    found: dict[str, UsageShown] = {}
    for sums in outcome.success.values():
        for se, used in sums["elements"].items():
            known = found.get(se, UsageShown(files=0, bytes=0))
            found[se] = UsageShown(
                files=known.files + used["files"] + used["trash_files"],
                bytes=known.bytes + used["bytes"] + used["trash_bytes"],
            )
    for se, each in stuck.items():
        known = found.get(se, UsageShown(files=0, bytes=0))
        found[se] = known.model_copy(update={"not_purged": each.replicas, "not_purged_since": each.since})
    return found


async def describe(
    spaces: Spaces, config: Config, viewer: ElementViewer, *, used: Mapping[str, UsageShown]
) -> list[ElementDescription]:
    """Return all storage elements of a VO, in the order of the configuration."""
    elements = elements_of(config, viewer.vo)
    found = await asyncio.gather(*(spaces.of(element) for element in elements.values()))
    return [
        _described(spaces.storages, element, space, used.get(element.name))
        for element, space in zip(elements.values(), found, strict=True)
    ]


async def describe_one(
    spaces: Spaces, config: Config, viewer: ElementViewer, *, se: str, used: Mapping[str, UsageShown]
) -> ElementDescription:
    """Return one storage element of a VO; raises `UnknownElement`."""
    element = element_of(elements_of(config, viewer.vo), viewer.vo, se)
    return _described(spaces.storages, element, await spaces.of(element), used.get(se))


def _described(
    storages: Storages, element: Element, space: Space | None, usage: UsageShown | None
) -> ElementDescription:
    health = storages.health(element.name)
    return ElementDescription(
        name=element.name,
        medium=element.medium,
        sites=list(element.sites),
        # Which other VOs use it is nobody else's business.
        vos=None if element.settings.vos is None else [element.vo],
        endpoints=[_endpoint(element, endpoint) for endpoint in element.endpoints],
        status={access: _status(storages, element, access) for access in ACCESSES},
        health=HealthShown(
            state=health.state, answered_at=health.answered_at, failed_at=health.failed_at, fault=health.fault
        ),
        free=None if space is None else space.free,
        total=None if space is None else space.total,
        usage=usage,
    )


def _endpoint(element: Element, endpoint: Endpoint) -> EndpointShown:
    address = endpoint.url if endpoint.url is not None else f"{endpoint.protocol}://"
    bucket: Sequence[str] = [endpoint.bucket] if endpoint.bucket is not None else []
    path = endpoint.path_for(element.vo)
    return EndpointShown(
        name=endpoint.name,
        protocol=endpoint.protocol,
        url="/".join([address, *bucket]) + ("" if path == "/" else path),
        access=endpoint.access.model_dump(),
    )


def _status(storages: Storages, element: Element, access: str) -> AccessStatus:
    usable = storages.usable(element.vo, element.name, access)
    return AccessStatus(allowed=usable.reason is None, reason=usable.reason, until=usable.until)
