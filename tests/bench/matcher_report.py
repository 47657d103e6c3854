"""The lines of the matcher's benchmark: what was found, judged over bare work, over other depths, and by counts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.bench.verdicts import Line, Runs, count, figure, limit, times, times_less

Found = Mapping[str, Any]

CLAIM_CPU_TIMES_MAX = 6.0
CLAIM_TIME_TIMES_MAX = 7.0
"""How many times a bare claim of one row a match costs: HTTP, token, index, limits and records are in it."""
BULK_TIMES_LESS_MIN = 4.0
"""How many times less CPU a job costs where a pilot asks for fifty at a time."""
MISS_TIMES_MAX = 12.0
EXPLAIN_TIMES_MAX = 350.0
"""How many times longer than the cheapest route that takes a token."""
REBUILD_TIMES_MAX = 7.0
"""How many times longer than a table of the same jobs with its key."""
TEN_TIMES_MAX = 25.0
"""How many times longer a thing takes with ten times as many classes: memory is further away then."""
FLAT_TIMES_MAX = 1.2
STATEMENTS_MAX = 2
MEMORY_MB_MAX = 600.0
FAIR_ANSWERS_MAX = 1_000


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
    lines += _flatness(
        {f"{int(jobs):,} jobs": size["rate"] for jobs, size in figures["sizes"].items() if "rate" in size}
    )
    if "statements" in figures:
        lines.append(count("statements per match", figures["statements"], at_most=STATEMENTS_MAX))
    if index := figures.get("index"):
        small = "10^4 classes"
        lines.append(
            times("index of 10^5 classes built", _pairs(index["build_s"]), over=small, of="s", at_most=TEN_TIMES_MAX)
        )
        lines.append(
            times(
                "an offer explained, 10^5 classes",
                _pairs(index["explain_ms"]),
                over=small,
                of="ms",
                at_most=TEN_TIMES_MAX,
            )
        )
    if memory := figures.get("memory"):
        lines += _of_memory(memory)
    if fair := figures.get("fairness"):
        others = f"{fair['others']:,}"
        lines.append(
            count("users' jobs among 871,973 of others not matched", fair["user_jobs"] - fair["matched"], at_most=0)
        )
        lines.append(
            count(f"answers until the last was ({others} to others)", fair["answers"], at_most=FAIR_ANSWERS_MAX)
        )
    return lines


def _of_size(waiting: str, size: Found) -> Iterator[Line]:
    for name, run in size.items():
        part, _, servers = name.partition("_")
        where = f"{waiting}, {servers.replace('_', ' ')}" if servers else waiting
        # With more servers than cores for them these are figures, not verdicts.
        if part == "rate":
            yield from _rate(where, run, is_judged=not servers)
        elif part == "bulk":
            bound = None if servers else BULK_TIMES_LESS_MIN
            what = f"CPU per job, count 50, {where}"
            yield times_less(what, _costs(run, "cpu_ms"), than="count 1", of="ms", at_least=bound)
            yield figure(f"jobs, count 50, {where}", run["jobs_per_s"], "jobs/s")
    for clients, run in (size.get("clients") or {}).items():
        yield figure(f"matches, {clients} pilots, {waiting}", run["jobs_per_s"], "matches/s")
    if miss := size.get("miss"):
        yield _beside_userinfo(f"a pilot that gets nothing, {waiting}", miss, MISS_TIMES_MAX)
    if explain := size.get("explain"):
        yield _beside_userinfo(f"a job explained, {waiting}", explain["ms"], EXPLAIN_TIMES_MAX)
    if rebuild := size.get("rebuild_s"):
        name = f"queue rebuilt, {waiting}"
        yield times(name, _pairs(rebuild), over="bare table", of="s", at_most=REBUILD_TIMES_MAX)


def _rate(where: str, run: Found, *, is_judged: bool) -> Iterator[Line]:
    for what, cost, most in (("CPU", "cpu_ms", CLAIM_CPU_TIMES_MAX), ("time", "wall_ms", CLAIM_TIME_TIMES_MAX)):
        name, at_most = f"{what} per match, 32 pilots, {where}", most if is_judged else None
        yield times(name, _costs(run, cost), over="bare claim", of="ms", at_most=at_most)
    yield count(f"answers that were errors, {where}", run["errors"], at_most=0)
    yield figure(f"matches, 32 pilots, {where}", run["jobs_per_s"], "matches/s")
    for cut in ("p50", "p99"):
        yield figure(f"{cut} of a match, {where}", (run["hit_ms"] or {}).get(cut, float("nan")), "ms")
    # The load generator's work is always the same: what it takes for it tells how quick the machine was meanwhile.
    yield figure(f"CPU per answer of the load generator, {where}", run["load_cpu_ms_per_answer"], "ms")


def _flatness(rates: Mapping[str, Found]) -> Iterator[Line]:
    """Compare each depth with the least one, whose runs were taken in turn with its own."""
    least, *deeper = rates or [""]
    for depth in deeper:
        for what, cost in (("CPU", "cpu_ms"), ("time", "wall_ms")):
            runs = [
                (_cost(deep[cost]), _cost(flat[cost]))
                for deep, flat in zip(rates[depth]["runs"], rates[least]["runs"], strict=False)
            ]
            yield times(f"{what} per match, {depth}", runs, over=least, of="ms", at_most=FLAT_TIMES_MAX)


def _of_memory(memory: Found) -> Iterator[Line]:
    where = "10^5 classes"
    for when in ("at_start_mb", "after_matching_mb"):
        name = f"memory of the server {when.removesuffix('_mb').replace('_', ' ')}, {where}"
        yield limit(name, memory[when], "MB", at_most=MEMORY_MB_MAX)
    yield _beside_userinfo(f"a pilot that gets nothing, {where}", memory["miss"], MISS_TIMES_MAX)
    yield _beside_userinfo(f"a job explained, {where}", memory["explain"]["ms"], EXPLAIN_TIMES_MAX)
    yield figure(f"matches, {where}", memory["rate"]["jobs_per_s"], "matches/s")


def _beside_userinfo(name: str, pairs: Sequence[Sequence[float]], most: float) -> Line:
    return times(f"{name}, p50", _pairs(pairs), over="userinfo", of="ms", at_most=most)


def _costs(run: Found, cost: str) -> Runs:
    return [(_cost(each[cost]), _cost(each["baseline"][cost])) for each in run["runs"]]


def _cost(value: float | Sequence[float]) -> float | tuple[float, ...]:
    """Return what JSON keeps of a cost as a cost."""
    return value if isinstance(value, int | float) else tuple(value)


def _pairs(pairs: Sequence[Sequence[float]]) -> Runs:
    return [(ours, theirs) for ours, theirs in pairs]
