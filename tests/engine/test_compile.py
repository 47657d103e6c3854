"""What a compilation says of a good document."""

import json
from typing import Any

import jsonschema
import pytest

from tests.engine.conftest import Compile

RECO = """
    cwlVersion: v1.2
    class: CommandLineTool
    id: reco
    label: "Reconstruct \\"all\\""
    doc: [Takes events., Gives tracks.]
    $namespaces: {dirac: "https://diracgrid.org/cwl#"}
    hints:
      dirac:Job: {priority: 3, tags: [a]}
      DockerRequirement: {dockerPull: "alpine:3"}
    requirements:
      - class: InlineJavascriptRequirement
        expressionLib: ["function twice(x) { return 2 * x; }"]
      - class: ResourceRequirement
        ramMin: $(twice(inputs.n))
        coresMin: 2
      - class: ToolTimeLimit
        timelimit: $(inputs.n)
      - class: NetworkAccess
        networkAccess: true
    inputs:
      n: {type: int, default: 4, label: Number, inputBinding: {}}
      events:
        type: File
        doc: The events
        secondaryFiles: [.bai, "^.idx?"]
        inputBinding: {}
      kind: {type: {type: enum, symbols: [raw, cooked]}, inputBinding: {}}
      cuts:
        type:
          - "null"
          - type: record
            fields: {low: float, high: {type: "float?"}, map: {type: File, secondaryFiles: [.tbi]}}
        inputBinding: {}
      more: {type: ["null", {type: array, items: [File, string]}], inputBinding: {}}
      spare: string?
    outputs:
      tracks: {type: stdout, label: Tracks}
    baseCommand: [reco, --fast]
"""


def test_a_tool_says_what_it_is(compile_texts: Compile) -> None:
    found = compile_texts(RECO)
    assert (found["class"], found["cwl_version"], found["name"]) == ("CommandLineTool", "v1.2", "reco")
    assert (found["label"], found["doc"]) == ('Reconstruct "all"', "Takes events.\nGives tracks.")
    assert [(problem["code"], problem["pointer"]) for problem in found["problems"]] == [
        ("unused-input", "/inputs/spare")
    ]
    assert found["javascript"] is True
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_inputs_and_outputs_come_in_their_order_with_local_names(compile_texts: Compile) -> None:
    found = compile_texts(RECO)
    inputs = {each["name"]: each for each in found["inputs"]}
    assert list(inputs) == ["n", "events", "kind", "cuts", "more", "spare"]
    assert (inputs["n"]["type"], inputs["n"]["default"], inputs["n"]["has_default"]) == ("int", 4, True)
    assert inputs["events"]["secondary_files"] == [
        {"pattern": ".bai", "required": True},
        {"pattern": "^.idx", "required": False},
    ]
    assert inputs["kind"]["type"] == {"type": "enum", "symbols": ["raw", "cooked"]}
    record = inputs["cuts"]["type"][1]
    assert [(field["name"], field["type"]) for field in record["fields"]] == [
        ("low", "float"),
        ("high", ["null", "float"]),
        ("map", "File"),
    ]
    assert record["fields"][2]["secondary_files"] == [{"pattern": ".tbi", "required": True}]
    assert inputs["more"]["type"] == ["null", {"type": "array", "items": ["File", "string"]}]
    assert [each["used"] for each in found["inputs"]] == [True] * 5 + [False]
    assert found["outputs"] == [{"name": "tracks", "type": "File", "label": "Tracks", "doc": None}]


def test_hints_are_the_raw_text_with_its_places(compile_texts: Compile) -> None:
    (hint,) = compile_texts(RECO)["hints"]
    assert hint == {
        "iri": "https://diracgrid.org/cwl#Job",
        "written": "dirac:Job",
        "value": {"priority": 3, "tags": ["a"]},
        "file": "main.cwl",
        "pointer": "/hints/dirac:Job",
        "line": 9,
        "column": 3,
        "marks": {"/priority": [9, 15], "/tags": [9, 28], "/tags/0": [9, 35]},
        "place": "process",
        "parameter": None,
    }


