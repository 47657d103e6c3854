"""The queue that the benchmark makes has the shape of the real one, and none of its classes is refused."""

import random

from tests.bench import matcher_shape as shape
from tests.bench.matcher_report import added, table

from weyl.task_queues.tags import parse


def test_the_snapshot_has_the_classes_and_jobs_of_its_strata() -> None:
    waiting = shape.snapshot(random.Random(1))
    assert len({each.made.hash for each in waiting}) == len(waiting)
    strata = shape.SHAPE["strata"]
    assert len(waiting) == sum(stratum["queues"] for stratum in strata)
    assert sum(each.jobs for each in waiting) == sum(stratum["jobs"] for stratum in strata)


def test_a_scaled_queue_has_as_many_classes_and_expressions_as_were_asked_for() -> None:
    waiting = shape.scaled(random.Random(1), classes=4_000, jobs=100_000, sites=60)
    assert len({each.made.hash for each in waiting}) == 4_000
    wanted = shape.SHAPE["synthetic_tail"]["atoms_per_expression"]
    counts = [len(parse(each.made.document["requirements"]["tags"]).parts or "x") for each in waiting]
    assert abs(counts.count(2) / len(counts) - wanted["2"]) < 0.03


def a_rate(cpu_ms: float, *, bare_ms: float) -> dict[str, object]:
    """Return the figures of a rate that was measured once, as JSON keeps them."""
    figures = {"cpu_ms": [cpu_ms, cpu_ms], "wall_ms": cpu_ms}
    run = {**figures, "baseline": {"cpu_ms": [bare_ms, bare_ms], "wall_ms": bare_ms}}
    told = {"jobs_per_s": 1_000.0, "errors": 0, "load_cpu_ms_per_answer": 0.03, "hit_ms": {"p50": 11.0, "p99": 30.0}}
    return {**run, **told, "runs": [run]}


def test_figures_of_further_runs_stand_beside_the_earlier_ones() -> None:
    first = {"sizes": {"10000000": {"rate": a_rate(1.0, bare_ms=0.25)}}}
    second = {"sizes": {"100000": {"rate": a_rate(0.5, bare_ms=0.05)}}}
    lines = table(added(first, second))
    judged = {line.name: line.is_missed for line in lines if line.bound is not None}
    assert judged == {
        "CPU per match, 32 pilots, 100,000 jobs": True,
        "time per match, 32 pilots, 100,000 jobs": True,
        "answers that were errors, 100,000 jobs": False,
        "CPU per match, 32 pilots, 10,000,000 jobs": False,
        "time per match, 32 pilots, 10,000,000 jobs": False,
        "answers that were errors, 10,000,000 jobs": False,
        "CPU per match, 10,000,000 jobs": True,
        "time per match, 10,000,000 jobs": True,
    }


def test_with_more_servers_than_one_a_rate_is_a_figure() -> None:
    lines = table({"sizes": {"100000": {"rate_4_servers": a_rate(0.5, bare_ms=0.05)}}})
    assert [line.name for line in lines if line.bound is not None] == [
        "answers that were errors, 100,000 jobs, 4 servers"
    ]
