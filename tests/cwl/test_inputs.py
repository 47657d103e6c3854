"""Input objects are checked against the document's types, with index, pointer and the nearest name."""

import json
import time
from typing import Any

import pytest

from weyl.cwl.files import FILES_PER_JOB_MAX, LITERAL_BYTES_MAX
from weyl.cwl.inputs import Checked, InputRules, NotJSON, faults_of_default, normal_base
from weyl.cwl.objects import Base, Given, Stepped, items
from weyl.cwl.types import text_of_type

SHA = "0" * 64
PFN = f"/S3/sandboxes/voa/user/alice/sha256:{SHA}.tar.zst"
RECORD = {"type": "record", "fields": [{"name": "f", "type": "File"}, {"name": "n", "type": ["null", "int"]}]}


def rules(**types: Any) -> InputRules:
    """Return rules for inputs of these types; the schema lets everything through that the types do not."""
    inputs = [{"name": name, "type": kind} for name, kind in types.items()]
    schema = {"type": "object", "properties": {name: {} for name in types}, "additionalProperties": False}
    return InputRules.of(schema | {"required": list(types)}, inputs)


def check(of: InputRules, *objects: Any, **options: Any) -> Checked:
    text = json.dumps(objects)
    return of.check(Given(text, items(text, 0), Base()), **options)


def told(checked: Checked) -> list[tuple[Any, ...]]:
    return [(each.code, each.index, each.pointer, each.did_you_mean) for each in checked.problems]


def test_unknown_and_missing_inputs_are_told_with_the_nearest_name() -> None:
    found = check(rules(seed="int"), {"seed": 1}, {"sed": 1})
    assert told(found) == [("missing-input", 1, "/seed", None), ("unknown-input", 1, "/sed", "seed")]


