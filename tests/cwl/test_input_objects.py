"""Input objects: YAML, JSON and NDJSON, flags over all of them, and the cutting of many into requests."""

from pathlib import Path
from typing import Any

import pytest

from weyl.client.errors import UsageFault
from weyl.cwl.cli import submit
from weyl.cwl.cli.objects import has_files, over_all, read_objects
from weyl_engine.yaml12 import to_json


def write(directory: Path, name: str, text: str) -> str:
    """Write a file and return its name."""
    (directory / name).write_text(text)
    return str(directory / name)


def test_each_document_of_yaml_is_an_object_and_floats_keep_their_spelling(tmp_path: Path) -> None:
    file = write(tmp_path, "in.yml", "a: 1.0E5\nb: no\n---\na: 017\n---\n")
    found = read_objects([file])
    assert [to_json(each.value) for each in found] == ['{"a":1.0E5,"b":"no"}', '{"a":17}', "{}"]
    assert [each.origin for each in found] == [f"{file}[1]", f"{file}[2]", f"{file}[3]"]
    assert {each.directory for each in found} == {tmp_path}


def test_a_json_file_is_one_object_or_a_list_of_them(tmp_path: Path) -> None:
    one = write(tmp_path, "one.json", '{"a": 1e-05}')
    many = write(tmp_path, "many.json", '[{"a": 1}, {"a": 2}]')
    assert [to_json(each.value) for each in read_objects([one, many])] == ['{"a":1e-05}', '{"a":1}', '{"a":2}']
    assert read_objects([one])[0].origin == one


def test_lines_are_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path, "in.ndjson", '{"a": 1.50}\n\n{"a": 9007199254740993}\n')
    found = read_objects([file])
    assert [to_json(each.value) for each in found] == ['{"a":1.50}', '{"a":9007199254740993}']
    assert found[1].origin == f"{file}, line 3"
    with pytest.raises(UsageFault, match=r"line 1: not a JSON object"):
        read_objects([write(tmp_path, "bad.jsonl", '{"a": NaN}\n')])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.yml", "x: [1", r"a.yml:\d+:\d+: "),
        ("a.yml", "- 1\n", "is not an input object"),
        ("a.json", "3", "is not an input object"),
        ("a.cwl", "cwlVersion: v1.2\nclass: Workflow\n", "is a workflow, not inputs"),
    ],
)
def test_what_is_no_object_is_refused_with_its_place(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(UsageFault, match=message):
        read_objects([write(tmp_path, name, text)])


def test_values_go_over_every_object(tmp_path: Path) -> None:
    found = read_objects([write(tmp_path, "in.yml", "{a: 1, b: 1}\n---\n{a: 2}\n")])
    assert [each.value for each in over_all(found, {"b": 3})] == [{"a": 1, "b": 3}, {"a": 2, "b": 3}]
    assert [each.value for each in over_all([], {"b": 3})] == [{"b": 3}]
    assert [each.value for each in over_all([], {})] == [{}]


def test_files_are_seen_at_any_depth() -> None:
    assert has_files({"a": [{"b": {"class": "Directory"}}]})
    assert not has_files({"a": [{"class": "other"}, None, 1]})


def test_many_objects_are_cut_into_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submit, "CHUNK_JOBS", 3)
    values: list[Any] = [{"a": number} for number in range(7)]
    assert [len(chunk) for chunk in submit.chunks(values)] == [3, 3, 1]
    monkeypatch.setattr(submit, "CHUNK_BYTES", 20)
    assert [len(chunk) for chunk in submit.chunks(values)] == [2, 2, 2, 1]
    assert list(submit.chunks([])) == []