def test_the_tool_has_its_requirements_and_where_they_stand(compile_texts: Compile) -> None:
    found = compile_texts(RECO)
    (tool,) = found["tools"]
    assert (tool["id"], tool["name"], tool["file"], tool["after"]) == ("", "main.cwl", "main.cwl", [])
    assert tool["resources"] == {"coresMin": 2, "ramMin": {"expression": 0}}
    assert tool["time_limit"] == {"expression": 1}
    assert tool["network"] is True
    assert tool["docker"] == {"level": "hint", "image": "alpine:3"}
    assert (tool["software"], tool["cuda"], tool["mpi"]) == (None, None, None)
    ram = {"file": "main.cwl", "pointer": "/requirements/1/ramMin", "line": 15, "column": 5}
    assert tool["places"]["ramMin"] == ram
    assert found["expressions"][0] == {
        "text": "$(twice(inputs.n))",
        "javascript": True,
        "lib": ["function twice(x) { return 2 * x; }"],
        "old_escapes": False,
        "bind": {"n": {"input": "n"}},
        "what": "ramMin",
        "tool": "",
        **ram,
    }


def test_the_schema_takes_what_the_types_take(compile_texts: Compile) -> None:
    schema = compile_texts(RECO)["schema"]
    jsonschema.Draft202012Validator.check_schema(schema)
    check = jsonschema.Draft202012Validator(schema).is_valid
    file = {"class": "File", "location": "sandbox:x", "note": "kept"}
    good: dict[str, Any] = {"events": file, "kind": "raw"}
    assert schema["required"] == ["events", "kind"]
    assert check(good)
    assert check({**good, "n": None, "cuts": None, "more": [file, "x"]})
    assert check({**good, "cuts": {"low": 1.5, "map": file}})
    for wrong in (
        {"events": file},
        {**good, "n": 2**31},
        {**good, "n": "4"},
        {**good, "kind": "burnt"},
        {**good, "events": {"class": "Directory", "location": "x"}},
        {**good, "cuts": {"map": file}},
        {**good, "cuts": {"low": 1, "map": file, "other": 1}},
        {**good, "more": file},
        {**good, "unknown": 1},
    ):
        assert not check(wrong), wrong
    properties = schema["properties"]
    assert properties["events"]["x-cwl-secondaryFiles"][0] == {"pattern": ".bai", "required": True}
    assert (properties["n"]["title"], properties["n"]["default"]) == ("Number", 4)
    assert [each["x-cwl-type"] for each in properties.values()] == [
        *("int", "File", "enum", "record", "(File|string)[]", "string")
    ]


FLOW = """
    cwlVersion: v1.2
    class: Workflow
    requirements: {ScatterFeatureRequirement: {}, SubworkflowFeatureRequirement: {}, StepInputExpressionRequirement: {}}
    hints: {ResourceRequirement: {ramMin: 100, coresMin: 1}}
    inputs: {seeds: "int[]", n: {type: int, default: 2}}
    outputs: {sum: {type: File, outputSource: add/sum}}
    steps:
      add:
        in: {parts: throw/dice, n: n}
        out: [sum]
        label: Add up
        run: tools/add.cwl
      throw:
        scatter: seed
        in: {seed: seeds, n: n}
        out: [dice]
        requirements: {ResourceRequirement: {ramMin: $(inputs.n)}}
        run: tools/inner.cwl
"""
INNER = """
    cwlVersion: v1.2
    class: Workflow
    inputs: {seed: int, n: int}
    outputs: {dice: {type: File, outputSource: roll/dice}}
    steps:
      roll: {in: {seed: seed, sides: n}, out: [dice], run: roll.cwl}
"""
ROLL = """
    cwlVersion: v1.2
    class: CommandLineTool
    requirements: {ResourceRequirement: {ramMin: $(inputs.sides)}}
    inputs: {seed: {type: int, inputBinding: {}}, sides: {type: int, inputBinding: {}, default: 6}}
    outputs: {dice: stdout}
    baseCommand: roll
"""
ADD = """
    cwlVersion: v1.0
    class: CommandLineTool
    inputs: {parts: {type: "File[]", inputBinding: {}}, n: {type: int, inputBinding: {}}}
    outputs: {sum: {type: stdout}}
    baseCommand: [add]
"""
PARTS = {"tools/add.cwl": ADD, "tools/inner.cwl": INNER, "tools/roll.cwl": ROLL}


