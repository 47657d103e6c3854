"""Reaching storage elements: the door for an access, unless the status of the element closes it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp

from weyl.config.models import Config
from weyl.config.storage_elements import Endpoint
from weyl.kit.services import Key
from weyl.remote.credential_files import credentials_of
from weyl.resource_status.statuses import Usable
from weyl.storage.drivers.driver import StorageContext, StorageDriver, StorageDriverFactory
from weyl.storage.drivers.issuers import Issuing, token_source
from weyl.storage.elements import PROTOCOLS, Element, element_of, elements_of
from weyl.storage.errors import ClosedElement, NotAllowed, UnknownElement
from weyl.storage.service.watched import Health, WatchedDriver

USUALLY_TOLD: Mapping[str, Sequence[str]] = {"file": (), "s3": (), "https": ("adler32",)}
"""Checksums that storage tells where nothing else is said, by protocol; of those of extensions nothing is known."""

Judge = Callable[[str, str, str], Usable]
"""Says whether a VO may use a storage element for an access now."""


@dataclass(frozen=True, slots=True)
class Reached:
    """A door of a storage element, and what drives it."""

    element: Element
    endpoint: Endpoint
    driver: StorageDriver

    def may_tell(self, names: Collection[str]) -> bool:
        """Tell whether the storage may tell one of these checksums, and be believed; if not, files have to be read."""
        believed: Sequence[str] | None = self.element.settings.checksums
        if believed is None:
            believed = USUALLY_TOLD.get(self.endpoint.protocol)
        return believed is None or not set(names).isdisjoint(believed)

    def path(self, storage_path: str) -> str:
        """Return where a file lies behind this door; raises `BadPath`."""
        return self.element.path(self.endpoint, storage_path)


@dataclass(frozen=True, slots=True)
class Means:
    """What a process reaches storage elements with."""

    factories: Mapping[str, StorageDriverFactory]
    session: aiohttp.ClientSession
    issuing: Issuing
    credentials_directory: Path | None
    count: Callable[[str], None]
    """Counts what became of an operation, by the word of its fault."""


@dataclass(frozen=True, slots=True)
class _Made:
    endpoint: Endpoint
    checksums: Sequence[str] | None
    driver: StorageDriver


class Storages:
    """The storage elements of an installation, as one process reaches them.

    Nothing of the configuration or of a status is kept longer than it holds: a driver is made anew when its door says
    something else, and the status is looked at each time.
    """

    def __init__(self, means: Means, judge: Judge) -> None:
        self._means = means
        self._judge = judge
        self._made: dict[tuple[str, str, str], _Made] = {}
        self._health: dict[str, Health] = {}

    def usable(self, vo: str, se: str, access: str) -> Usable:
        """Say whether a VO may use a storage element for an access now."""
        return self._judge(vo, se, access)

    def health(self, se: str) -> Health:
        """Return how an element has been doing in this process."""
        return self._health.setdefault(se, Health())

    def open(self, config: Config, se: str, *, vo: str, access: str, protocols: Sequence[str] | None = None) -> Reached:
        """Return the first door of an element that serves an access for this process.

        Raises `UnknownElement`, and `ClosedElement` with the reason of its status; nothing is sent.
        """
        element = element_of(elements_of(config, vo), vo, se)
        self.demand(element, access)
        for endpoint in element.doors(access, protocols=protocols):
            return self.reach(element, endpoint)
        raise UnknownElement(f"{se} has no endpoint for {access}")

    def open_for(
        self, config: Config, se: str, *, vo: str, access: str, site: str | None, protocols: Sequence[str] | None
    ) -> Reached:
        """Return the best door of an element for a client at a site, which speaks some protocols; raises as `open`.

        Without protocols it is taken to speak those that every client does, and to have no directory mounted.
        """
        element = element_of(elements_of(config, vo), vo, se)
        self.demand(element, access)
        for endpoint in element.doors_from(access, site, protocols or PROTOCOLS):
            return self.reach(element, endpoint)
        raise UnknownElement(f"{se} has no endpoint for {access} that this client can use")

    def demand(self, element: Element, access: str) -> None:
        """Raise `ClosedElement` if the status of an element does not allow an access now."""
        usable = self._judge(element.vo, element.name, access)
        if usable.reason is not None:
            raise ClosedElement(usable.reason, usable.until)

    def reach(self, element: Element, endpoint: Endpoint) -> Reached:
        """Return a door of an element with its driver, whatever its status."""
        key, checksums = (element.name, element.vo, endpoint.name), element.settings.checksums
        made = self._made.get(key)
        if made is None or made.endpoint != endpoint or made.checksums != checksums:
            made = self._made[key] = _Made(endpoint, checksums, self._make(element, endpoint))
        return Reached(element, endpoint, made.driver)

    def _make(self, element: Element, endpoint: Endpoint) -> StorageDriver:
        factory = self._means.factories.get(endpoint.protocol)
        if factory is None:
            raise UnknownElement(f"{element.name}: no driver for the protocol {endpoint.protocol} is installed")
        try:
            credentials = credentials_of(self._means.credentials_directory, endpoint.credentials)
        except ValueError as error:
            raise NotAllowed(f"{element.name} ({endpoint.name}): {error}") from error
        context = StorageContext(
            element.name,
            endpoint,
            element.vo,
            credentials,
            self._means.session,
            checksums=element.settings.checksums,
        )
        tokens = token_source(context, self._means.issuing)
        driver = factory(replace(context, tokens=tokens))
        return WatchedDriver(driver, self.health(element.name), self._means.count)


STORAGES: Key[Storages] = Key("the storage elements")
