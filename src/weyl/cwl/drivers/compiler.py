"""The confined processes that read CWL documents for the server, and evaluate the expressions in them."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from weyl.cwl.drivers.child import Child, Limits
from weyl.kit.errors import Unavailable
from weyl.kit.services import Key
from weyl_engine.frames import BODY_MAX_B

FORMAT = 1
"""Of a compilation: what is stored by an older one is made again."""
AT_ONCE = 2
WAITING_MAX = 20
RETRY_AFTER_S = 5


class CompilerBusy(Unavailable):
    """Too many documents wait already."""

    def __init__(self) -> None:
        super().__init__(
            f"{WAITING_MAX} workflows wait to be compiled already; send it again in a moment",
            retry_after_s=RETRY_AFTER_S,
        )


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

    def written(self) -> bytes:
        """Return what the process is asked."""
        asked = {"expressions": self.expressions, "columns": self.columns, "count": self.count}
        return json.dumps(asked).encode()

    def halves(self) -> "tuple[Batch, Batch]":
        """Return the first jobs and the others."""
        middle = self.count // 2
        first = {name: column[:middle] if len(column) > 1 else column for name, column in self.columns.items()}
        second = {name: column[middle:] if len(column) > 1 else column for name, column in self.columns.items()}
        return Batch(self.expressions, first, middle), Batch(self.expressions, second, self.count - middle)


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What expressions come to: many jobs have the same, so each kind of it is here once.

    A kind is a value for each expression; errors are kind, expression and why it has no value.
    """

    values: Sequence[Sequence[Any]]
    errors: Sequence[tuple[int, int, str]]
    which: Sequence[int]
    """By job the number of its kind."""

    def and_then(self, others: "Evaluated") -> "Evaluated":
        """Return what is said of these jobs and of others behind them."""
        more = len(self.values)
        return Evaluated(
            [*self.values, *others.values],
            [*self.errors, *((more + kind, number, text) for kind, number, text in others.errors)],
            [*self.which, *(more + kind for kind in others.which)],
        )


class Compiler:
    """Compiles two documents at a time, one per user; further ones wait in turn."""

    def __init__(self, *, count: Callable[[str], None] = lambda outcome: None, limits: Limits | None = None) -> None:
        self.version = f"{FORMAT}-cwltool{version('cwltool')}"
        """Part of the key under which compilations are kept."""
        self._count = count
        self._limits = limits or Limits()
        self._turns = _Turns()
        self._compiling = Child("compile", self._limits)
        self._evaluating = Child("evaluate", self._limits)

    async def compile(self, bundle: Bundle, *, user: str) -> Mapping[str, Any]:
        """Return the compilation; a bad document has problems. Raises `CompilerBusy`, `CompilerDown`."""
        files = list(bundle.files.items())
        request = {
            "entry": bundle.entry,
            "fragment": bundle.fragment,
            "files": [[path, len(content)] for path, content in files],
        }
        async with self._turns.taken(user):
            answer, reason = await self._compiling.ask(request, b"".join(content for _, content in files))
        compilation = _limited(f"compiling it {self._limits.said(reason)}") if reason else json.loads(answer)
        self._count(reason or ("refused" if _has_errors(compilation) else "compiled"))
        found: Mapping[str, Any] = compilation
        return found

    async def evaluate(self, batch: Batch, *, user: str) -> Evaluated:
        """Return the value of each expression for each job. Raises `CompilerBusy`, `CompilerDown`."""
        if not batch.expressions:
            return Evaluated([[]], [], [0] * batch.count)
        body = await asyncio.to_thread(batch.written)
        if len(body) > BODY_MAX_B:
            return await self._in_halves(batch, user=user)
        async with self._turns.taken(user):
            answer, reason = await self._evaluating.ask({}, body)
        if reason:
            return _nothing(batch, f"evaluating it with all others {self._limits.said(reason)}")
        given = json.loads(answer)
        return Evaluated(given["values"], [(*each,) for each in given["errors"]], given["which"])

    async def _in_halves(self, batch: Batch, *, user: str) -> Evaluated:
        if batch.count == 1:
            return _nothing(batch, f"what it may read takes more than {BODY_MAX_B >> 20} MiB")
        first, second = batch.halves()
        return (await self.evaluate(first, user=user)).and_then(await self.evaluate(second, user=user))

    async def close(self) -> None:
        """End the processes; what they work on is lost."""
        await self._compiling.close()
        await self._evaluating.close()


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


def _nothing(batch: Batch, reason: str) -> Evaluated:
    """Return that no expression has a value, and why."""
    numbers = range(len(batch.expressions))
    return Evaluated([[None for _ in numbers]], [(0, number, reason) for number in numbers], [0] * batch.count)


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
