"""The confined process that reads CWL documents for the server: started at the first document, and again if it dies."""

import asyncio
import contextlib
import itertools
import json
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import structlog

from weyl.kit.errors import Unavailable
from weyl.kit.services import Key
from weyl_engine.frames import LENGTHS, BadFrame, frame, header, lengths

log = structlog.get_logger(__name__)

FORMAT = 1
"""Of a compilation: what is stored by an older one is made again."""
AT_ONCE = 2
WAITING_MAX = 20
# The child ends a request after 15 s of its own; later than this it is the child that hangs.
START_S = 60.0
ANSWER_S = 30.0
RETRY_AFTER_S = 5

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


class CompilerBusy(Unavailable):
    """Too many documents wait already."""

    def __init__(self) -> None:
        super().__init__(
            f"{WAITING_MAX} workflows wait to be compiled already; send it again in a moment",
            retry_after_s=RETRY_AFTER_S,
        )


class CompilerDown(Unavailable):
    """The compiler ends or hangs, whatever it is asked."""

    def __init__(self) -> None:
        super().__init__("The compiler of workflows does not work now; the server's log says more")


class _Died(Exception):
    """The child ended before it answered."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """The files of a workflow by their paths, and which of them is meant."""

    entry: str
    fragment: str | None
    files: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Batch:
    """Expressions of a compilation, and the inputs to evaluate them for, with defaults laid under."""

    expressions: Sequence[Mapping[str, Any]]
    columns: Mapping[str, Sequence[Any]]
    """By input: one value for all jobs, or one a job."""
    count: int
    """How many jobs there are."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What expressions come to: many jobs have the same, so each kind of it is here once.

    A kind is a value for each expression; errors are kind, expression and why it has no value.
    """

    values: Sequence[Sequence[Any]]
    errors: Sequence[tuple[int, int, str]]
    which: Sequence[int]
    """By job the number of its kind."""


class Compiler:
    """Compiles two documents at a time, one per user; further ones wait in turn."""

    def __init__(self, *, count: Callable[[str], None] = lambda outcome: None, limits: Limits | None = None) -> None:
        self.version = f"{FORMAT}-cwltool{version('cwltool')}"
        """Part of the key under which compilations are kept."""
        self._count = count
        self._limits = limits or Limits()
        self._turns = _Turns()
        self._child: _Child | None = None
        self._starting = asyncio.Lock()

    async def compile(self, bundle: Bundle, *, user: str) -> Mapping[str, Any]:
        """Return the compilation; a bad document has problems. Raises `CompilerBusy`, `CompilerDown`."""
        files = list(bundle.files.items())
        request = {
            "op": "compile",
            "entry": bundle.entry,
            "fragment": bundle.fragment,
            "files": [[path, len(content)] for path, content in files],
        }
        async with self._turns.taken(user):
            answer, reason = await self._ask(request, b"".join(content for _, content in files))
        compilation = _limited(f"compiling it {self._limits.said(reason)}") if reason else json.loads(answer)
        self._count(reason or ("refused" if _has_errors(compilation) else "compiled"))
        found: Mapping[str, Any] = compilation
        return found

    async def evaluate(self, batch: Batch, *, user: str) -> Evaluated:
        """Return the value of each expression for each job. Raises `CompilerBusy`, `CompilerDown`."""
        if not batch.expressions:
            return Evaluated([[]], [], [0] * batch.count)
        body = {"expressions": batch.expressions, "columns": batch.columns, "count": batch.count}
        async with self._turns.taken(user):
            answer, reason = await self._ask({"op": "evaluate"}, json.dumps(body).encode())
        if reason:
            text = f"evaluating it with all others {self._limits.said(reason)}"
            numbers = range(len(batch.expressions))
            return Evaluated([[None for _ in numbers]], [(0, number, text) for number in numbers], [0] * batch.count)
        given = json.loads(answer)
        return Evaluated(given["values"], [(*each,) for each in given["errors"]], given["which"])

    async def close(self) -> None:
        """End the child; what it works on is lost."""
        async with self._starting:
            if self._child is not None:
                await self._child.end()
            self._child = None

    async def _ask(self, request: Mapping[str, Any], body: bytes) -> tuple[bytes, str]:
        """Return an answer, or the limit that was met instead; a child that died is replaced once."""
        for attempt in (1, 2):
            child = await self._running()
            try:
                return await child.ask(request, body)
            except _Died:
                log.warning("cwl.compiler_died", attempt=attempt)
        raise CompilerDown

    async def _running(self) -> "_Child":
        async with self._starting:
            if self._child is None or not self._child.is_alive:
                if self._child is not None:
                    await self._child.end()
                self._child = await _Child.start(self._limits)
            return self._child


COMPILER: Key[Compiler] = Key("the compiler of workflows")


class _Turns:
    """Who may use the compiler now: `AT_ONCE` users, each once; the others in the order of asking."""

    def __init__(self) -> None:
        self._users: set[str] = set()
        self._waiting: deque[tuple[str, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def taken(self, user: str) -> AsyncIterator[None]:
        """Hold a turn for the length of the block; raises `CompilerBusy` if too many wait."""
        if len(self._users) < AT_ONCE and user not in self._users:
            self._users.add(user)
        else:
            await self._wait(user)
        try:
            yield
        finally:
            self._users.discard(user)
            self._pass_on()

    async def _wait(self, user: str) -> None:
        if len(self._waiting) >= WAITING_MAX:
            raise CompilerBusy
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((user, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._users.discard(user)
            else:
                self._waiting.remove((user, turn))
            self._pass_on()
            raise

    def _pass_on(self) -> None:
        for entry in list(self._waiting):
            user, turn = entry
            if len(self._users) < AT_ONCE and user not in self._users:
                self._waiting.remove(entry)
                self._users.add(user)
                turn.set_result(None)


class _Child:
    """One process of `weyl_engine compile`, with what it was asked and has not answered."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._numbers = itertools.count()
        self._asked: dict[int, asyncio.Future[tuple[bytes, str]]] = {}
        self.is_alive = True
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, limits: Limits) -> "_Child":
        """Start the process, and wait until it has imported what it needs; raises `CompilerDown`."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-X", "utf8", "-m", "weyl_engine", "compile"),
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
            log.error("cwl.compiler_does_not_start", status=process.returncode)
            raise CompilerDown from None
        log.info("cwl.compiler_started", pid=process.pid, network=said["network"])
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


def _has_errors(compilation: Mapping[str, Any]) -> bool:
    return any(problem["severity"] == "error" for problem in compilation["problems"])


def _limited(detail: str) -> dict[str, Any]:
    names = (
        "class",
        "cwl_version",
        "name",
        "label",
        "doc",
        "inputs",
        "outputs",
        "schema",
        "graph",
        "tools",
        "expressions",
    )
    problem = {"code": "compiler-limit", "severity": "error", "detail": detail, "pointer": ""}
    return dict.fromkeys(names) | {"problems": [problem], "hints": [], "javascript": False, "default_files": []}
