"""The pilot's log: on standard error for the batch system, and in numbered pieces on the server; never with secrets."""

from __future__ import annotations

import gzip
import logging
import re
import sys
import threading
import time
from typing import Callable, Iterable, List, Optional

from weyl_pilot.connection import Refused

CHUNK_BYTES = 64 * 1024
CHUNK_EVERY_S = 30.0
# The server keeps a limited number of pieces: a pilot of several days makes fewer, larger ones.
EARLY_CHUNKS, LATE_CHUNK_EVERY_S = 200, 150.0
CHUNK_BYTES_MAX = 512 * 1024
PENDING_MAX_BYTES = 8 * 1024 * 1024
MASK = "***"

# Tokens and pilot secrets as they look, so that one that nobody registered is masked too.
LOOKS_SECRET = re.compile(r"eyJ[\w-]{8,}\.[\w-]+\.[\w-]+|weyl[a-z]_[\w-]{16,}|(?<=X-Amz-Signature=)[0-9a-fA-F]+")


def mask(text: str, secrets: Iterable[str] = ()) -> str:
    """Replaces everything secret in a text."""
    for secret in secrets:
        if len(secret) >= 8:
            text = text.replace(secret, MASK)
    return LOOKS_SECRET.sub(MASK, text)


class MaskedFormatter(logging.Formatter):
    """One line a record, times in UTC, secrets masked."""

    def __init__(self, secrets: Callable[[], Iterable[str]]) -> None:
        super().__init__("%(asctime)sZ %(levelname)-7s %(name)s: %(message)s", datefmt="%Y-%m-%dT%H:%M:%S")
        self.converter = time.gmtime
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """Masks the finished line, tracebacks included."""
        return mask(super().format(record), list(self._secrets()))


class Shipper(logging.Handler):
    """Collects log lines and hands them on in pieces; what cannot be delivered stays for the next attempt."""

    def __init__(self, send: Callable[[int, bytes], None], *, every_s: float = CHUNK_EVERY_S) -> None:
        super().__init__()
        self._send = send
        self._every_s = every_s
        self._lines: List[str] = []
        self._size = 0
        self._number = 0
        self._packed: Optional[bytes] = None
        self._wanted = threading.Condition()
        self._sending = threading.Lock()
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="log-shipper", daemon=True)

    def start(self) -> None:
        """Begins to deliver."""
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Takes a line; the oldest are forgotten when the server has not taken any for long."""
        line = self.format(record) + "\n"
        with self._wanted:
            self._lines.append(line)
            self._size += len(line)
            while self._size > PENDING_MAX_BYTES and len(self._lines) > 1:
                self._size -= len(self._lines.pop(0))
            if self._size >= CHUNK_BYTES:
                self._wanted.notify_all()

    def flush_now(self) -> None:
        """Delivers what there is, for the end of the pilot."""
        with self._wanted:
            self._is_closing = True
            self._wanted.notify_all()
        self._ship()

    def _run(self) -> None:
        while not self._is_closing:
            with self._wanted:
                self._wanted.wait(self._every_s if self._number < EARLY_CHUNKS else LATE_CHUNK_EVERY_S)
            if not self._is_closing:
                self._ship()

    def _ship(self) -> None:
        """Sends all that waits; a piece that was perhaps received is repeated as it was, under the same number."""
        with self._sending:
            while True:
                if self._packed is None:
                    self._packed = self._pack()
                if self._packed is None:
                    return
                try:
                    self._send(self._number, self._packed)
                except Refused as refused:
                    sys.stderr.write("the server does not want this piece of the log: %s\n" % refused)
                except Exception as error:  # noqa: BLE001  a log that cannot be sent must not end what it tells about
                    sys.stderr.write("the log could not be sent now: %s\n" % error)
                    return
                self._packed, self._number = None, self._number + 1

    def _pack(self) -> Optional[bytes]:
        taken: List[str] = []
        size = 0
        with self._wanted:
            while self._lines and (not taken or size + len(self._lines[0]) <= CHUNK_BYTES_MAX):
                taken.append(self._lines.pop(0))
                size += len(taken[-1])
            self._size -= size
        return gzip.compress("".join(taken).encode("utf-8", "replace"), mtime=0) if taken else None


def set_up(secrets: Callable[[], Iterable[str]]) -> MaskedFormatter:
    """Logs to standard error; returns the formatter for further handlers."""
    formatter = MaskedFormatter(secrets)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger("weyl_pilot")
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    root.propagate = False
    return formatter