def test_tools_of_a_conditional_step_are_told(compile_texts: Compile) -> None:
    conditional = FLOW.replace(
        "        run: tools/inner.cwl", "        when: $(inputs.n > 1)\n        run: tools/inner.cwl"
    )
    assert conditional != FLOW
    assert [tool["when"] for tool in compile_texts(conditional, PARTS)["tools"]] == [True, False]


def test_each_tool_of_a_workflow_has_what_it_inherits(compile_texts: Compile) -> None:
    found = compile_texts(FLOW, PARTS)
    assert found["problems"] == []
    roll, add = found["tools"]
    assert (roll["id"], roll["name"], roll["after"], roll["scatter"]) == ("throw/roll", "roll.cwl", [], True)
    assert (add["id"], add["name"], add["after"], add["scatter"]) == ("add", "add.cwl", ["throw/roll"], False)
    # What the tool says goes before what its step says, as in the standard.
    assert roll["resources"] == {"ramMin": {"expression": 0}}
    assert found["expressions"][0]["bind"] == {"sides": {"input": "n", "default": 6}}
    assert add["resources"] == {"ramMin": 100, "coresMin": 1}
    assert add["places"]["ramMin"]["file"] == "main.cwl"
    assert add["network"] is None  # what cwltool adds to documents of v1.0 was asked for by nobody


def test_the_graph_shows_inputs_steps_and_outputs(compile_texts: Compile) -> None:
    graph = compile_texts(FLOW, PARTS)["graph"]
    assert [(node["id"], node["label"], node["kind"], node["detail"]) for node in graph["nodes"]] == [
        ("inputs/seeds", "seeds", "input", "int[]"),
        ("inputs/n", "n", "input", "int"),
        ("throw", "throw", "step", "workflow of 1 step; scatter over seed"),
        ("add", "Add up", "step", "add"),
        ("outputs/sum", "sum", "output", "File"),
    ]
    assert {(edge["from"], edge["to"], edge["label"]) for edge in graph["edges"]} == {
        ("inputs/seeds", "throw", "seed"),
        ("inputs/n", "throw", "n"),
        ("throw", "add", "parts"),
        ("inputs/n", "add", "n"),
        ("add", "outputs/sum", "sum"),
    }


@pytest.mark.parametrize("fragment", [None, "main", "roll"])
def test_a_packed_document_has_an_entry(compile_texts: Compile, fragment: str | None) -> None:
    packed = """
        cwlVersion: v1.2
        $graph:
          - class: CommandLineTool
            id: roll
            hints: [{class: "https://example.org/x#Y", a: 1}]
            requirements: {ResourceRequirement: {ramMin: 7}}
            inputs: {sides: {type: int, inputBinding: {}}}
            outputs: {dice: stdout}
            baseCommand: roll
          - class: Workflow
            id: main
            inputs: {n: int}
            outputs: {dice: {type: File, outputSource: one/dice}}
            steps: {one: {in: {sides: n}, out: [dice], run: "#roll"}}
    """
    found = compile_texts(packed, fragment=fragment)
    assert found["problems"] == []
    (tool,) = found["tools"]
    assert (tool["id"], tool["name"], tool["resources"]) == ("" if fragment == "roll" else "one", "roll", {"ramMin": 7})
    assert found["class"] == ("CommandLineTool" if fragment == "roll" else "Workflow")
    hints = [(hint["iri"], hint["value"], hint["pointer"]) for hint in found["hints"]]
    assert hints == ([("https://example.org/x#Y", {"a": 1}, "/$graph/0/hints/0")] if fragment == "roll" else [])


