"""The pilot's log: on standard error for the batch system, and in numbered pieces on the server; never with secrets."""

from __future__ import annotations

import gzip
import logging
import re
import sys
import threading
import time
from typing import Callable, Iterable, List

CHUNK_BYTES = 64 * 1024
CHUNK_EVERY_S = 30.0
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
                self._wanted.wait(self._every_s)
            if not self._is_closing:
                self._ship()

    def _ship(self) -> None:
        with self._sending:
            with self._wanted:
                lines, self._lines, self._size = self._lines, [], 0
            if not lines:
                return
            try:
                self._send(self._number, gzip.compress("".join(lines).encode("utf-8", "replace"), mtime=0))
                self._number += 1
            except Exception as error:  # noqa: BLE001  a log that cannot be sent must not end what it tells about
                sys.stderr.write("the log could not be sent now: %s\n" % error)
                with self._wanted:
                    self._lines = lines + self._lines
                    self._size = sum(len(line) for line in self._lines)


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
