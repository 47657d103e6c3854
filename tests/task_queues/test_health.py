"""The health of worker nodes: what lowers and what raises the score, and what a host may get at it."""

from datetime import UTC, datetime, timedelta

import pytest

from weyl.task_queues.health import Health, RunEnd, Standing, after, standing_of

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def end(owner: str = "voa/alice", **facts: object) -> RunEnd:
    """Return a run that ended on the host."""
    known = {"is_good": False, "ran_s": 3_600.0, **facts}
    return RunEnd("LCG.X", "wn7", owner, **known)  # type: ignore[arg-type]


def test_a_failure_of_the_host_halves_the_score_and_a_long_success_raises_it() -> None:
    once = after(None, [end(is_host_fault=True)], NOW)
    assert once.score == 0.5
    assert after(once, [end(is_host_fault=True)], NOW).score == 0.25
    assert after(once, [end(is_good=True)], NOW).score == 0.75
    assert after(once, [end(is_good=True)] * 9, NOW).score == 1
    assert after(once, [end(is_good=True, ran_s=59)], NOW).score == 0.5
    assert after(once, [end()], NOW).score == 0.5


def test_half_of_the_way_is_recovered_every_two_hours() -> None:
    bad = Health(0.0, NOW)
    assert bad.now(NOW + timedelta(hours=2)) == pytest.approx(0.5)
    assert bad.now(NOW + timedelta(hours=4)) == pytest.approx(0.75)
    assert bad.now(NOW - timedelta(hours=1)) == 0
    assert after(bad, [end(is_host_fault=True)], NOW + timedelta(hours=2)).score == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("score", "standing"),
    [
        (1, Standing.OPEN),
        (0.5, Standing.OPEN),
        (0.49, Standing.SINGLE),
        (0.2, Standing.SINGLE),
        (0.19, Standing.CLOSED),
    ],
)
def test_what_a_host_may_get(score: float, standing: Standing) -> None:
    assert standing_of(score) is standing


def quick(owner: str = "voa/alice", **facts: object) -> RunEnd:
    """Return a run that failed within a minute by the doing of its program."""
    return end(owner, **{"ran_s": 5.0, "is_program_fault": True, **facts})


def test_a_host_that_swallows_jobs_is_a_black_hole_at_once() -> None:
    several = [quick("voa/alice"), *[quick("voa/bob")] * 4]
    assert after(None, several, NOW).score == 1
    hole = after(None, [*several, quick("voa/alice")], NOW)
    assert (hole.score, hole.reason) == (0.0, "6 jobs in a row failed within a minute")
    # one after the other, as they come
    health = None
    for run in [*several, quick("voa/bob")]:
        health = after(health, [run], NOW)
    assert health is not None
    assert health.score == 0


def test_failures_that_no_program_makes_count_whoever_had_the_jobs() -> None:
    assert after(None, [quick(is_program_fault=False)] * 6, NOW).score == 0
    assert after(None, [*[quick()] * 5, quick(is_program_fault=False)], NOW).score == 0


def test_the_broken_programs_of_one_owner_close_no_host() -> None:
    assert after(None, [quick()] * 1_000, NOW).score == 1


def test_anything_else_breaks_the_row() -> None:
    row = [quick("voa/alice"), *[quick("voa/bob")] * 4]
    for other in (end(is_good=True, ran_s=1), end(ran_s=61), end(ran_s=None)):
        assert after(None, [*row, other, *row], NOW).score == 1
