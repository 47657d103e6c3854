"""What the compiler finds wrong with documents: one of each code, with its place."""

import textwrap
from typing import Any

import pytest

from tests.engine.conftest import Compile, errors
from weyl_engine.compiling.bundle import Bundle
from weyl_engine.compiling.document import compiled

GOOD = """
    cwlVersion: v1.2
    class: CommandLineTool
    inputs: {x: {type: int, inputBinding: {}}}
    outputs: {o: stdout}
    baseCommand: echo
"""


def step(run: str) -> str:
    return f"""
        cwlVersion: v1.2
        class: Workflow
        inputs: {{x: int}}
        outputs: {{o: {{type: File, outputSource: s/o}}}}
        steps:
          s: {{in: {{x: x}}, out: [o], run: "{run}"}}
    """


def tool(more: str) -> str:
    return textwrap.dedent(GOOD) + textwrap.dedent(more)


def _enums(count: int) -> str:
    return ", ".join(f"{{type: enum, symbols: [s{number}]}}" for number in range(count))


REFUSED: list[tuple[str, str, str, int, int, str]] = [
    ("a: [1\n", "not-yaml", "", 2, 1, "did not find expected"),
    ("a: &a [x]\nb: [" + "*a, " * 1_001 + "]\n", "too-large", "", 2, 4_005, "more than 1,000 aliases"),
    ("just text\n", "not-cwl", "", 1, 1, "has no class"),
    ("cwlVersion: v1.2\n", "not-cwl", "", 1, 1, "there is no class"),
    ("cwlVersion: v1.2\nclass: ComandLineTool\n", "not-cwl", "/class", 2, 1, "'ComandLineTool' is not a class"),
    ("cwl:tool: x.cwl\nclass: Workflow\n", "not-cwl", "", 1, 1, "has no class"),
    ("class: Workflow\n", "cwl-version", "", 1, 1, "there is no cwlVersion"),
    ("class: Workflow\ncwlVersion: v1.3.0-dev1\n", "cwl-version", "/cwlVersion", 2, 1, "version v1.3.0-dev1"),
    ("class: Workflow\ncwlVersion: 1.2\n", "cwl-version", "/cwlVersion", 2, 1, "version 1.2"),
    (
        "cwlVersion: v1.2\n$graph:\n- {id: one, class: Workflow}\n- {id: '#two', class: Workflow}\n",
        *("no-entry", "/$graph", 2, 1, "the document has #one, #two"),
    ),
    (step("other.cwl"), "unresolved-run", "/steps/s/run", 7, 29, "other.cwl is not in the bundle"),
    (step("tool.cw"), "unresolved-run", "/steps/s/run", 7, 29, "tool.cw is not in the bundle"),
    (step("../tool.cwl"), "escapes-bundle", "/steps/s/run", 7, 29, "a path that leaves it"),
    (step("/tool.cwl"), "escapes-bundle", "/steps/s/run", 7, 29, "an absolute path"),
    (step("https://example.org/a.cwl"), "escapes-bundle", "/steps/s/run", 7, 29, "a URL"),
    (step("file:///etc/passwd"), "escapes-bundle", "/steps/s/run", 7, 29, "a URL"),
    (step("//example.org/a.cwl"), "escapes-bundle", "/steps/s/run", 7, 29, "a URL"),
    (step("bundle:/tool.cwl"), "escapes-bundle", "/steps/s/run", 7, 29, "a URL"),
    (
        tool("requirements: {DockerRequirment: {}}\n"),
        *("unsupported-requirement", "/requirements/DockerRequirment", 7, 16, "DockerRequirment is required"),
    ),
    (
        tool("$namespaces: {a: 'http://arvados.org/cwl#'}\nrequirements: [{class: a:RunInContainer}]\n"),
        *("unsupported-requirement", "/requirements/0", 8, 16, "a:RunInContainer is required"),
    ),
    (
        tool(
            "$namespaces: {cwltool: 'http://commonwl.org/cwltool#'}\nrequirements: {cwltool:Secrets: {secrets: [x]}}\n"
        ),
        *("unsupported-requirement", "/requirements/cwltool:Secrets", 8, 16, "cwltool:Secrets is required"),
    ),
    (
        tool("requirements: {ResourceRequirement: {coresMin: $(runtime.cores)}}\n"),
        *("dynamic-requirement", "/requirements/ResourceRequirement/coresMin", 7, 38, "which only the node knows"),
    ),
    (
        tool("requirements: {ToolTimeLimit: {timelimit: $(runtime.cores)}}\n"),
        *("dynamic-requirement", "/requirements/ToolTimeLimit/timelimit", 7, 32, "which only the node knows"),
    ),
    (
        tool("requirements: {ResourceRequirement: {coresMin: '${return 1}'}}\n"),
        *("invalid", "/requirements/ResourceRequirement/coresMin", 7, 38, "InlineJavascriptRequirement"),
    ),
    (
        tool("requirements: {dirac:Job: {}}\n$namespaces: {dirac: 'https://diracgrid.org/cwl#'}\n"),
        *("unsupported-requirement", "/requirements/dirac:Job", 7, 16, "put it below hints"),
    ),
    (
        "cwlVersion: v1.2\nclass: CommandLineTool\ninputs: []\noutput: []\n",
        *("invalid", "", 1, 1, "field 'outputs' is missing, or neither a mapping nor a list"),
    ),
    (
        textwrap.dedent(step("tool.cwl")).replace("out: [o]", "out: [o, All]"),
        *(
            "invalid",
            "/steps/s/out/1",
            7,
            28,
            "Workflow step output 'All' does not correspond to tool output (expected 'o')",
        ),
    ),
    (tool("stdot: x\n"), "invalid", "/stdot", 7, 1, "invalid field 'stdot'"),
    (tool("stdin: 4\n"), "invalid", "/stdin", 7, 1, "the 'stdin' field is not valid"),
    (
        textwrap.dedent(step("tool.cwl")).replace("x: x", "x: y"),
        *("invalid", "/steps/s/in/x", 7, 12, "references unknown identifier 'y'"),
    ),
    (
        textwrap.dedent(step("tool.cwl")).replace("x: int", "x: string"),
        *("invalid", "/steps/s/in/x", 7, 12, "is incompatible"),
    ),
    (
        textwrap.dedent(step("tool.cwl")).replace("in: {x: x}", "in: {}"),
        *("invalid", "/steps/s/in", 7, 7, "missing required parameter 'x'"),
    ),
    (
        textwrap.dedent(GOOD).replace("{x: {", f"{{t: {{type: [{_enums(65)}]}}, x: {{"),
        *("too-large", "/inputs/t", 4, 10, "the type of t has 65 alternatives"),
    ),
    (
        textwrap.dedent(GOOD).replace("{x: {", f"{{t: {{type: [int, {{type: array, items: [{_enums(64)}]}}]}}, x: {{"),
        *("too-large", "/inputs/t", 4, 10, "the type of t has 65 alternatives"),
    ),
    (
        "cwlVersion: v1.2\nclass: Operation\nid: op\ninputs: []\noutputs: []\n",
        *("invalid", "/class", 2, 1, "main.cwl is an Operation"),
    ),
]


