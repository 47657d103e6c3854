"""Objects in S3: presigned requests made locally, and the few operations that the server itself performs."""

import asyncio
import base64
import hashlib
import io
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import aiohttp
import stamina
import structlog
from botocore.auth import S3SigV4PostAuth
from botocore.awsrequest import AWSRequest
from pydantic import SecretStr
from yarl import URL

from weyl.kit.errors import Unavailable
from weyl.kit.s3_signing import Dated, Signer, object_path
from weyl.kit.services import Key

log = structlog.get_logger(__name__)

ATTEMPTS_MAX = 4
# Whoever asks for the health of a process is not kept waiting for long.
ANSWER_S = 3.0
RETRY_TIMEOUT_S = 20.0
ASK_TIMEOUT_S = 10.0
"""Longest wait, all attempts together, for what a request has to ask before it can be answered."""
CHUNK_BYTES = 256 * 1024
DELETE_BATCH_MAX = 1000
"""Keys that S3 takes in one request for deletion."""

_TRANSIENT_STATUSES = frozenset({429, 500, 502, 503, 504})
# Our key may set no rule, or the store has none for single buckets. Web pages need it; terminals and pilots do not.
_NO_RULES = frozenset({403, 405, 501})
_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=5, sock_read=30)


class StoreUnavailable(Unavailable):
    """The object store did not answer, or refused what it has to do for us."""


class _Transient(Exception):
    """An answer after which the same request may succeed."""


class StoreSettings(Protocol):
    """What an installation says about its object store."""

    s3_endpoint: str
    s3_public_endpoint: str | None
    s3_region: str
    s3_bucket: str
    s3_access_key: SecretStr
    s3_secret_key: SecretStr
    public_url: str
    cors_origins: list[str]


@dataclass(frozen=True)
class StoredObject:
    """What the store says about an object; `sha256` in hexadecimal, or None if it keeps no such checksum."""

    size: int
    sha256: str | None


