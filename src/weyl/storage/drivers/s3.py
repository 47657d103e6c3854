"""Files in a bucket of S3: clients get signed requests, bound to the length and, where the store looks, to sha256.

None of them writes over what is there, however late it is sent: a file in one request goes with `If-None-Match: *`,
and the parts of another belong to nothing once they were put together.
"""

import base64
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from hashlib import md5
from urllib.parse import quote

from weyl.kit import json
from weyl.kit.s3_signing import Signer, object_path
from weyl.remote.credentials import CredentialKind
from weyl.remote.errors import RemoteError
from weyl.storage import s3_answers
from weyl.storage.drivers.driver import Entry, Operation, Part, Request, Space, Stat, StorageContext, Wish
from weyl.storage.drivers.http import ANSWER_S, Answer, Counted, Door, side_by_side, upload_seconds
from weyl.storage.drivers.walking import walk
from weyl.storage.errors import AlreadyThere, Corrupt, NotAllowed, NotThere, StorageError
from weyl.storage.webdav import Child
from weyl.storage.xml_trees import whole_number

DELETE_MAX = 1000
LIST_MAX = 1000
LIST_PAGES_MAX = 1000
"""Pages of one directory."""
UPLOADS_PAGES_MAX = 10
"""Pages of begun uploads that are looked through for those of files that are deleted."""
ONE_REQUEST_BYTES_MAX = 5 * 1024**3
KEYS_KEPT_S = 10.0
_WRONG_PARTS = {"InvalidPart", "InvalidPartOrder", "EntityTooSmall", "MalformedXML"}
"""What a store says of parts that no waiting puts together."""
NOTHING_THERE = {"If-None-Match": "*"}
"""Lets a store take a file only where there is none."""
_METHODS: dict[Operation, str] = {"read": "GET", "write": "PUT", "remove": "DELETE", "list": "GET"}


