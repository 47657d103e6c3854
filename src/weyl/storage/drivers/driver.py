"""What every storage driver does: files in many, streams one by one, and requests that others send themselves."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol

import aiohttp

from weyl.config.storage_elements import Endpoint
from weyl.file_catalog.checksums import Checksums
from weyl.kit.services import Key
from weyl.remote.credentials import CredentialProvider

Operation = Literal["read", "write", "remove", "list"]
CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Stat:
    """What lies under a path: its size in bytes, and those checksums that its storage tells and is believed."""

    size: int
    checksums: Checksums


class Entry(NamedTuple):
    """A file of a listing; `modified_at` as its storage says, or None."""

    path: str
    size: int
    modified_at: datetime | None


class Space(NamedTuple):
    """Bytes in all, and bytes that are free."""

    total: int
    free: int


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a file that is sent in several requests; `offset` and `size` in bytes."""

    number: int
    offset: int
    size: int
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Request:
    """What a client is to send, byte for byte, before `expires_at`; whoever holds it may send it."""

    protocol: str
    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    expires_at: datetime
    parts: Sequence[Part] = ()
    path: str | None = None
    """Of a mounted directory: where the file is, or is to be."""
    temporary: str | None = None
    """Of a mounted directory: where to write, beside `path`; a rename puts the file into its place."""
    upload: str | None = None
    """Which upload the parts belong to."""

    def as_json(self) -> dict[str, Any]:
        """Return what goes over the wire."""
        told: dict[str, Any] = {
            "protocol": self.protocol,
            "method": self.method,
            "url": self.url,
            "headers": dict(self.headers),
            "expires_at": self.expires_at,
        }
        if self.path is not None:
            told |= {"path": self.path} | ({"temporary": self.temporary} if self.temporary else {})
        if self.upload is not None:
            told["upload"] = self.upload
            told["parts"] = [
                {
                    "number": part.number,
                    "offset": part.offset,
                    "size": part.size,
                    "url": part.url,
                    "headers": dict(part.headers),
                }
                for part in self.parts
            ]
        return told


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """For which request of a client a driver is asked."""

    operation: Operation
    now: datetime
    expires_s: int
    subject: str
    """Who will send it, for the records of the storage."""
    size: int | None = None
    sha256: str | None = None
    """Of a file that is to be written: in hexadecimal."""
    upload: str | None = None
    """An upload in parts that was begun by an earlier request for the same file."""


class StorageDriver(Protocol):
    """One door of a storage element for one VO. Paths are absolute, as the door has them, and below its directory.

    A driver keeps nothing that it could not find out again. It raises `StorageError`, and bounds each answer in size
    and each wait in time; the bulk methods go on after the failure of one path only where they say so.
    """

    async def stat(self, paths: Sequence[str]) -> dict[str, Stat]:
        """Return what lies under paths; those under which there is nothing are left out."""
        ...

    def read(self, path: str, *, offset: int = 0) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Open a file for reading in pieces from `offset` on; raises `NotThere`.

        A stream that ends before the size that was announced raises `Unreachable`.
        """
        ...

    async def write(self, path: str, chunks: AsyncIterator[bytes], *, size: int, sha256: str) -> None:
        """Store a file whole, its directories with it; raises `AlreadyThere`, and leaves nothing if it fails.

        Raises `Corrupt` if the chunks are not `size` bytes with this checksum, in hexadecimal.
        """
        ...

    async def delete(self, paths: Sequence[str]) -> dict[str, str]:
        """Delete files, and what was begun under their paths; returns for those that are still there why.

        What is not there counts as deleted.
        """
        ...

    async def list(self, under: str, *, after: str | None = None, limit: int = 1000) -> Sequence[Entry]:
        """Return the files below a directory whose paths come after `after`, in the order of their bytes."""
        ...

    async def request(self, path: str, wish: Wish) -> Request:
        """Return the request with which a client does this itself, with no other right than that."""
        ...

    async def complete(self, path: str, upload: str, etags: Sequence[str]) -> None:
        """Put an upload together from its parts, of which `etags` is what the storage answered to each, in order.

        To say it again does no harm.
        """
        ...

    async def space(self) -> Space | None:
        """Return how much space there is; None where the storage cannot say."""
        ...


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token, and until when it is good."""

    text: str = field(repr=False)
    expires_at: datetime


class TokenSource(Protocol):
    """Hands out tokens for one door, each for one operation on one path and what lies below."""

    async def token(
        self, operation: Operation, path: str, *, subject: str, expires_s: int, now: datetime
    ) -> IssuedToken:
        """Return a new token, good for `expires_s` if that can be had; raises `NotAllowed` or `Unreachable`."""
        ...


@dataclass(frozen=True, slots=True)
class StorageContext:
    """What a driver is made from: one door for one VO."""

    element: str
    endpoint: Endpoint
    vo: str
    credentials: CredentialProvider
    session: aiohttp.ClientSession
    tokens: TokenSource | None = None
    checksums: Sequence[str] | None = None
    """What this storage can tell and is believed; None: what its protocol usually can."""

    @property
    def root(self) -> str:
        """The directory that everything of the VO lies below."""
        return self.endpoint.path_for(self.vo)


class StorageDriverFactory(Protocol):
    """Makes the driver of one door; this is what an extension registers under the name of a protocol."""

    def __call__(self, context: StorageContext) -> StorageDriver: ...


STORAGE_DRIVERS: Key[Mapping[str, StorageDriverFactory]] = Key("the storage drivers")
