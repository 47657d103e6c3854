"""JavaScript of CWL expressions by quickjs, bounded in time and memory, and without anything outside of it."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

# The public module starts a thread when it is imported, which neither a fork nor a namespace of one's own can bear.
import _quickjs

from weyl_engine.grouped import Grouped, grouped
from weyl_engine.references import BadExpression, Script

CPU_S = 0.05
MEMORY_B = 64 << 20
STACK_B = 256 << 10
ROWS_AT_ONCE = 128
ERROR_MAX = 300

# Runs a function for each row and returns its values, and row and message where there is none, as JSON. An object is
# made plain at once: what it makes of itself as JSON must not depend on the row where it stands.
_HARNESS = """
(function () {
  const parse = JSON.parse, write = JSON.stringify, finite = Number.isFinite, text = String, root = globalThis;
  return function (run, rows) {
    const values = [], errors = [];
    let number = 0;
    for (const row of parse(rows)) {
      root.inputs = row; root.self = null; root.runtime = {};
      try {
        const value = run();
        if (typeof value === "number" && !finite(value)) throw "the result is not a number: " + value;
        values[number] = typeof value === "object" ? parse(write([value]))[0] : value;
      } catch (error) {
        values[number] = null;
        errors[errors.length] = [number, text(error)];
      }
      number++;
    }
    return write([values, errors]);
  };
})()
"""


_Values = tuple[list[Any], dict[int, str]]
"""A value for each row, and by row why there is none."""


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

    def evaluate(self, script: Script, rows: Iterable[Mapping[str, Any]]) -> Grouped[Outcome]:
        """Return an outcome for each row, which is the `inputs` of the script; raises `TimeUp`."""
        values: list[Any] = []
        errors: dict[int, str] = {}
        rest = iter(rows)
        while chunk := list(islice(rest, ROWS_AT_ONCE)):
            found, told = self._of_chunk(script, chunk)
            errors |= {len(values) + row: text for row, text in told.items()}
            values += found
        return _outcomes(values, errors)

    def _of_chunk(self, script: Script, rows: Sequence[Mapping[str, Any]]) -> _Values:
        try:
            return self._run(script, rows)
        except BadExpression as error:
            if len(rows) == 1:
                return [None], {0: str(error)}
        # The limits are those of one evaluation: which row is it?
        values: list[Any] = []
        errors: dict[int, str] = {}
        for number, row in enumerate(rows):
            [value], told = self._of_chunk(script, [row])
            values.append(value)
            if told:
                errors[number] = told[0]
        return values, errors

    def _run(self, script: Script, rows: Sequence[Mapping[str, Any]]) -> _Values:
        if time.process_time() > self._end_s:
            raise TimeUp
        try:
            if self._context is None:
                self._start()
            if script not in self._functions:
                self._functions[script] = self._context.eval(_function(script))
            values, errors = json.loads(self._harness(self._functions[script], json.dumps(rows)))
        except (_quickjs.JSException, TypeError, ValueError) as error:
            self._context, self._functions = None, {}
            raise BadExpression(_readable(error)) from None
        return values, {row: _readable(text) for row, text in errors}

    def _start(self) -> None:
        context = _quickjs.Context()
        context.set_memory_limit(MEMORY_B)
        context.set_max_stack_size(STACK_B)
        context.set_time_limit(CPU_S)
        self._harness = context.eval(_HARNESS)
        if self._library:
            context.eval(f'"use strict";\n{self._library}\n')
        self._context = context


def _outcomes(values: Sequence[Any], errors: Mapping[int, str]) -> Grouped[Outcome]:
    if not errors:
        return grouped(values, len(values)).each(Outcome)
    pairs = [(value, errors.get(row)) for row, value in enumerate(values)]
    return grouped(pairs, len(pairs)).each(lambda pair: Outcome(*pair))


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
