"""Bundles of CWL files as the server gives them: a tar with its manifest first, every byte of it checked."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tarfile
import threading
from pathlib import Path
from typing import IO, Any, Dict

from weyl_pilot.archive import BadArchive
from weyl_pilot.isolation import write_private
from weyl_pilot.server import Server

MANIFEST, FILES = "manifest.json", "files/"
BYTES_MAX = 64 << 20
KEPT_MAX = 50
_ID = re.compile(r"[0-9a-f]{64}")


class Bundles:
    """The bundles of this pilot's jobs, kept by their ids. Safe to use from several threads."""

    def __init__(self, server: Server, directory: Path) -> None:
        self._server = server
        self._directory = directory
        self._lock = threading.Lock()

    def bring(self, job_id: int, bundle: str, directory: Path, *, patience_s: float) -> str:
        """Puts the files of a bundle into a directory; returns the path of the document to run.

        Raises BadArchive when the archive is not that bundle, Refused or Unreachable.
        """
        if not _ID.fullmatch(bundle):
            raise BadArchive("not the id of a bundle: %.80s" % bundle)
        return unpack_bundle(self._content(job_id, bundle, patience_s), bundle, directory)

    def _content(self, job_id: int, bundle: str, patience_s: float) -> bytes:
        path = self._directory / (bundle + ".tar")
        with self._lock:
            if path.exists():
                return path.read_bytes()
            content = self._server.workflow_archive(job_id, bundle, patience_s=patience_s)
            older = sorted(self._directory.glob("*.tar"), key=lambda kept: kept.stat().st_mtime)
            for kept in older[: max(0, len(older) - KEPT_MAX + 1)]:
                kept.unlink()
            write_private(path.with_suffix(".part"), content)
            os.replace(str(path.with_suffix(".part")), str(path))
            return content


def unpack_bundle(content: bytes, bundle: str, directory: Path) -> str:
    """Writes the files that the manifest names, and nothing else; returns the path of the document to run."""
    if len(content) > BYTES_MAX:
        raise BadArchive("the archive of the workflow has %d bytes" % len(content))
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
            manifest = _manifest(tar, bundle)
            left = dict(manifest["files"])
            for member in tar:
                if member.name == MANIFEST or member.isdir():
                    continue
                path = member.name[len(FILES) :]
                if not member.isfile() or not member.name.startswith(FILES) or path not in left:
                    raise BadArchive("%s is not of this workflow" % member.name)
                _write(_read(tar, member, left.pop(path)), directory, path)
    except (tarfile.TarError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadArchive("the archive of the workflow cannot be read: %s" % error) from error
    if left:
        raise BadArchive("the archive of the workflow lacks %s" % sorted(left)[0])
    return str(manifest["entry"])


def _manifest(tar: tarfile.TarFile, bundle: str) -> Dict[str, Any]:
    first = tar.next()
    if first is None or first.name != MANIFEST or first.size > BYTES_MAX:
        raise BadArchive("the archive of the workflow does not begin with its manifest")
    stream = tar.extractfile(first)
    content = b"" if stream is None else stream.read()
    if hashlib.sha256(content).hexdigest() != bundle:
        raise BadArchive("the manifest of the workflow is not that of %s" % bundle[:12])
    manifest: Dict[str, Any] = json.loads(content)
    for path in (manifest["entry"], *manifest["files"]):
        _demand_plain(path)
    if manifest["entry"] not in manifest["files"]:
        raise BadArchive("the workflow has no file %s" % manifest["entry"])
    return manifest


def _demand_plain(path: str) -> None:
    parts = path.split("/")
    if "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise BadArchive("%r is not a path of a workflow" % path)


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo, wanted: Dict[str, Any]) -> bytes:
    stream: "IO[bytes] | None" = tar.extractfile(member)
    content = b"" if stream is None else stream.read()
    if len(content) != wanted["size"] or hashlib.sha256(content).hexdigest() != wanted["sha256"]:
        raise BadArchive("%s of the workflow is not what was submitted" % member.name[len(FILES) :])
    return content


def _write(content: bytes, directory: Path, path: str) -> None:
    target = directory / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
