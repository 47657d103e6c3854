"""Takes files into the catalogue that lie on storage already: described a line each, verified by the server."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from time import monotonic, sleep
from typing import Any

from weyl.client.errors import StillWaiting
from weyl.client.sync import Client
from weyl.storage import calls
from weyl.storage.transfer.pace import Observer, Pace

BATCH = 1_000
LINE_MAX = 1_000_000
KEYS = ("lfn", "size", "checksums", "guid", "metadata", "ancestors")
VERIFY_MAX_S = 24 * 3600.0
ASK_MIN_S, ASK_MAX_S = 1.0, 20.0


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that describes no file, and why."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Registered:
    """What became of one file; `reason` if it is not in the catalogue."""

    lfn: str
    size: int
    file_id: int | None = None
    was_there: bool = False
    reason: str | None = None


def lines_of(lines: Iterable[str], *, se: str, metadata: Mapping[str, Any]) -> Iterator[dict[str, Any] | BadLine]:
    """Read lines of JSON: each becomes a file as an upload announces it, `at` a storage element; empty ones do not."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if len(line) > LINE_MAX:
            yield BadLine(number, f"has more than {LINE_MAX:,} characters")
            continue
        try:
            told = json.loads(line)
        except ValueError as error:
            yield BadLine(number, f"is not JSON: {error}")
            continue
        yield _announced(number, told, se, metadata)


def _announced(number: int, told: Any, se: str, metadata: Mapping[str, Any]) -> dict[str, Any] | BadLine:
    if not isinstance(told, dict):
        return BadLine(number, "is not a JSON object")
    if missing := [key for key in KEYS[:3] if key not in told]:
        return BadLine(number, f"has no {', '.join(missing)}")
    if unknown := sorted(set(told) - {*KEYS, "pfn"}):
        return BadLine(number, f"has keys that nobody knows: {', '.join(unknown)}")
    if not isinstance(told["lfn"], str) or not isinstance(told["size"], int):
        return BadLine(number, "needs a text as lfn and a whole number as size")
    if not isinstance(told.get("metadata", {}), dict):
        return BadLine(number, "needs an object as metadata")
    place = {"se": se} | ({"pfn": told["pfn"]} if "pfn" in told else {})
    file = {key: told[key] for key in KEYS if key in told}
    if merged := {**metadata, **told.get("metadata", {})}:
        file["metadata"] = merged
    return {**file, "at": [place]}


def register_lines(
    client: Client, files: Iterable[Mapping[str, Any]], *, observer: Observer | None = None
) -> Iterator[Registered]:
    """Register files, a thousand in one upload, and yield what became of each; those that are there are passed by."""
    source = iter(files)
    while batch := list(islice(source, BATCH)):
        yield from _register(client, batch, observer)


def _register(client: Client, batch: Sequence[Mapping[str, Any]], observer: Observer | None) -> Iterator[Registered]:
    opened = client.send(calls.open_upload(batch))
    known, failed = opened["files"], dict(opened["failed"])
    landed = {
        file["lfn"]: {"se": file["at"][0]["se"]}
        for file in batch
        if (known.get(file["lfn"]) or {}).get("state") == "wanted"
    }
    registered: Mapping[str, Any] = known
    if landed:
        ended = _ended(client, str(opened["upload_id"]), landed, observer)
        registered = {**known, **(ended.get("files") or {})}
        failed |= ended.get("failed") or {}
    for file in batch:
        lfn, told = file["lfn"], registered.get(file["lfn"])
        if lfn in failed or told is None:
            yield Registered(lfn, file["size"], reason=_reason(failed.get(lfn, "was not registered")))
        else:
            yield Registered(lfn, file["size"], told.get("file_id"), was_there=lfn not in landed)


def _ended(
    client: Client, upload_id: str, landed: Mapping[str, Mapping[str, Any]], observer: Observer | None
) -> Mapping[str, Any]:
    """Commit, and wait until the server has compared what lies there."""
    told = client.send(calls.commit_upload(upload_id, landed))
    began, pause_s = monotonic(), ASK_MIN_S
    while told["state"] == "verifying":
        if monotonic() - began > VERIFY_MAX_S:
            raise StillWaiting("Storage is still being verified.", hint="Run the same command later to look.")
        if observer is not None:
            observer.look(Pace(doing="verification"))
        sleep(pause_s)
        pause_s = min(pause_s * 1.5, ASK_MAX_S)
        told = client.send(calls.upload(upload_id))
    return told


def _reason(told: Any) -> str:
    return str(told.get("detail", told)) if isinstance(told, Mapping) else str(told)
