"""Hints are read with their places, laid over each other in their order, and refused with what was meant."""

import re
from typing import Any

import pytest
import yaml
from jsonschema_rs import Draft202012Validator
from pydantic import BaseModel, ConfigDict

from weyl.config.cwl import CWLOptions
from weyl.cwl.additions import HintKind, hint_problems
from weyl.cwl.hint_schema import hint_schema
from weyl.cwl.hints import Hints, Written, effective, laid_over, overriding, read_hints
from weyl.cwl.job_document import Said, bindings
from weyl.cwl.models.hints import JOB, NAMESPACE, JobHint
from weyl.cwl.problems import Problem

IRI = "https://example.org/hints#Camera"
WHOLE = {
    "schema_version": "1.0",
    "job_type": "User",
    "group": "g",
    "log_level": "DEBUG",
    "priority": 3,
    "requirements_template": {"cpu": {"num_cores": {"min": 2, "max": 2}}},
    "cpu_work": 3600,
    "platform": "x86_64-el9",
    "sites": ["LCG.Alpha.org"],
    "banned_sites": ["LCG.Beta.org"],
    "tags": ["os:el9"],
    "input_sandbox": [{"source": "f"}],
    "input_data": [{"source": "f", "path": "x"}],
    "output_sandbox": ["*.log", {"source": "out"}],
    "output_data": [{"source": "out", "output_path": "/voa/x", "output_se": ["A-DISK"]}],
}


class Camera(BaseModel):
    model_config = ConfigDict(extra="forbid")
    gain: int


CAMERA = HintKind(Camera, "Which camera.", attributes=lambda camera: {"CameraGain": camera.gain})


def hint(value: Any, name: str = "Job", **more: Any) -> Written:
    told = {"iri": NAMESPACE + name, "written": f"dirac:{name}", "value": value, "file": "main.cwl", "line": 5}
    return Written.read({**told, "pointer": f"/hints/dirac:{name}", "column": 3, **more})


def told(problems: Any) -> list[tuple[Any, ...]]:
    return [(each.code, each.pointer, each.did_you_mean) for each in problems]


def test_everything_that_a_job_may_say_is_read() -> None:
    found = read_hints([hint(WHOLE)], {})
    assert found.problems == []
    assert found.job.said() == {name: value for name, value in WHOLE.items() if name != "schema_version"}


def test_an_output_on_the_grid_may_be_said_in_other_words() -> None:
    written = hint({"output_data": [{"from_output": "out", "lfn_dir": "x", "storage_elements": "A-DISK"}]})
    said = read_hints([written], {}).job.said()["output_data"]
    assert said == [{"source": "out", "output_path": "x", "output_se": ["A-DISK"]}]


def test_the_schema_and_the_model_agree() -> None:
    schema = Draft202012Validator(hint_schema({}))
    assert schema.is_valid({"dirac:Job": WHOLE})
    for name in WHOLE:
        renamed = {f"{key}x" if key == name else key: value for key, value in WHOLE.items()}
        assert not schema.is_valid({"dirac:Job": renamed})
        assert told(read_hints([hint(renamed)], {}).problems) == [("schema", f"/hints/dirac:Job/{name}x", name)]
    both = {"type": "User", "job_type": "User"}
    assert not schema.is_valid({"dirac:Job": both})
    assert told(read_hints([hint(both)], {}).problems) == [("schema", "/hints/dirac:Job", None)]
    assert set(hint_schema({})["$defs"]["job"]["properties"]) == set(JobHint.model_fields)


@pytest.mark.parametrize(
    "example",
    [
        "{dirac:Job: {schema_version: '1.0', output_sandbox: ['*.log']}}",
        "{dirac:Transformation: {schema_version: '1.0', job_type: Calibration, driving_input: shots,"
        " packer: {name: BySize, args: {gigabytes: 4}}}}",
        "{dirac:Production: {job_type: ToyMC, approving: [{action: SuccessRate, args: {failed_share_max: 0.1}}],"
        " data_management: [{id: copy, operation: replicate, files: summed, destination: [SE-TAPE]}]}}",
    ],
)
def test_the_schema_accepts_the_examples(example: str) -> None:
    assert Draft202012Validator(hint_schema({})).is_valid(yaml.safe_load(example))


def test_the_schema_has_the_hints_of_extensions() -> None:
    schema = Draft202012Validator(hint_schema({IRI: Camera}))
    assert schema.is_valid({IRI: {"gain": 1}})
    assert not schema.is_valid({IRI: {"gaim": 1}})


