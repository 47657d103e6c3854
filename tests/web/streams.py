"""A page that is told of changes: a request whose answer is read while it comes, without a network between."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.infra.app import Application


@dataclass
class Page:
    """One open stream: its status, headers, and what it was told."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    raw: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)
    text: str = ""
    last_id: str = ""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    _blocks: list[str] = field(default_factory=list)

    async def block(self) -> str | None:
        """Return the next block of lines, or None at the end of the stream."""
        while not self._blocks:
            piece = await asyncio.wait_for(self.raw.get(), 20)
            if piece is None:
                return None
            self.text += piece.decode()
            *whole, self.text = self.text.split("\n\n")
            self._blocks += whole
        return self._blocks.pop(0)

    async def next(self, kind: str = "changes") -> dict[str, Any]:
        """Return the next event of a kind; others and comments are passed by."""
        while True:
            block = await self.block()
            assert block is not None, "the stream has ended"
            lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
            self.last_id = lines.get("id", self.last_id)
            if lines.get("event") == kind:
                return dict(json.loads(lines["data"]))


@asynccontextmanager
async def page(
    application: Application, headers: Mapping[str, str], query: str = "topic=jobs", *, last_id: str | None = None
) -> AsyncIterator[Page]:
    """Open a stream for the length of the block."""
    opened = Page()
    sent = {**headers, **({"Last-Event-ID": last_id} if last_id is not None else {})}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/api/events",
        "raw_path": b"/api/events",
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
        "client": ("127.0.0.1", 1),
        "server": ("weyl.test", 80),
        "root_path": "",
    }
    asked = False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await opened.left.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            opened.status = message["status"]
            opened.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            opened.started.set()
        elif message.get("body"):
            opened.raw.put_nowait(message["body"])

    async def run() -> None:
        try:
            await application.app(scope, receive, send)
        finally:
            opened.raw.put_nowait(None)
            opened.ended.set()

    task = asyncio.create_task(run())
    try:
        await asyncio.wait_for(opened.started.wait(), 20)
        yield opened
    finally:
        opened.left.set()
        await asyncio.wait_for(task, 20)
