"""What the matcher has to reach, and whether it does: the lines of the specification with what was seen of each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Found = Mapping[str, Any]

RATE_MIN = 2_000
BULK_MIN = 15_000
P50_MAX_MS, P99_MAX_MS = 12, 40
MISS_MAX_MS = 5
EXPLAIN_MAX_MS = 50
REBUILD_MAX_S = 120
BUILD_MAX_S = 10
MEMORY_MAX_MB = 600
FAIR_MAX_S = 60
FLAT_MAX = 0.2
NOTHING = {"p50": float("inf"), "p99": float("inf"), "max": float("inf")}


@dataclass(frozen=True)
class Line:
    """One line of the table; without a verdict nothing is wanted of it."""

    what: str
    wanted: str
    seen: str
    is_met: bool | None = None

    def text(self) -> str:
        """Return the line as it is printed."""
        verdict = {None: "", True: "met", False: "MISSED"}[self.is_met]
        return f"{self.what:<62} {self.wanted:>16}  {verdict:<6}  {self.seen}"


def added(earlier: Found, figures: Found) -> dict[str, Any]:
    """Return the figures of earlier runs with those of this one in their place: ten million jobs take many runs."""
    sizes = {size: dict(found) for size, found in earlier.get("sizes", {}).items()}
    for size, found in figures["sizes"].items():
        sizes[size] = {**sizes.get(size, {}), **found}
    ordered = dict(sorted(sizes.items(), key=lambda each: int(each[0])))
    return {**earlier, **figures, "sizes": ordered}


def table(figures: Found) -> list[Line]:
    """Return every line for which there are figures."""
    lines = [line for jobs, size in figures["sizes"].items() for line in _of_size(f"{int(jobs):,} jobs", size)]
    lines += _flatness([size["rate"] for size in figures["sizes"].values() if "rate" in size])
    if index := figures.get("index"):
        lines.append(
            Line(
                "index of 10^5 classes built",
                f"< {BUILD_MAX_S} s",
                _s(index["build_s"]),
                index["build_s"] < BUILD_MAX_S,
            )
        )
        lines.append(_explained("an offer explained, 10^5 classes, p50 / max ms", index["explain_ms"], "max"))
    if memory := figures.get("memory"):
        lines += _of_memory(memory)
    if fair := figures.get("fairness"):
        is_met = fair["matched"] == fair["user_jobs"] and fair["seconds"] <= FAIR_MAX_S
        seen = f"{fair['matched']} of {fair['user_jobs']} after {fair['seconds']} s, {fair['others']:,} of others"
        lines.append(Line("users' jobs among 871,973 of others, 100 requests/s", f"<= {FAIR_MAX_S} s", seen, is_met))
    return lines


def _of_size(waiting: str, size: Found) -> Iterator[Line]:
    for name, run in size.items():
        part, _, servers = name.partition("_")
        by = f", {servers.replace('_', ' ')}" if servers else ""
        # With more servers than cores for them these are figures, not targets.
        if part == "rate":
            is_judged = not by
            yield from _rate(f"{waiting}{by}", run, is_judged=is_judged)
        elif part == "bulk":
            is_met = None if by else run["jobs_per_s"] >= BULK_MIN
            yield Line(f"jobs/s, count 50, {waiting}{by}", f">= {BULK_MIN:,}", _of_runs(run, "jobs_per_s"), is_met)
    for clients, run in (size.get("clients") or {}).items():
        hit = run["hit_ms"] or NOTHING
        seen = f"{run['jobs_per_s']:,.0f}; {hit['p50']} / {hit['p99']} ms"
        yield Line(f"matches/s; p50 / p99, {clients} pilots, {waiting}", "", seen)
    if miss := size.get("miss"):
        yield _missed(waiting, miss)
    if explain := size.get("explain"):
        yield _explained(f"a job explained, {waiting}, p50 / p99 ms", explain["ms"], "p99")
    if "rebuild_s" in size:
        is_met = size["rebuild_s"] < REBUILD_MAX_S
        yield Line(f"queue rebuilt, {waiting}", f"< {REBUILD_MAX_S} s", _s(size["rebuild_s"]), is_met)


def _rate(waiting: str, run: Found, *, is_judged: bool) -> Iterator[Line]:
    hit = run["hit_ms"] or NOTHING
    for what, wanted, seen, is_met in (
        ("matches/s", f">= {RATE_MIN:,}", _of_runs(run, "jobs_per_s"), run["jobs_per_s"] >= RATE_MIN),
        ("p50 ms", f"< {P50_MAX_MS}", _of_runs(run, "p50"), hit["p50"] < P50_MAX_MS),
        ("p99 ms", f"< {P99_MAX_MS}", _of_runs(run, "p99"), hit["p99"] < P99_MAX_MS),
    ):
        yield Line(f"{what}, 32 pilots, count 1, {waiting}", wanted, seen, is_met if is_judged else None)
    # The load generator's work is always the same: what it takes for it tells how quick the machine was meanwhile.
    yield Line(f"CPU ms an answer of the load generator, {waiting}", "", _of_runs(run, "load_cpu_ms_per_answer"))


def _flatness(rates: Sequence[Found]) -> Iterator[Line]:
    """Compare depths: the best and the worst of them lie no further apart than a fifth."""
    if len(rates) < 2:
        return
    for what, values in (
        ("rate", [run["jobs_per_s"] for run in rates]),
        ("p50", [(run["hit_ms"] or NOTHING)["p50"] for run in rates]),
    ):
        apart = max(values) / min(values) - 1
        seen = f"{apart:.0%}: " + ", ".join(f"{value:,}" for value in values)
        yield Line(f"{what} at all depths, apart by", f"<= {FLAT_MAX:.0%}", seen, apart <= FLAT_MAX)


def _of_memory(memory: Found) -> Iterator[Line]:
    where, most_mb = "10^5 classes", max(memory["at_start_mb"], memory["after_matching_mb"])
    seen = f"{memory['at_start_mb']} MB at start, {memory['after_matching_mb']} MB after matching"
    yield Line(f"memory of the server, {where}", f"< {MEMORY_MAX_MB} MB", seen, most_mb < MEMORY_MAX_MB)
    yield _missed(where, memory["miss"])
    yield _explained(f"a job explained, {where}, p50 / p99 ms", memory["explain"]["ms"], "p99")
    yield Line(f"matches/s, {where}", "", _of_runs(memory["rate"], "jobs_per_s"))


def _missed(where: str, run: Found) -> Line:
    p50 = (run["miss_ms"] or NOTHING)["p50"]
    return Line(f"a pilot that gets nothing, {where}, p50 ms", f"< {MISS_MAX_MS}", str(p50), p50 < MISS_MAX_MS)


def _explained(what: str, cuts: Found | None, last: str) -> Line:
    told = cuts or NOTHING
    return Line(what, f"< {EXPLAIN_MAX_MS}", f"{told['p50']} / {told[last]}", told["p50"] < EXPLAIN_MAX_MS)


def _of_runs(run: Found, name: str) -> str:
    """Write the median run's value, with those of all runs where there were several."""
    every = [each[name] for each in run["runs"]]
    middle = run[name] if name in run else (run["hit_ms"] or NOTHING)[name]
    return f"{middle:,}" if len(every) < 2 else f"{middle:,} ({', '.join(f'{value:,}' for value in every)})"


def _s(seconds: float) -> str:
    return f"{seconds} s"