@pytest.mark.parametrize(
    ("value", "pointer", "words"),
    [
        ({"priority": "5"}, "/priority", "priority must be a whole number, not '5'"),
        ({"sites": "LCG.Alpha.org"}, "/sites", "sites must be a list, not 'LCG.Alpha.org'"),
        ({"tags": [1]}, "/tags/0", "tags.0 must be a text, not 1"),
        ({"output_sandbox": [{"sauce": "a"}]}, "/output_sandbox/0/source", "output_sandbox.0.source is missing"),
        ({"schema_version": "2.0"}, "/schema_version", "schema_version must be '1.0', not '2.0'"),
        ({"cpu_work": 0}, "/cpu_work", "cpu_work input should be greater than or equal to 1"),
        ({"requirements_template": [{}]}, "/requirements_template", "requirements_template list should have"),
        ([], "", "dirac:Job must be an object, not a list of 0"),
        (None, "", "dirac:Job must be an object, not null"),
    ],
)
def test_a_wrong_value_is_told_where_it_stands(value: Any, pointer: str, words: str) -> None:
    [found, *_] = read_hints([hint(value)], {}).problems
    assert (found.code, found.pointer, found.file) == ("schema", f"/hints/dirac:Job{pointer}", "main.cwl")
    assert found.detail.startswith(words)


def test_the_line_is_that_of_the_field() -> None:
    marks = {"/priority": [6, 5], "/output_sandbox": [7, 5]}
    found = read_hints([hint({"priority": "5", "output_sandbox": [3], "x": 1}, marks=marks)], {}).problems
    lines = {each.pointer.rpartition("Job")[2]: (each.line, each.column) for each in found}
    assert lines["/priority"] == (6, 5)
    assert lines["/x"] == (5, 3)
    assert {(7, 5)} == {line for pointer, line in lines.items() if pointer.startswith("/output_sandbox")}


@pytest.mark.parametrize(
    ("written", "code", "guess"),
    [
        (hint({"legacy_jdl": "x"}), "old-hint", "requirements_template"),
        (hint({"matcher": ["x"]}), "old-hint", "requirements_template"),
        (hint({}, "scheduling"), "old-hint", "dirac:Job"),
        (hint({}, iri="https://diracgrid.org/cwlJob", written="dirac:Job"), "schema", None),
        (hint({}, iri="https://dirac.org/schemas/metadata.json#execution-hooks", written="dirac:execution-hooks"),
         "old-hint", "dirac:Job"),
        (hint({}, "Production"), "wrong-route", None),
        (hint({}, "Workgraph"), "wrong-route", None),
        (hint({}, "Transformation"), "wrong-route", None),
        (hint({}, "Jobb"), "schema", "dirac:Job"),
        (hint({"output_data": [{"source": "x", "from_output": "x"}]}), "schema", None),
        (hint({"output_data": [{"output_path": "x"}]}), "schema", None),
        (hint({"output_data": [{"source": "x", "output_paht": "x"}]}), "schema", "output_path"),
    ],
)  # fmt: skip
def test_what_no_job_has_is_told(written: Written, code: str, guess: str | None) -> None:
    [found] = read_hints([written], {}).problems
    assert (found.code, found.did_you_mean, found.line) == (code, guess, 5)


def test_hints_of_others_are_passed_by() -> None:
    other = Written("http://commonwl.org/cwltool#LoadListingRequirement", "cwltool:x", {}, "a", "/hints/0")
    assert read_hints([other], {}).problems == []


def test_a_hint_of_an_extension_is_read_by_its_model() -> None:
    good, bad = (Written(IRI, "ex:Camera", {name: 3}, "a", "/hints/0") for name in ("gain", "gian"))
    assert read_hints([good], {IRI: CAMERA}).others == [(IRI, Camera(gain=3))]
    found = read_hints([bad], {IRI: CAMERA}).problems
    assert told(found) == [("schema", "/hints/0/gain", None), ("schema", "/hints/0/gian", "gain")]


def test_a_hint_stands_where_its_kind_allows() -> None:
    on_input = Written(IRI, "ex:Camera", {"gain": 3}, "a", "/inputs/x/ex:Camera", place="input")
    assert told(read_hints([on_input], {IRI: CAMERA}).problems) == [("schema", "/inputs/x/ex:Camera", None)]
    kind = HintKind(Camera, "Which camera.", places=("process", "input"))
    assert read_hints([on_input, on_input], {IRI: kind}).others == [(IRI, Camera(gain=3))] * 2
    ours = hint({"role": "data"}, "Output", place="output", pointer="/outputs/x/dirac:Output")
    assert told(read_hints([ours], {}).problems) == [("not-available", "/outputs/x/dirac:Output", None)]


