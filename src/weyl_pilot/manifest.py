"""The manifest of a CWL job: its output object, and each of its files with size and checksums."""

from __future__ import annotations

import hashlib
import os
import uuid
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from weyl_pilot.results import RunResult, open_owned
from weyl_pilot.work import LFN

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


def placed(manifest: Mapping[str, Any], places: Mapping[str, Mapping[str, str]]) -> Dict[str, Any]:
    """The manifest with logical names in the place of paths, for files that are kept by these names."""
    files = [_kept(entry, places.get(str(entry.get("path")))) for entry in manifest["files"]]
    return {**manifest, "files": files, "outputs": _placed(manifest["outputs"], places)}


def _kept(entry: Mapping[str, Any], place: Optional[Mapping[str, str]]) -> Dict[str, Any]:
    if place is None:
        return dict(entry)
    rest = {name: value for name, value in entry.items() if name != "path"}
    return {**rest, "lfn": place["lfn"], "se": place["se"]}


def _placed(value: Any, places: Mapping[str, Mapping[str, str]]) -> Any:
    if isinstance(value, list):
        return [_placed(item, places) for item in value]
    if not isinstance(value, dict):
        return value
    made = {key: _placed(item, places) for key, item in value.items()}
    if value.get("class") in ("File", "Directory") and isinstance(value.get("location"), str):
        lfn = _lfn_of(value["location"], places)
        made.update({} if lfn is None else {"location": LFN + lfn})
    return made


def _lfn_of(location: str, places: Mapping[str, Mapping[str, str]]) -> Optional[str]:
    """The logical name of a file that is kept, or of the directory that the kept files of one are in."""
    if location in places:
        return places[location]["lfn"]
    for path, place in places.items():
        rest = path[len(location) :]
        if path.startswith(location + "/") and place["lfn"].endswith(rest):
            return place["lfn"][: -len(rest)]
    return None


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


def file_paths(value: Any) -> List[str]:
    """The paths of the files below `outputs/` in an output object."""
    return [path for _, path in _files(value)]


def directories(value: Any) -> Iterator[str]:
    """Yields the paths of the directories below `outputs/` in an output object."""
    if isinstance(value, list):
        for item in value:
            yield from directories(item)
    elif isinstance(value, dict):
        location = value.get("location")
        if value.get("class") == "Directory" and isinstance(location, str) and location.startswith(OUTPUTS + "/"):
            yield location
        for item in value.values():
            yield from directories(item)


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
