"""Input sandboxes in, output sandbox out: what is asked of the server, and what of the object store."""

from __future__ import annotations

import logging
import os
import re
import threading
from pathlib import Path
from typing import Dict, Iterable, Optional

from weyl_pilot.archive import UNPACKED_MAX, BadArchive, can_read_zstd, sha256_file, unpack
from weyl_pilot.connection import FileBody, Refused, Request, multipart, persist
from weyl_pilot.errand import Errand
from weyl_pilot.server import AGENT, Server
from weyl_pilot.spool import Spool
from weyl_pilot.streams import DiskFault, Patience, Streams, TransferFailed, Wanted

log = logging.getLogger("weyl_pilot.sandbox")

SANDBOX_NAME = re.compile(r"/sha256:([0-9a-fA-F]{64})\.([a-z0-9.]+)$")
TRANSFER_TIMEOUT_S = 600.0
CACHE_MAX_BYTES = 1 << 30


FETCH_FAULTS = (BadArchive, Refused, TransferFailed, DiskFault, OSError)


class SandboxFailure(Exception):
    """A sandbox could not be brought in or out; the text ends up in the job's status."""


class Sandboxes:
    """Moves sandboxes for all jobs of this pilot, and keeps inputs that several jobs share."""

    def __init__(self, server: Server, cache: Path, *, reads_zstd: Optional[bool] = None) -> None:
        """What is for another machine, which perhaps cannot read zstd, is fetched with `reads_zstd` False."""
        self._server = server
        self._cache = cache
        self._reads_zstd = can_read_zstd() if reads_zstd is None else reads_zstd
        self._lock = threading.Lock()

    def download(
        self,
        job_id: int,
        pfns: Iterable[str],
        *,
        directory: Path,
        bytes_max: int = UNPACKED_MAX,
        patience_s: float,
        errand: Optional[Errand] = None,
    ) -> int:
        """Brings the sandboxes in the order given; a file that two of them hold comes from the later one."""
        count = 0
        for pfn in pfns:
            if "/S3/" not in pfn:
                continue  # a file name: it is inside one of the sandboxes
            try:
                path = self.fetch(job_id, pfn, patience_s=patience_s, errand=errand)
                unpack(path, directory, bytes_max=bytes_max)
            except FETCH_FAULTS as error:
                raise SandboxFailure("%s: %s" % (pfn.rpartition("/")[2][:24], error)) from error
            count += 1
        return count

    def packed(self, job_id: int, pfn: str, *, patience_s: float) -> Path:
        """Brings one sandbox exactly as it was uploaded."""
        try:
            return self.fetch(job_id, pfn, patience_s=patience_s, may_repack=False)
        except FETCH_FAULTS as error:
            raise SandboxFailure("%s: %s" % (pfn.rpartition("/")[2][:24], error)) from error

    def fetch(
        self, job_id: int, pfn: str, *, patience_s: float, may_repack: bool = True, errand: Optional[Errand] = None
    ) -> Path:
        """Brings one sandbox as it is packed, or in a form that this machine can read."""
        name = SANDBOX_NAME.search(pfn)
        if name is None:
            raise BadArchive("not the name of a sandbox: " + pfn)
        digest, kind = name.group(1).lower(), name.group(2)
        # A repacked copy is a different file: its digest is not the one in the name.
        repack = "tar.bz2" if may_repack and kind == "tar.zst" and not self._reads_zstd else None
        # Asked even when the file is here: the server decides whether this job may have it.
        url = self._server.sandbox_url(job_id, pfn, archive_format=repack, patience_s=patience_s)
        path = self._cache / ("%s.%s" % (digest, repack or kind))
        with self._lock:
            if not path.exists() or (repack is None and sha256_file(path) != digest):
                streams = Streams(
                    self._server.connections, errand, agent=AGENT, patience=Patience(no_progress_s=patience_s)
                )
                self._get(streams, url, path, digest=None if repack else digest)
        return path

    def _get(self, streams: Streams, url: str, path: Path, *, digest: Optional[str]) -> None:
        # No token: the address itself is the permission.
        part = path.with_name(path.name + ".part")
        if part.exists():
            part.unlink()
        streams.fetch(url, {}, part, Wanted(checksums={"sha256": digest}))
        self._make_room(part)
        os.replace(str(part), str(path))

    def _make_room(self, fresh: Path) -> None:
        files = sorted(self._cache.iterdir(), key=lambda path: path.stat().st_mtime)
        total = sum(path.stat().st_size for path in files)
        for path in files:
            if total <= CACHE_MAX_BYTES:
                return
            if path != fresh:
                total -= path.stat().st_size
                path.unlink()

    def upload(self, job_id: int, packed: Spool, *, patience_s: float) -> str:
        """Announces, posts and assigns a packed output sandbox; returns its name."""
        try:
            description = {
                "checksum_algorithm": "sha256",
                "checksum": packed.sha256,
                "size": packed.size,
                "format": "tar.bz2",
            }
            place = self._server.announce_sandbox(job_id, description, patience_s=patience_s)
            if place.get("url"):
                self._post(str(place["url"]), dict(place.get("fields") or {}), packed, patience_s=patience_s)
            pfn = str(place["pfn"])
            self._server.assign_output(job_id, pfn, patience_s=patience_s)
        except (Refused, OSError) as error:
            raise SandboxFailure(str(error)) from error
        log.info("job %d: output sandbox of %d bytes is %s", job_id, packed.size, pfn)
        return pfn

    def _post(self, url: str, fields: Dict[str, str], packed: Spool, *, patience_s: float) -> None:
        content = FileBody(packed.open, packed.size)
        body, content_type = multipart(fields, content, filename="sandbox.tar.bz2")
        headers = {"User-Agent": AGENT, "Content-Type": content_type}
        request = Request("POST", url, headers, body, TRANSFER_TIMEOUT_S)
        persist(lambda: self._server.connections.send(request), patience_s=patience_s)
