"""Puts files on storage and into the catalogue: announced, written, committed; goes on where it stopped."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from weyl.client.credentials import claims_of
from weyl.client.environment import cache_directory
from weyl.client.errors import ClientError, NotFound, Refused, StillWaiting
from weyl.client.sync import Client
from weyl.storage import calls
from weyl.storage.transfer.crew import Crew
from weyl.storage.transfer.digests import checksums_of
from weyl.storage.transfer.journal import Journal, Journals
from weyl.storage.transfer.local_files import LocalFile
from weyl.storage.transfer.pace import Observer, Pace
from weyl.storage.transfer.requests import PROTOCOLS, StorageRequest
from weyl.storage.transfer.writing import NotPut, Writer

FILES_PER_UPLOAD = 1_000
# How long to wait for storage to be verified, and how often to ask.
VERIFY_MAX_S = 3600.0
ASK_MIN_S, ASK_MAX_S = 1.0, 20.0


@dataclass(frozen=True, slots=True)
class Options:
    """How files are put: where (the server's choice, if nothing is said), and what is said about them."""

    ses: Sequence[str] = ()
    site: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    ancestors: Sequence[str] = ()
    atomic: bool = False
    # Where journals are kept, by which a later `put` of the same files goes on; None: nowhere.
    journals: Path | None = field(default_factory=lambda: cache_directory() / "uploads")


@dataclass(frozen=True, slots=True)
class Put:
    """What became of one file; `reason` if it is not in the catalogue now."""

    lfn: str
    path: Path
    size: int
    checksums: Mapping[str, str] = field(default_factory=dict)
    se: str | None = None
    file_id: int | None = None
    # It was in the catalogue before, with the same content.
    was_there: bool = False
    reason: str | None = None


def put(
    client: Client, files: Sequence[LocalFile], options: Options | None = None, *, observer: Observer | None = None
) -> Iterator[Put]:
    """Put files, four at a time, and yield what became of each; a thousand of them are one upload."""
    chosen = options or Options()
    if chosen.atomic and len(files) > FILES_PER_UPLOAD:
        raise Refused(f"More than {FILES_PER_UPLOAD:,} files cannot appear all at once.", hint="")
    yield from _Sending(client, chosen, Pace(len(files), sum(each.size for each in files)), observer).results(files)


class _Sending:
    """One run of `put`."""

    def __init__(self, client: Client, options: Options, pace: Pace, observer: Observer | None) -> None:
        self._client = client
        self._options = options
        self._pace = pace
        self._observer = observer
        claims = claims_of(client.token())
        self._journals = Journals(options.journals, f"{client.url} {claims.get('vo')} {claims.get('sub')}")

    def results(self, files: Sequence[LocalFile]) -> Iterator[Put]:
        left = {file.lfn: file for file in files}
        for journal in self._journals.open_ones(files):
            again = [left.pop(lfn) for lfn in journal.files if lfn in left and journal.is_of(left[lfn])]
            opened = self._reopened(journal)
            if opened is None:
                left |= {file.lfn: file for file in again}
            elif again:
                yield from self._carry_out(journal, opened, again)
        rest = list(left.values())
        for start in range(0, len(rest), FILES_PER_UPLOAD):
            yield from self._upload(rest[start : start + FILES_PER_UPLOAD])

    def _reopened(self, journal: Journal) -> dict[str, Any] | None:
        """Return an upload of an earlier run as it stands; None if it is over, which removes its journal."""
        try:
            opened = self._client.send(calls.upload(journal.upload_id))
        except NotFound:
            opened = {}
        if opened.get("state") in ("open", "verifying", "registered"):
            return opened
        journal.remove()
        return None

    def _upload(self, files: Sequence[LocalFile]) -> Iterator[Put]:
        checksums = self._checksums(files)
        announced = [self._described(file, checksums[file.lfn]) for file in files]
        chosen = self._options
        order = calls.open_upload(
            announced, ses=chosen.ses, site=chosen.site, protocols=PROTOCOLS, atomic=chosen.atomic
        )
        opened = self._client.send(order)
        # Without anything to write there is no upload, and nothing to go on with.
        journals = Journals(None, "") if opened["upload_id"] is None else self._journals
        journal = journals.begin(str(opened["upload_id"]), files, checksums)
        yield from self._carry_out(journal, opened, files)

    def _checksums(self, files: Sequence[LocalFile]) -> dict[str, dict[str, str]]:
        pace = Pace(len(files), sum(file.size for file in files), doing="checksums")
        crew: Crew[tuple[str, dict[str, str]]] = Crew(pace, self._observer)

        def read(file: LocalFile) -> tuple[str, dict[str, str]]:
            return file.lfn, checksums_of(file.path, moved=pace.moved)

        return dict(crew.results([partial(read, file) for file in files]))

    def _described(self, file: LocalFile, checksums: Mapping[str, str]) -> dict[str, Any]:
        more = {"metadata": dict(self._options.metadata), "ancestors": list(self._options.ancestors)}
        described = {"lfn": file.lfn, "size": file.size, "checksums": checksums}
        return described | {name: value for name, value in more.items() if value}

    def _carry_out(self, journal: Journal, opened: dict[str, Any], files: Sequence[LocalFile]) -> Iterator[Put]:
        """Write what is to be written, commit, and yield what became of each file."""
        try:
            failed = {lfn: _reason(told) for lfn, told in (opened.get("failed") or {}).items()}
            known = opened.get("files") or {}
            if opened["state"] == "open":
                wanted = [file for file in files if (known.get(file.lfn) or {}).get("state") == "wanted"]
                failed |= self._write(journal, opened, wanted)
                opened = self._commit(journal, failed)
            ended = self._ended(opened, journal)
            failed |= {lfn: _reason(told) for lfn, told in (ended.get("failed") or {}).items()}
            registered = ended.get("files") or {}
            for file in files:
                was_there = (known.get(file.lfn) or {}).get("state") == "registered" and file.lfn not in journal.landed
                told = registered.get(file.lfn) or (known.get(file.lfn) if was_there else None)
                yield self._result(file, journal, told, failed, was_there=was_there)
            journal.remove()
        finally:
            journal.leave()

    def _result(
        self,
        file: LocalFile,
        journal: Journal,
        told: Mapping[str, Any] | None,
        failed: Mapping[str, str],
        *,
        was_there: bool,
    ) -> Put:
        checksums = journal.files[file.lfn]["checksums"]
        if told is None or file.lfn in failed:
            reason = failed.get(file.lfn, "was not registered")
            return Put(file.lfn, file.path, file.size, checksums, reason=reason)
        landed = journal.landed.get(file.lfn)
        se = None if landed is None else landed.se
        file_id = told.get("file_id")
        return Put(file.lfn, file.path, file.size, checksums, se=se, file_id=file_id, was_there=was_there)

    def _write(self, journal: Journal, opened: dict[str, Any], files: Sequence[LocalFile]) -> dict[str, str]:
        """Write the files that have not landed yet; returns the reasons of those that could not be."""
        fresh = _Fresh(self._client, journal.upload_id, opened)
        writer = Writer(self._client, self._pace, journal)
        crew: Crew[tuple[str, str | None]] = Crew(self._pace, self._observer)

        def write(file: LocalFile) -> tuple[str, str | None]:
            try:
                writer.write(file, partial(fresh.targets, file.lfn))
            except NotPut as error:
                return file.lfn, str(error)
            finally:
                self._pace.ended()
            return file.lfn, None

        for file in files:
            if file.lfn in journal.landed:
                self._pace.moved(file.size)
                self._pace.ended()
        left = [file for file in files if file.lfn not in journal.landed]
        ended = crew.results([partial(write, file) for file in left])
        return {lfn: reason for lfn, reason in ended if reason is not None}

    def _commit(self, journal: Journal, failed: Mapping[str, str]) -> dict[str, Any]:
        """Say what has landed; of an upload that is all or nothing only if that is all."""
        if (self._options.atomic and failed) or not journal.landed:
            with suppress(ClientError):
                self._client.send(calls.abandon_upload(journal.upload_id))
            return {"state": "abandoned"}
        landed = {lfn: each.as_json() for lfn, each in journal.landed.items()}
        try:
            return self._client.send(calls.commit_upload(journal.upload_id, landed))
        except Refused as error:
            return {"state": "failed", "failed": dict.fromkeys(landed, error.message)}

    def _ended(self, opened: dict[str, Any], journal: Journal) -> dict[str, Any]:
        """Wait until the server has verified what it was told of."""
        began, pause_s = monotonic(), ASK_MIN_S
        while opened["state"] == "verifying":
            if monotonic() - began > VERIFY_MAX_S:
                raise StillWaiting("Storage is still being verified.", hint="Send the same files again to look.")
            if self._observer is not None:
                self._observer.look(Pace(doing="verification"))
            sleep(pause_s)
            pause_s = min(pause_s * 1.5, ASK_MAX_S)
            opened = self._client.send(calls.upload(journal.upload_id))
        return opened


class _Fresh:
    """The requests of an upload, asked for anew when they are about to end; used by several threads."""

    def __init__(self, client: Client, upload_id: str, opened: dict[str, Any]) -> None:
        self._client = client
        self._upload_id = upload_id
        self._opened = opened
        self._lock = threading.Lock()

    def targets(self, lfn: str) -> Sequence[StorageRequest]:
        """Return the requests for a file, in the order in which they are to be tried."""
        with self._lock:
            found = self._read(lfn)
            if any(each.is_over(datetime.now(UTC)) for each in found):
                self._opened = self._client.send(calls.upload(self._upload_id))
                found = self._read(lfn)
            return found

    def _read(self, lfn: str) -> list[StorageRequest]:
        told = (self._opened.get("files") or {}).get(lfn) or {}
        return [StorageRequest.from_json(each) for each in told.get("targets") or ()]


def _reason(told: Any) -> str:
    return str(told.get("detail", told)) if isinstance(told, Mapping) else str(told)
