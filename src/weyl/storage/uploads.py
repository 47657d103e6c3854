"""The life of an upload as a value: its states, what it is to register, where each file may be written."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any

from weyl.file_catalog.checksums import Checksums

EXPIRES_AFTER = timedelta(hours=24)
REQUESTS_LAST = timedelta(hours=1)
WRITERS_END_AFTER = timedelta(hours=1)
"""How long a write may go on that began just before its request ended: only then a path is swept."""
SETTLED_AFTER = REQUESTS_LAST + WRITERS_END_AFTER
"""How long after a file was registered a request of its upload may still write where it lies."""
PAUSE_MIN_S, PAUSE_MAX_S = 30, 1800
"""Between two tries to verify an upload whose storage cannot tell."""
LOOKED = "looked"
"""The key of `Findings` in the document of an upload."""
TARGETS_MAX = 3
FILES_MAX = 10_000
PERSON_FILES_MAX = 1_000
OPEN_MAX = 1_000
"""Uploads that one person may have open."""
NAME_BYTES_MAX = 255


class UploadState(StrEnum):
    """How far an upload is."""

    OPEN = "open"
    VERIFYING = "verifying"
    REGISTERED = "registered"
    FAILED = "failed"
    ABANDONED = "abandoned"


class IntentState(StrEnum):
    """What is known of a place where an upload may be writing."""

    WRITING = "writing"
    LANDED = "landed"
    ABANDONED = "abandoned"


MOVES: Mapping[str, frozenset[str]] = {
    "open": frozenset({"verifying", "abandoned"}),
    "verifying": frozenset({"registered", "failed", "abandoned"}),
    "registered": frozenset(),
    "failed": frozenset(),
    "abandoned": frozenset(),
}
INTENT_MOVES: Mapping[str, frozenset[str]] = {
    "writing": frozenset({"landed", "abandoned"}),
    "landed": frozenset({"abandoned"}),
    "abandoned": frozenset(),
}
ENDED = frozenset(state for state, targets in MOVES.items() if not targets)


def is_allowed(source: str, target: str) -> bool:
    """Tell whether an upload may go from one state to another."""
    return target in MOVES[source]


@dataclass(frozen=True, slots=True)
class StoredPlace:
    """Where the bytes of a file lie already: a storage element, and the storage path there."""

    se: str
    path: str | None = None
    """None: by convention."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file that is to be registered, and what it must turn out to be."""

    name: str
    """What the client calls it; for people, the LFN."""
    lfn: str
    size: int
    checksums: Checksums
    metadata: Mapping[str, Any] = field(default_factory=dict)
    ancestors: Sequence[str] = ()
    guid: str | None = None
    at: Sequence[StoredPlace] = ()
    """Where it lies already; then nothing is written."""
    ses: Sequence[str] | None = None
    """Where it is to be written, over what the upload says."""

    def as_json(self) -> dict[str, Any]:
        """Return what is kept of it; what has its default is left out."""
        document = {
            "name": self.name,
            "lfn": self.lfn,
            "size": self.size,
            "checksums": self.checksums.as_json(),
            "metadata": dict(self.metadata),
            "ancestors": list(self.ancestors),
            "guid": self.guid,
            "at": [[place.se, place.path] for place in self.at],
        }
        return {name: value for name, value in document.items() if value not in ({}, [], None)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Wanted":
        """Return what `as_json` has kept."""
        return cls(
            name=document["name"],
            lfn=document["lfn"],
            size=document["size"],
            checksums=Checksums.from_json(document["checksums"]),
            metadata=document.get("metadata", {}),
            ancestors=tuple(document.get("ancestors", ())),
            guid=document.get("guid"),
            at=tuple(StoredPlace(se, path) for se, path in document.get("at", ())),
        )


@dataclass(frozen=True, slots=True)
class Landed:
    """Where a client says that a file is, with what the storage said of its parts."""

    se: str
    etags: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        """Return what is kept of it."""
        return {"se": self.se, "etags": list(self.etags)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Landed":
        """Return what `as_json` has kept."""
        return cls(document["se"], document["etags"])


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found out of an upload that could not be verified at once, by the ids of its places."""

    proven: Sequence[int] = ()
    faults: Mapping[int, str] = field(default_factory=dict)
    tries: int = 0

    @property
    def pause_s(self) -> float:
        """How long to wait before the next try."""
        return float(min(PAUSE_MIN_S * 2 ** min(max(self.tries - 1, 0), 20), PAUSE_MAX_S))

    def with_more(self, proven: Iterable[int], faults: Mapping[int, str]) -> "Findings":
        """Return what is known after one more try."""
        return Findings(sorted({*self.proven, *proven}), {**self.faults, **faults}, self.tries + 1)

    def as_json(self) -> dict[str, Any]:
        """Return what is kept of it."""
        return {"proven": list(self.proven), "faults": list(map(list, self.faults.items())), "tries": self.tries}

    @classmethod
    def from_json(cls, document: Mapping[str, Any] | None) -> "Findings":
        """Return what `as_json` has kept; none yet if there is nothing."""
        return cls() if document is None else cls(document["proven"], dict(document["faults"]), document["tries"])


@dataclass(frozen=True, slots=True)
class Spot:
    """A place where one file of an upload may be written, or lies: what becomes an intent."""

    number: int
    rank: int
    se: str
    path: str
    is_written: bool


def named_twice(files: Iterable[Wanted]) -> set[str]:
    """Return the LFNs that more than one file of an upload would have."""
    return {lfn for lfn, count in Counter(each.lfn for each in files).items() if count > 1}


def path_aside(path: str, upload_id: int, number: int, *, is_shared: bool = False) -> str:
    """Return the storage path of a file whose own path is taken: no new name has a `~`.

    `is_shared` tells apart files of one upload that would have one path, as after moves of directories.
    """
    suffix = f"~{upload_id}"
    directory, _, name = path.rpartition("/")
    if not is_shared and len(name.encode()) + len(suffix) <= NAME_BYTES_MAX:
        return path + suffix
    # A name that fills its component is cut at the end of a character, and kept unique by the number.
    suffix = f"~{upload_id}~{number}"
    kept = name.encode()[: NAME_BYTES_MAX - len(suffix)].decode(errors="ignore")
    return f"{directory}/{kept}{suffix}"


def spots_of(
    files: Sequence[Wanted], paths: Mapping[str, str], targets: Mapping[str, Sequence[str]], *, upload_id: int
) -> list[Spot]:
    """Return where the files may be written or lie, in order of preference, with the paths that convention gives.

    `paths` has the storage paths by LFN, `targets` the storage elements; files in neither have no place.
    """
    spots: list[Spot] = []
    seen: set[tuple[str, str]] = set()
    for number, each in enumerate(files):
        if each.lfn not in paths:
            continue
        path = paths[each.lfn]
        if each.at:
            spots += [Spot(number, rank, at.se, at.path or path, False) for rank, at in enumerate(each.at)]
            continue
        for rank, se in enumerate(targets[each.lfn]):
            own = path if (se, path) not in seen else path_aside(path, upload_id, number, is_shared=True)
            seen.add((se, own))
            spots.append(Spot(number, rank, se, own, True))
    return spots


def aside(spots: Iterable[Spot], *, upload_id: int) -> list[Spot]:
    """Return places beside those that somebody else has taken; what lies somewhere already cannot be anywhere else."""
    return [replace(each, path=path_aside(each.path, upload_id, each.number)) for each in spots if each.is_written]


def not_landed(names: Iterable[str], landed: Mapping[str, Landed]) -> list[str]:
    """Return the files of which a commit does not say where they are."""
    return sorted(set(names) - landed.keys())
