"""The machine of states and the merge of dated reports, without a database."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise, permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weyl.jobs.states import (
    FINAL,
    MOVES,
    SCOUTING,
    HistoryRecord,
    JobState,
    JobStatus,
    Report,
    fill,
    follow,
    is_allowed,
    merge,
    not_before_match,
    not_late,
)

START = datetime(2026, 11, 1, tzinfo=UTC)
NOW = START + timedelta(days=1)
PICTURE = Path(__file__).parents[2] / "docs" / "developer" / "job-states.md"
ALL = sorted(MOVES)


def at(minute: int) -> datetime:
    """Return a time that many minutes after the start."""
    return START + timedelta(minutes=minute)


def second(seconds: float) -> datetime:
    """Return a time that many seconds after the start."""
    return START + timedelta(seconds=seconds)


def state(status: str, *, last: int = 0) -> JobState:
    """Return a job in a status, last heard of at a minute."""
    return JobState(status=status, last=at(last))


def test_the_picture_in_the_documentation_has_the_arrows_of_the_code() -> None:
    drawn = set(re.findall(r"^    (\w+) --> (\w+)$", PICTURE.read_text(), re.MULTILINE))
    assert drawn == {(source, target) for source, targets in MOVES.items() for target in targets}


def test_every_status_of_the_wire_has_its_arrows() -> None:
    assert {*JobStatus, SCOUTING} == MOVES.keys()


@pytest.mark.parametrize("source", ALL)
@pytest.mark.parametrize("target", ALL)
def test_every_move_is_made_or_refused_as_the_table_says(source: str, target: str) -> None:
    change = merge(state(source), [Report(at(1), target, source="JobWrapper")], NOW)
    started = "Running" if source == "Stalled" else source
    assert change.status == (target if target in MOVES[started] or target == started else started)
    assert change.last_update_time == NOW
    refused = target != started and target not in MOVES[started]
    assert change.history[0].source == ("JobWrapper(SM)" if refused else "JobWrapper")
    assert (target in change.accepted) is not refused


@pytest.mark.parametrize("source", ALL)
def test_an_administrator_may_force_any_move(source: str) -> None:
    assert {merge(state(source), [Report(at(1), target)], NOW, force=True).status for target in ALL} == set(ALL)


def test_a_refused_move_from_received_to_done_sets_no_end() -> None:
    change = merge(state("Received"), [Report(at(1), "Done")], NOW)
    assert (change.status, change.end_exec_time) == ("Received", None)


def test_the_walk_goes_on_behind_a_refused_move() -> None:
    reports = [Report(at(1), "Done", "too early"), Report(at(2), "Checking"), Report(at(3), "Waiting", "in line")]
    change = merge(state("Received"), reports, NOW)
    assert (change.status, change.minor_status) == ("Waiting", "in line")
    assert [record.status for record in change.history] == ["Received", "Checking", "Waiting"]


def test_the_order_in_which_reports_arrive_does_not_matter() -> None:
    reports = [Report(at(1), "Matched"), Report(at(2), "Running"), Report(at(3), "Completing"), Report(at(4), "Done")]
    outcomes = {
        (change.status, change.start_exec_time, change.end_exec_time)
        for order in permutations(reports)
        if (change := merge(state("Waiting"), order, NOW))
    }
    assert outcomes == {("Done", at(2), at(4))}


def test_a_late_report_enters_the_history_only() -> None:
    change = merge(state("Running", last=10), [Report(at(5), "Done", "old", "old")], NOW)
    assert (change.status, change.minor_status, change.application_status) == (None, None, None)
    assert change.last_update_time is None
    assert len(change.history) == 1


def test_a_late_report_still_tells_when_the_job_started_and_ended() -> None:
    change = merge(state("Done", last=10), [Report(at(3), "Running"), Report(at(5), "Failed")], NOW)
    assert (change.start_exec_time, change.end_exec_time) == (at(3), at(5))


def test_a_late_report_of_the_wrapper_is_a_sign_of_life() -> None:
    assert merge(state("Running", last=10), [Report(at(5), source="JobWrapper")], NOW).heart_beat_time == at(5)
    assert merge(state("Running"), [Report(at(5), source="Heartbeat")], NOW).heart_beat_time == at(5)
    assert merge(state("Running"), [Report(at(5), source="User: alice")], NOW).heart_beat_time is None


def test_a_set_with_one_new_report_walks_through_the_new_ones_only() -> None:
    change = merge(state("Waiting", last=10), [Report(at(5), "Killed"), Report(at(11), "Matched")], NOW)
    assert change.status == "Matched"
    assert change.accepted == {"Matched"}


def test_start_and_end_are_set_once() -> None:
    known = JobState("Running", START, start_exec_time=at(-5))
    change = merge(known, [Report(at(1), "Running"), Report(at(2), "Done"), Report(at(3), "Failed")], NOW)
    assert (change.start_exec_time, change.end_exec_time) == (None, at(2))


def test_a_stalled_job_counts_as_running() -> None:
    assert merge(state("Stalled"), [Report(at(1), minor_status="alive")], NOW).status == "Running"
    assert merge(state("Stalled"), [Report(at(1), "Completing")], NOW).status == "Completing"


def test_long_texts_are_cut_and_the_mark_of_a_refusal_stays_readable() -> None:
    change = merge(state("Received"), [Report(at(1), "Done", "m" * 200, "a" * 300, "s" * 40)], NOW)
    (record,) = change.history
    assert (record.source, len(record.source)) == ("s" * 28 + "(SM)", 32)
    assert (record.application_status, len(record.minor_status or "")) == ("a" * 255, 128)


def test_open_fields_are_read_back_as_the_value_before() -> None:
    records = [
        HistoryRecord(at(1), "Received", "Job accepted", None, "JobManager"),
        HistoryRecord(at(2), None, None, "step 1", "JobWrapper"),
        HistoryRecord(at(3), "Running", None, None, "JobWrapper"),
    ]
    filled = [(r.status, r.minor_status, r.application_status) for r in fill(records)]
    assert filled == [
        ("Received", "Job accepted", "Unknown"),
        ("Received", "Job accepted", "step 1"),
        ("Running", "Job accepted", "step 1"),
    ]


def test_a_run_reports_nothing_from_before_its_match() -> None:
    matched = JobState("Matched", last=second(100))
    quick = [
        Report(second(99.9), "Running"),
        Report(second(99.95), minor_status="Application"),
        Report(second(100.2), "Completing"),
        Report(second(100.3), "Done"),
    ]
    assert merge(matched, quick, second(101)).status == "Matched"
    moved = not_before_match(matched, quick)
    assert [report.at for report in moved] == [second(100.000001), second(100.000002), second(100.2), second(100.3)]
    change = merge(matched, moved, second(101))
    assert (change.status, change.start_exec_time, change.end_exec_time) == ("Done", second(100.000001), second(100.3))
    # All of it may seem to be from before.
    early = [replace(report, at=report.at - timedelta(seconds=2)) for report in reversed(quick)]
    assert merge(matched, not_before_match(matched, early), second(101)).status == "Done"


def test_what_is_much_older_than_a_match_is_of_another_run() -> None:
    matched, old = JobState("Matched", last=second(100)), [Report(second(90), "Running"), Report(second(95.9), "Done")]
    assert not_before_match(matched, old) == old
    running = JobState("Running", last=second(100))
    assert not_before_match(running, [Report(second(99.9), "Done")]) == [Report(second(99.9), "Done")]


def test_what_the_server_says_is_never_late() -> None:
    known = state("Running", last=100)
    steps = not_late(known, [Report(at(1), "Killed"), Report(at(2), "Deleted")])
    assert [step.at - known.last for step in steps] == [
        timedelta(microseconds=1),
        timedelta(seconds=60, microseconds=1),
    ]
    assert merge(known, steps, NOW).status == "Deleted"
    assert not_late(known, [Report(at(101), "Killed")])[0].at == at(101)


_REPORTS = st.lists(
    st.builds(Report, at=st.integers(0, 9).map(at), status=st.sampled_from([None, *ALL])), min_size=1, max_size=8
)


@given(status=st.sampled_from(ALL), reports=_REPORTS, cut=st.integers(0, 8))
def test_a_job_only_ever_takes_arrows_and_every_report_is_recorded(
    status: str, reports: list[Report], cut: int
) -> None:
    known = state(status, last=4)
    passed = ["Running" if status == "Stalled" else status]
    recorded = 0
    for part in (reports[:cut], reports[cut:]):
        if part:
            change = merge(known, part, NOW)
            known = follow(known, change)
            recorded += len(change.history)
            assert change.status is None or change.status == known.status
            walked = [r.status for r in change.history if r.at >= state(status, last=4).last and r.status]
            if change.status and not cut:
                passed += walked
    assert recorded == len(reports)
    assert all(a == b or is_allowed(a, b) for a, b in pairwise(passed))


def test_final_means_that_the_payload_is_over() -> None:
    assert set(FINAL) == {"Done", "Completed", "Failed", "Killed"}
