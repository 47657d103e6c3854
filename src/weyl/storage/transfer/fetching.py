"""Fetches files: the nearest replica, the checksum compared, the next replica on failure; goes on where it stopped."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from weyl.client.errors import ClientError, Unreachable
from weyl.client.sync import Client
from weyl.storage import calls
from weyl.storage.transfer.crew import LOOK_EVERY_S, Crew
from weyl.storage.transfer.digests import CHUNK, checksums_of, strongest
from weyl.storage.transfer.pace import Observer, Pace
from weyl.storage.transfer.partial import Corrupt, PartialFault, PartialFile
from weyl.storage.transfer.requests import PROTOCOLS, StorageRequest

# Requests end after some minutes: so many files are asked for at once.
FILES_PER_REQUEST = 500
PAUSES_S = (2.0, 10.0, 60.0)


@dataclass(frozen=True, slots=True)
class Got:
    """What became of one file; `reason` if it is not at `path` now."""

    lfn: str
    path: Path
    size: int = 0
    checksum: str | None = None
    se: str | None = None
    # It was at `path` before, with the same content.
    was_there: bool = False
    reason: str | None = None


def get(
    client: Client,
    wanted: Mapping[str, Path],
    *,
    site: str | None = None,
    overwrite: bool = False,
    observer: Observer | None = None,
) -> Iterator[Got]:
    """Fetch files, LFN -> where to, four at a time, and yield what became of each.

    A file that is there with the right content is left; another of its name only goes with `overwrite`. What cannot be
    fetched to its end stays beside the place as a hidden file, and the next `get` goes on with it.
    """
    pace = Pace(files=len(wanted))
    crew: Crew[Got] = Crew(pace, observer)
    lfns = list(wanted)
    for start in range(0, len(lfns), FILES_PER_REQUEST):
        batch = lfns[start : start + FILES_PER_REQUEST]
        answer = client.send(calls.access(batch, site=site, protocols=PROTOCOLS))
        for lfn, told in answer["failed"].items():
            pace.ended()
            yield Got(lfn, wanted[lfn], reason=_reason(told))
        pace.bytes += sum(told["size"] for told in answer["success"].values())
        fetches = [
            _Fetch(client, lfn, wanted[lfn], told, pace, _Rules(site, overwrite))
            for lfn, told in answer["success"].items()
        ]
        yield from crew.results([fetch.run for fetch in fetches])


@dataclass(frozen=True, slots=True)
class _Rules:
    site: str | None
    overwrite: bool


@dataclass(slots=True)
class _Fetch:
    """One file on its way here."""

    client: Client
    lfn: str
    target: Path
    told: Mapping[str, Any]
    pace: Pace
    rules: _Rules

    def run(self) -> Got:
        """Fetch the file; failures are part of the answer."""
        try:
            if self.target.exists() and not self.rules.overwrite:
                return self._compared()
            part = PartialFile(
                self.target, size=self.told["size"], checksums=self.told["checksums"], moved=self.pace.moved
            )
            with part:
                return self._fetched(part)
        except OSError as error:
            return self._failed(f"{error.filename or self.target}: {error.strerror or error}")
        except (ClientError, PartialFault) as error:
            return self._failed(str(error))
        finally:
            self.pace.ended()

    def _compared(self) -> Got:
        """Return what is to say of a file that is there already."""
        if self.target.is_file() and self.target.stat().st_size == self.told["size"]:
            checksum = strongest(self.told["checksums"])
            names = [] if checksum is None else [checksum[0]]
            found = checksums_of(self.target, names, moved=self.pace.moved)
            if checksum is None or found[checksum[0]] == checksum[1]:
                return self._got(None, was_there=True)
        return self._failed(f"{self.target} is there, with other content")

    def _fetched(self, part: PartialFile) -> Got:
        """Go from replica to replica until one gives the file."""
        reasons: dict[str, str] = {}
        for pause_s in (*PAUSES_S, None):
            is_hopeless = True
            for request in self._requests():
                try:
                    self._read(part, request)
                    part.finish()
                except Unreachable as error:
                    reasons[request.se] = error.message
                    is_hopeless = False
                except (ClientError, PartialFault) as error:
                    reasons[request.se] = str(error)
                else:
                    return self._got(request.se)
            if is_hopeless or pause_s is None:
                break
            self._rest(pause_s)
        return self._failed("; ".join(f"{se}: {reason}" for se, reason in reasons.items()) or "there is no replica")

    def _requests(self) -> Sequence[StorageRequest]:
        """Return requests that are good now."""
        requests = [StorageRequest.from_json(each) for each in self.told["replicas"]]
        if any(each.is_over(datetime.now(UTC)) for each in requests):
            answer = self.client.send(calls.access([self.lfn], site=self.rules.site, protocols=PROTOCOLS))
            self.told = answer["success"].get(self.lfn, {**self.told, "replicas": []})
            requests = [StorageRequest.from_json(each) for each in self.told["replicas"]]
        return requests

    def _read(self, part: PartialFile, request: StorageRequest) -> None:
        """Read a replica to its end; one that stops in the middle is asked for the rest as long as bytes come."""
        while not part.is_complete:
            before = part.offset
            try:
                if request.protocol == "file":
                    _copy(request.path, part)
                else:
                    self.client.get_bytes(request.url, part, headers=request.headers, offset=before)
            except Unreachable:
                if part.offset <= before:
                    raise
                continue
            if not part.is_complete:
                found = part.offset
                part.give_up()
                raise Corrupt(f"it has {found:,} bytes there, not {part.size:,}")

    def _rest(self, seconds: float) -> None:
        deadline = monotonic() + seconds
        while monotonic() < deadline:
            self.pace.moved(0)
            sleep(LOOK_EVERY_S)

    def _got(self, se: str | None, *, was_there: bool = False) -> Got:
        checksum = strongest(self.told["checksums"])
        text = None if checksum is None else ":".join(checksum)
        return Got(self.lfn, self.target, self.told["size"], text, se=se, was_there=was_there)

    def _failed(self, reason: str) -> Got:
        return Got(self.lfn, self.target, self.told["size"], reason=reason)


def _copy(path: Path | None, part: PartialFile) -> None:
    if path is None or not path.is_file():
        raise PartialFault("its directory is not on this machine")
    with path.open("rb") as file:
        file.seek(part.offset)
        while chunk := file.read(CHUNK):
            part.write(chunk)


def _reason(told: Any) -> str:
    return str(told.get("detail", told)) if isinstance(told, Mapping) else str(told)
