"""Checksums of files: how they are written, which one of two sets counts, and how the database keeps them."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

ADLER32, MD5, SHA1, SHA256 = "adler32", "md5", "sha1", "sha256"
STRONGEST_FIRST = (SHA256, SHA1, MD5, ADLER32)

_FORMS = {ADLER32: re.compile(r"[0-9a-f]{1,8}"), MD5: re.compile(r"[0-9a-f]{32}")}
_FORMS |= {SHA1: re.compile(r"[0-9a-f]{40}"), SHA256: re.compile(r"[0-9a-f]{64}")}
_LENGTHS = {ADLER32: 8, MD5: 32, SHA1: 40, SHA256: 64}
_SIGN = 1 << 31


class Checksums(NamedTuple):
    """What is known of the content of a file, in lower case hex; of adler32 always eight digits."""

    adler32: str | None = None
    md5: str | None = None
    sha1: str | None = None
    sha256: str | None = None

    def __bool__(self) -> bool:
        """Whether anything is known."""
        return not self.adler32 is self.md5 is self.sha1 is self.sha256 is None

    def strongest_common(self, other: "Checksums") -> str | None:
        """Return the name of the strongest checksum that both have, or None."""
        return next((name for name in STRONGEST_FIRST if None not in (getattr(self, name), getattr(other, name))), None)

    def differs(self, other: "Checksums") -> str | None:
        """Return the name of the checksum by which the two differ, the strongest that both have; None if it is equal.

        Two that have none in common do not differ: ask `strongest_common` whether they were compared at all.
        """
        name = self.strongest_common(other)
        return name if name is not None and getattr(self, name) != getattr(other, name) else None

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Checksums":
        """Read checksums by name; raises `ValueError` with what is wrong, and for none at all."""
        if unknown := document.keys() - _FORMS.keys():
            raise ValueError(f"{str(min(unknown))[:40]!r} is not a checksum: give adler32, md5, sha1 or sha256")
        checksums = cls(**{name: _hex(name, value) for name, value in document.items() if value is not None})
        if not checksums:
            raise ValueError("give at least one checksum: adler32, md5, sha1 or sha256")
        return checksums

    def as_json(self) -> dict[str, str]:
        """Return those that are known, by name."""
        return {name: value for name in _FORMS if (value := getattr(self, name)) is not None}

    @classmethod
    def from_row(cls, adler32: int | None, md5: bytes | None, sha1: bytes | None, sha256: bytes | None) -> "Checksums":
        """Return the checksums that the columns of a row hold."""
        digests = (None if digest is None else digest.hex() for digest in (md5, sha1, sha256))
        return cls(None if adler32 is None else f"{adler32 & 0xFFFFFFFF:08x}", *digests)

    def as_row(self) -> tuple[int | None, bytes | None, bytes | None, bytes | None]:
        """Return the columns of a row: adler32 as a signed number of 32 bits, the others as bytes."""
        number = None if self.adler32 is None else int(self.adler32, 16)
        return (
            None if number is None else number - 2 * (number & _SIGN),
            None if self.md5 is None else bytes.fromhex(self.md5),
            None if self.sha1 is None else bytes.fromhex(self.sha1),
            None if self.sha256 is None else bytes.fromhex(self.sha256),
        )


def _hex(name: str, value: object) -> str:
    text = value.lower() if isinstance(value, str) else ""
    if not _FORMS[name].fullmatch(text):
        raise ValueError(f"{name} has {_LENGTHS[name]} hexadecimal digits, which {str(value)[:70]!r} does not have")
    return text if len(text) == _LENGTHS[name] else text.zfill(_LENGTHS[name])