@pytest.mark.parametrize(
    ("text", "code", "pointer", "line", "column", "words"), REFUSED, ids=[f"{each[1]}: {each[5]}" for each in REFUSED]
)
def test_a_bad_document_is_refused_with_its_place(
    compile_texts: Compile, text: str, code: str, pointer: str, line: int, column: int, words: str
) -> None:
    found = compile_texts(text, {"tool.cwl": GOOD})
    (problem,) = [each for each in found["problems"] if each["severity"] == "error"]
    place = (problem["pointer"], problem["file"], problem["line"], problem["column"])
    assert (problem["code"], *place) == (code, pointer, "main.cwl", line, column)
    assert words in problem["detail"]


def test_a_type_may_have_many_alternatives_side_by_side(compile_texts: Compile) -> None:
    fields = ", ".join(f"f{number}: int?" for number in range(100))
    kinds = [f"[{_enums(64)}]", f"{{type: record, fields: {{{fields}}}}}"]
    for kind in kinds:
        text = GOOD.replace("{x: {", f"{{t: {{type: {kind}}}, x: {{")
        assert errors(compile_texts(text)) == []


def test_the_word_that_was_meant_is_suggested(compile_texts: Compile) -> None:
    def meant(text: str) -> Any:
        return compile_texts(text, {"tool.cwl": GOOD})["problems"][0].get("did_you_mean")

    assert meant("cwlVersion: v1.2\nclass: ComandLineTool\n") == "CommandLineTool"
    assert meant(step("tool.cw")) == "tool.cwl"
    assert meant(tool("requirements: {DockerRequirment: {}}\n")) == "DockerRequirement"
    assert meant(tool("stdot: x\n")) == "stdout"


