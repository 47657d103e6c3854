"""What every file catalogue does: tell, for many names at once, which files there are and where their replicas are."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from weyl.config.models import Config
from weyl.kit.db import Database
from weyl.kit.services import Key


class CatalogUnavailable(Exception):
    """A catalogue that could not be asked; the text says why, for operators and for those whose jobs wait."""


@dataclass(frozen=True, slots=True)
class Replica:
    """A copy of a file."""

    storage_element: str
    is_online: bool | None = None
    """Whether it can be read at once; None: as the medium of its storage element has it."""


@dataclass(frozen=True, slots=True)
class File:
    """A file that the catalogue knows; the size is in bytes."""

    replicas: tuple[Replica, ...]
    size: int | None = None


class FileCatalog(Protocol):
    """A catalogue of files. One object serves a worker for all its life, and several questions at a time."""

    async def locate(self, vo: str, lfns: Sequence[str], config: Config) -> Mapping[str, File]:
        """Return those of the files that a VO has; raises `CatalogUnavailable`.

        There may be 10,000 names in one question, each once. No transaction is open meanwhile.
        """
        ...


CatalogFactory = Callable[[Database], FileCatalog]
"""Makes a catalogue in a process, whose database it may use; most have one of their own."""

CATALOGS: Key[Mapping[str, CatalogFactory]] = Key("the file catalogues")
