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


def a_rate(jobs_per_s: float, *, p50: float, p99: float) -> dict[str, object]:
    """Return the figures of a rate that was measured once."""
    figures = {"jobs_per_s": jobs_per_s, "load_cpu_ms_per_answer": 0.03}
    return {**figures, "hit_ms": {"p50": p50, "p99": p99}, "runs": [{**figures, "p50": p50, "p99": p99}]}


def test_figures_of_further_runs_stand_beside_the_earlier_ones() -> None:
    first = {"sizes": {"10000000": {"rate": a_rate(2_500.0, p50=11.0, p99=30.0)}}}
    second = {"sizes": {"100000": {"rate": a_rate(1_000.0, p50=30.0, p99=60.0)}}}
    lines = table(added(first, second))
    assert [line.is_met for line in lines] == [False, False, False, None, True, True, True, None, False, False]
    assert "apart by" in lines[-1].what
