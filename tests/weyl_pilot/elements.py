"""Storage elements and what the server knows of them, for tests of the pilot alone.

Real stores are the peers of the conformance suite of the room `storage`; here one test needs storage that lies, cuts,
stalls and sends elsewhere, on real sockets.
"""

from __future__ import annotations

import hashlib
import re
import socket
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

FORBIDDEN = "job-token-"


@dataclass
class Fault:
    """What happens to the next request for a path, in place of what should."""

    kind: str
    """`cut`, `stall`, `garbage`, `drip`, `status`, `redirect`, `no-range`, `other-range`, `hang-up` or `hold`."""
    value: Any = None


@dataclass
class Elements:
    """Storage under one address, each element a directory of it; `requests` remembers what was asked with what."""

    url: str = ""
    contents: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[Fault]] = field(default_factory=lambda: defaultdict(list))
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    etags: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    changed: threading.Condition = field(default_factory=threading.Condition)
    gone: threading.Event = field(default_factory=threading.Event)
    """Set when the test is over: nobody stalls for longer."""

    def asked(self, method: str, path: str) -> list[dict[str, str]]:
        """Headers of the requests of one kind."""
        return [headers for how, where, headers in self.requests if (how, where) == (method, path)]


def _handler(state: Elements) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 60

        def handle_any(self) -> None:
            path = urlsplit(self.path).path
            with state.changed:
                state.requests.append((self.command, path, {k.lower(): v for k, v in self.headers.items()}))
                waiting = state.faults[path]
                fault = waiting.pop(0) if waiting else None
                state.changed.notify_all()
            if fault is not None and fault.kind == "status":
                self.close_connection = True
                return self.reply(int(fault.value), b"<Error>" + b"x" * 100_000)
            if fault is not None and fault.kind == "hold":
                self.close_connection = True
                state.gone.wait(30)
                return None
            if fault is not None and fault.kind == "redirect":
                self.rfile.read(int(self.headers.get("content-length") or 0))
                status, location = fault.value
                return self.reply(status, b"", location=location)
            if fault is not None and fault.kind == "garbage":
                self.close_connection = True
                self.wfile.write(b"\0\1\2 nonsense of Authorization: Bearer x\r\n" * 100)
                return None
            if fault is not None and fault.kind == "hang-up":
                self.rfile.read(int(self.headers.get("content-length") or 0))
                self.close_connection = True
                if fault.value:
                    self.store(path, b"kept all the same")
                return None
            return self.get(path, fault) if self.command == "GET" else self.put(path)

        def get(self, path: str, fault: Fault | None) -> None:
            content = state.contents.get(path)
            if content is None:
                return self.reply(404, b"no such key")
            found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("range", ""))
            kind = fault.kind if fault is not None else ""
            start = int(found.group(1)) if found and kind != "no-range" else 0
            body = content[start:]
            self.send_response(206 if start else 200)
            if start:
                shown = start + (1 if kind == "other-range" else 0)
                self.send_header("Content-Range", f"bytes {shown}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if kind in ("cut", "stall", "drip"):
                assert fault is not None
                self.close_connection = True
                self.wfile.write(body[: fault.value])
                self.wfile.flush()
                if kind == "stall":
                    state.gone.wait(30)
                for byte in body[fault.value :] if kind == "drip" else b"":
                    if state.gone.wait(0.02):
                        break
                    self.wfile.write(bytes([byte]))
                self.connection.shutdown(socket.SHUT_RDWR)
                return None
            self.wfile.write(body)
            return None

        def put(self, path: str) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            if path in state.contents and not urlsplit(self.path).query:
                return self.reply(412, b"")
            return self.reply(200, b"", etag=self.store(path, body))

        def store(self, path: str, body: bytes) -> str:
            number = re.search(r"part=(\d+)", self.path)
            with state.changed:
                key = f"{path}#{number.group(1)}" if number else path
                state.contents[key] = body
                state.changed.notify_all()
            return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'

        def reply(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = handle_any  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Tests look at `requests` instead."""

    return Handler


@contextmanager
def running_elements() -> Iterator[Elements]:
    """Serves on a free loopback port."""
    state = Elements()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(state))
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.gone.set()
        server.shutdown()
        server.server_close()
        thread.join()


class Catalogue:
    """The part of the server that knows files: inputs of jobs, and uploads of their outputs."""

    def __init__(self, elements: Elements, ses: tuple[str, ...] = ("NEAR", "FAR")) -> None:
        self.elements = elements
        self.ses = ses
        self.known: dict[str, dict[str, Any]] = {}
        self.lost: dict[str, dict[str, str]] = {}
        self.uploads: dict[str, dict[str, Any]] = {}
        self.registered: dict[str, bytes] = {}
        self.said: list[dict[str, Any]] = []
        """Bodies of the requests that open an upload."""
        self.state = "registered"
        """What a commit ends in."""
        self.part_bytes = 0
        self.refused: dict[str, dict[str, str]] = {}
        self.directory: str | None = None
        """A mounted one, in the place of a store."""
        self.expires_at = "2999-01-01T00:00:00Z"
        self.headers: dict[str, str] = {"Authorization": "Bearer storage-token"}
        """Of requests for files."""
        self.at: str | None = None
        """The step that the last request was about, for tests that kill somebody there."""
        self.holds: set[str] = set()
        """Steps whose answers do not come: `opened`, `landed` (before a commit), `committed` (after it)."""

    def add(self, lfn: str, content: bytes, *, ses: tuple[str, ...] | None = None) -> None:
        """Make a file known, and put it into elements."""
        for se in ses or self.ses:
            self.elements.contents[f"/{se}{lfn}"] = content
        checksums = {"sha256": hashlib.sha256(content).hexdigest(), "adler32": None}
        replicas = [{"se": se, "request": self.request("GET", f"/{se}{lfn}")} for se in ses or self.ses]
        self.known[lfn] = {"size": len(content), "checksums": checksums, "replicas": replicas}

    def request(self, method: str, path: str) -> dict[str, Any]:
        """Return the request for one file."""
        return {
            "protocol": "https",
            "method": method,
            "url": self.elements.url + path,
            "headers": dict(self.headers),
            "expires_at": self.expires_at,
        }

    def answer(self, method: str, path: str, document: Any) -> tuple[int, Any] | None:
        """Answer a request of a job; None for what is none of ours."""
        if re.fullmatch(r"/api/jobs/\d+/inputs", path):
            return 200, {"files": self.known, "failed": self.lost}
        if method == "POST" and (found := re.fullmatch(r"/api/jobs/(\d+)/outputs", path)):
            answer = self.open(found.group(1), document)
            return self.reached("opened", answer)
        if found := re.fullmatch(r"/api/jobs/\d+/outputs/([^/]+)/commit", path):
            if (held := self.reached("landed", None)) is not None:
                return held
            return self.reached("committed", self.commit(found.group(1), document["landed"]))
        return None

    def reached(self, step: str, answer: tuple[int, Any] | None) -> tuple[int, Any] | None:
        """Note a step; who is held there is told to come again."""
        self.at = step
        return (503, {"detail": "held"}) if step in self.holds else answer

    def open(self, job_id: str, document: dict[str, Any]) -> tuple[int, Any]:
        """Open the upload of a job, or renew it."""
        self.said.append(document)
        if not document["files"]:
            return 200, {"upload_id": None, "state": "registered", "files": {}, "failed": {}}
        files = {}
        for said in document["files"]:
            name = said["name"]
            lfn = name.removeprefix("LFN:") if name.startswith("LFN:") else f"/vo/out/{name.removeprefix('outputs/')}"
            targets = [{"se": se, "request": self.target(se, lfn, said["size"])} for se in self.ses]
            files[name] = {"lfn": lfn, "state": "wanted", "targets": targets, **said}
        upload_id = f"upload-{job_id}"
        self.uploads[upload_id] = files
        return 200, {"upload_id": upload_id, "state": "open", "files": files, "failed": self.refused}

    def target(self, se: str, lfn: str, size: int) -> dict[str, Any]:
        """Return the request by which a file is written."""
        request = self.request("PUT", f"/{se}{lfn}")
        if self.directory is not None:
            path = f"{self.directory}/{lfn.rpartition('/')[2]}"
            return {**request, "protocol": "file", "path": path, "temporary": f"{path}.part"}
        if self.part_bytes and size > self.part_bytes:
            offsets = range(0, size, self.part_bytes)
            parts = [
                {
                    "number": number,
                    "offset": offset,
                    "size": min(self.part_bytes, size - offset),
                    "url": f"{request['url']}?part={number}",
                    "headers": {},
                }
                for number, offset in enumerate(offsets, 1)
            ]
            return {**request, "url": "", "upload": "multi-1", "parts": parts}
        return request

    def commit(self, upload_id: str, landed: dict[str, Any]) -> tuple[int, Any]:
        """Compare what lies where it is said to be, and register all or nothing."""
        files, failed, found = self.uploads[upload_id], {}, {}
        for name, said in files.items():
            content = self._landed(said, landed[name]) if name in landed else None
            if content is None or hashlib.sha256(content).hexdigest() != said["checksums"]["sha256"]:
                failed[name] = {"code": "checksum", "detail": "it is not what was announced"}
            else:
                found[said["lfn"]] = content
        if failed:
            return 200, {"state": "failed", "files": {}, "failed": failed}
        if self.state == "registered":
            self.registered |= found
        told = {name: {"lfn": said["lfn"], "file_id": 1} for name, said in files.items()}
        return 202 if self.state == "verifying" else 200, {"state": self.state, "files": told, "failed": {}}

    def _landed(self, said: dict[str, Any], place: dict[str, Any]) -> bytes | None:
        path = f"/{place['se']}{said['lfn']}"
        if self.directory is not None:
            with open(f"{self.directory}/{said['lfn'].rpartition('/')[2]}", "rb") as stream:  # noqa: PTH123
                return stream.read()
        if "etags" not in place:
            return self.elements.contents.get(path)
        parts = [self.elements.contents[f"{path}#{number + 1}"] for number in range(len(place["etags"]))]
        etags = [f'"{hashlib.md5(part, usedforsecurity=False).hexdigest()}"' for part in parts]
        return b"".join(parts) if etags == place["etags"] else None