def test_extension_fields_of_parameters_are_hints_of_theirs(compile_texts: Compile) -> None:
    text = """
        cwlVersion: v1.2
        class: CommandLineTool
        $namespaces: {lhcb: "https://lhcb.example/#"}
        inputs:
          - {id: x, type: int, inputBinding: {}, "lhcb:Of": {k: 1}}
        outputs: {o: {type: stdout, "lhcb:As": gauss}}
        baseCommand: echo
    """
    hints = compile_texts(text)["hints"]
    assert [(hint["iri"], hint["value"], hint["place"], hint["parameter"], hint["pointer"]) for hint in hints] == [
        ("https://lhcb.example/#Of", {"k": 1}, "input", "x", "/inputs/0/lhcb:Of"),
        ("https://lhcb.example/#As", "gauss", "output", "o", "/outputs/o/lhcb:As"),
    ]


def test_hints_may_be_imported(compile_texts: Compile) -> None:
    text = """
        cwlVersion: v1.2
        class: CommandLineTool
        $namespaces: {dirac: "https://diracgrid.org/cwl#"}
        hints: [{$import: hints/job.yml}]
        inputs: []
        outputs: []
        baseCommand: echo
    """
    (hint,) = compile_texts(text, {"hints/job.yml": "class: dirac:Job\npriority: 4\n"})["hints"]
    assert (hint["value"], hint["file"], hint["marks"]["/priority"]) == ({"priority": 4}, "hints/job.yml", [2, 1])


def test_a_default_that_is_a_file_is_as_it_was_written(compile_texts: Compile) -> None:
    text = """
        cwlVersion: v1.2
        class: CommandLineTool
        requirements: {ResourceRequirement: {ramMin: $(inputs.ref.size)}}
        inputs:
          ref: {type: File, default: {class: File, location: data/ref.txt}, inputBinding: {}}
          x: {type: float, default: 1.0, inputBinding: {}}
        outputs: []
        baseCommand: cat
    """
    found = compile_texts(text, {"data/ref.txt": "12345"})
    assert found["problems"] == []
    assert found["default_files"] == ["/inputs/ref/default"]
    written = {"class": "File", "location": "data/ref.txt"}
    assert found["inputs"][0]["default"] == written
    assert repr(found["inputs"][1]["default"]) == "1.0"
    bound = found["expressions"][0]["bind"]["ref"]
    assert (bound["input"], bound["written"], bound["default"]["size"]) == ("ref", written, 5)


def test_all_references_stay_in_the_bundle(compile_texts: Compile) -> None:
    text = """
        cwlVersion: v1.2
        class: CommandLineTool
        $schemas: [schemas/onto.ttl]
        requirements:
          - $import: types/all.yml
          - class: InlineJavascriptRequirement
            expressionLib: [{$include: "lib/a b.js"}]
        inputs:
          x: {type: "types/all.yml#Pair", inputBinding: {}}
        outputs: {o: stdout}
        baseCommand: echo
    """
    types = """
        class: SchemaDefRequirement
        types: [{name: Pair, type: record, fields: {a: int, b: "string?"}}]
    """
    others = {"types/all.yml": types, "lib/a b.js": "function f() {}", "schemas/onto.ttl": ""}
    found = compile_texts(text, others)
    assert found["problems"] == []
    assert [field["name"] for field in found["inputs"][0]["type"]["fields"]] == ["a", "b"]


@pytest.mark.parametrize("entry", ["a:b.cwl", "a b#c.cwl", "50%.cwl", "dir/é.cwl"])
def test_any_name_of_a_file_will_do(compile_texts: Compile, entry: str) -> None:
    found = compile_texts(ADD.replace("v1.0", "v1.2"), entry=entry)
    assert found["problems"] == []
    assert found["tools"][0]["file"] == entry
