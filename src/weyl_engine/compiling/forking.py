"""A process that answers requests about documents of users: what it needs it imports once, and it forks for each."""

import argparse
import gc
import logging
import os
import selectors
import signal
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from weyl_engine.compiling import confinement
from weyl_engine.compiling.confinement import Limits
from weyl_engine.frames import ANSWER_MAX_B, frame, taken

_CHUNK_B = 1 << 16
_OUT_OF_MEMORY = 3


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a process is for."""

    name: str
    answered: Callable[[Mapping[str, Any], bytes], bytes]
    """Returns the answer to header and body of a request; called in a fork."""
    warm: Callable[[], None] = lambda: None
    """Imports what a fork would else import each time."""


@dataclass(slots=True)
class _Worker:
    """A fork that works on one request."""

    request: Any
    pid: int
    end_s: float
    answer: bytearray = field(default_factory=bytearray)
    reason: str = ""


def serve(what: Purpose, argv: Sequence[str]) -> int:
    """Serve requests from standard input until it ends; answers go to standard output. Returns 0."""
    limits = _limits(what, argv)
    source, sink = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    os.chdir("/")
    # Some library asks for a folder for temporary files, and writes one to find out; there is none here.
    tempfile.tempdir = "/nonexistent"
    # Whatever the libraries say is in the answer, as problems; a log would hold texts of users.
    logging.disable()
    is_apart = confinement.leave_network()
    what.warm()
    # What is imported stays shared with the forks.
    gc.collect()
    gc.freeze()
    server = _Server(source, sink, limits, what)
    server.say({"outcome": "ready", "network": not is_apart})
    server.run()
    return 0


def _limits(what: Purpose, argv: Sequence[str]) -> Limits:
    usual = Limits()
    parser = argparse.ArgumentParser(prog=f"weyl_engine {what.name}", description="Answer what standard input asks.")
    parser.add_argument("--cpu-s", type=int, default=usual.cpu_s)
    parser.add_argument("--wall-s", type=float, default=usual.wall_s)
    parser.add_argument("--memory-b", type=int, default=usual.memory_b)
    return Limits(**vars(parser.parse_args(argv)))


class _Server:
    """Reads requests, forks for each, and hands on what the forks say."""

    def __init__(self, source: int, sink: int, limits: Limits, what: Purpose) -> None:
        self._source, self._sink, self._limits, self._what = source, sink, limits, what
        self._buffer = bytearray()
        self._workers: dict[int, _Worker] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(source, selectors.EVENT_READ)

    def run(self) -> None:
        """Serve until the requests end; forks that still work are killed then."""
        while self._is_open_after_waiting():
            now = time.monotonic()
            for worker in self._workers.values():
                if worker.end_s <= now and not worker.reason:
                    self._kill(worker, "time")
        for worker in self._workers.values():
            self._kill(worker, "end")
            os.waitpid(worker.pid, 0)

    def say(self, header: Mapping[str, Any], body: bytes = b"") -> None:
        """Write one answer."""
        rest = memoryview(frame(header, body))
        while rest:
            rest = rest[os.write(self._sink, rest) :]

    def _is_open_after_waiting(self) -> bool:
        first_s = min((worker.end_s for worker in self._workers.values() if not worker.reason), default=None)
        timeout_s = None if first_s is None else max(0.0, first_s - time.monotonic())
        for key, _ in self._selector.select(timeout_s):
            chunk = os.read(key.fd, _CHUNK_B)
            if key.fd != self._source:
                self._hear(key.fd, chunk)
            elif not chunk:
                return False
            else:
                self._buffer += chunk
                while (request := taken(self._buffer)) is not None:
                    self._start(*request)
        return True

    def _start(self, header: Mapping[str, Any], body: bytes) -> None:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            _work(lambda: self._what.answered(header, body), writing, self._limits)
        os.close(writing)
        self._workers[reading] = _Worker(header["id"], pid, time.monotonic() + self._limits.wall_s)
        self._selector.register(reading, selectors.EVENT_READ)

    def _hear(self, pipe: int, chunk: bytes) -> None:
        worker = self._workers[pipe]
        worker.answer += chunk
        if len(worker.answer) > ANSWER_MAX_B and not worker.reason:
            self._kill(worker, "answer")
        if not chunk:
            self._selector.unregister(pipe)
            os.close(pipe)
            del self._workers[pipe]
            _, status = os.waitpid(worker.pid, 0)
            reason = worker.reason or _reason(os.waitstatus_to_exitcode(status))
            header = {"id": worker.request, "outcome": "limit" if reason else "answer", "reason": reason}
            self.say(header, b"" if reason else bytes(worker.answer))

    def _kill(self, worker: _Worker, reason: str) -> None:
        worker.reason = reason
        os.kill(worker.pid, signal.SIGKILL)


def _work(answered: Callable[[], bytes], pipe: int, limits: Limits) -> None:
    """Answer one request in a fork, which ends here."""
    status = 1
    try:
        confinement.die_with_parent()
        confinement.keep_only(pipe)
        confinement.limit(limits)
        rest = memoryview(answered())
        while rest:
            rest = rest[os.write(pipe, rest) :]
        status = 0
    except MemoryError:
        status = _OUT_OF_MEMORY
    finally:
        os._exit(status)


def _reason(code: int) -> str:
    reasons = {0: "", _OUT_OF_MEMORY: "memory", -signal.SIGXCPU: "cpu"}
    return reasons.get(code, "crash")
