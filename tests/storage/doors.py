"""Doors of real storage elements for tests of drivers, and the client that sends what a driver hands out."""

import asyncio
import hashlib
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2

from weyl.config.storage_elements import Endpoint
from weyl.kit.clock import utcnow
from weyl.remote.credential_files import credentials_of
from weyl.storage.drivers.driver import Request, StorageContext, StorageDriver, Wish
from weyl.storage.drivers.http import open_session
from weyl.storage.drivers.issuers import Issuing, token_source
from weyl.storage.drivers.known import KNOWN_STORAGE
from weyl.storage.token_keys import TokenKeys, generate_token_keys

VO = "voa"


@dataclass(frozen=True)
class Settings:
    """What a door is made from in a test."""

    endpoint: Mapping[str, Any]
    directory: Path
    """Of credentials and keys."""
    public_url: str = "https://weyl.test"
    checksums: tuple[str, ...] | None = None
    trusted: Path | None = None
    """The authority that clients trust."""

    def changed(self, **changes: Any) -> "Settings":
        """Return the same with some keys of the endpoint changed."""
        return replace(self, endpoint={**self.endpoint, **changes})


@dataclass
class Door:
    """A driver, its context, and a directory of the test's own behind it."""

    driver: StorageDriver
    context: StorageContext
    under: str
    settings: Settings
    issued: list[str] = field(default_factory=list)

    def path(self, name: str) -> str:
        """Return where a file of the test lies."""
        return f"{self.under}/{name}"

    async def put(self, name: str, content: bytes) -> str:
        """Store a file; returns its path."""
        await self.driver.write(self.path(name), chunks(content), size=len(content), sha256=sha256(content))
        return self.path(name)

    async def get(self, path: str, offset: int = 0) -> bytes:
        """Read a file whole."""
        read = b""
        async with self.driver.read(path, offset=offset) as pieces:
            async for piece in pieces:
                read += piece
        return read

    async def request(self, path: str, operation: Any, content: bytes = b"", **changes: Any) -> Request:
        """Return a request for a client."""
        values: dict[str, Any] = {"now": utcnow(), "expires_s": 600, "subject": "voa:alice"}
        if operation == "write":
            values |= {"size": len(content), "sha256": sha256(content)}
        return await self.driver.request(path, Wish(operation=operation, **{**values, **changes}))


@asynccontextmanager
async def opened(settings: Settings, under: str) -> AsyncIterator[Door]:
    """Open a door for the length of the block."""
    endpoint = Endpoint.model_validate({"Name": "door", **settings.endpoint}, by_name=False)
    keys = settings.directory / "storage-keys.json"
    if not keys.exists():
        keys.write_text(generate_token_keys())
    issued: list[str] = []
    async with open_session() as session:
        context = StorageContext(
            "TEST-SE",
            endpoint,
            VO,
            credentials_of(settings.directory, endpoint.credentials),
            session,
            checksums=settings.checksums,
        )
        tokens = token_source(context, Issuing(TokenKeys(keys), settings.public_url, issued.append))
        context = replace(context, tokens=tokens)
        yield Door(
            KNOWN_STORAGE[endpoint.protocol](context), context, context.root.rstrip("/") + under, settings, issued
        )


async def send(door: Door, request: Request, content: bytes | None = None, **changes: Any) -> tuple[int, bytes]:
    """Send a request as a client does that knows nothing else; returns status and body."""
    request = replace(request, **changes)
    if request.protocol == "file":
        return await asyncio.to_thread(_by_hand, request, content)
    trusted = door.settings.trusted
    context = ssl.create_default_context(cafile=str(trusted)) if trusted is not None else True
    async with httpx2.AsyncClient(verify=context, timeout=30) as http:
        sent = http.build_request(request.method, request.url, headers=dict(request.headers), content=content)
        if content is not None:
            # As it is announced: a client that lies about the length is cut off by its own HTTP library.
            sent.headers["Content-Length"] = str(len(content))
        answer = await http.send(sent)
        return answer.status_code, answer.content


def _by_hand(request: Request, content: bytes | None) -> tuple[int, bytes]:
    assert request.path is not None
    if content is None:
        return 200, Path(request.path).read_bytes()
    assert request.temporary is not None
    Path(request.temporary).write_bytes(content)
    Path(request.temporary).rename(request.path)
    return 201, b""


async def chunks(content: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    """Yield content in pieces."""
    for offset in range(0, len(content), size):
        yield content[offset : offset + size]


def sha256(content: bytes) -> str:
    """Return the checksum of content."""
    return hashlib.sha256(content).hexdigest()


def s3_settings(directory: Path, store: Any, bucket: str, **changes: Any) -> Settings:
    """Return a door to a bucket of a store that runs."""
    write_credential(directory / "s3" / "s3-key", {"access_key": store.access_key, "secret_key": store.secret_key})
    endpoint = {"Protocol": "s3", "URL": store.endpoint_url, "Bucket": bucket, "Credentials": "s3", "Path": "/grid"}
    return Settings(endpoint, directory, **changes)


def write_credential(path: Path, document: Mapping[str, str]) -> None:
    """Write a file of credentials."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    path.chmod(0o600)


def past(seconds: float) -> datetime:
    """Return a time that is over."""
    return utcnow() - timedelta(seconds=seconds)
