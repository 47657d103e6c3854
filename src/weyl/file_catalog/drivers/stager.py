"""What every stager does: bring files from tape to disk, and tell when they are there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from weyl.config.models import Config
from weyl.kit.services import Key


class StagerUnavailable(Exception):
    """A stager that did not take a request; the text says why."""


@dataclass(frozen=True, slots=True)
class StageRequest:
    """Files of a VO that are wanted on disk, each with the storage element that has it on tape."""

    request_id: int
    vo: str
    files: tuple[tuple[str, str], ...]


class Stager(Protocol):
    """Takes requests. When one has ended, `weyl.preparation.service.staging.staged` is called with its number."""

    async def stage(self, request: StageRequest, config: Config) -> None:
        """Begin to stage; raises `StagerUnavailable`. The same number may come twice, and means the same request."""
        ...


StagerFactory = Callable[[], Stager]


STAGERS: Key[Mapping[str, StagerFactory]] = Key("the stagers")
