"""JavaScript of CWL expressions by quickjs, bounded in time and memory, and without anything outside of it."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# The public module starts a thread when it is imported, which neither a fork nor a namespace of one's own can bear.
import _quickjs

from weyl_engine.references import BadExpression, Script

CPU_S = 0.05
MEMORY_B = 64 << 20
STACK_B = 256 << 10
ROWS_AT_ONCE = 128
ERROR_MAX = 300

# Runs a function for each row and returns [[0, value] | [1, message]] as JSON; a number that JSON lacks is an error.
_HARNESS = """
(function () {
  const parse = JSON.parse, write = JSON.stringify, finite = Number.isFinite, root = globalThis;
  return function (run, text) {
    const answers = [];
    for (const row of parse(text)) {
      root.inputs = row; root.self = null; root.runtime = {};
      try {
        const value = run();
        if (typeof value === "number" && !finite(value)) answers.push([1, "the result is no number: " + value]);
        else answers.push([0, value === undefined ? null : value]);
      } catch (error) {
        answers.push([1, String(error)]);
      }
    }
    return write(answers);
  };
})()
"""


class TimeUp(Exception):
    """All expressions together took longer than they may."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a script gave for one row: a value, or why there is none."""

    value: Any = None
    error: str | None = None


class Scripts:
    """Evaluates scripts with the functions of one expression library; a new context replaces one that hit a limit."""

    def __init__(self, library: Sequence[str], *, cpu_total_s: float) -> None:
        self._library = "\n".join(library)
        self._end_s = time.process_time() + cpu_total_s
        self._context: Any = None
        self._functions: dict[Script, Any] = {}

    def evaluate(self, script: Script, rows: Sequence[Mapping[str, Any]]) -> list[Outcome]:
        """Return an outcome for each row, which is the `inputs` of the script; raises `TimeUp`."""
        outcomes: list[Outcome] = []
        for start in range(0, len(rows), ROWS_AT_ONCE):
            chunk = rows[start : start + ROWS_AT_ONCE]
            try:
                outcomes += self._run(script, chunk)
            except BadExpression:
                # The limits are those of one evaluation: which row is it?
                outcomes += [self._one(script, row) for row in chunk]
        return outcomes

    def _one(self, script: Script, row: Mapping[str, Any]) -> Outcome:
        try:
            return self._run(script, [row])[0]
        except BadExpression as error:
            return Outcome(error=str(error))

    def _run(self, script: Script, rows: Sequence[Mapping[str, Any]]) -> list[Outcome]:
        if time.process_time() > self._end_s:
            raise TimeUp
        try:
            if self._context is None:
                self._start()
            if script not in self._functions:
                self._functions[script] = self._context.eval(_function(script))
            answers = json.loads(self._harness(self._functions[script], json.dumps(rows)))
        except (_quickjs.JSException, TypeError, ValueError) as error:
            self._context, self._functions = None, {}
            raise BadExpression(_readable(error)) from None
        return [Outcome(value) if kind == 0 else Outcome(error=_readable(value)) for kind, value in answers]

    def _start(self) -> None:
        context = _quickjs.Context()
        context.set_memory_limit(MEMORY_B)
        context.set_max_stack_size(STACK_B)
        context.set_time_limit(CPU_S)
        self._harness = context.eval(_HARNESS)
        if self._library:
            context.eval(f'"use strict";\n{self._library}\n')
        self._context = context


def _function(script: Script) -> str:
    body = script.code if script.is_body else f"return ({script.code}\n);"
    return f'"use strict";\n(function () {{{body}\n}})'


def _readable(error: object) -> str:
    first = str(error).strip().split("\n")[0]
    if "interrupted" in first:
        return f"it takes longer than {CPU_S * 1000:.0f} ms"
    if "out of memory" in first or first in ("null", ""):
        return f"it needs more than {MEMORY_B >> 20} MiB"
    return first[:ERROR_MAX]
