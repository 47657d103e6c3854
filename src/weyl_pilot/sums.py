"""Checksums of a file, made while it passes."""

from __future__ import annotations

import hashlib
import zlib
from typing import Any, Dict, Iterable, Mapping, Optional

STRENGTH = ("sha256", "sha1", "md5", "adler32")
"""The checksums of the catalogue, the strongest first."""
OF_OUTPUTS = ("adler32", "sha256")


class Sums:
    """Several checksums of the same bytes."""

    def __init__(self, names: Iterable[str] = OF_OUTPUTS) -> None:
        self._sums: Dict[str, Any] = {name: _Adler32() if name == "adler32" else _hash(name) for name in names}

    def update(self, block: bytes) -> None:
        """Takes the next bytes."""
        for each in self._sums.values():
            each.update(block)

    def values(self) -> Dict[str, str]:
        """The checksums so far, in hexadecimal digits."""
        return {name: str(each.hexdigest()) for name, each in self._sums.items()}


class _Adler32:
    def __init__(self) -> None:
        self._value = 1

    def update(self, block: bytes) -> None:
        self._value = zlib.adler32(block, self._value)

    def hexdigest(self) -> str:
        return "%08x" % self._value


def _hash(name: str) -> Any:
    return hashlib.new(name, usedforsecurity=False) if name in ("md5", "sha1") else hashlib.sha256()


def strongest(known: Mapping[str, Optional[str]]) -> Optional[str]:
    """The name of the strongest checksum that is known; None without any."""
    return next((name for name in STRENGTH if known.get(name)), None)
