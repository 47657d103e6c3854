"""Every point where a community plugs in; the dataclass is the reference page."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from fastapi import APIRouter

from weyl.auth.keys import KeySet
from weyl.config.service import ConfigStore
from weyl.kit.db import Database
from weyl.kit.metrics import Metrics
from weyl.kit.s3 import ObjectStore
from weyl.pilots.compute_elements.driver import DriverFactory
from weyl.settings import Settings
from weyl.tasks.models import BoundTask


@dataclass(frozen=True, slots=True)
class Services:
    """What one process has wired, for those parts of an extension that need it."""

    settings: Settings
    db: Database
    config: ConfigStore
    keys: KeySet
    store: ObjectStore
    drivers: Mapping[str, DriverFactory]
    metrics: Metrics = field(default_factory=Metrics)


@dataclass(frozen=True, kw_only=True)
class Extension:
    """What one package adds to weyl; every field but the name is optional."""

    name: str
    """The name of the package, for messages."""
    routers: Sequence[APIRouter] = ()
    """Routes that are added to the API; each names its own prefix and tag."""
    tasks: Callable[[Services], Sequence[BoundTask]] | None = None
    """Returns the background tasks of the package, bound to the services of the worker that will run them."""
    state: Callable[[Services], AbstractAsyncContextManager[Mapping[str, object]]] | None = None
    """Holds what the routes need for the life of a server process; yields objects by the name they get in its state."""
    compute_elements: Mapping[str, DriverFactory] = field(default_factory=dict)
    """Drivers of computing elements by the name that the configuration's `Driver` uses."""


class ExtensionConflict(Exception):
    """Two extensions claim the same single-valued slot; both are named."""


def collect_drivers(extensions: Sequence[Extension]) -> dict[str, DriverFactory]:
    """Return the makers of computing element drivers by name; two of one name stop the start."""
    owners: dict[str, str] = {}
    drivers: dict[str, DriverFactory] = {}
    for extension in extensions:
        for name, make in extension.compute_elements.items():
            if name in owners:
                raise ExtensionConflict(f"Driver {name!r} is claimed by {owners[name]} and by {extension.name}")
            owners[name] = extension.name
            drivers[name] = make
    return drivers
