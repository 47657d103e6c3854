"""The triggers and functions of each room as this release has them, and what a database still lacks of them."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from weyl.kit.errors import Unavailable

FILE = "triggers.sql"
_EDITION = re.compile(r"-- Edition (\d+)\n")


@dataclass(frozen=True, slots=True)
class Applied:
    """Which file of a room a database has."""

    edition: int
    hash: str


@dataclass(frozen=True, slots=True)
class TriggerFile:
    """What one room has in the database beside its tables: a script that can be run again and again."""

    room: str
    edition: int
    script: str

    @property
    def hash(self) -> str:
        """What tells this script from every other."""
        return hashlib.sha256(self.script.encode()).hexdigest()

    def is_missing(self, applied: Applied | None) -> bool:
        """Tell whether a database that has `applied` must get this file; never in the place of a newer edition."""
        return applied is None or (applied.hash != self.hash and applied.edition <= self.edition)

    def is_outdated(self, applied: Applied | None) -> bool:
        """Tell whether a database that has `applied` was migrated by a newer release."""
        return applied is not None and applied.edition > self.edition


def read_file(room: str, script: str) -> TriggerFile:
    """Return the file of a room; its first line says which edition it is."""
    if (found := _EDITION.match(script)) is None:
        raise ValueError(f"{room}/{FILE} must begin with its edition, such as: -- Edition 1")
    return TriggerFile(room, int(found[1]), script)


@cache
def trigger_files() -> tuple[TriggerFile, ...]:
    """Return the files of all rooms that have one, by the names of the rooms."""
    rooms = sorted((each for each in files("weyl").iterdir() if each.is_dir()), key=lambda each: each.name)
    found = ((room.name, room.joinpath(FILE)) for room in rooms)
    return tuple(read_file(name, path.read_text("utf-8")) for name, path in found if path.is_file())


def missing(found: Sequence[TriggerFile], applied: Mapping[str, Applied]) -> list[TriggerFile]:
    """Return the files that a database must get."""
    return [file for file in found if file.is_missing(applied.get(file.room))]


def outdated(found: Sequence[TriggerFile], applied: Mapping[str, Applied]) -> list[TriggerFile]:
    """Return the files of which a database has a newer edition."""
    return [file for file in found if file.is_outdated(applied.get(file.room))]


def judge_triggers(found: Sequence[TriggerFile], applied: Mapping[str, Applied]) -> list[str]:
    """Return warnings about the triggers that a database has, as `judge_schema` does about its tables."""
    if rooms := ", ".join(file.room for file in missing(found, applied)):
        raise Unavailable(f"The triggers of {rooms} are not those of this release: run weyl db migrate")
    if rooms := ", ".join(file.room for file in outdated(found, applied)):
        return [f"The triggers of {rooms} are newer than this release: upgrade this server"]
    return []