def test_a_runner_may_send_more_than_the_document_declares() -> None:
    assert told(check(rules(seed="int"), {"seed": 1, "more": 2}, allow_unknown=True)) == []
    nested = check(rules(r=RECORD), {"r": {"f": {"class": "File", "contents": ""}, "x": 1}}, allow_unknown=True)
    assert told(nested) == [("unknown-input", 0, "/r/x", None)]


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("int", [0, -(2**31), 2**31 - 1], [2**31, 1.0, 1.5, "1", True, None]),
        ("long", [2**63 - 1, 9007199254740993], [2**63, 1.0]),
        ("double", [1, 1.5, 1e300], ["1.5", True]),
        ("boolean", [True], [1, "true"]),
        ("string", ["", "1"], [1, None]),
        ("null", [None], [0]),
        ("Any", [1, [1], {"a": 1}], [None]),
        (["null", "int"], [None, 1], [1.0]),
        (["int", "double"], [1, 1.0], ["1"]),
        ({"type": "array", "items": "int"}, [[], [1]], [[1.0], 1, {}]),
        ({"type": "enum", "symbols": ["fast", "slow"]}, ["fast"], ["fasst", 1]),
        (RECORD, [{"f": {"class": "File", "contents": "x"}}], [{}, {"f": 1}, [], "x"]),
        ("File", [{"class": "File", "location": "http://x.org/a"}], ["a", {"class": "Directory", "listing": []}, {}]),
        ("Directory", [{"class": "Directory", "listing": []}], [{"class": "File", "contents": ""}]),
    ],
)
def test_a_value_is_of_its_type_or_is_told(kind: Any, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        assert told(check(rules(x=kind), {"x": value})) == [], value
    for value in bad:
        found = told(check(rules(x=kind), {"x": value}))
        # What the schema alone refuses is not told here: JSON Schema takes 1.0 for a whole number.
        if isinstance(value, float) or rules(x=kind).holds_files:
            assert found
            assert {code for code, *_ in found} <= {"wrong-type", "missing-input"}


def test_what_the_schema_refuses_is_told_in_words() -> None:
    of = InputRules.of(
        {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"], "additionalProperties": False},
        [{"name": "x", "type": ["int", {"type": "array", "items": "int"}]}],
    )
    found = check(of, {"x": "three"}, {"x": ["a"]}, {"x": True})
    assert [each.detail for each in found.problems] == [
        "must be int or int[], not 'three'",
        "must be int, not 'a'",
        "must be int or int[], not true",
    ]
    assert [each.pointer for each in found.problems] == ["/x", "/x/0", "/x"]


def test_types_are_told_as_people_write_them() -> None:
    kinds = ["int", ["null", "File"], {"type": "array", "items": "File"}, ["int", "string"], RECORD]
    assert list(map(text_of_type, kinds)) == ["int", "File?", "File[]", "int or string", "record"]
    assert text_of_type({"type": "array", "items": ["int", "string"]}) == "(int or string)[]"


@pytest.mark.parametrize("place", [f"sb:SandboxSE|{PFN}#dir/a%23b", f"SANDBOX:{PFN}#dir/a%23b"])
@pytest.mark.parametrize("name", ["path", "location"])
def test_a_file_of_a_sandbox_is_stored_in_one_form_at_any_depth(place: str, name: str) -> None:
    file = {"class": "File", name: place, "format": "x", "secondaryFiles": [{"class": "File", name: f"SB:S|{PFN}#b"}]}
    array = {"type": "array", "items": RECORD}
    found = check(rules(a=array, x="double"), {"a": [{"f": file, "n": None}], "x": 1.0})
    assert told(found) == []
    stored = json.loads(found.texts[0])["a"][0]["f"]
    assert stored["location"] == f"sandbox:{PFN}#dir/a%23b"
    assert stored["secondaryFiles"][0]["location"] == f"sandbox:{PFN}#b"
    assert "path" not in stored
    assert stored["format"] == "x"
    assert found.texts[0].endswith('"x": 1.0}')
    assert found.sandboxes == [(PFN,)]


def test_what_is_stored_in_its_form_already_keeps_its_text() -> None:
    found = check(rules(f="File"), {"f": {"class": "File", "location": f"sandbox:{PFN}#a"}})
    assert found.texts == {}
    assert found.sandboxes == [(PFN,)]


def test_jobs_that_need_one_sandbox_share_its_name() -> None:
    file = {"class": "File", "location": f"sandbox:{PFN}#a"}
    assert check(rules(f="File"), *[{"f": file}] * 5).sandboxes == [(PFN,)]
    mixed = check(rules(f=["null", "File"]), {"f": file}, {"f": None}, {"f": file})
    assert mixed.sandboxes == [(PFN,), (), (PFN,)]
    assert mixed.sandboxes[0] is mixed.sandboxes[2]


@pytest.mark.parametrize("name", ["path", "location"])
@pytest.mark.parametrize("place", ["lfn:/voa/a", "LFN:/voa/a"])
def test_a_file_of_the_grid_is_stored_in_one_form_at_any_depth(name: str, place: str) -> None:
    array = {"type": "array", "items": RECORD}
    value = {"a": [{"f": {"class": "File", name: place}, "n": None}], "x": 1.0}
    found = check(rules(a=array, x="double"), value, roots=["/voa"])
    assert told(found) == []
    stored = json.loads(found.texts.get(0, json.dumps(value)))
    assert stored["a"][0]["f"] == {"class": "File", "location": "LFN:/voa/a"}
    assert (found.lfns, found.sandboxes) == ([("/voa/a",)], [()])
    kept = check(rules(f="File"), {"f": {"class": "File", "location": "LFN:/voa/a"}}, roots=["/voa"])
    assert kept.texts == {}


def test_jobs_have_the_files_of_the_grid_that_they_name() -> None:
    one, other = ({"class": "File", "location": f"LFN:/voa/{name}"} for name in "ab")
    assert check(rules(f="File"), *[{"f": one}] * 3).lfns == [("/voa/a",)]
    listed = {"class": "Directory", "listing": [one, other]}
    mixed = check(rules(f=["null", "File", "Directory"]), {"f": one}, {"f": None}, {"f": listed})
    assert mixed.lfns == [("/voa/a",), (), ("/voa/a", "/voa/b")]
    assert mixed.sandboxes == [()]


@pytest.mark.parametrize(
    "value",
    [
        "lfn:/voa/a",
        {"class": "Directory", "location": "LFN:/voa/a"},
        {"class": "File", "location": "LFN:/voa/a", "secondaryFiles": [{"class": "File", "location": "LFN:/voa/b"}]},
    ],
)
def test_what_is_not_staged_from_the_grid_yet_is_not_available(value: Any) -> None:
    found = told(check(rules(x=["string", "File", "Directory"]), {"x": value}, roots=["/voa"]))
    assert {code for code, *_ in found} == {"not-available"}


def test_secondary_files_that_a_document_asks_for_are_not_looked_for_on_the_grid() -> None:
    inputs = [{"name": "x", "type": "File", "secondary_files": [{"pattern": ".idx", "required": True}]}]
    of = InputRules.of({"type": "object", "properties": {"x": {}}}, inputs)
    assert [each for each, *_ in told(check(of, {"x": {"class": "File", "location": "LFN:/voa/a"}}))] == [
        "not-available"
    ]


@pytest.mark.parametrize("lfn", ["a", "/vob/a", "/voa", "/voa/../vob/a", "/voa//a", "/voa/a/"])
def test_a_name_that_no_file_of_the_vo_has_is_refused(lfn: str) -> None:
    file = {"class": "File", "location": f"LFN:{lfn}"}
    assert [each for each, *_ in told(check(rules(x="File"), {"x": file}, roots=["/voa"]))] == ["wrong-type"]


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ({"class": "File", "path": "data.txt"}, "wrong-type"),
        ({"class": "File", "location": "file:///etc/passwd"}, "wrong-type"),
        ({"class": "File"}, "wrong-type"),
        ({"class": "File", "location": 3}, "wrong-type"),
        ({"class": "Directory"}, "wrong-type"),
        ({"class": "File", "location": "sandbox:/S3/x/y#a"}, "unknown-sandbox"),
        ({"class": "File", "location": "SB:SandboxSE|nothing"}, "unknown-sandbox"),
        ({"class": "File", "location": "root://eos.example.org//x"}, "not-available"),
        ({"class": "Directory", "location": "s3://bucket/x"}, "not-available"),
        ({"class": "File", "contents": "x" * (LITERAL_BYTES_MAX + 1)}, "too-large"),
        ({"class": "Directory", "listing": [{"class": "File", "contents": "x" * 60_000}] * 2}, "too-large"),
    ],
)
def test_a_file_that_no_node_can_have_is_refused(file: Any, code: str) -> None:
    assert [each for each, *_ in told(check(rules(x=["File", "Directory"]), {"x": file}))] == [code]


