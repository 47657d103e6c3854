"""Files behind WebDAV over HTTPS, with a token for each path."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from urllib.parse import quote

from cachetools import LRUCache
from yarl import URL

from weyl.kit.clock import utcnow
from weyl.storage.drivers.driver import (
    Entry,
    IssuedToken,
    Operation,
    Request,
    Space,
    Stat,
    StorageContext,
    Wish,
)
from weyl.storage.drivers.http import CHECKSUM_S, Answer, Counted, Door, side_by_side, upload_seconds
from weyl.storage.drivers.walking import walk
from weyl.storage.errors import AlreadyThere, Corrupt, NotAllowed, StorageError
from weyl.storage.webdav import DIGEST_NAMES, PROPFIND, Child, children_of, digests
from weyl.storage.xml_trees import whole_number

TOKEN_LIFE_S = 1200
OWN_TOKENS_KEPT = 256
DIRECTORIES_KEPT = 4096
CLEANING_PAUSES_S = (0.3, 1.0, 3.0)
_METHODS: dict[Operation, str] = {"read": "GET", "write": "PUT", "remove": "DELETE", "list": "PROPFIND"}
_DEFAULT_CHECKSUMS = ("adler32",)


class HttpsDriver:
    """Asks WebDAV; tokens that clients get are for one path, our own for the directory of a file."""

    def __init__(self, context: StorageContext) -> None:
        self._context = context
        self._door = Door.of(context, follows=True)
        believed = _DEFAULT_CHECKSUMS if context.checksums is None else context.checksums
        self._want_digest = ",".join(DIGEST_NAMES[name] for name in believed)
        # Kept in memory only, and given to nobody.
        self._own: LRUCache[tuple[Operation, str], IssuedToken] = LRUCache(OWN_TOKENS_KEPT)
        self._made: LRUCache[str, bool] = LRUCache(DIRECTORIES_KEPT)

    async def stat(self, paths: Sequence[str]) -> dict[str, Stat]:
        """Return sizes, and the checksums that the server computes."""
        found = await side_by_side(self._stat, paths)
        return {path: stat for path, stat in zip(paths, found, strict=True) if stat is not None}

    @asynccontextmanager
    async def read(self, path: str, *, offset: int = 0) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a file for reading in pieces."""
        async with self._door.download(self._url(path), await self._own_headers("read", path), offset=offset) as chunks:
            yield chunks

    async def write(self, path: str, chunks: AsyncIterator[bytes], *, size: int, sha256: str) -> None:
        """Store a file in one request; what a broken one leaves is deleted."""
        if await self._stat(path) is not None:
            raise AlreadyThere(f"{self._door.name} has a file of this name: {path}")
        if self._context.endpoint.make_directories:
            await self._make_directories(path)
        counted = Counted(chunks, size=size, sha256=sha256)
        body = await counted.body()
        headers = {**await self._own_headers("write", path), "Content-Length": str(size)}
        try:
            answer = await self._door.ask("PUT", self._url(path), headers, body=body, seconds=upload_seconds(size))
            if answer.status == 409:
                told = "a directory may be missing, which MakeDirectories of the endpoint makes"
                raise StorageError(f"{self._door.name} answered 409 Conflict to PUT: {told}")
            if answer.status not in (200, 201, 204):
                raise self._door.refusal("PUT", answer.status)
        except AlreadyThere:
            raise
        except StorageError as error:
            await self._clean(path)
            raise counted.fault or error from error

    async def delete(self, paths: Sequence[str]) -> dict[str, str]:
        """Delete files one by one, some at a time."""
        failed = await side_by_side(self._delete, paths)
        return {path: reason for path, reason in zip(paths, failed, strict=True) if reason is not None}

    async def list(self, under: str, *, after: str | None = None, limit: int = 1000) -> Sequence[Entry]:
        """Walk the directories below one, in the order of paths."""
        return await walk(self._children, under, after=after, limit=limit)

    async def request(self, path: str, wish: Wish) -> Request:
        """Return a request with a token for this path alone."""
        headers: dict[str, str] = {}
        expires_s = min(wish.expires_s, TOKEN_LIFE_S)
        expires_at = wish.now + timedelta(seconds=expires_s)
        if wish.operation == "write":
            if self._context.endpoint.make_directories:
                await self._make_directories(path)
            if wish.size is not None:
                headers["Content-Length"] = str(wish.size)
        if self._context.tokens is not None:
            token = await self._context.tokens.token(
                wish.operation, path, subject=wish.subject, expires_s=expires_s, now=wish.now
            )
            headers["Authorization"] = f"Bearer {token.text}"
            expires_at = min(expires_at, token.expires_at)
        return Request("https", _METHODS[wish.operation], str(self._url(path)), headers, expires_at)

    async def complete(self, path: str, upload: str, etags: Sequence[str]) -> None:
        """Refuse: files come in one piece here."""
        raise StorageError(f"{self._door.name} takes no files in parts")

    async def space(self) -> Space | None:
        """Say nothing: it would take a token for everything."""
        return None

    async def _stat(self, path: str) -> Stat | None:
        wanted = {"Want-Digest": self._want_digest} if self._want_digest else {}
        answer = await self._ask("read", "HEAD", path, wanted, seconds=CHECKSUM_S)
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise self._door.refusal("HEAD", answer.status)
        size = whole_number(answer.headers.get("Content-Length"))
        return Stat(size, digests(answer.headers.get("Digest")) if self._want_digest else digests(None))

    async def _delete(self, path: str) -> str | None:
        answer = await self._ask("remove", "DELETE", path)
        if answer.status in (200, 202, 204, 404):
            return None
        return str(self._door.refusal("DELETE", answer.status))

    async def _clean(self, path: str) -> None:
        """Delete what a broken request may have left; if that fails, whoever asked has a record of the path.

        A server may make the file only after it has seen the end of the connection, so that we look again.
        """
        try:
            for pause_s in CLEANING_PAUSES_S:
                await self._delete(path)
                await asyncio.sleep(pause_s)
                if await self._stat(path) is None:
                    return
        except StorageError:
            return

    async def _children(self, directory: str) -> Sequence[Child]:
        headers = {"Depth": "1", "Content-Type": "application/xml; charset=utf-8"}
        answer = await self._ask("list", "PROPFIND", directory, headers, body=PROPFIND)
        if answer.status == 404:
            return []
        if answer.status != 207:
            raise self._door.refusal("PROPFIND", answer.status)
        try:
            return children_of(self._url(directory).path, answer.body)
        except Corrupt as error:
            raise Corrupt(f"{self._door.name} {error}") from error

    async def _make_directories(self, path: str) -> None:
        """Make the directories that a file will lie in, the upper ones first."""
        root = self._context.root.rstrip("/")
        missing: list[str] = []
        above = path.rpartition("/")[0]
        while above != root and above not in self._made:
            missing.append(above)
            above = above.rpartition("/")[0]
        for directory in reversed(missing):
            answer = await self._ask("write", "MKCOL", directory)
            # 405: it is there already.
            if answer.status not in (200, 201, 405):
                raise self._door.refusal("MKCOL", answer.status)
            self._made[directory] = True

    async def _ask(
        self,
        operation: Operation,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        *,
        body: bytes | None = None,
        seconds: float | None = None,
    ) -> Answer:
        """Ask with a token of ours; one that is refused may be of a key that is gone, so that a new one is tried."""
        about = f"{path}/" if method == "MKCOL" else path
        for is_new in (False, True):
            own = await self._own_headers(operation, about, is_new=is_new)
            answer = await self._door.ask(
                method, self._url(path), {**(headers or {}), **own}, body=body, seconds=seconds
            )
            if answer.status not in (401, 403) or not own:
                break
        return answer

    async def _own_headers(self, operation: Operation, path: str, *, is_new: bool = False) -> dict[str, str]:
        """Return what proves that we may: a token for the directory of a file, so that it serves for many."""
        if self._context.tokens is None:
            return {}
        scope = path if operation == "list" else path.rpartition("/")[0]
        now, key = utcnow(), (operation, scope)
        token = None if is_new else self._own.get(key)
        if token is None or token.expires_at - now < timedelta(seconds=TOKEN_LIFE_S / 2):
            token = await self._context.tokens.token(
                operation, scope, subject="service", expires_s=TOKEN_LIFE_S, now=now
            )
            self._own[key] = token
        return {"Authorization": f"Bearer {token.text}"}

    def _url(self, path: str) -> URL:
        if "?" in path or "%" in path:
            # XRootD takes what follows ? for options, encoded or not, and decodes % twice: another file's place.
            raise NotAllowed(f"{self._door.name} keeps no name with ? or %: servers take it for another")
        return URL(self._door.url + quote(path, safe="/~"), encoded=True)
