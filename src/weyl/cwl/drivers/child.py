"""Confined processes of `weyl_engine` that answer requests: each started when first asked, and again if it dies."""

import asyncio
import contextlib
import itertools
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from weyl.kit.errors import Unavailable
from weyl_engine.frames import LENGTHS, BadFrame, frame, header, lengths

log = structlog.get_logger(__name__)

# The child ends a request after 15 s of its own; later than this it is the child that hangs.
START_S = 60.0
ANSWER_S = 30.0

_REASONS = {
    "cpu": "takes more than {0.cpu_s} s of CPU time",
    "time": "takes longer than {0.wall_s:.0f} s",
    "memory": "takes more than {1} MiB of memory",
    "answer": "gives more than an answer may hold, 4 MiB",
    "crash": "broke the compiler: probably it takes more memory or stack than there is",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What one document may take; beyond it the compilation is a problem, `compiler-limit`."""

    cpu_s: int = 10
    wall_s: float = 15.0
    memory_b: int = 1 << 30

    def said(self, reason: str) -> str:
        """Return in words which limit was met."""
        return _REASONS[reason].format(self, self.memory_b >> 20)


class CompilerDown(Unavailable):
    """The compiler ends or hangs, whatever it is asked."""

    def __init__(self) -> None:
        super().__init__("The compiler of workflows does not work now; the server's log says more")


class _Died(Exception):
    """The process ended before it answered."""


class Child:
    """Answers requests by a process, one at any time."""

    def __init__(self, command: str, limits: Limits) -> None:
        self._command, self._limits = command, limits
        self._process: _Process | None = None
        self._starting = asyncio.Lock()

    async def ask(self, request: Mapping[str, Any], body: bytes) -> tuple[bytes, str]:
        """Return an answer, or the limit that was met instead; raises `CompilerDown`.

        A process that dies meanwhile is replaced once.
        """
        for attempt in (1, 2):
            process = await self._running()
            try:
                return await process.ask(request, body)
            except _Died:
                log.warning("cwl.compiler_died", command=self._command, attempt=attempt)
        raise CompilerDown

    async def _running(self) -> "_Process":
        async with self._starting:
            if self._process is None or not self._process.is_alive:
                if self._process is not None:
                    await self._process.end()
                self._process = await _Process.start(self._command, self._limits)
            return self._process

    async def close(self) -> None:
        """End the process; what it works on is lost."""
        async with self._starting:
            if self._process is not None:
                await self._process.end()
            self._process = None


class _Process:
    """One process of `weyl_engine`, with what it was asked and has not answered."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._numbers = itertools.count()
        self._asked: dict[int, asyncio.Future[tuple[bytes, str]]] = {}
        self.is_alive = True
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, command: str, limits: Limits) -> "_Process":
        """Start the process, and wait until it has imported what it needs; raises `CompilerDown`."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-X", "utf8", "-m", "weyl_engine", command),
            *(f"--cpu-s={limits.cpu_s}", f"--wall-s={limits.wall_s}", f"--memory-b={limits.memory_b}"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={},
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(START_S):
                said, _ = await _message(process)
        except (TimeoutError, _Died):
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            log.error("cwl.compiler_does_not_start", command=command, status=process.returncode)
            raise CompilerDown from None
        log.info("cwl.compiler_started", command=command, pid=process.pid, network=said["network"])
        return cls(process)

    async def ask(self, request: Mapping[str, Any], body: bytes) -> tuple[bytes, str]:
        """Return the answer to a request, or the limit that it met; raises `_Died`."""
        number = next(self._numbers)
        answer: asyncio.Future[tuple[bytes, str]] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(frame({**request, "id": number}, body))
            async with asyncio.timeout(ANSWER_S):
                await self._process.stdin.drain()
                return await answer
        except (TimeoutError, ConnectionError) as error:
            log.warning("cwl.compiler_hangs", error=repr(error))
            self._kill()
            raise _Died from None
        finally:
            self._asked.pop(number, None)

    async def end(self) -> None:
        """End the process and all that it forked."""
        self._kill()
        await self._process.wait()
        await self._reading

    async def _read(self) -> None:
        with contextlib.suppress(_Died):
            while True:
                said, body = await _message(self._process)
                waiting = self._asked.get(said["id"])
                if waiting is not None and not waiting.done():
                    waiting.set_result((body, said["reason"]))
        self._kill()
        for waiting in self._asked.values():
            if not waiting.done():
                waiting.set_exception(_Died())

    def _kill(self) -> None:
        self.is_alive = False
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)


async def _message(process: asyncio.subprocess.Process) -> tuple[dict[str, Any], bytes]:
    assert process.stdout is not None
    try:
        header_b, body_b = lengths(await process.stdout.readexactly(LENGTHS.size))
        return header(await process.stdout.readexactly(header_b)), await process.stdout.readexactly(body_b)
    except (asyncio.IncompleteReadError, ConnectionError, BadFrame):
        raise _Died from None