def test_a_job_has_so_many_files() -> None:
    file = {"class": "File", "location": "http://x.org/a"}
    found = check(rules(x={"type": "array", "items": "File"}), {"x": [file] * (FILES_PER_JOB_MAX + 5)})
    assert [(code, pointer) for code, _, pointer, _ in told(found)] == [("too-large", f"/x/{FILES_PER_JOB_MAX}")]


def test_other_urls_pass_untouched() -> None:
    found = check(rules(x="File"), {"x": {"class": "File", "location": "https://x.org/A%20b#c"}})
    assert (told(found), found.texts, found.sandboxes) == ([], {}, [()])


def test_requirements_of_one_job_are_no_input() -> None:
    own = [{"class": "ResourceRequirement", "coresMin": 2}]
    found = check(rules(x="int"), {"x": 1, "cwl:requirements": own}, {"x": 2, "cwl:tool": "other.cwl"})
    assert found.requirements == {0: own}
    assert told(found) == [("not-available", 1, "/cwl:tool", None)]


def test_a_credential_is_warned_of() -> None:
    token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"
    [found] = check(rules(x="string", y="int"), {"y": 1, "x": f"Bearer {token}"}).problems
    assert (found.code, found.severity, found.pointer, found.index) == ("secret-like", "warning", "/x", 0)
    assert token not in found.detail