def test_a_fragment_that_nothing_has_names_those_that_are_there(compile_texts: Compile) -> None:
    packed = "cwlVersion: v1.2\n$graph:\n- {id: main, class: Workflow, inputs: [], outputs: [], steps: []}\n"
    (problem,) = compile_texts(packed, fragment="mian")["problems"]
    assert (problem["code"], problem["detail"]) == ("no-entry", "there is no #mian; the document has #main")


def test_all_problems_of_a_pass_come_at_once(compile_texts: Compile) -> None:
    text = tool("requirements: {A: {}, B: {}}\n$schemas: [http://example.org/x.rdf, y.rdf]\n")
    assert errors(compile_texts(text)) == ["unsupported-requirement"] * 2 + ["escapes-bundle", "unresolved-run"]


def test_a_problem_of_another_file_names_it(compile_texts: Compile) -> None:
    found = compile_texts(step("tools/a.cwl"), {"tools/a.cwl": tool("foo: 1\n")})
    (problem,) = found["problems"]
    assert (problem["code"], problem["file"], problem["pointer"], problem["line"]) == (
        "invalid",
        "tools/a.cwl",
        "/foo",
        7,
    )
    found = compile_texts(step("tools/a.cwl"), {"tools/a.cwl": "a: [\n"})
    assert [(each["code"], each["file"]) for each in found["problems"]] == [("not-yaml", "tools/a.cwl")]
    found = compile_texts(step("tools/a.cwl"), {"tools/a.cwl": GOOD.replace("v1.2", "draft-3")})
    assert [(each["code"], each["file"]) for each in found["problems"]] == [("cwl-version", "tools/a.cwl")]


def test_hints_are_known_even_if_the_document_is_bad(compile_texts: Compile) -> None:
    found = compile_texts(tool("foo: 1\nhints: {dirac:Job: {priority: x}}\n"))
    assert errors(found) == ["invalid"]
    assert found["hints"][0]["value"] == {"priority": "x"}
    assert (found["class"], found["inputs"], found["tools"]) == ("CommandLineTool", None, None)


def test_a_hint_without_its_namespace_does_not_run_elsewhere(compile_texts: Compile) -> None:
    found = compile_texts(tool("hints: {dirac:Job: {}}\n"))
    (problem,) = found["problems"]
    assert (problem["code"], problem["severity"], problem["pointer"]) == (
        *("not-stock-runnable", "warning", "/hints/dirac:Job"),
    )
    assert found["hints"][0]["iri"] == "https://diracgrid.org/cwl#Job"


@pytest.mark.parametrize(
    ("old", "new", "pointer"),
    [
        ("type: int", "type: [1]", "/inputs/x/type"),
        ("o: stdout", "o: {type: 5}", "/outputs/o/type"),
        ("{x: {type: int, inputBinding: {}}}", "text", "/inputs"),
        ("{x: {type: int, inputBinding: {}}}", "{x: {typ: int}}", "/inputs/x"),
    ],
)
def test_what_cwltool_breaks_on_has_its_place_all_the_same(
    compile_texts: Compile, old: str, new: str, pointer: str
) -> None:
    found = compile_texts(GOOD.replace(old, new))
    places = [each["pointer"] for each in found["problems"] if each["severity"] == "error"]
    assert pointer in places
    assert set(errors(found)) == {"invalid"}
    assert not any("cwltool cannot read" in each["detail"] for each in found["problems"])


