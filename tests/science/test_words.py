"""What people see of jobs in Python: how they print, progress, names that are loaded when they are needed."""

import subprocess
import sys
from typing import Any

import pytest

import weyl
from weyl.jobs.cli.why import lines
from weyl.science.explanations import Why
from weyl.science.handles import Job, Jobs, named
from weyl.science.progress import Progress, line_of, page_of
from weyl.science.workflows import inputs_of


@pytest.mark.parametrize(
    ("ids", "text"),
    [
        ([], "[]"),
        ([7], "[7]"),
        ([12, 13], "[12, 13]"),
        (list(range(12, 62)), "range(12, 62)"),
        ([1, 2, 4], "[1, 2, 4]"),
        ([4, 3, 2], "[4, 3, 2]"),
        ([*range(11), 99], "[0, 1, 2, 3, 4, ..., 99]"),
    ],
)
def test_ids_are_written_as_python_would(ids: list[int], text: str) -> None:
    assert named(ids) == text


def test_jobs_print_as_what_makes_them_again_with_what_is_known() -> None:
    jobs = Jobs(range(3, 6))
    assert repr(jobs) == "Jobs(range(3, 6))"
    jobs.known = {3: "Done", 4: "Failed", 5: "Done"}
    assert repr(jobs) == "Jobs(range(3, 6))  # 2 Done, 1 Failed"
    assert repr(jobs[1]) == "Job(4)  # Failed"
    assert repr(jobs[1:]) == "Jobs([4, 5])  # 1 Failed, 1 Done"
    assert "<td>Done</td><td>2</td>" in jobs._repr_html_()
    assert jobs[1] == Job(4) != Job(5)
    assert [job.id for job in jobs[:2] + jobs[2:]] == [3, 4, 5]
    assert len({Job(4), jobs[1]}) == 1


def test_progress_is_a_line_or_a_bar() -> None:
    statuses = ["Done"] * 29 + ["Failed"] * 2 + ["Running"] * 10
    assert line_of(statuses, 50, 80.4) == (
        "[##############..........] 31 of 50 ended: 29 Done, 10 Running, 2 Failed (1:20)"
    )
    assert page_of(statuses, 50, 80) == (
        '<progress max="50" value="31"></progress> 31 of 50 ended: 29 Done, 10 Running, 2 Failed (1:20)'
    )
    assert line_of([], 0, 0) == "[########################] 0 of 0 ended (0:00)"


def test_progress_is_silent_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    shown = Progress(3)
    shown.look(["Done"])
    shown.close()
    assert capsys.readouterr() == ("", "")


def test_progress_on_a_terminal_stays_on_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    shown = Progress(2)
    shown.look(["Done"])
    shown.look(["Done", "Done"])
    shown.close()
    written = capsys.readouterr().err
    assert written.count("\r\x1b[K") == 2
    assert written.count("\n") == 1


def test_why_is_a_mapping_that_prints_in_words() -> None:
    document: dict[str, Any] = {"job_id": 7, "status": "Waiting", "verdict": "No pilot offers <it>"}
    document |= {
        "waiting_s": None,
        **dict.fromkeys(("before", "facts", "limits", "steps", "nearest", "suggestions"), ()),
    }
    why = Why(document, "\n".join(lines(document)))
    assert why["verdict"] == "No pilot offers <it>"
    assert repr(why).startswith("Job 7 (Waiting): No pilot offers <it>")
    assert "&lt;it&gt;" in why._repr_html_()


SCHEMA: dict[str, Any] = {
    "properties": {
        "seed": {"type": "integer"},
        "many": {"anyOf": [{"type": "null"}, {"type": "array", "items": {"type": "integer"}}]},
        "data": {"type": "object", "properties": {"class": {"const": "File"}}},
        "parts": {"type": "array", "items": {"type": "object", "properties": {"class": {"const": "File"}}}},
    }
}


def test_lists_are_one_job_per_value_unless_the_input_is_an_array() -> None:
    same, lists = inputs_of({"seed": range(2), "many": [1, 2], "data": "a.txt", "parts": ["b", "c"]}, SCHEMA)
    assert lists == {"seed": [0, 1]}
    assert same == {
        "many": [1, 2],
        "data": {"class": "File", "path": "a.txt"},
        "parts": [{"class": "File", "path": "b"}, {"class": "File", "path": "c"}],
    }
    same, lists = inputs_of({"seed": 5, "many": [[1], [2, 3]]}, SCHEMA)
    assert (same, lists) == ({"seed": 5}, {"many": [[1], [2, 3]]})


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"sed": 1}, "no input 'sed'"),
        ({"seed": [1, 2], "data": ["a"]}, "unequal lengths"),
        ({"seed": []}, "empty"),
    ],
)
def test_inputs_that_the_workflow_does_not_have_are_told(words: dict[str, Any], says: str) -> None:
    with pytest.raises(weyl.ClientError, match=says):
        inputs_of(words, SCHEMA)


def test_every_name_is_there_and_is_loaded_when_it_is_needed() -> None:
    for name in weyl.__all__:
        assert getattr(weyl, name) is not None
    assert set(weyl.__all__) <= set(dir(weyl))
    with pytest.raises(AttributeError, match="no attribute 'sumbit'"):
        weyl.sumbit  # noqa: B018
    program = "import sys, weyl; print(*sorted(name for name in sys.modules if name.startswith('weyl.')))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert loaded.split() == []