def test_of_a_range_the_ends_say_it_all() -> None:
    of = rules(seed="int")
    assert told(of.check(Stepped("seed", range(2**31 - 2, 2**31 + 5), Base()))) == []
    strict = InputRules.of({"properties": {"seed": {"maximum": 2**31 - 1}}}, [{"name": "seed", "type": "int"}])
    assert told(strict.check(Stepped("seed", range(2**31 - 2, 2**31 + 5), Base()))) == [
        ("wrong-type", 6, "/seed", None)
    ]


def test_files_that_lie_below_all_objects_are_put_into_their_form_once() -> None:
    base = normal_base(Base.read(json.dumps({"f": {"class": "File", "path": f"SB:S|{PFN}#a"}, "x": 1})))
    found = rules(f="File", seed="int", x="int").check(Stepped("seed", range(1000), base))
    assert (told(found), found.sandboxes) == ([], [(PFN,)])
    assert json.loads(base.texts["f"])["location"] == f"sandbox:{PFN}#a"


def test_what_cannot_be_kept_is_refused() -> None:
    text = '[{"x": "\\u0000"}]'
    found = rules(x="string").check(Given(text, items(text, 0), Base()))
    assert {code for code, *_ in told(found)} == {"wrong-type"}


@pytest.mark.parametrize(
    "text", ['[{"x": "\\ud800"}]', '[{"x": NaN}]', '[{"x" 1}]', "[{x}]", '[{"x": 01}]', "[3]", "[null]"]
)
def test_what_is_no_json_is_told_as_such(text: str) -> None:
    with pytest.raises(NotJSON, match="input object 0: "):
        rules(x="string").check(Given(text, items(text, 0), Base()))


@pytest.mark.parametrize("kind", ["int", ["null", "int"], ["string", "int"], {"type": "array", "items": "int"}])
def test_a_float_is_no_whole_number_wherever_it_stands(kind: Any) -> None:
    value: Any = [1.0] if isinstance(kind, dict) else 1.0
    assert [code for code, *_ in told(check(rules(x=kind, y="double"), {"x": value, "y": 0.5}))] == ["wrong-type"]
    both = [kind, "double"] if not isinstance(kind, list) else [*kind, "double"]
    if not isinstance(kind, dict):
        assert told(check(rules(x=both), {"x": value})) == []


def test_a_hundred_problems_are_enough() -> None:
    assert len(check(rules(x="int"), *[{}] * 1000).problems) == 100


def test_unions_in_unions_are_looked_at_once() -> None:
    kind: Any = "int"
    value: Any = [1] * 20_000 + ["x"]
    for _ in range(12):
        kind, value = ["null", {"type": "array", "items": kind}], [value]
    began = time.process_time()
    [(code, _, pointer, _)] = told(check(rules(x=kind, f=["null", "File"]), {"x": value[0], "f": None}))
    assert (code, pointer) == ("wrong-type", "/x" + "/0" * 11 + "/20000")
    assert time.process_time() - began < 5


def test_a_hundred_problems_of_one_object_are_enough_and_names_without_measure_are_not_compared() -> None:
    record = {
        "type": "record",
        "fields": [{"name": f"field{number:05}", "type": ["null", "int"]} for number in range(5_000)],
    }
    began = time.process_time()
    evil = {f"feld{number:06}" + "x" * (number % 100): 1 for number in range(9_000)}
    found = check(rules(x=record, f=["null", "File"]), {"f": None, "x": evil})
    assert len(found.problems) == 100
    assert time.process_time() - began < 10


def test_defaults_on_the_grid_are_not_available() -> None:
    assert [each.code for each in faults_of_default("f", {"class": "File", "location": "lfn:/a"}, "File")] == [
        "not-available"
    ]
    for place in ("ref.txt", "bundle:/ref.txt"):
        assert faults_of_default("f", {"class": "File", "location": place}, "File") == []
