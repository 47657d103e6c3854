"""Archives that are named by their sha256: engines and commands of the community, fetched once, checked always."""

from __future__ import annotations

import logging
import os
import re
import threading
from pathlib import Path

from weyl_pilot.archive import BadArchive, sha256_file
from weyl_pilot.server import AGENT, Server
from weyl_pilot.streams import DiskFault, Patience, Streams, TransferFailed, Wanted

log = logging.getLogger("weyl_pilot.hashed")

_SHA256 = re.compile(r"[0-9a-f]{64}")


class Shelf:
    """The archives that this pilot has fetched. Safe to use from several threads."""

    def __init__(self, server: Server, directory: Path) -> None:
        self._server = server
        self._directory = directory
        self._lock = threading.Lock()

    def fetch(self, kind: str, sha256: str, size: int, *, patience_s: float) -> Path:
        """Returns the file; raises BadArchive when it cannot be had or is another, Refused or Unreachable."""
        if not _SHA256.fullmatch(sha256):
            raise BadArchive("not a sha256: %.80s" % sha256)
        path = self._directory / (sha256 + ".tar.gz")
        with self._lock:
            if not path.exists():
                self._get(kind, sha256, path, size=size, patience_s=patience_s)
        return path

    def _get(self, kind: str, sha256: str, path: Path, *, size: int, patience_s: float) -> None:
        url = self._server.archive_url(kind, sha256, patience_s=patience_s)
        part = path.with_suffix(".part")
        if part.exists():
            part.unlink()
        streams = Streams(self._server.connections, agent=AGENT, patience=Patience(no_progress_s=patience_s))
        try:
            streams.fetch(url, {}, part, Wanted(size, {"sha256": sha256}))
        except (TransferFailed, DiskFault) as error:
            raise BadArchive("%s cannot be fetched: %s" % (path.name, error)) from error
        os.replace(str(part), str(path))
        log.info("fetched %s/%s: %d bytes", kind, sha256[:12], size)


class CarriedShelf(Shelf):
    """Archives that somebody has laid beside a bundle."""

    def _get(self, kind: str, sha256: str, path: Path, *, size: int, patience_s: float) -> None:
        raise BadArchive("%s was not sent with the job" % path.name)

    def fetch(self, kind: str, sha256: str, size: int, *, patience_s: float) -> Path:
        """Returns the file beside the bundle, which nobody has checked yet."""
        path = super().fetch(kind, sha256, size, patience_s=patience_s)
        check(path, sha256, size)
        return path


def check(path: Path, sha256: str, size: int) -> None:
    """Raises BadArchive unless the file has this hash."""
    found = sha256_file(path)
    if found != sha256:
        found_size = path.stat().st_size
        raise BadArchive("%s has sha256 %s... and %d bytes of %d" % (path.name, found[:12], found_size, size))
