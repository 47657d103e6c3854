"""The rooms of weyl as one extension, and the extensions that are installed beside it."""

from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from weyl.accounting.room import ROOM as ACCOUNTING
from weyl.activation import activate
from weyl.auth.room import ROOM as AUTH
from weyl.config.room import ROOM as CONFIG
from weyl.cwl.room import ROOM as CWL
from weyl.extension import Extension, ExtensionConflict
from weyl.failures.room import ROOM as FAILURES
from weyl.file_catalog.drivers.known import KNOWN_CATALOGS
from weyl.file_catalog.room import ROOM as FILE_CATALOG
from weyl.jobs.room import ROOM as JOBS
from weyl.kit.points import merged
from weyl.kit.room import Room
from weyl.matcher.room import ROOM as MATCHER
from weyl.pilots.compute_elements.known import KNOWN_DRIVERS
from weyl.pilots.room import ROOM as PILOTS
from weyl.preparation.room import ROOM as PREPARATION
from weyl.resource_status.room import ROOM as RESOURCE_STATUS
from weyl.sandboxes.room import ROOM as SANDBOXES
from weyl.storage.drivers.known import KNOWN_STORAGE
from weyl.storage.room import ROOM as STORAGE
from weyl.task_queues.room import ROOM as TASK_QUEUES
from weyl.tasks.room import ROOM as TASKS
from weyl.web.room import ROOM as WEB

ROOMS = [
    TASKS,
    CONFIG,
    AUTH,
    RESOURCE_STATUS,
    FILE_CATALOG,
    STORAGE,
    SANDBOXES,
    TASK_QUEUES,
    JOBS,
    FAILURES,
    PREPARATION,
    MATCHER,
    PILOTS,
    CWL,
    ACCOUNTING,
    WEB,
]
"""Lowest first: a room finds what those before it hold."""


def extension_of(rooms: list[Room]) -> Extension:
    """Return rooms as one extension, with the built-in drivers and plugins."""
    return Extension(
        name="weyl",
        **merged(Room, rooms),
        compute_elements=KNOWN_DRIVERS,
        catalogs=KNOWN_CATALOGS,
        storage=KNOWN_STORAGE,
    )


BUILTIN = extension_of(ROOMS)


@dataclass(frozen=True, slots=True)
class Installed:
    """An extension and the package that it came with."""

    extension: Extension
    package: str
    version: str


def installed_extensions() -> list[Installed]:
    """Return the extensions that are installed (entry points of group `weyl.extensions`), by name."""
    found = [_loaded(entry) for entry in entry_points(group="weyl.extensions")]
    return sorted(found, key=lambda each: each.extension.name)


def _loaded(entry: EntryPoint) -> Installed:
    package, version = (entry.dist.name, entry.dist.version) if entry.dist is not None else ("", "")
    place = f"The extension {entry.name} ({entry.value}) of the package {package} {version}"
    try:
        extension = entry.load()
    except (ImportError, AttributeError, TypeError) as error:
        raise ExtensionConflict(f"{place} cannot be loaded: {error}") from error
    if not isinstance(extension, Extension):
        raise ExtensionConflict(f"{place} is not a weyl.extension.Extension but {type(extension).__name__}")
    return Installed(extension, package, version)


def active_extensions() -> Extension:
    """Return weyl's own extension and every installed one, merged; raises `ExtensionConflict`."""
    return activate([BUILTIN, *(each.extension for each in installed_extensions())])
