"""What is known of jobs that somebody waits for, look by look."""

from weyl.jobs.waiting import PAUSE_MAX_S, PAUSE_MIN_S, Wait, tally


def test_each_look_tells_its_news_and_the_next_leaves_out_what_has_ended() -> None:
    waited = Wait([1, 2, 3])
    assert waited.open_ids() == [1, 2, 3]
    assert waited.verdict() is None
    assert waited.accept({1: "Done", 2: "Running", 3: "Waiting"}) == {1: "Done", 2: "Running", 3: "Waiting"}
    assert waited.open_ids() == [2, 3]
    assert waited.accept({2: "Done", 3: "Waiting"}) == {2: "Done"}
    assert waited.verdict() is None
    waited.accept({3: "Failed"})
    assert waited.verdict() is False


def test_looks_without_news_become_rarer() -> None:
    waited = Wait([1])
    waited.accept({1: "Waiting"})
    assert waited.pause_s == PAUSE_MIN_S
    pauses = []
    for _ in range(10):
        waited.accept({1: "Waiting"})
        pauses.append(waited.pause_s)
    assert pauses == sorted(pauses)
    assert pauses[-1] == PAUSE_MAX_S
    waited.accept({1: "Running"})
    assert waited.pause_s == PAUSE_MIN_S


def test_a_job_that_runs_again_is_waited_for_again() -> None:
    waited = Wait([1])
    waited.accept({1: "Failed"})
    assert waited.verdict() is False
    waited.accept({1: "Waiting"})
    assert waited.verdict() is None


def test_waiting_for_no_job_is_over_at_once() -> None:
    assert Wait([]).verdict() is True


def test_a_tally_counts_the_most_common_first() -> None:
    assert tally(["Done", "Failed", "Done"]) == "2 Done, 1 Failed"
