"""The manifest of a CWL job: its output object, and each of its files with size and checksums."""

from __future__ import annotations

import hashlib
import os
import uuid
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

from weyl_pilot.results import RunResult, open_owned

MANIFEST, OUTPUTS = "manifest.json", "outputs"
BYTES_MAX = 4 << 20
BLOCK = 1 << 20


class BadOutputs(Exception):
    """The outputs that a result names are not there as it says."""


@dataclass(frozen=True)
class Sums:
    """What identifies the content of a file."""

    size: int
    adler32: str
    sha1: str


def make_manifest(job_id: int, result: RunResult, run: Path, *, owner: Optional[int]) -> Dict[str, Any]:
    """Reads every output file once; raises BadOutputs when one is missing, or is not the payload's own."""
    files: List[Dict[str, Any]] = []
    for name, value in result.outputs.items():
        for index, (entry, path) in enumerate(_files(value)):
            sums = _sums(run, path, owner)
            entry["size"], entry["checksum"] = sums.size, "sha1$" + sums.sha1
            files.append(
                {
                    "output": name,
                    "index": index,
                    "path": path,
                    "size": sums.size,
                    "adler32": sums.adler32,
                    "sha1": sums.sha1,
                    "guid": str(uuid.uuid4()).upper(),
                }
            )
    return {
        "v": 1,
        "job_id": job_id,
        "status": result.status,
        "exit_code": result.exit_code,
        "outputs": dict(result.outputs),
        "files": files,
        "inputs": [],
        "containers": [],
    }


def _files(value: Any) -> Iterator[Tuple[Dict[str, Any], str]]:
    """Yields each file below `outputs/` of an output object, also secondary files and those that directories list."""
    if isinstance(value, list):
        for item in value:
            yield from _files(item)
    elif isinstance(value, dict):
        location = value.get("location")
        if value.get("class") == "File" and isinstance(location, str) and location.startswith(OUTPUTS + "/"):
            yield value, location
        for item in value.values():
            yield from _files(item)


def _sums(run: Path, path: str, owner: Optional[int]) -> Sums:
    """Reads a file. Links inside the outputs are followed: they travel as links."""
    top = os.path.realpath(str(run / OUTPUTS))
    real = os.path.realpath(str(run / path))
    if not real.startswith(top + os.sep):
        raise BadOutputs("the output %s leads out of the directory of the outputs" % path)
    stream = open_owned(real, owner)
    if stream is None:
        raise BadOutputs("the output %s is not there, or not a file of the job's own" % path)
    with stream:
        size, adler, sha1 = 0, 1, hashlib.sha1(usedforsecurity=False)
        for block in iter(lambda: stream.read(BLOCK), b""):
            size += len(block)
            adler = zlib.adler32(block, adler)
            sha1.update(block)
        return Sums(size, "%08x" % adler, sha1.hexdigest())
