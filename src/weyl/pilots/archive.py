"""The pilot program as one file: `weyl_pilot` packed into an archive that any Python 3.9 or newer can run."""

import hashlib
import io
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

ARCHIVE_NAME = "weyl-pilot.pyz"
SHEBANG = b"#!/usr/bin/env python3\n"
ENTRY = b"from weyl_pilot.__main__ import start\n\nstart()\n"
# The first moment that a zip file can name: the same sources make the same bytes, whenever and wherever packed.
TIMESTAMP = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class PilotArchive:
    """Content of the archive and the digest that names it."""

    content: bytes
    sha256: str


def pilot_archive() -> PilotArchive:
    """Pack the installed pilot program; unchanged sources are packed only once a process."""
    package = files("weyl_pilot")
    sources = sorted((entry.name, entry.read_bytes()) for entry in package.iterdir() if entry.name.endswith(".py"))
    return _pack(tuple(sources))


@lru_cache(maxsize=2)
def _pack(sources: tuple[tuple[str, bytes], ...]) -> PilotArchive:
    buffer = io.BytesIO(SHEBANG)
    buffer.seek(0, io.SEEK_END)
    # zipapp would do, but it writes the time of each file into the archive.
    with zipfile.ZipFile(buffer, "w", compression=zipfile.ZIP_DEFLATED) as archive:
        for name, content in (("__main__.py", ENTRY), *((f"weyl_pilot/{name}", source) for name, source in sources)):
            entry = zipfile.ZipInfo(name, date_time=TIMESTAMP)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    content = buffer.getvalue()
    return PilotArchive(content, hashlib.sha256(content).hexdigest())
