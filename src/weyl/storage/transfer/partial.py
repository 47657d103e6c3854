"""A file that grows while it is fetched: begun, left, gone on with, compared, and only then under its name."""

import fcntl
import os
from collections.abc import Callable, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

from weyl.storage.transfer.digests import CHUNK, DigestBehind, strongest


class PartialFault(Exception):
    """Raised when what came is not the file, or cannot be kept here."""


class Corrupt(PartialFault):
    """Raised when the bytes that came are not those of the file: they are gone, and it begins anew."""


class PartialFile:
    """Takes the bytes of a file beside the place where it will be; what an earlier try has fetched is gone on with."""

    def __init__(
        self, target: Path, *, size: int, checksums: Mapping[str, str | None], moved: Callable[[int], None]
    ) -> None:
        self.target = target
        self.size = size
        self.offset = 0
        self._moved = moved
        self._checksum = strongest(checksums)
        # Named by the content, so that another version of the file is another part.
        key = f"{target.name}\n{size}\n{self._checksum}"
        self._path = target.with_name(f".weyl-{blake2b(key.encode(), digest_size=10).hexdigest()}.part")
        self._file: BinaryIO | None = None
        self._digest = self._new_digest()

    def __enter__(self) -> "PartialFile":
        self.target.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        file = os.fdopen(os.open(self._path, flags, 0o666), "r+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise PartialFault(f"{self.target} is being fetched by another program") from None
        self._file = file
        self._read_again(file)
        return self

    def __exit__(self, *_: object) -> None:
        self._digest.close()
        if self._file is not None:
            self._file.close()
            self._file = None
        if self.offset == 0:
            self._path.unlink(missing_ok=True)

    def begin(self, offset: int) -> None:
        """Go on from an offset: where it is already, or from the beginning."""
        assert self._file is not None
        if offset not in (0, self.offset):
            raise PartialFault(f"storage sent bytes from {offset} on, not from {self.offset} on")
        if offset == 0 and self.offset:
            self._moved(-self.offset)
            self._restart(self._file)

    def write(self, chunk: bytes) -> None:
        """Take the next bytes; raises `Corrupt` if they are more than the file has."""
        assert self._file is not None
        if self.offset + len(chunk) > self.size:
            self.give_up()
            raise Corrupt(f"storage sent more than the {self.size} bytes of the file")
        self._file.write(chunk)
        self._digest.update(chunk)
        self.offset += len(chunk)
        self._moved(len(chunk))

    @property
    def is_complete(self) -> bool:
        """Whether all bytes are there."""
        return self.offset == self.size

    def finish(self) -> None:
        """Give the file its name; raises `Corrupt` if it is not what the catalogue says."""
        assert self._file is not None
        if self._checksum is not None:
            name, told = self._checksum
            found = self._digest.checksums()[name]
            if found != told:
                self.give_up()
                raise Corrupt(f"its {name} is {found}, not {told}")
        self._file.flush()
        self._path.replace(self.target)

    def give_up(self) -> None:
        """Forget what has come."""
        assert self._file is not None
        self._moved(-self.offset)
        self._restart(self._file)

    def _new_digest(self) -> DigestBehind:
        return DigestBehind(() if self._checksum is None else (self._checksum[0],))

    def _restart(self, file: BinaryIO) -> None:
        file.seek(0)
        file.truncate()
        self._digest.close()
        self.offset, self._digest = 0, self._new_digest()

    def _read_again(self, file: BinaryIO) -> None:
        """Take up what an earlier try has left."""
        while chunk := file.read(CHUNK):
            self.offset += len(chunk)
            self._digest.update(chunk)
        if self.offset > self.size:
            self._restart(file)
        self._moved(self.offset)
