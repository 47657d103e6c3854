"""What a job has on its way over the network: how far it is, and how another thread ends it."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from typing import Iterator, List


class Halted(Exception):
    """Somebody has made the job end while its files were on their way."""


class Errand:
    """The transfers of one job. `halt` belongs to anybody, the rest to the thread that carries the files."""

    def __init__(self) -> None:
        self._halted = threading.Event()
        self._lock = threading.Lock()
        self._open: List[http.client.HTTPConnection] = []
        self.moved = 0
        """Bytes that went over the network or from disk to disk, repeated ones included."""
        self.told = ""
        """What is under way, for whoever looks on."""

    def halt(self) -> None:
        """Ends what is under way and lets nothing new begin. Returns at once."""
        self._halted.set()
        with self._lock:
            for connection in self._open:
                cut(connection)

    def check(self) -> None:
        """Raises Halted after `halt`."""
        if self._halted.is_set():
            raise Halted()

    def pause(self, seconds: float) -> None:
        """Waits; raises Halted as soon as somebody ends the job."""
        if self._halted.wait(seconds):
            raise Halted()

    @contextlib.contextmanager
    def over(self, connection: http.client.HTTPConnection) -> Iterator[None]:
        """Lets `halt` break this connection for as long as it is in use."""
        with self._lock:
            self._open.append(connection)
        try:
            self.check()
            yield
        finally:
            with self._lock:
                self._open.remove(connection)


def cut(connection: http.client.HTTPConnection) -> None:
    """Makes whoever waits for this connection see its end."""
    found = connection.sock
    if found is not None:
        with contextlib.suppress(OSError):
            # Not the method of TLS sockets, which takes their state from below whoever reads.
            socket.socket.shutdown(found, socket.SHUT_RDWR)
