"""The pilot's program against real storage, with the requests that drivers hand out: no test of the pilot has these."""

import asyncio
import io
import json
import os
import ssl
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.storage.conftest import SYSTEMS
from tests.storage.doors import Door, sha256

from weyl.kit.json import dumps
from weyl.storage import s3_answers
from weyl.storage.drivers.driver import Request
from weyl_pilot.connection import Connections
from weyl_pilot.connection import Request as Sent
from weyl_pilot.errand import Errand
from weyl_pilot.products import Product
from weyl_pilot.server import Limits, Server
from weyl_pilot.streams import Streams, TransferFailed, Wanted
from weyl_pilot.uploads import NotStored, Stock, Uploads

CONTENT = os.urandom(300_000)

pytestmark = [
    pytest.mark.parametrize(
        "system", [pytest.param(name, marks=pytest.mark.xdist_group(f"storage-{name}")) for name in SYSTEMS]
    ),
    pytest.mark.system,
]


class OneUpload(Server):
    """Stands in for the server: one file, which may go to one door."""

    def __init__(self, door: Door, request: Request) -> None:
        super().__init__("", Connections(str(door.settings.trusted) if door.settings.trusted else None))
        self._request = request
        self.landed: Mapping[str, Mapping[str, Any]] = {}

    def open_outputs(
        self, job_id: int, files: Sequence[Mapping[str, Any]], *, elsewhere: Sequence[str] = (), limits: Limits
    ) -> dict[str, Any]:
        target = {"se": "TEST-SE", "request": json.loads(dumps(self._request.as_json()))}
        file = {"lfn": "/voa/file", "state": "wanted", "targets": [target]}
        return {"upload_id": "1", "files": {"file": file}, "failed": {}}

    def commit_outputs(
        self, job_id: int, upload_id: str, landed: Mapping[str, Mapping[str, Any]], *, limits: Limits
    ) -> dict[str, Any]:
        self.landed = landed
        return {"state": "registered", "files": {}, "failed": {}}


async def store(door: Door, name: str, content: bytes, *, sent: bytes | None = None) -> Mapping[str, Any]:
    """Store a file as a pilot does; returns what is said where it landed."""
    request = await door.request(door.path(name), "write", content)
    server = OneUpload(door, request)
    uploads = Uploads(server, ends_at=float("inf"))
    uploads.pauses_s = (0.0,)
    product = Product("file", "file", len(content), {"sha256": sha256(content)})
    stock = Stock(1, [product], lambda _: io.BytesIO(content if sent is None else sent))
    try:
        await asyncio.to_thread(uploads.store, stock, Errand())
    finally:
        server.connections.close()
    landed = server.landed["file"]
    if request.upload is not None:
        await door.driver.complete(door.path(name), request.upload, landed["etags"])
    return landed


async def fetch(door: Door, path: str, sink: Path, wanted: Wanted) -> bytes:
    """Bring a file as a pilot does."""
    request = await door.request(path, "read")
    connections = Connections(str(door.settings.trusted) if door.settings.trusted else None)
    streams = Streams(connections, agent="weyl-pilot/test")
    try:
        if request.protocol == "file":
            await asyncio.to_thread(streams.copy, Path(str(request.path)), sink, wanted)
        else:
            await asyncio.to_thread(streams.fetch, request.url, dict(request.headers), sink, wanted)
    finally:
        connections.close()
    return sink.read_bytes()


@pytest.mark.parametrize("content", [b"", CONTENT], ids=["empty", "full"])
async def test_what_a_pilot_stores_it_reads(door: Door, tmp_path: Path, content: bytes) -> None:
    assert (await store(door, "a+b", content))["se"] == "TEST-SE"
    assert await door.get(door.path("a+b")) == content
    wanted = Wanted(len(content), {"sha256": sha256(content)})
    assert await fetch(door, door.path("a+b"), tmp_path / "a", wanted) == content


async def test_a_large_file_goes_in_parts(
    door: Door, system: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if door.context.endpoint.protocol != "s3":
        pytest.skip("only S3 has parts")
    monkeypatch.setattr(s3_answers, "PART_BYTES", 5 << 20)
    content = os.urandom(11 << 20)
    assert len((await store(door, "large", content))["etags"]) == 3
    if system == "radosgw":
        pytest.skip("without a cluster the gateway reads no large files")
    assert await fetch(door, door.path("large"), tmp_path / "a", Wanted(len(content))) == content


async def test_a_pilot_does_not_believe_that_there_is_a_file(door: Door, tmp_path: Path) -> None:
    with pytest.raises(TransferFailed):
        await fetch(door, door.path("gone"), tmp_path / "a", Wanted(1))
    path = await door.put("other", CONTENT)
    with pytest.raises(TransferFailed, match="its sha256 is another"):
        await fetch(door, path, tmp_path / "a", Wanted(len(CONTENT), {"sha256": "0" * 64}))
    assert not (tmp_path / "a").exists()


async def test_what_broke_off_is_not_taken_for_stored(door: Door, system: str) -> None:
    with pytest.raises(NotStored):
        await store(door, "short", CONTENT, sent=CONTENT[:1000])
    if system == "xrootd":
        # It keeps what came, and a token that creates does not write over it: the next target gets the file.
        with pytest.raises(NotStored, match=r"HTTP 4[02]3"):
            await store(door, "short", CONTENT)
        return
    assert await door.driver.stat([door.path("short")]) == {}
    assert (await store(door, "short", CONTENT))["se"] == "TEST-SE"
    assert await door.get(door.path("short")) == CONTENT


async def test_a_pilot_trusts_the_authorities_of_the_grid(
    door: Door, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trusted = door.settings.trusted
    if trusted is None:
        pytest.skip("only XRootD has TLS here")
    request = await door.request(await door.put("file", CONTENT), "read")
    asked = ["openssl", "x509", "-subject_hash", "-noout", "-in", str(trusted)]
    digest = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    (tmp_path / "certificates").mkdir()
    (tmp_path / "certificates" / f"{digest}.0").write_bytes(trusted.read_bytes())
    for place, is_trusted in (("nowhere", False), ("certificates", True)):
        monkeypatch.setenv("X509_CERT_DIR", str(tmp_path / place))
        connections = Connections()
        answer = asyncio.to_thread(connections.send, Sent("GET", request.url, dict(request.headers)))
        if is_trusted:
            assert (await answer).body == CONTENT
        else:
            with pytest.raises(ssl.SSLCertVerificationError):
                await answer
        connections.close()