def test_a_kind_of_hint_must_be_closed_and_outside_our_namespace() -> None:
    class Open(BaseModel):
        pass

    kinds = {f"{NAMESPACE}Mine": CAMERA, "Camera": CAMERA, IRI: HintKind(Open, "x", places=("roof",))}
    found = list(hint_problems(kinds))
    assert len(found) == 4
    assert [re.search(words, text) is not None for words, text in zip(
        ("own namespace", "not the full IRI", "must refuse unknown fields", "'roof' is not a place"), found, strict=True
    )] == [True] * 4  # fmt: skip


def values(document: Any, submission: Any = None, options: Any = None) -> dict[str, Any]:
    over = overriding(submission or {}, {})
    found = read_hints([hint(document)], {}) if document is not None else Hints()
    held = effective(found, over, CWLOptions.model_validate(options or {}), vo="voa")
    return {name: (each.value, each.layer) for name, each in held.items()}


def test_layers_lie_over_each_other_in_their_order() -> None:
    options = {
        "Defaults": {"Priority": 1, "Group": "d", "OutputSandbox": ["a"], "Sites": ["X"]},
        "PerJobType": {"Test": {"Priority": 2, "OutputSandbox": ["b"], "Commands": ["x"]}, "User": {"Priority": 9}},
    }
    document = {"job_type": "Test", "priority": 3, "output_sandbox": ["c", "a"], "sites": ["Y"]}
    found = values(document, {"priority": 4}, options)
    assert found == {
        "priority": (4, "the submission"),
        "group": ("d", "Operations.voa.CWL.Defaults"),
        "output_sandbox": (["a", "b", "c"], "the document"),
        "sites": (["Y"], "the document"),
        "job_type": ("Test", "the document"),
    }
    assert values(document, {}, options)["priority"] == (3, "the document")
    assert values({"type": "Test"}, {}, options)["priority"] == (2, "Operations.voa.CWL.PerJobType.Test")
    assert values(None, {}, options)["priority"] == (9, "Operations.voa.CWL.PerJobType.User")
    assert values({"job_type": "Other"}, {}, options)["priority"] == (1, "Operations.voa.CWL.Defaults")


def test_the_configuration_says_where_output_data_go_that_a_document_sends_nowhere() -> None:
    document = hint({"output_data": [{"source": "a"}, {"source": "b", "output_path": "x"}]})
    options = CWLOptions.model_validate({"PerJobType": {"User": {"OutputPath": "/voa/results"}}})
    own = read_hints([document], {})
    said = Said(effective(own, Hints(), options, vo="voa"), own, Hints(), {}, (), ("a", "b"))
    assert [each["Path"] for each in bindings(said, {})] == ["/voa/results", "x"]


def test_templates_are_merged_key_by_key() -> None:
    options = {"Defaults": {"RequirementsTemplate": {"cpu": {"num_cores": {"min": 2, "max": 4}}, "wall_time": 60}}}
    document = {"requirements_template": {"cpu": {"num_cores": {"min": 1}, "ram_mb": {"request": {"overhead": 1}}}}}
    [template] = [value for name, (value, _) in values(document, {}, options).items()]
    assert template == {"cpu": {"num_cores": {"min": 1}, "ram_mb": {"request": {"overhead": 1}}}, "wall_time": 60}
    below = {"cpu": {"whole_node": True}}
    assert laid_over(below, {"cpu": {"num_cores": {"min": 1}}}) == {
        "cpu": {"whole_node": True, "num_cores": {"min": 1}}
    }
    assert below == {"cpu": {"whole_node": True}}


@pytest.mark.parametrize("hints", [{"priority": 4}, {"dirac:Job": {"priority": 4}}, {JOB: {"priority": 4}}])
def test_a_submission_says_fields_or_the_hint(hints: dict[str, Any]) -> None:
    assert values({"priority": 1}, hints)["priority"] == (4, "the submission")


def test_what_is_wrong_with_overrides_is_told_without_a_file() -> None:
    [found] = overriding({"prio": 4}, {}).problems
    assert (found.code, found.file, found.pointer, found.did_you_mean) == ("schema", None, "/hints/prio", "priority")
    assert isinstance(found, Problem)
