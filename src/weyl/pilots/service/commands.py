"""The payload commands that a process knows: which of them run around which jobs, and where their files are."""

from collections.abc import Mapping, Sequence
from typing import Any

from weyl.config.models import Config
from weyl.config.service import ConfigStore
from weyl.kit.s3 import ObjectStore
from weyl.kit.services import Key
from weyl.pilots.commands import CommandFiles, PayloadCommand, packed_files, told
from weyl.pilots.permits import PilotItself
from weyl.pilots.service.shelf import Shelf

NOTHING: Sequence[Mapping[str, Any]] = ()


class Commands:
    """Packs what extensions bring when a process starts; the configuration says where it is used."""

    def __init__(self, commands: Mapping[str, PayloadCommand], *, config: ConfigStore, store: ObjectStore) -> None:
        packed = {name: packed_files(command) for name, command in commands.items()}
        self._told = {name: told(name, command, packed[name]) for name, command in commands.items()}
        self._files: dict[str, CommandFiles] = {each.sha256: each for each in packed.values()}
        self._shelf = Shelf(store, "commands")
        self._config = config
        self._revision = ""
        self._chosen: dict[tuple[str, str], Sequence[Mapping[str, Any]]] = {}

    def of(self, vo: str, job_type: str) -> Sequence[Mapping[str, Any]]:
        """Return the commands around jobs of a type, in the order of the configuration; asked for each job."""
        snapshot = self._config.current()
        if snapshot.revision != self._revision:
            self._chosen = chosen(snapshot.config, self._told)
            self._revision = snapshot.revision
        return self._chosen.get((vo, job_type), NOTHING)

    def content(self, sha256: str) -> bytes | None:
        """Return the files of a command as they travel; None if no command of this process has them."""
        known = self._files.get(sha256)
        return None if known is None else known.content

    async def url(self, pilot: PilotItself, sha256: str) -> str:
        """Return where the files of a command can be fetched for a while."""
        return await self._shelf.url(pilot, sha256, self._read)

    async def _read(self, sha256: str) -> bytes | None:
        return self.content(sha256)


COMMANDS: Key[Commands] = Key("the payload commands of this process")


def chosen(
    config: Config, known: Mapping[str, Mapping[str, Any]]
) -> dict[tuple[str, str], Sequence[Mapping[str, Any]]]:
    """Return the commands of each VO and job type that has some."""
    return {
        (vo, job_type): found
        for vo, operations in config.operations.items()
        for job_type, hints in operations.cwl.per_job_type.items()
        if (found := [known[name] for name in hints.commands if name in known])
    }