def test_an_unknown_hint_is_passed_by(compile_texts: Compile) -> None:
    assert compile_texts(tool("hints: {FooRequirement: {a: 1}}\n"))["problems"] == []


def test_a_bound_that_is_known_stands_for_one_that_is_not(compile_texts: Compile) -> None:
    def resources(more: str) -> Any:
        found = compile_texts(tool(f"requirements: {{ResourceRequirement: {{{more}}}}}\n"))
        return errors(found) or found["tools"][0]["resources"]

    assert resources("ramMin: $(runtime.cores), ramMax: 500") == {"ramMin": 500, "ramMax": 500}
    assert resources("ramMin: 100, ramMax: $(runtime.cores)") == {"ramMin": 100}
    assert resources("ramMin: $(runtime.cores), ramMax: $(runtime.ram)") == ["dynamic-requirement"] * 2


@pytest.mark.parametrize(
    "entry",
    [
        *("{source: first/o}", "{source: x, valueFrom: $(self + 1)}", "{source: [x, y]}"),
        *("{source: x, linkMerge: merge_nested}", "{source: [x], pickValue: first_non_null}"),
    ],
)
def test_a_requirement_of_a_step_must_be_known_before_the_step(compile_texts: Compile, entry: str) -> None:
    flow = f"""
        cwlVersion: v1.2
        class: Workflow
        requirements:
          - class: StepInputExpressionRequirement
          - class: InlineJavascriptRequirement
          - class: MultipleInputFeatureRequirement
        inputs: {{x: int, y: int}}
        outputs: []
        steps:
          first: {{in: {{x: x}}, out: [o], run: tool.cwl}}
          then: {{in: {{n: {entry}}}, out: [], run: then.cwl}}
    """
    then = """
        cwlVersion: v1.2
        class: CommandLineTool
        requirements: {ResourceRequirement: {ramMin: $(inputs.n)}}
        inputs: {n: {type: Any, inputBinding: {}}}
        outputs: []
        baseCommand: echo
    """
    found = compile_texts(flow, {"tool.cwl": GOOD, "then.cwl": then})
    problem = next(each for each in found["problems"] if each["severity"] == "error")
    assert (problem["code"], problem["file"]) == ("dynamic-requirement", "then.cwl")
    assert "known only when the step runs" in problem["detail"]


def test_words_with_two_meanings_are_warnings(compile_texts: Compile) -> None:
    found = compile_texts(tool("hints: {x:Y: {a: no, b: 12345678901234567890}}\n"))
    assert [(each["code"], each["severity"], each["pointer"]) for each in found["problems"]] == [
        ("yaml11", "warning", "/hints/x:Y/a"),
        ("lossy-number", "warning", "/hints/x:Y/b"),
    ]


def test_a_default_that_is_not_in_the_bundle_is_a_warning_unless_it_leaves_it(compile_texts: Compile) -> None:
    def found(location: str) -> Any:
        default = f"{{class: File, location: '{location}'}}"
        text = GOOD.replace("type: int", f"type: File, default: {default}")
        return [(each["code"], each["severity"], each["pointer"]) for each in compile_texts(text)["problems"]]

    pointer = "/inputs/x/default/location"
    assert found("a.txt") == [("unresolved-run", "warning", pointer)]
    assert found("../a.txt") == [("escapes-bundle", "error", pointer)]
    assert found("/cvmfs/sw/a.txt") == []
    assert found("https://example.org/a.txt") == []


def test_a_document_that_names_itself_is_refused(compile_texts: Compile) -> None:
    flow = step("main.cwl").replace(
        "class: Workflow", "class: Workflow\n        requirements: {SubworkflowFeatureRequirement: {}}"
    )
    found = compile_texts(flow)
    assert errors(found) == ["invalid"]


def test_bytes_that_are_no_text_are_refused(warm: None) -> None:
    found = compiled(Bundle("main.cwl", None, {"main.cwl": b"a: \xff"}))
    assert errors(found) == ["not-yaml"]
