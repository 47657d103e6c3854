"""Writes one local file to the first of its targets that takes it."""

import os
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from time import monotonic, sleep

from weyl.client.errors import ClientError, Refused, Unreachable
from weyl.client.streams import Piece
from weyl.client.sync import Client
from weyl.storage.transfer.digests import Digest
from weyl.storage.transfer.journal import Journal, Landed
from weyl.storage.transfer.local_files import LocalFile
from weyl.storage.transfer.pace import Pace
from weyl.storage.transfer.requests import Part, StorageRequest

# When no target answers, all are tried again after these times.
PAUSES_S = (10.0, 60.0, 300.0)
LOOK_EVERY_S = 0.2

Targets = Callable[[], Sequence[StorageRequest]]


class NotPut(Exception):
    """Raised when no target took a file; says what each answered."""


class _Elsewhere(Exception):
    """Raised when a target cannot take the file, now or ever, and another may."""


class Writer:
    """Writes the files of one upload; used by several threads."""

    def __init__(self, client: Client, pace: Pace, journal: Journal, *, pauses_s: Sequence[float] = PAUSES_S) -> None:
        self._client = client
        self._pace = pace
        self._journal = journal

    def write(self, file: LocalFile, targets: Targets) -> None:
        """Write a file and note where it landed; `targets` returns requests that are good now. Raises `NotPut`."""
        reasons: dict[str, str] = {}
        for pause_s in (*PAUSES_S, None):
            is_hopeless = True
            for target in targets():
                try:
                    self._journal.note_landed(file.lfn, Landed(target.se, self._write_to(file, target)))
                except Unreachable as error:
                    reasons[target.se] = error.message
                    is_hopeless = False
                except (ClientError, _Elsewhere) as error:
                    reasons[target.se] = str(error)
                else:
                    return
            if is_hopeless or pause_s is None:
                break
            self._rest(pause_s)
        raise NotPut("; ".join(f"{se}: {reason}" for se, reason in reasons.items()) or "no storage element takes it")

    def _write_to(self, file: LocalFile, target: StorageRequest) -> tuple[str, ...]:
        """Write a file to one target; returns what S3 answered for each part."""
        moved = _Moved(self._pace)
        try:
            if target.protocol == "file":
                _copy(file, target, moved)
                return ()
            if target.upload is not None:
                return tuple(self._write_part(file, target.upload, part, moved) for part in target.parts)
            self._put(file, target, moved)
        except BaseException:
            moved.take_back()
            raise
        return ()

    def _put(self, file: LocalFile, target: StorageRequest, moved: "_Moved") -> None:
        """Send a file in one request; one that must not write over anything may find what an earlier try has sent."""
        try:
            self._client.put_bytes(target.url, Piece(file.path, 0, file.size, moved), headers=target.headers)
        except Refused as error:
            if error.status != HTTPStatus.PRECONDITION_FAILED or not target.is_conditional:
                raise
            # Something is there: whether it is this file, the server sees when it compares.
        # What was sent on to another server has gone twice.
        moved.become(file.size)

    def _write_part(self, file: LocalFile, upload: str, part: Part, moved: "_Moved") -> str:
        known = self._journal.parts.get((file.lfn, upload), {}).get(part.number)
        if known is not None:
            moved(part.size)
            return known
        piece = Piece(file.path, part.offset, part.size, moved)
        answer: Mapping[str, str] = self._client.put_bytes(part.url, piece, headers=part.headers)
        etag = answer.get("etag", "")
        if not etag:
            raise _Elsewhere(f"storage said nothing of part {part.number}")
        self._journal.note_part(file.lfn, upload, part.number, etag)
        return etag

    def _rest(self, seconds: float) -> None:
        deadline = monotonic() + seconds
        while monotonic() < deadline:
            # Ends the rest, too, once all is to end.
            self._pace.moved(0)
            sleep(LOOK_EVERY_S)


class _Moved:
    """Counts the bytes of one try, to take them back if it came to nothing."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._count = 0

    def __call__(self, count: int) -> None:
        self._count += count
        self._pace.moved(count)

    def become(self, count: int) -> None:
        self._pace.moved(count - self._count)
        self._count = count

    def take_back(self) -> None:
        if not self._pace.is_stopped:
            self._pace.moved(-self._count)


def _copy(file: LocalFile, target: StorageRequest, moved: Callable[[int], None]) -> None:
    """Copy a file to a directory that both this machine and storage have; never over another."""
    path, part = target.path, target.temporary
    # Storage has made the directory: where it is not, this machine does not have that storage.
    if path is None or part is None or not part.parent.is_dir():
        raise _Elsewhere("its directory is not on this machine")
    try:
        with part.open("wb") as copy:
            for chunk in Piece(file.path, 0, file.size, moved).chunks():
                copy.write(chunk)
            copy.flush()
            os.fsync(copy.fileno())
        os.link(part, path)
    except FileExistsError:
        if not _is_copy(file, path):
            raise _Elsewhere(f"{path} is there, and is another file") from None
    except OSError as error:
        raise _Elsewhere(f"{path}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def _is_copy(file: LocalFile, path: Path) -> bool:
    """Tell whether a file lies there already: an earlier try was not told that it had come to its end."""
    if path.is_symlink() or not path.is_file() or path.stat().st_size != file.size:
        return False
    digests = []
    for each in (file.path, path):
        digest = Digest(("sha256",))
        with each.open("rb") as stream:
            while chunk := stream.read(1024 * 1024):
                digest.update(chunk)
        digests.append(digest.checksums())
    return digests[0] == digests[1]