@dataclass(frozen=True)
class UploadForm:
    """An HTML form that uploads one object: every field, then the part `file`."""

    url: str
    fields: dict[str, str]


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class ObjectStore:
    """One bucket; signs for the address that clients know, works on the one that we reach."""

    def __init__(
        self,
        endpoint: str,
        *,
        bucket: str,
        access_key: str,
        secret_key: str,
        region: str = "us-east-1",
        public_endpoint: str | None = None,
    ) -> None:
        self.bucket = bucket
        # Web pages of these origins may exchange objects with the bucket.
        self.origins: Sequence[str] = ()
        self._endpoint = endpoint.rstrip("/")
        self._public_endpoint = (public_endpoint or endpoint).rstrip("/")
        self._signer = Signer(access_key, secret_key, region=region)
        self._form_auth = S3SigV4PostAuth(self._signer.credentials, "s3", region)
        self._session: aiohttp.ClientSession | None = None
        self._is_ready = False

    @classmethod
    def from_settings(cls, settings: StoreSettings) -> "ObjectStore":
        """Return the store that an installation is set up with; its own web page may use it."""
        store = cls(
            settings.s3_endpoint,
            bucket=settings.s3_bucket,
            access_key=settings.s3_access_key.get_secret_value(),
            secret_key=settings.s3_secret_key.get_secret_value(),
            region=settings.s3_region,
            public_endpoint=settings.s3_public_endpoint,
        )
        store.origins = [str(URL(settings.public_url).origin()), *settings.cors_origins]
        return store

    async def open(self) -> None:
        """Make ready for requests; the event loop must be the one that will send them."""
        self._session = aiohttp.ClientSession(
            timeout=_TIMEOUT, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, trust_env=False
        )

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def __aenter__(self) -> "ObjectStore":
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def upload_form(self, key: str, *, sha256: str, size: int, now: datetime, expires_s: int) -> UploadForm:
        """Return the form that stores exactly these bytes under the key; no request is made."""
        fields = {
            "key": key,
            "x-amz-checksum-algorithm": "sha256",
            "x-amz-checksum-sha256": base64.b64encode(bytes.fromhex(sha256)).decode(),
        }
        conditions: list[Any] = [["content-length-range", size, size], {"bucket": self.bucket}]
        conditions += [{name: value} for name, value in fields.items()]
        url = f"{self._public_endpoint}/{self.bucket}"
        request = AWSRequest("POST", url)
        request.context = Dated()
        request.context["s3-presign-post-fields"] = fields
        request.context["s3-presign-post-policy"] = {
            "expiration": f"{now + timedelta(seconds=expires_s):%Y-%m-%dT%H:%M:%SZ}",
            "conditions": conditions,
        }
        self._form_auth.add_auth(request)
        return UploadForm(url, dict(request.context["s3-presign-post-fields"]))

    def download_url(self, key: str, *, expires_s: int) -> str:
        """Return a URL under which anybody may read the object for a while; no request is made."""
        url = self._public_endpoint + object_path(self.bucket, key)
        return self._signer.presigned("GET", url, expires_s=expires_s)

    async def head(self, key: str) -> StoredObject | None:
        """Return size and checksum of an object, or None if there is none."""
        path, headers = object_path(self.bucket, key), {"x-amz-checksum-mode": "ENABLED"}
        async with _within(ASK_TIMEOUT_S):
            answer = await self._send("HEAD", path, headers=headers, accept={200, 404})
        if answer.status == 404:
            return None
        return StoredObject(int(answer.headers["Content-Length"]), _sha256_hex(answer.headers))

    async def put(self, key: str, body: bytes) -> None:
        """Store an object whole."""
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        headers = {"x-amz-checksum-sha256": digest, "Content-Type": "application/octet-stream"}
        await self._send("PUT", object_path(self.bucket, key), body=body, headers=headers, accept={200})

    @asynccontextmanager
    async def read(self, key: str) -> AsyncIterator[AsyncIterator[bytes] | None]:
        """Open an object for reading in pieces; None if there is none.

        A connection that breaks in the middle raises `StoreUnavailable`: only the caller knows how to go on.
        """
        url, headers = self._sign("GET", object_path(self.bucket, key), {}, b"")
        try:
            async with self._open_session().get(url, headers=headers, allow_redirects=False) as response:
                if response.status == 404:
                    yield None
                    return
                if response.status != 200:
                    raise StoreUnavailable(_complaint("GET", response.status, await response.read()))
                yield response.content.iter_chunked(CHUNK_BYTES)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise StoreUnavailable(f"the object store did not answer: {error or type(error).__name__}") from error

    async def delete(self, keys: Sequence[str]) -> set[str]:
        """Delete objects and return the keys that the store could not delete; a missing object counts as deleted."""
        failed: set[str] = set()
        for first in range(0, len(keys), DELETE_BATCH_MAX):
            failed |= await self._delete_batch(keys[first : first + DELETE_BATCH_MAX])
        return failed

    async def _delete_batch(self, keys: Sequence[str]) -> set[str]:
        objects = "".join(f"<Object><Key>{escape(key)}</Key></Object>" for key in keys)
        body = f"<Delete><Quiet>true</Quiet>{objects}</Delete>".encode()
        answer = await self._send("POST", f"/{self.bucket}?delete=", body=body, headers=_md5_header(body), accept={200})
        root = ElementTree.fromstring(answer.body) if answer.body.strip() else ElementTree.Element("none")
        errors = [element for element in root if _local_name(element) == "Error"]
        return {part.text or "" for error in errors for part in error if _local_name(part) == "Key"}

    async def ping(self) -> int:
        """Ask for the bucket once and return the answer's status; raises `OSError` or `TimeoutError` without one."""
        try:
            return (await self._send_once("HEAD", f"/{self.bucket}", {}, b"")).status
        except _Transient:
            return 503
        except aiohttp.ClientError as error:
            raise ConnectionError(str(error)) from error

    async def make_ready(self) -> None:
        """Make sure that the bucket exists; at first use, so that servers start without the store."""
        if not self._is_ready:
            async with _within(ASK_TIMEOUT_S):
                await self.ensure_bucket(self.origins)
            self._is_ready = True

    async def ensure_bucket(self, origins: Iterable[str] = ()) -> None:
        """Create the bucket if it is missing, and let web pages of these origins exchange objects with it."""
        # 409: it exists; whether it is ours shows at the first request, with a better message than here.
        await self._send("PUT", f"/{self.bucket}", accept={200, 409})
        allowed = "".join(f"<AllowedOrigin>{escape(origin)}</AllowedOrigin>" for origin in origins)
        if not allowed:
            return
        methods = "".join(f"<AllowedMethod>{method}</AllowedMethod>" for method in ("GET", "HEAD", "POST"))
        rule = f"{allowed}{methods}<AllowedHeader>*</AllowedHeader><MaxAgeSeconds>3600</MaxAgeSeconds>"
        body = f"<CORSConfiguration><CORSRule>{rule}</CORSRule></CORSConfiguration>".encode()
        accept = {200, 204, *_NO_RULES}
        answer = await self._send("PUT", f"/{self.bucket}?cors=", body=body, headers=_md5_header(body), accept=accept)
        if answer.status in _NO_RULES:
            log.warning("store.no_cors_rule", status=answer.status, bucket=self.bucket)

    async def _send(
        self,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        accept: set[int],
    ) -> _Answer:
        try:
            async for attempt in stamina.retry_context(
                on=(aiohttp.ClientError, TimeoutError, _Transient),
                attempts=ATTEMPTS_MAX,
                timeout=RETRY_TIMEOUT_S,
            ):
                with attempt:
                    answer = await self._send_once(method, path, headers or {}, body)
        except (aiohttp.ClientError, TimeoutError, _Transient) as error:
            raise StoreUnavailable(f"the object store did not answer: {error or type(error).__name__}") from error
        if answer.status not in accept:
            raise StoreUnavailable(_complaint(method, answer.status, answer.body))
        return answer

    async def _send_once(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> _Answer:
        # Signed anew for each attempt: the store compares the time in the signature with its clock.
        url, signed = self._sign(method, path, headers, body)
        session = self._open_session()
        # A stream, which aiohttp sends piece by piece: it warns of large bodies that are one piece.
        data = io.BytesIO(body) if body else None
        async with session.request(method, url, headers=signed, data=data, allow_redirects=False) as response:
            content = await response.read()
            if response.status in _TRANSIENT_STATUSES:
                raise _Transient(_complaint(method, response.status, content))
            return _Answer(response.status, response.headers, content)

    def _sign(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[URL, dict[str, str]]:
        return self._signer.signed(method, self._endpoint + path, headers, body)

    def _open_session(self) -> aiohttp.ClientSession:
        assert self._session is not None, "the object store is used outside of open() and close()"
        return self._session


@asynccontextmanager
async def _within(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise StoreUnavailable(f"the object store did not answer in {seconds:g} s") from error


def _sha256_hex(headers: Mapping[str, str]) -> str | None:
    text = headers.get("x-amz-checksum-sha256", "")
    # An object uploaded in parts has a checksum of checksums, marked by a hyphen: it says nothing about the bytes.
    if not text or "-" in text:
        return None
    return base64.b64decode(text).hex()


def _md5_header(body: bytes) -> dict[str, str]:
    # Part of the protocol for these requests; the signature protects them.
    return {"Content-MD5": base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()}


def _complaint(method: str, status: int, body: bytes) -> str:
    return f"the object store answered {status} to {method}: {body[:300].decode(errors='replace')}"


def _local_name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


STORE: Key[ObjectStore] = Key("the object store")


async def judge_store(store: ObjectStore) -> list[str]:
    """Return a warning if the store does not answer, or refuses our key."""
    try:
        async with asyncio.timeout(ANSWER_S):
            status = await store.ping()
    except (OSError, TimeoutError):
        return ["The object store does not answer: sandboxes can be neither sent nor fetched"]
    if status in (401, 403):
        return ["The object store refuses our key: see WEYL_S3_ACCESS_KEY and WEYL_S3_SECRET_KEY"]
    return [f"The object store answers {status}"] if status >= 500 else []
