"""Flags made from the schema of a workflow's inputs: every type, arrays, records, and what does not fit."""

from pathlib import Path
from typing import Any

import pytest

from weyl.cwl.flags import FlagFault, help_text, parse, wants_help


def place(kind: str) -> dict[str, Any]:
    """Return the schema of a File or Directory."""
    properties = {"class": {"const": kind}, "location": {"type": "string"}}
    return {"type": "object", "properties": properties, "required": ["class"], "x-cwl-type": kind}


NULL = {"type": "null"}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "seed": {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1, "x-cwl-type": "int", "title": "Seed"},
        "big": {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
        "energy": {"type": "number", "default": 13.6, "description": "Energy of the\nbeams"},
        "verbose": {"type": "boolean"},
        "name": {"anyOf": [{"type": "string"}, NULL]},
        "mode": {"enum": ["fast", "exact"], "x-cwl-type": "enum"},
        "file": place("File"),
        "folder": {"anyOf": [place("Directory"), NULL]},
        "files": {"type": "array", "items": place("File")},
        "numbers": {"type": "array", "items": {"type": "integer"}},
        "grid": {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
        "either": {"anyOf": [place("File"), {"type": "string"}]},
        "one_or_many": {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}}]},
        "count_or_word": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        "rec": {
            "type": "object",
            "properties": {
                "field": {"type": "integer"},
                "inner": {"type": "object", "properties": {"x": {"type": "number"}}},
            },
        },
        "rec.dotted": {"type": "string"},
        "recs": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "integer"}}}},
        "anything": {},
        "switches": {"type": "array", "items": {"type": "boolean"}},
    },
    "required": ["seed"],
}


@pytest.mark.parametrize(
    ("words", "values"),
    [
        ("--seed 3", {"seed": 3}),
        ("--seed=-3", {"seed": -3}),
        ("--seed -3", {"seed": -3}),
        (f"--big {2**63 - 1}", {"big": 2**63 - 1}),
        ("--energy 7", {"energy": 7}),
        ("--energy 1e3", {"energy": 1000.0}),
        ("--verbose", {"verbose": True}),
        ("--verbose false --seed 1", {"verbose": False, "seed": 1}),
        ("--no-verbose", {"verbose": False}),
        ("--name 3", {"name": "3"}),
        ("--name null", {"name": "null"}),
        ("--name=", {"name": ""}),
        ("--mode exact", {"mode": "exact"}),
        ("--numbers 1 --numbers 2", {"numbers": [1, 2]}),
        ("--numbers 1", {"numbers": [1]}),
        ("--numbers [1,2,3]", {"numbers": [1, 2, 3]}),
        ("--grid [1,2] --grid [3]", {"grid": [[1, 2], [3]]}),
        ("--one_or_many 1", {"one_or_many": 1}),
        ("--one_or_many 1 --one_or_many 2", {"one_or_many": [1, 2]}),
        ("--count_or_word 4", {"count_or_word": 4}),
        ("--count_or_word four", {"count_or_word": "four"}),
        ("--rec.field 1 --rec.inner.x 2.5", {"rec": {"field": 1, "inner": {"x": 2.5}}}),
        ("--rec.dotted yes", {"rec.dotted": "yes"}),
        ('--rec {"field":1}', {"rec": {"field": 1}}),
        ('--recs {"a":1} --recs {"a":2}', {"recs": [{"a": 1}, {"a": 2}]}),
        ("--anything [1,no]", {"anything": [1, "no"]}),
        ("--anything no", {"anything": "no"}),
        ("--switches true --switches false", {"switches": [True, False]}),
        ("--either nothing-here", {"either": "nothing-here"}),
        ("--file lfn:/voa/x", {"file": {"class": "File", "location": "lfn:/voa/x"}}),
        ("--file sandbox:/S3/x#y", {"file": {"class": "File", "location": "sandbox:/S3/x#y"}}),
        ('--file {"contents":"x","basename":"b"}', {"file": {"class": "File", "contents": "x", "basename": "b"}}),
    ],
)
def test_flags_are_read_by_the_types_of_their_inputs(words: str, values: Any, tmp_path: Path) -> None:
    found = parse(words.split(), SCHEMA, tmp_path)
    assert found == values
    assert str(found) == str(values)


def test_flags_for_files_and_directories_take_paths(tmp_path: Path) -> None:
    (tmp_path / "a b#.txt").write_text("a")
    (tmp_path / "sub").mkdir()
    words = ["--file", "a b#.txt", "--folder", "sub", "--files", "a b#.txt", "--either", "a b#.txt"]
    found = parse(words, SCHEMA, tmp_path)
    uri = (tmp_path / "a b#.txt").as_uri()
    assert found["file"] == {"class": "File", "location": uri}
    assert found["folder"] == {"class": "Directory", "location": (tmp_path / "sub").as_uri()}
    assert found["files"] == [{"class": "File", "location": uri}]
    assert found["either"] == {"class": "File", "location": uri}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--seed x", "--seed: 'x' is not a whole number"),
        ("--seed x --energy y", "--seed: 'x' is not a whole number.\n  --energy: 'y' is not a number."),
        ("--seed 3.0", "--seed: '3.0' is not a whole number"),
        (f"--seed {2**31}", "is not between"),
        ("--seed", "--seed needs a value"),
        ("--seed --energy 1", "--seed needs a value"),
        ("--seed 1 --seed 2", "--seed: it takes one value"),
        ("--energy nan", "is not a number"),
        ("--energy 1_0", "is not a number"),
        ("--mode slow", "'slow' is not one of fast, exact"),
        ("--file gone.txt", "there is no file gone.txt"),
        ("--folder gone", "there is no directory gone"),
        ("--numbers 1 --numbers x", "--numbers: 'x' is not a whole number"),
        ("--rec 3", "is not a record"),
        ('--rec {"field":1} --rec.field 2', "both whole and by its fields"),
        ("--rec.gone 3", "no input 'rec.gone'"),
        ("seed 3", "'seed' is not a flag"),
        ("-s 3", "'-s' is not a flag"),
        ("--verbose maybe", "'maybe' is not a flag"),
        ("--anything [1", "is not YAML"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_flag(words: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(FlagFault) as fault:
        parse(words.split(), SCHEMA, tmp_path)
    assert message in str(fault.value)


def test_a_misspelt_flag_names_what_is_near(tmp_path: Path) -> None:
    with pytest.raises(FlagFault) as fault:
        parse(["--sead", "3"], SCHEMA, tmp_path)
    assert fault.value.near[0] == "--seed"


def test_help_shows_types_labels_docs_and_defaults() -> None:
    text = help_text(SCHEMA, name="reco.cwl", doc="Reconstructs.")
    lines = {line.split()[0]: " ".join(line.split()) for line in text.splitlines() if line.strip().startswith("--")}
    assert lines["--seed"] == "--seed int Seed [required]"
    assert lines["--energy"] == "--energy float Energy of the beams [default: 13.6]"
    assert lines["--mode"] == "--mode fast|exact"
    assert lines["--folder"] == "--folder Directory|null"
    assert lines["--rec.inner.x"] == "--rec.inner.x float"
    assert "Reconstructs." in text
    assert help_text({"properties": {}}, name="x", doc=None) == "x takes no inputs.\n"
    assert wants_help(["--seed", "1", "--help"])
    assert not wants_help(["--seed", "1"])
