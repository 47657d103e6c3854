"""A TCP proxy that misbehaves when told to: it stands before a real component and plays the bad network."""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal, TypeVar

from sqlalchemy.engine import make_url

from weyl.demo.processes import loopback_address

Fault = Literal["none", "delay", "reset", "black hole"]
Address = tuple[str, int] | str
"""Host and port, or the path of a unix socket."""

DELAY_S = 0.5
CHUNK_BYTES = 65_536
T = TypeVar("T")


class FaultProxy:
    """Passes connections on to `upstream`; which fault it plays can be changed while connections are open.

    `delay`: what the component says arrives half a second late. `reset`: connections are reset, new ones at once.
    `black hole`: connections stand and nothing passes; what was said meanwhile arrives once the fault is over, as
    TCP would repeat it. `host` is where it listens; by default a loopback address of its own.
    """

    def __init__(self, upstream: Address | None = None, *, host: str | None = None) -> None:
        self.upstream = upstream
        self.delay_s = DELAY_S
        self._fault: Fault = "none"
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener = socket.create_server((host or loopback_address(), 0), backlog=512)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="fault-proxy", daemon=True)

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, port = self._listener.getsockname()
        return str(host), int(port)

    @property
    def url(self) -> str:
        """Where it listens, for HTTP."""
        return "http://{}:{}".format(*self.address)

    @property
    def connections(self) -> int:
        """How many connections are open now."""
        return len(self._writers) // 2

    @contextmanager
    def fault(self, fault: Fault) -> Iterator[None]:
        """Play a fault for the length of the block."""
        self.play(fault)
        try:
            yield
        finally:
            self.play("none")

    def play(self, fault: Fault) -> None:
        """Play this fault from now on."""
        self._call(lambda: self._switch(fault))

    def __enter__(self) -> "FaultProxy":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._end)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._listener.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.create_task(self._accept())
        self._loop.run_forever()

    def _call(self, what: Callable[[], Coroutine[Any, Any, None]]) -> None:
        asyncio.run_coroutine_threadsafe(what(), self._loop).result(30)

    async def _switch(self, fault: Fault) -> None:
        self._fault = fault
        if fault == "black hole":
            self._open.clear()
        else:
            self._open.set()
        if fault == "reset":
            for writer in list(self._writers):
                _reset(writer)

    async def _end(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self) -> None:
        self._listener.setblocking(False)
        server = await asyncio.start_server(self._serve, sock=self._listener)
        async with server:
            await server.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        upstream: asyncio.StreamWriter | None = None
        try:
            if self._fault == "reset":
                _reset(writer)
                return
            await self._open.wait()
            answers, upstream = await self._connect()
            self._writers.add(upstream)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, upstream, is_answer=False))
                group.create_task(self._pump(answers, writer, is_answer=True))
        except* OSError:
            _reset(writer)
        finally:
            for each in (writer, upstream):
                if each is not None:
                    self._writers.discard(each)
                    each.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self.upstream is None:
            raise ConnectionRefusedError("nothing stands behind the proxy")
        if isinstance(self.upstream, str):
            return await asyncio.open_unix_connection(self.upstream)
        return await asyncio.open_connection(*self.upstream)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_answer: bool) -> None:
        while data := await reader.read(CHUNK_BYTES):
            if is_answer and self._fault == "delay":
                await asyncio.sleep(self.delay_s)
            await self._open.wait()
            writer.write(data)
            await writer.drain()
        with suppress(OSError, RuntimeError):
            writer.write_eof()
        if is_answer:
            # The component has closed: so do we, whatever the client still wants to say.
            raise ConnectionResetError


def proxy_before(database_url: str) -> FaultProxy:
    """Return a proxy before the database at `database_url`."""
    url = make_url(database_url)
    sockets = url.query.get("host")
    return FaultProxy(f"{sockets}/.s.PGSQL.5432" if sockets else (str(url.host), int(url.port or 5432)))


def url_through(proxy: FaultProxy, database_url: str) -> str:
    """Return the URL of the same database by way of `proxy`."""
    host, port = proxy.address
    return make_url(database_url).set(host=host, port=port, query={}).render_as_string(hide_password=False)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST in place of FIN."""
    raw = writer.get_extra_info("socket")
    with suppress(OSError):
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
