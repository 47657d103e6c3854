"""What a benchmark finds: judged lines in one table and one JSON file, and the exit status that follows from them.

Machines are shared and change their pace by a factor of two within an hour, so no line is judged by an absolute time:
a verdict is a ratio over a baseline measured in the same run, in turn; a count; or a limit such as a size or a lease.
"""

import json
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from tests.infra import pace

ROOT = Path(__file__).resolve().parent.parent.parent
OUT = ROOT / "build" / "bench"
ALTERNATIONS = 5
LONG_ALTERNATIONS = 2
"""Of a line that takes longer than two minutes."""
PACE_MOVES_MAX = 0.3

Sample = float | tuple[float, ...]
"""What one run cost: a number, or parts such as CPU of the server and of the database, whose sum is judged."""
Runs = Sequence[tuple[Sample, Sample]]
"""Pairs of our cost and the baseline's, measured next to each other."""
S = TypeVar("S")


class Kind(StrEnum):
    """What a line is judged by; a figure is not judged."""

    RATIO = "ratio"
    COUNT = "count"
    LIMIT = "limit"
    FIGURE = "figure"


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    name: str
    kind: Kind
    value: float
    unit: str
    bound: float | None = None
    is_least: bool = False
    runs: tuple[tuple[Sample, Sample], ...] = ()
    baseline: str = ""
    of: str = ""
    """The unit of the runs that a ratio is made of."""

    @property
    def is_missed(self) -> bool:
        """Tell whether the value is beyond its bound; what is not a number has missed it."""
        if self.bound is None:
            return False
        return not (self.value >= self.bound if self.is_least else self.value <= self.bound)

    def text(self) -> str:
        """Return the line as it is printed."""
        bound = "" if self.bound is None else f"{'>=' if self.is_least else '<='} {_number(self.bound)}"
        verdict = "MISSED" if self.is_missed else "" if self.bound is None else "met"
        compared = ""
        if self.runs:
            ours, theirs = (_parts([run[side] for run in self.runs]) for side in (0, 1))
            compared = f"  {ours} {self.of}; {self.baseline} {theirs} {self.of} (median of {len(self.runs)})"
        return f"{self.name:<50} {_number(self.value):>9} {self.unit:<12} {bound:>9}  {verdict:<6}{compared}".rstrip()

    def document(self) -> dict[str, Any]:
        """Return the line for the JSON file."""
        own = {name: getattr(self, name) for name in ("name", "kind", "unit", "bound", "runs", "baseline")}
        own |= {"value": None if math.isnan(self.value) else self.value}
        own |= {"direction": "at least" if self.is_least else "at most", "of": self.of}
        return {**own, "verdict": "" if self.bound is None else "MISSED" if self.is_missed else "met"}


def times_less(name: str, runs: Runs, *, than: str, of: str, at_least: float | None) -> Line:
    """Judge how many times less something costs us than the baseline: the median of the runs' ratios."""
    value = statistics.median(_over(theirs, ours) for ours, theirs in runs)
    return Line(name, Kind.RATIO, value, "times less", at_least, is_least=True, runs=tuple(runs), baseline=than, of=of)


def times(name: str, runs: Runs, *, over: str, of: str, at_most: float | None) -> Line:
    """Judge how many times the baseline something costs us: the median of the runs' ratios."""
    value = statistics.median(_over(ours, theirs) for ours, theirs in runs)
    return Line(name, Kind.RATIO, value, "times", at_most, runs=tuple(runs), baseline=over, of=of)


def count(name: str, value: float, *, at_most: float | None = None, at_least: float | None = None) -> Line:
    """Judge a number of things: statements, requests, errors."""
    return Line(name, Kind.COUNT, value, "", at_most if at_least is None else at_least, is_least=at_least is not None)


def limit(name: str, value: float, unit: str, *, at_most: float) -> Line:
    """Judge what has a limit by its nature: sizes, leases, time-outs."""
    return Line(name, Kind.LIMIT, value, unit, at_most)


def figure(name: str, value: float, unit: str) -> Line:
    """Print a number for information."""
    return Line(name, Kind.FIGURE, value, unit)


def alternate(ours: Callable[[], S], theirs: Callable[[], S], *, turns: int = ALTERNATIONS) -> list[tuple[S, S]]:
    """Measure both in turn."""
    return [(ours(), theirs()) for _ in range(turns)]


def moved_by(paces: Sequence[float]) -> float:
    """Return by what part the slowest pace is slower than the quickest."""
    return max(paces) / min(paces) - 1


class Report:
    """The lines of one benchmark, and the pace of the machine meanwhile."""

    def __init__(self, name: str, *, out: Path = OUT, measure_pace: Callable[[], float] = pace.loop_s) -> None:
        self.name = name
        self.lines: list[Line] = []
        self._out = out
        self._said: list[str] = []
        self._measure_pace = measure_pace
        self._paces: list[float] = []
        self.note_pace()

    def note_pace(self) -> None:
        """Time the fixed loop; to be called once in the middle, as it is at the start and at the end."""
        self._paces.append(self._measure_pace())

    def say(self, sentence: str) -> None:
        """Print what the lines do not tell, and keep it with them."""
        self._said.append(sentence)
        print(f"{self.name}: {sentence}", flush=True)

    def add(self, *lines: Line) -> None:
        """Add lines to the table."""
        self.lines += lines

    def finish(self, figures: Mapping[str, Any] | None = None) -> int:
        """Print the table, write `build/bench/<name>.json`, with further figures if given; returns the exit status."""
        self.note_pace()
        moved = moved_by(self._paces)
        at = ", ".join(f"{each * 1e3:.1f}" for each in self._paces)
        self.say(f"pace of the machine: {at} ms for a fixed loop at start, middle and end")
        if moved > PACE_MOVES_MAX:
            self.say(f"the pace moved by {moved:.0%} meanwhile: repeat this run before you conclude from it")
        for line in self.lines:
            print(line.text())
        missed = [line.name for line in self.lines if line.is_missed]
        document = {
            "name": self.name,
            "missed": missed,
            "said": self._said,
            "pace": {"seconds": self._paces, "moved": moved, "is_steady": moved <= PACE_MOVES_MAX},
            "lines": [line.document() for line in self.lines],
            "figures": figures or {},
        }
        self._out.mkdir(parents=True, exist_ok=True)
        (self._out / f"{self.name}.json").write_text(json.dumps(document, indent=1) + "\n")
        judged = sum(line.bound is not None for line in self.lines)
        print(f"{self.name}: {len(missed)} of {judged} judged lines MISSED" if missed else f"{self.name}: all met")
        return int(bool(missed))


def _total(sample: Sample) -> float:
    return sum(sample) if isinstance(sample, tuple) else sample


def _over(one: Sample, other: Sample) -> float:
    """Divide; what costs nothing measurable is not compared with."""
    return _total(one) / _total(other) if _total(other) > 0 else float("nan")


def _parts(samples: Sequence[Sample]) -> str:
    """Write the median of each part."""
    every = [sample if isinstance(sample, tuple) else (sample,) for sample in samples]
    return " + ".join(_number(statistics.median(part)) for part in zip(*every, strict=True))


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"
