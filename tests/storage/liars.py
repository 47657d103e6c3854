"""A storage element that lies: it answers each request with bytes that a test has written, and notes what came."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Script = Callable[[str, str], bytes | None]
"""Returns what is answered to a method and a path; None: nothing, and the connection stays open."""


@dataclass
class Liar:
    """Where it answers, and what it was sent."""

    url: str = ""
    script: Script = lambda *_: b""
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection until it is closed."""
        try:
            while line := await reader.readline():
                method, path, _ = line.decode("latin-1").split(" ", 2)
                headers: dict[str, str] = {}
                while (line := await reader.readline()).strip():
                    name, _, value = line.decode("latin-1").partition(":")
                    headers[name.lower()] = value.strip()
                await reader.readexactly(int(headers.get("content-length", 0)))
                self.seen.append((method, path, headers))
                answer = self.script(method, path)
                if answer is None:
                    await reader.read()
                    return
                writer.write(answer)
                await writer.drain()
                if b"Connection: close" in answer:
                    return
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def lying() -> AsyncIterator[Liar]:
    """Run one for the length of the block."""
    liar = Liar()
    server = await asyncio.start_server(liar.serve, "127.0.0.1", 0)
    liar.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield liar
    finally:
        server.close()


def answer(status: int, body: bytes = b"", *, close: bool = False, length: int | None = None, **headers: str) -> bytes:
    """Return an answer of HTTP; `length` is what it says of its body."""
    said = {"Content-Length": str(len(body) if length is None else length), **headers}
    if close:
        said["Connection"] = "close"
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in said.items())
    return f"HTTP/1.1 {status} Whatever\r\n{lines}\r\n".encode() + body


@asynccontextmanager
async def storing(held: dict[str, bytes]) -> AsyncIterator[Liar]:
    """Run a server that keeps files by the last part of their paths, as those do that a door sends on to."""
    pool = Liar()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                method, path, _ = line.decode("latin-1").split(" ", 2)
                headers: dict[str, str] = {}
                while (line := await reader.readline()).strip():
                    name, _, value = line.decode("latin-1").partition(":")
                    headers[name.lower()] = value.strip()
                pool.seen.append((method, path, headers))
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                writer.write(_kept(held, method, path.partition("?")[0].rpartition("/")[2], headers, body))
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    pool.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield pool
    finally:
        server.close()


def _kept(held: dict[str, bytes], method: str, name: str, headers: dict[str, str], body: bytes) -> bytes:
    if method == "PUT":
        held[name] = body
        return answer(201)
    content = held.get(name)
    if content is None:
        return answer(404)
    if method == "DELETE":
        del held[name]
        return answer(204)
    if method == "HEAD":
        return answer(200, length=len(content))
    first = int(headers.get("range", "bytes=0-")[len("bytes=") : -1])
    if not first:
        return answer(200, content)
    return answer(206, content[first:], Content_Range=f"bytes {first}-{len(content) - 1}/{len(content)}")
