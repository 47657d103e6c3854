"""Benchmarks judge by ratios, counts and limits, and their exit status follows from the judged lines alone."""

import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.verdicts import Line, Report, alternate, count, figure, limit, moved_by, times, times_less


def report(tmp_path: Path, *lines: Line, paces: tuple[float, ...] = (1.0, 1.0)) -> Report:
    """Return a report on a machine of this pace at start and end."""
    measured: Iterator[float] = iter(paces)
    made = Report("bench", out=tmp_path, measure_pace=lambda: next(measured))
    made.add(*lines)
    return made


def test_a_ratio_is_the_median_of_the_ratios_of_runs_next_to_each_other() -> None:
    runs = [(1.0, 4.0), (10.0, 60.0), (2.0, 100.0)]
    assert times_less("page", runs, than="peer", of="ms", at_least=5).value == 6
    assert times("page", [(theirs, ours) for ours, theirs in runs], over="bare", of="ms", at_most=7).value == 6


def test_cpu_of_server_and_database_are_both_printed_and_their_sum_is_judged() -> None:
    line = times_less("page", [((1.0, 3.0), (7.0, 1.0))], than="peer", of="ms", at_least=5)
    assert line.value == 2
    assert line.is_missed
    assert "1 + 3 ms; peer 7 + 1 ms (median of 1)" in line.text()


@pytest.mark.parametrize(
    ("line", "is_missed"),
    [
        (times_less("a", [(1.0, 5.0)], than="peer", of="ms", at_least=5), False),
        (times_less("a", [(1.0, 4.9)], than="peer", of="ms", at_least=5), True),
        (times_less("a", [(1.0, 4.9)], than="peer", of="ms", at_least=None), False),
        (times("a", [(2.0, 1.0)], over="bare", of="ms", at_most=2), False),
        (times("a", [(2.1, 1.0)], over="bare", of="ms", at_most=2), True),
        (times("a", [(2.1, 0.0)], over="bare", of="ms", at_most=2), True),
        (count("a", 3, at_most=3), False),
        (count("a", 4, at_most=3), True),
        (count("a", 3, at_least=4), True),
        (count("a", 99), False),
        (limit("a", 10.1, "MB", at_most=10), True),
        (limit("a", math.nan, "MB", at_most=10), True),
        (figure("a", 1e9, "jobs/s"), False),
    ],
)
def test_a_line_is_missed_beyond_its_bound_only(line: Line, *, is_missed: bool) -> None:
    assert line.is_missed is is_missed
    assert ("MISSED" in line.text()) is is_missed


def test_the_exit_status_follows_the_judged_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(tmp_path, count("errors", 0, at_most=0), figure("rate", 1, "jobs/s")).finish() == 0
    assert "bench: all met" in capsys.readouterr().out
    assert report(tmp_path, count("errors", 1, at_most=0), count("requests", 1, at_most=1)).finish() == 1
    printed = capsys.readouterr().out
    assert "bench: 1 of 2 judged lines MISSED" in printed
    assert next(line for line in printed.splitlines() if line.startswith("errors")).endswith("MISSED")


def test_the_json_holds_what_was_printed(tmp_path: Path) -> None:
    made = report(tmp_path, times("page", [((1.0, 1.0), 1.0)], over="bare", of="ms", at_most=1))
    made.say("both hold 10 jobs")
    assert made.finish({"cores": 2}) == 1
    document = json.loads((tmp_path / "bench.json").read_text())
    assert document["missed"] == ["page"]
    assert document["said"][0] == "both hold 10 jobs"
    assert document["figures"] == {"cores": 2}
    [line] = document["lines"]
    assert (line["verdict"], line["kind"], line["bound"], line["direction"]) == ("MISSED", "ratio", 1, "at most")
    assert line["runs"] == [[[1.0, 1.0], 1.0]]


def test_a_report_says_when_the_pace_of_the_machine_moved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(tmp_path, paces=(0.010, 0.012)).finish() == 0
    assert "moved" not in capsys.readouterr().out
    assert report(tmp_path, paces=(0.014, 0.010)).finish() == 0
    assert "the pace moved by 40% meanwhile" in capsys.readouterr().out
    assert json.loads((tmp_path / "bench.json").read_text())["pace"]["is_steady"] is False
    assert moved_by([2.0, 1.0, 3.0]) == 2


def test_both_sides_are_measured_in_turn() -> None:
    order: list[str] = []
    pairs = alternate(lambda: order.append("ours"), lambda: order.append("theirs"), turns=2)
    assert order == ["ours", "theirs"] * 2
    assert len(pairs) == 2