class S3Driver:
    """One bucket of one store, below one directory of it."""

    def __init__(self, context: StorageContext) -> None:
        self._context = context
        self._door = Door.of(context)
        self._bucket = str(context.endpoint.bucket)
        self._believed = context.checksums or ()
        self._signer: Signer | None = None
        self._read_at = float("-inf")

    async def stat(self, paths: Sequence[str]) -> dict[str, Stat]:
        """Return sizes, and the checksums that this store is believed."""
        found = await side_by_side(self._stat, paths)
        return {path: stat for path, stat in zip(paths, found, strict=True) if stat is not None}

    @asynccontextmanager
    async def read(self, path: str, *, offset: int = 0) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open an object for reading in pieces."""
        url, headers = (await self._keys()).signed("GET", self._url(path), {})
        async with self._door.download(url, headers, offset=offset, code=s3_answers.error_code) as chunks:
            yield chunks

    async def write(self, path: str, chunks: AsyncIterator[bytes], *, size: int, sha256: str) -> None:
        """Store an object in one request, which a store keeps whole or not at all."""
        if size > ONE_REQUEST_BYTES_MAX:
            raise StorageError(f"{self._door.name} takes {ONE_REQUEST_BYTES_MAX} bytes in one request at most")
        if await self._stat(path) is not None:
            raise AlreadyThere(f"{self._door.name} has a file of this name: {path}")
        body = Counted(chunks, size=size, sha256=sha256)
        headers = {
            "Content-Length": str(size),
            **NOTHING_THERE,
            "x-amz-checksum-sha256": base64.b64encode(bytes.fromhex(sha256)).decode(),
        }
        url, signed = (await self._keys()).signed("PUT", self._url(path), headers, sha256=sha256)
        try:
            answer = await self._door.ask(
                "PUT", url, signed, body=aiter(body) if size else b"", seconds=upload_seconds(size)
            )
        except StorageError as error:
            raise body.fault or error from error
        self._expect(answer, "PUT", {200})

    async def delete(self, paths: Sequence[str]) -> dict[str, str]:
        """Delete objects, a thousand in a request, and end uploads in parts of the same names."""
        failed: dict[str, str] = {}
        for first in range(0, len(paths), DELETE_MAX):
            batch = paths[first : first + DELETE_MAX]
            await self._abort_uploads(batch)
            body = s3_answers.deletion([path[1:] for path in batch])
            digest = base64.b64encode(md5(body, usedforsecurity=False).digest()).decode()
            answer = await self._ask("POST", f"{self._bucket_url()}?delete=", {"Content-MD5": digest}, body=body)
            self._expect(answer, "POST", {200})
            refused = s3_answers.not_deleted(answer.body)
            failed |= {path: f"{self._door.name}: {refused[path[1:]]}" for path in batch if path[1:] in refused}
        return failed

    async def list(self, under: str, *, after: str | None = None, limit: int = 1000) -> Sequence[Entry]:
        """Walk the keys as if they were directories: some stores list them in another order than that of bytes."""
        return await walk(self._children, under, after=after, limit=limit)

    async def request(self, path: str, wish: Wish) -> Request:
        """Return a signed request; for a large file that is to be written, one for each part."""
        signer, url = await self._keys(), self._url(path)
        method, expires_at = _METHODS[wish.operation], wish.now + timedelta(seconds=wish.expires_s)
        if wish.operation != "write":
            # A browser keeps the file and shows nothing of it: pages in a bucket would be pages of the bucket's host.
            shown = "?response-content-disposition=attachment" if wish.operation == "read" else ""
            return Request(
                "s3", method, signer.presigned(method, url + shown, expires_s=wish.expires_s), {}, expires_at
            )
        size, sha256 = wish.size, wish.sha256
        if size is None:
            raise StorageError("A request for writing needs the size of the file")
        if size > s3_answers.PART_BYTES or not self._context.endpoint.conditional_writes:
            upload = wish.upload or await self._begin(path)
            parts = [self._part(signer, path, upload, part, wish.expires_s) for part in s3_answers.parts_of(size)]
            return Request("s3", method, url, {}, expires_at, parts=parts, upload=upload)
        headers = {"Content-Length": str(size), **NOTHING_THERE}
        if sha256 is not None:
            headers["x-amz-checksum-sha256"] = base64.b64encode(bytes.fromhex(sha256)).decode()
        signed = signer.presigned(method, url, headers, expires_s=wish.expires_s)
        return Request("s3", method, signed, headers, expires_at)

    async def complete(self, path: str, upload: str, etags: Sequence[str]) -> None:
        """Put an object together from its parts; one that was put together before is looked at again."""
        body = s3_answers.completion(etags)
        url = f"{self._url(path)}?{_query({'uploadId': s3_answers.upload_id(upload)})}"
        headers = {"Content-Type": "application/xml"}
        if self._context.endpoint.conditional_writes:
            headers |= NOTHING_THERE
        answer = await self._ask("POST", url, headers, body=body, seconds=5 * ANSWER_S)
        if answer.status == 200 and s3_answers.is_completed(answer.body):
            return
        code = s3_answers.error_code(answer.body)
        # Stores forget an upload that was put together, and say so in different words. Whose file it is, is seen later.
        if answer.status in (400, 404, 412) and await self._stat(path) is not None:
            return
        if answer.status == 404 or code == "NoSuchUpload":
            raise NotThere(f"{self._door.name} knows of no such upload: it was ended, or never begun")
        if code in _WRONG_PARTS:
            raise NotThere(f"{self._door.name} does not have these parts: {code}")
        raise self._door.refusal("POST", answer.status if answer.status != 200 else 502, code)

    async def space(self) -> Space | None:
        """Say nothing: S3 does not."""
        return None

    async def _stat(self, path: str) -> Stat | None:
        answer = await self._ask("HEAD", self._url(path), {"x-amz-checksum-mode": "ENABLED"})
        if answer.status == 404:
            return None
        self._expect(answer, "HEAD", {200})
        return Stat(
            whole_number(answer.headers.get("Content-Length")), s3_answers.checksums(answer.headers, self._believed)
        )

    async def _children(self, directory: str) -> Sequence[Child]:
        prefix = f"{directory.strip('/')}/".lstrip("/")
        asked = {"list-type": "2", "delimiter": "/", "prefix": prefix, "max-keys": str(LIST_MAX)}
        found: list[Child] = []
        for _ in range(LIST_PAGES_MAX):
            answer = await self._ask("GET", f"{self._bucket_url()}?{_query(asked)}", {})
            self._expect(answer, "GET", {200})
            try:
                page = s3_answers.listing(answer.body, prefix)
            except Corrupt as error:
                raise Corrupt(f"{self._door.name} {error}") from error
            found += page.children
            if page.following is None:
                return found
            asked["continuation-token"] = page.following
        raise StorageError(f"{self._door.name} has more than {LIST_MAX * LIST_PAGES_MAX} names below {directory}")

    async def _begin(self, path: str) -> str:
        answer = await self._ask("POST", f"{self._url(path)}?uploads=", {})
        self._expect(answer, "POST", {200})
        return s3_answers.begun(answer.body)

    async def _abort_uploads(self, paths: Sequence[str]) -> None:
        keys = {path[1:] for path in paths}
        asked = {"uploads": "", "prefix": _common_prefix(keys), "max-uploads": "1000"}
        for _ in range(UPLOADS_PAGES_MAX):
            answer = await self._ask("GET", f"{self._bucket_url()}?{_query(asked)}", {})
            self._expect(answer, "GET", {200})
            begun = s3_answers.uploads(answer.body)
            await side_by_side(self._abort, [each for each in begun if each[0] in keys])
            if len(begun) < 1000:
                return
            asked |= {"key-marker": begun[-1][0], "upload-id-marker": begun[-1][1]}

    async def _abort(self, begun: tuple[str, str]) -> None:
        key, upload = begun
        answer = await self._ask("DELETE", f"{self._url(f'/{key}')}?{_query({'uploadId': upload})}", {})
        self._expect(answer, "DELETE", {200, 204, 404})

    def _part(self, signer: Signer, path: str, upload: str, part: tuple[int, int, int], expires_s: int) -> Part:
        number, offset, size = part
        url = f"{self._url(path)}?{_query({'partNumber': str(number), 'uploadId': upload})}"
        headers = {"Content-Length": str(size)}
        return Part(number, offset, size, signer.presigned("PUT", url, headers, expires_s=expires_s), headers)

    async def _ask(
        self, method: str, url: str, headers: Mapping[str, str], *, body: bytes = b"", seconds: float | None = None
    ) -> Answer:
        signed_url, signed = (await self._keys()).signed(method, url, headers, body)
        return await self._door.ask(method, signed_url, signed, body=body or None, seconds=seconds)

    def _expect(self, answer: Answer, method: str, accept: set[int]) -> None:
        if answer.status not in accept:
            raise self._door.refusal(method, answer.status, s3_answers.error_code(answer.body))

    async def _keys(self) -> Signer:
        """Return what signs, with the keys as they are in their file, looked at every few seconds."""
        if self._signer is None or time.monotonic() - self._read_at > KEYS_KEPT_S:
            access_key, secret_key = await self._read_keys()
            self._signer = Signer(access_key, secret_key, region=self._context.endpoint.region)
            self._read_at = time.monotonic()
        return self._signer

    async def _read_keys(self) -> tuple[str, str]:
        name = self._context.endpoint.credentials
        try:
            found = await self._context.credentials.get(self._door.url, [CredentialKind.S3_KEY])
            document = json.loads(found.content) if found is not None else None
        except RemoteError as error:
            raise NotAllowed(f"{self._door.name}: {error}") from error
        except ValueError:
            document = None
        keys = document if isinstance(document, dict) else {}
        access_key, secret_key = keys.get("access_key"), keys.get("secret_key")
        if not isinstance(access_key, str) or not isinstance(secret_key, str) or not access_key or not secret_key:
            raise NotAllowed(
                f"{self._door.name}: the credentials {name} have no s3-key, a file with"
                ' {"access_key": "…", "secret_key": "…"}'
            )
        return access_key, secret_key

    def _url(self, path: str) -> str:
        return self._door.url + object_path(self._bucket, path[1:])

    def _bucket_url(self) -> str:
        return f"{self._door.url}/{self._bucket}"


def _common_prefix(keys: Collection[str]) -> str:
    first, last = min(keys), max(keys)
    return first[: next((at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), None)]


def _query(parameters: Mapping[str, str]) -> str:
    return "&".join(f"{name}={quote(value, safe='-_.~')}" for name, value in parameters.items())
