"""A small HTTP server that plays a storage element: files in memory, ranges, and the faults that a test asks for."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Storage:
    """What the server has, has seen, and is to do wrong."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    # Path -> statuses of the next answers.
    failures: dict[str, list[int]] = field(default_factory=dict)
    # Path -> where it is instead.
    elsewhere: dict[str, str] = field(default_factory=dict)
    # Whether that is said before the bytes have come, which then nobody reads.
    is_early: bool = False
    # Path -> bytes after which an answer is cut.
    cuts: dict[str, list[int]] = field(default_factory=dict)
    knows_ranges: bool = True
    # What weyl's own routes answer to a body, by path.
    routes: dict[str, Callable[[Any], Any]] = field(default_factory=dict)

    def headers_of(self, method: str, path: str) -> list[dict[str, str]]:
        """Returns the headers of the requests for a path, names in lower case."""
        return [headers for said, at, headers in self.seen if (said, at) == (method, path)]


class _Handler(BaseHTTPRequestHandler):
    storage: Storage

    def do_PUT(self) -> None:
        if self.storage.is_early and self.path in self.storage.elsewhere:
            self.close_connection = True
            self._begins()
            return
        size = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(size)
        if len(body) == size and self._begins():
            self.storage.files[self.path] = body
            self._answer(201, b"", {"ETag": f'"{len(body)}"'})

    def do_GET(self) -> None:
        if self.path in self.storage.routes:
            self._answer(200, json.dumps(self.storage.routes[self.path](None)).encode(), {})
            return
        if not self._begins():
            return
        content = self.storage.files.get(self.path)
        if content is None:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>", {})
            return
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked is None or not self.storage.knows_ranges:
            self._answer(200, content, {})
            return
        first = int(asked[1])
        told = {"Content-Range": f"bytes {first}-{len(content) - 1}/{len(content)}"}
        self._answer(206 if first < len(content) else 416, content[first:], told)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(200, json.dumps(self.storage.routes[self.path](json.loads(body))).encode(), {})

    def do_DELETE(self) -> None:
        self._answer(200, b"null", {})

    def _begins(self) -> bool:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.storage.seen.append((self.command, self.path, headers))
        if self.storage.failures.get(self.path):
            self._answer(self.storage.failures[self.path].pop(0), b"<Code>Because</Code>" + b"x" * 100_000, {})
            return False
        if self.path in self.storage.elsewhere:
            self._answer(307, b"", {"Location": self.storage.elsewhere[self.path]})
            return False
        return True

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        cut = self.storage.cuts[self.path].pop(0) if self.storage.cuts.get(self.path) else None
        try:
            self.wfile.write(body[:cut])
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        self.close_connection = self.close_connection or cut is not None

    def handle(self) -> None:
        """Serves a connection until it ends, also in the middle of a request."""
        with suppress(ConnectionResetError):
            super().handle()

    def log_message(self, *arguments: Any) -> None:
        """Keeps quiet."""


@contextmanager
def running_storage() -> Iterator[Storage]:
    """Runs one for the length of the block."""
    storage = Storage()
    handler = type("_StorageHandler", (_Handler,), {"storage": storage, "protocol_version": "HTTP/1.1"})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    storage.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield storage
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
