"""Checksums of a file, and what two sets of them say of whether two files are the same."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

STRONGEST_FIRST = ("sha256", "sha1", "md5", "adler32")
_LENGTHS = {"adler32": 8, "md5": 32, "sha1": 40, "sha256": 64}
_HEXADECIMAL = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Checksums:
    """What is known of a file's bytes, each in lower case hexadecimal of its full length; None: not known."""

    adler32: str | None = None
    md5: str | None = None
    sha1: str | None = None
    sha256: str | None = None

    @classmethod
    def from_json(cls, document: Mapping[str, str | None]) -> Self:
        """Read what came over the wire: any case, adler32 also without its leading zeros; raises `ValueError`."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(document.keys() - known):
            raise ValueError(f"{unknown[0]} is not one of the checksums {', '.join(sorted(known))}")
        return cls(**{name: _written(name, text) for name, text in document.items() if text is not None})

    def as_json(self) -> dict[str, str]:
        """Return those that are known, by name."""
        found = {name: getattr(self, name) for name in _LENGTHS}
        return {name: text for name, text in found.items() if text is not None}

    def strongest_common(self, other: "Checksums") -> str | None:
        """Return the name of the strongest checksum that both have; None if they have none in common."""
        mine, theirs = self.as_json(), other.as_json()
        return next((name for name in STRONGEST_FIRST if name in mine and name in theirs), None)

    def differs(self, other: "Checksums") -> str | None:
        """Return the name of a checksum that tells the two apart, the strongest first; None if none does."""
        mine, theirs = self.as_json(), other.as_json()
        return next(
            (name for name in STRONGEST_FIRST if name in mine and mine[name] != theirs.get(name, mine[name])), None
        )


def _written(name: str, text: str) -> str:
    plain = text.strip().lower()
    if name == "adler32":
        plain = plain.removeprefix("0x").rjust(8, "0")
    if len(plain) != _LENGTHS[name] or not _HEXADECIMAL.fullmatch(plain):
        raise ValueError(f"{text[:80]!r} is not a checksum {name}: {_LENGTHS[name]} hexadecimal digits")
    return plain
