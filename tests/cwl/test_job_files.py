"""A job file is a submission in one file: a dry run prints it, and it makes the same jobs again."""

from pathlib import Path
from typing import Any

import pytest

from weyl.client.errors import UsageFault
from weyl.cwl.cli.job_files import JobFile, count_of, is_job_file, read_job_file, written
from weyl.cwl.cli.objects import InputObject

BUNDLE = "a" * 64


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a b.root").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("objects", "options", "count"),
    [
        ([{}], {}, 1),
        ([{"seed": 1, "energy": 13.6}, {"seed": 2, "mode": "on"}], {"hints": {"priority": 5}}, 2),
        ([{"energy": 7}], {"range_param": "seed", "range_start": 2, "range_end": 8, "range_step": 3}, 2),
        ([{}], {"scatter": {"seed": [1, 2], "mode": ["a", "b"]}, "scatter_method": "flat_crossproduct"}, 4),
        ([{}], {"scatter": {"seed": [1, 2], "mode": ["a", "b"]}}, 2),
    ],
)
def test_what_is_written_is_read_back(here: Path, objects: list[Any], options: dict[str, Any], count: int) -> None:
    job = JobFile("reco.cwl", [InputObject(each, "x", here) for each in objects], options)
    (here / "again.yml").write_text("# a comment\n" + "\n".join(written(job)))
    assert is_job_file("again.yml")
    found = read_job_file("again.yml")
    assert (found.tool, [each.value for each in found.objects]) == (str(here / "reco.cwl"), objects)
    assert (found.options, count_of(found.options, found.objects)) == (options, count)


def test_local_files_keep_their_places(here: Path) -> None:
    value = {"data": {"class": "File", "location": "a%20b.root"}, "far": {"class": "File", "location": "https://x/y"}}
    lines = "\n".join(written(JobFile(BUNDLE, [InputObject(value, "x", here / "in")])))
    assert '"path": "in/a b.root"' in lines or '"path":"in/a b.root"' in lines
    assert "https://x/y" in lines
    (here / "in" / "job.json").write_text(f'{{"cwl:tool": "{BUNDLE}", "seed": 1}}')
    assert read_job_file("in/job.json").tool == BUNDLE


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("cwl:tool: a.cwl\n---\ncwl:tool: b.cwl\n", "names 2 workflows"),
        ("cwl:tool: a.cwl\nweyl:options: {priority: 1}\n", "not what a dry run prints"),
        ("cwl:tool: a.cwl\nweyl:options: 3\n", "not what a dry run prints"),
    ],
)
def test_other_files_are_refused(here: Path, text: str, wrong: str) -> None:
    (here / "job.yml").write_text(text)
    with pytest.raises(UsageFault, match=wrong):
        read_job_file("job.yml")
    with pytest.raises(UsageFault, match="makes no sense"):
        count_of({"scatter": {"seed": 3}}, [])


def test_plain_inputs_are_no_job_files(here: Path) -> None:
    (here / "inputs.yml").write_text("seed: 1\ntool: x\n")
    assert not is_job_file("inputs.yml")
    assert not is_job_file("nothing.yml")
