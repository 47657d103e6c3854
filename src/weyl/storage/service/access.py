"""Where files can be read, and where they can be written, by somebody at a site: the best place first."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from weyl.config.models import Config
from weyl.config.storage_elements import Endpoint
from weyl.storage.drivers.driver import Request, StorageDriver, Wish
from weyl.storage.drivers.http import side_by_side
from weyl.storage.elements import LOCAL_PROTOCOL, PROTOCOLS, BadPath, Element, elements_of
from weyl.storage.errors import StorageError, UnknownElement
from weyl.storage.service.reach import Storages

TARGETS_MAX = 3
TTL_MAX_S = 3600


class Located(Protocol):
    """A file and where its replicas are: storage element, status and storage path."""

    @property
    def replicas(self) -> Sequence[tuple[str, str, str]]: ...


@dataclass(frozen=True, slots=True)
class Access:
    """A request that reads a replica."""

    se: str
    request: Request

    def as_json(self) -> dict[str, Any]:
        """Return what goes over the wire."""
        return {"se": self.se, "request": self.request.as_json()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who wants to read, from where and for how long."""

    subject: str
    site: str | None = None
    protocols: Sequence[str] = PROTOCOLS
    ttl_s: int = TTL_MAX_S
    now: datetime


@dataclass(frozen=True, slots=True)
class Accesses:
    """Requests for each file, the best first; for files without any, why not."""

    requests: dict[str, list[Access]]
    closed: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Choice:
    element: Element
    endpoint: Endpoint
    path: str


async def access(
    storages: Storages, config: Config, vo: str, found: Mapping[str, Located], *, reader: Reader
) -> Accesses:
    """Return how each of a VO's files can be read; the catalogue has said that the reader may.

    The reader's own site comes first, doors of its own network before others; suspect replicas last, and mounted
    directories after all that is served. Elements that are closed are left out.
    """
    openings = _openings(storages, config, vo, reader)
    answer = Accesses({}, {})
    wanted: list[tuple[str, _Choice]] = []
    for lfn, file in found.items():
        choices, reasons = _choices(openings, file, reader)
        if not choices:
            answer.closed[lfn] = "; ".join(dict.fromkeys(reasons)) or "it has no replica"
        wanted += [(lfn, choice) for choice in choices]
    wish = Wish(operation="read", now=reader.now, expires_s=reader.ttl_s, subject=reader.subject)
    drivers: dict[tuple[str, str], StorageDriver | StorageError] = {}

    async def ask(each: tuple[str, _Choice]) -> Access | StorageError:
        choice = each[1]
        key = (choice.element.name, choice.endpoint.name)
        if (driver := drivers.get(key)) is None:
            driver = drivers[key] = _driver(storages, choice)
        if isinstance(driver, StorageError):
            return driver
        try:
            return Access(choice.element.name, await driver.request(choice.path, wish))
        except StorageError as error:
            return error

    for (lfn, _), made in zip(wanted, await side_by_side(ask, wanted), strict=True):
        if isinstance(made, StorageError):
            answer.closed[lfn] = str(made)
        else:
            answer.requests.setdefault(lfn, []).append(made)
    for lfn in answer.requests:
        answer.closed.pop(lfn, None)
    return answer


def _driver(storages: Storages, choice: _Choice) -> StorageDriver | StorageError:
    """Return what drives an endpoint: the same for all files of a call."""
    try:
        return storages.reach(choice.element, choice.endpoint).driver
    except StorageError as error:
        return error


@dataclass(frozen=True, slots=True)
class _Opening:
    """An element as a reader finds it: why it is closed, or its endpoints, the best first."""

    element: Element
    refusal: str | None
    endpoints: Sequence[Endpoint]
    is_far: bool


def _openings(storages: Storages, config: Config, vo: str, reader: Reader) -> dict[str, _Opening]:
    return {
        name: _Opening(
            element,
            _refusal(storages, element),
            element.doors_from("read", reader.site, reader.protocols),
            not element.is_near(reader.site),
        )
        for name, element in elements_of(config, vo).items()
    }


def targets(
    storages: Storages,
    config: Config,
    vo: str,
    wanted: Sequence[str] | None,
    *,
    site: str | None,
    most: int = TARGETS_MAX,
) -> list[str]:
    """Return storage elements that may be written to, the best first: those asked for, or those of the site, or all.

    Raises `UnknownElement` for a name that the VO does not have, and `ClosedElement` if all that could be are closed.
    """
    elements = elements_of(config, vo)
    for name in wanted or ():
        if name not in elements:
            raise UnknownElement(f"{vo} has no storage element {name}")
    names = list(dict.fromkeys(wanted)) if wanted else _all_for_writing(elements.values(), site)
    closed: StorageError | None = None
    found = []
    for name in names:
        try:
            storages.demand(elements[name], "write")
        except StorageError as error:
            closed = closed or error
            continue
        if any(elements[name].doors("write")):
            found.append(name)
    if not found and closed is not None:
        raise closed
    if not found:
        raise UnknownElement(f"{vo} has no storage element that can be written to")
    return found[:most]


def _all_for_writing(elements: Iterable[Element], site: str | None) -> list[str]:
    disks = [element for element in elements if element.medium == "disk"]
    near = [element.name for element in disks if element.is_near(site)]
    return near + [element.name for element in disks if element.name not in near]


def _refusal(storages: Storages, element: Element) -> str | None:
    if element.medium == "tape":
        return f"{element.name} keeps it on tape, from which it must be staged first"
    return storages.usable(element.vo, element.name, "read").reason


def _choices(openings: Mapping[str, _Opening], file: Located, reader: Reader) -> tuple[list[_Choice], list[str]]:
    """Return the doors behind which a file can be read, the best first, and why others are left out."""
    ranked: list[tuple[tuple[bool, bool, bool], _Choice]] = []
    reasons: list[str] = []
    for se, status, storage_path in file.replicas:
        opening = openings.get(se)
        refusal = f"{se} is no storage element any more" if opening is None else opening.refusal
        if status == "Bad":
            refusal = f"the replica at {se} is bad"
        if opening is None or refusal is not None:
            reasons.append(str(refusal))
            continue
        if not opening.endpoints:
            reasons.append(f"{se} has no endpoint for {', '.join(reader.protocols)} from there")
        for endpoint in opening.endpoints:
            try:
                choice = _Choice(opening.element, endpoint, opening.element.path(endpoint, storage_path))
            except BadPath as error:
                reasons.append(str(error))
                continue
            ranked.append(((endpoint.protocol == LOCAL_PROTOCOL, status == "Suspect", opening.is_far), choice))
    ranked.sort(key=lambda each: each[0])
    return [choice for _, choice in ranked], reasons
