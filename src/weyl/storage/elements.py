"""The storage elements that a VO has, and where its files lie in them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from weyl.config.models import Config
from weyl.config.storage_elements import Endpoint, Medium, StorageElement
from weyl.storage.errors import UnknownElement

PROTOCOLS = ("https", "s3")
"""What every client can; a mounted directory only those who say that they have it."""
LOCAL_PROTOCOL = "file"
"""Comes after all others, and only for those who say that they find the directory."""


class BadPath(ValueError):
    """A path that cannot lie in this storage element; the text says why."""


@dataclass(frozen=True, slots=True)
class Element:
    """A storage element as one VO has it."""

    name: str
    vo: str
    settings: StorageElement

    @property
    def medium(self) -> Medium:
        """What files are kept on."""
        return self.settings.medium

    @property
    def sites(self) -> Sequence[str]:
        """Where its files can be read as local ones."""
        return self.settings.sites

    @property
    def endpoints(self) -> Sequence[Endpoint]:
        """Its doors, in order of preference."""
        return self.settings.endpoints

    def is_near(self, site: str | None) -> bool:
        """Tell whether somebody at a site reads its files as local ones."""
        return site is not None and site in self.settings.sites

    def doors(self, access: str, *, protocols: Sequence[str] | None = None) -> Iterator[Endpoint]:
        """Yield the doors that serve an access, for somebody who can use them all, or only some protocols."""
        for endpoint in self.endpoints:
            if protocols is not None and endpoint.protocol not in protocols:
                continue
            if access == "check" or getattr(endpoint.access, access):
                yield endpoint

    def doors_from(self, access: str, site: str | None, protocols: Sequence[str]) -> list[Endpoint]:
        """Return the doors for somebody at a site, the best first: those of the site's own network lead."""
        is_near = self.is_near(site)
        found = [
            endpoint
            for endpoint in self.doors(access, protocols=protocols)
            if "wan" in getattr(endpoint.access, access) or is_near
        ]
        if is_near:
            found.sort(key=lambda endpoint: "lan" not in getattr(endpoint.access, access))
        return sorted(found, key=lambda endpoint: endpoint.protocol == LOCAL_PROTOCOL)

    def path(self, endpoint: Endpoint, storage_path: str) -> str:
        """Return where a file lies at a door; raises `BadPath` if it cannot lie there."""
        limit = self.settings.path_max
        if limit is not None and len(storage_path.encode()) > limit:
            raise BadPath(f"{self.name} keeps no path of more than {limit} bytes")
        return path_of(endpoint, self.vo, storage_path)


def elements_of(config: Config, vo: str) -> dict[str, Element]:
    """Return the storage elements of a VO by name, in the order of the configuration."""
    return {
        name: Element(name, vo, settings)
        for name, settings in config.resources.storage_elements.items()
        if settings.serves(vo)
    }


def element_of(elements: Mapping[str, Element], vo: str, name: str) -> Element:
    """Return one of a VO's elements; raises `UnknownElement`."""
    if name not in elements:
        raise UnknownElement(f"{vo} has no storage element {name}")
    return elements[name]


def path_of(endpoint: Endpoint, vo: str, storage_path: str) -> str:
    """Join the directory of a VO at a door and a storage path; raises `BadPath` unless it stays below the directory."""
    parts = storage_path.split("/")
    if parts[0] or len(parts) < 2 or any(part in ("", ".", "..") for part in parts[1:]) or "\0" in storage_path:
        raise BadPath(f"{storage_path[:200]!r} is no path in a storage element")
    root = endpoint.path_for(vo)
    return storage_path if root == "/" else f"{root}{storage_path}"
