"""Watches the event loop of a worker from a thread, and says where it was blocked for more than a second."""

import asyncio
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

log = structlog.get_logger(__name__)

BLOCKED_S = 1.0


class Watchdog:
    """Compares the time of the loop's last turn with now; a blocked loop is reported once, with its stack."""

    def __init__(self, *, blocked_s: float = BLOCKED_S) -> None:
        self._blocked_s = blocked_s
        self._loop = asyncio.get_running_loop()
        self._thread_id = threading.get_ident()
        self._stopped = threading.Event()
        self._turned_at = time.monotonic()
        self._thread = threading.Thread(target=self._watch, name="weyl-watchdog", daemon=True)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch during the block."""
        self._thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            self._thread.join(timeout=1)

    def _turn(self) -> None:
        self._turned_at = time.monotonic()

    def _watch(self) -> None:
        is_reported = False
        while not self._stopped.wait(self._blocked_s / 4):
            blocked_s = time.monotonic() - self._turned_at
            if blocked_s <= self._blocked_s:
                is_reported = False
            elif not is_reported:
                is_reported = True
                frame = sys._current_frames().get(self._thread_id)
                stack = "".join(traceback.format_stack(frame, limit=20)) if frame is not None else ""
                log.warning("loop.blocked", blocked_s=round(blocked_s, 1), stack=stack)
            if self._loop.is_closed():
                return
            self._loop.call_soon_threadsafe(self._turn)
