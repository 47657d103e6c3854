"""The engine runs documents in a directory that a wrapper has made, with the real cwltool and no node in its path."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.engine.workplace import SANDBOX, Place, sandbox_file

pytestmark = pytest.mark.system


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """The directory of one job."""
    return Place(tmp_path)


def test_a_file_goes_in_and_comes_out_with_checksum_and_size(place: Place) -> None:
    place.put(data__events_dot_txt="a\nb\n")
    document = """
cwlVersion: v1.2
class: CommandLineTool
inputs: {events: {type: File, inputBinding: {position: 1}}}
outputs: {lines: {type: stdout}, log: {type: File, outputBinding: {glob: "*.log"}}}
baseCommand: [sh, -c, 'echo said; echo noted >&2; echo x >run.log; grep -c "" "$0"']
stdout: lines.txt
"""
    outputs = place.good(document, {"events": sandbox_file("data/events.txt")})
    content = b"said\n2\n"
    assert outputs["lines"] == {
        "class": "File",
        "location": "outputs/lines.txt",
        "basename": "lines.txt",
        "size": len(content),
        "checksum": "sha1$" + hashlib.sha1(content).hexdigest(),
    }
    assert place.text(outputs["log"]) == "x\n"
    assert place.names() == ["lines.txt", "run.log"]
    assert "noted" in place.error
    assert (place.base / "work/main").is_dir()


def test_what_tools_print_without_a_file_is_the_standard_output_of_the_job(place: Place) -> None:
    document = """
cwlVersion: v1.2
class: Workflow
requirements: {ScatterFeatureRequirement: {}}
inputs: {words: {type: "string[]", default: [one, two]}}
outputs: []
steps:
  say:
    in: {word: words}
    scatter: word
    out: []
    run:
      class: CommandLineTool
      inputs: {word: {type: string, inputBinding: {}}}
      outputs: []
      baseCommand: echo
"""
    assert place.good(document) == {}
    assert sorted(place.output.split()) == ["one", "two"]


DIRECTORY = """
cwlVersion: v1.2
class: CommandLineTool
inputs: {tree: {type: Directory, inputBinding: {}}, more: {type: File, secondaryFiles: [.idx]}}
outputs:
  made: {type: Directory, outputBinding: {glob: made}}
  same: {type: Directory, outputBinding: {glob: made/sub}}
  kept: {type: File, secondaryFiles: [.idx], outputBinding: {glob: "r.bam"}}
baseCommand: [sh, -c, 'mkdir -p made/sub; cp -r "$0"/* made/sub; ln -s ../r.bam made/link; echo r >r.bam; >r.bam.idx']
"""


def test_directories_and_secondary_files_keep_their_shape(place: Place) -> None:
    place.put(tree__a="1", tree__deep__b="2", x_dot_bam="x", x_dot_bam_dot_idx="i")
    more = {**sandbox_file("x.bam"), "secondaryFiles": [sandbox_file("x.bam.idx")]}
    outputs = place.good(DIRECTORY, {"tree": sandbox_file("tree/", "Directory"), "more": more})
    made = outputs["made"]
    assert (made["class"], made["location"], made["basename"]) == ("Directory", "outputs/made", "made")
    listed = {entry["basename"]: entry for entry in made["listing"]}
    assert sorted(listed) == ["link", "sub"]
    assert listed["link"]["checksum"].startswith("sha1$")
    assert [entry["location"] for entry in listed["sub"]["listing"] if entry["class"] == "File"] == [
        "outputs/made/sub/a"
    ]
    assert outputs["same"]["location"] == "outputs/made/sub"
    assert outputs["kept"]["secondaryFiles"][0]["location"] == "outputs/r.bam.idx"
    assert not (place.base / "outputs/made/link").is_symlink()
    assert place.text(listed["link"]) == "r\n"
    assert place.names() == [
        "made",
        "made/link",
        "made/sub",
        "made/sub/a",
        "made/sub/deep",
        "made/sub/deep/b",
        "r.bam",
        "r.bam.idx",
    ]


def test_equal_names_get_a_number_before_the_extension_and_secondary_files_follow(place: Place) -> None:
    document = """
cwlVersion: v1.2
class: Workflow
requirements: {ScatterFeatureRequirement: {}}
inputs: {words: "string[]"}
outputs: {all: {type: "File[]", outputSource: make/same}, one: {type: "File[]", outputSource: make/first}}
steps:
  make:
    in: {word: words}
    scatter: word
    out: [same, first]
    run:
      class: CommandLineTool
      inputs: {word: {type: string, inputBinding: {}}}
      outputs:
        same: {type: File, secondaryFiles: [.idx, ^.md], outputBinding: {glob: same.txt}}
        first: {type: "File", outputBinding: {glob: same.txt}}
      baseCommand: [sh, -c, 'echo $0 >same.txt; echo i$0 >same.txt.idx; echo m$0 >same.md']
"""
    outputs = place.good(document, {"words": ["a", "b", "c"]}, cores=2)
    assert [entry["basename"] for entry in outputs["all"]] == ["same.txt", "same_2.txt", "same_3.txt"]
    assert [place.text(entry) for entry in outputs["all"]] == ["a\n", "b\n", "c\n"]
    second = outputs["all"][1]["secondaryFiles"]
    assert [(entry["basename"], place.text(entry)) for entry in second] == [
        ("same_2.txt.idx", "ib\n"),
        ("same_2.md", "mb\n"),
    ]
    assert [entry["location"] for entry in outputs["one"]] == [entry["location"] for entry in outputs["all"]]
    assert len(place.names()) == 9


def test_values_keep_their_kind_and_javascript_needs_no_node(place: Place) -> None:
    document = """
cwlVersion: v1.2
class: ExpressionTool
requirements: {InlineJavascriptRequirement: {expressionLib: ["function twice(x) { return 2 * x; }"]}}
inputs: {files: "File[]", n: long, x: double, none: "string?", text: File, r: {type: {type: record, fields: {k: int}}}}
outputs: {files: "File[]", n: long, x: double, none: "string?", made: File, k: int, list: "double[]"}
expression: |
  ${ return {files: inputs.files, n: inputs.n, x: inputs.x, none: inputs.none, k: twice(inputs.r.k),
             list: [1e3, 0.5, 1e21], made: {class: "File", basename: "made.txt", contents: inputs.text.basename}}; }
"""
    place.put(a="1")
    inputs = {
        "files": [sandbox_file("a")],
        "n": 9007199254740991,
        "x": 1e5,
        "none": None,
        "text": {"class": "File", "basename": "lit.txt", "contents": "hello"},
        "r": {"k": 21},
    }
    outputs = place.good(document, inputs)
    assert outputs["files"][0]["location"] == f"sandbox:{SANDBOX}#a"
    assert (outputs["n"], outputs["k"], outputs["none"]) == (9007199254740991, 42, None)
    assert outputs["list"] == [1000, 0.5, 1e21]
    assert outputs["made"]["location"] == "outputs/made.txt"
    assert place.text(outputs["made"]) == "lit.txt"
    assert "contents" not in outputs["made"]


def test_a_literal_that_is_passed_through_becomes_a_file(place: Place) -> None:
    document = """
cwlVersion: v1.2
class: Workflow
inputs: {text: File, tree: Directory}
outputs:
  one: {type: File, outputSource: text}
  all: {type: Directory, outputSource: tree}
  same: {type: File, outputSource: t/same}
steps:
  t:
    in: {text: text}
    out: [same]
    run:
      class: CommandLineTool
      inputs: {text: File}
      outputs: {same: {type: File, outputBinding: {outputEval: $(inputs.text)}}}
      baseCommand: "true"
"""
    place.put(deep="d")
    literal = {"class": "File", "basename": "a.txt", "contents": "hello"}
    tree = {"class": "Directory", "basename": "tree", "listing": [literal, sandbox_file("deep")]}
    outputs = place.good(document, {"text": literal, "tree": tree})
    assert [place.text(outputs[name]) for name in ("one", "same")] == ["hello", "hello"]
    assert place.names() == ["a.txt", "a_2.txt", "tree", "tree/a.txt", "tree/deep"]
    assert {entry["location"] for entry in outputs["all"]["listing"]} == {"outputs/tree/a.txt", "outputs/tree/deep"}


def test_a_float_reaches_the_tool_as_it_was_written(place: Place) -> None:
    document = """
cwlVersion: v1.2
class: CommandLineTool
inputs: {x: {type: double, inputBinding: {}}, n: {type: long, inputBinding: {}}}
outputs: {said: stdout}
stdout: said.txt
baseCommand: echo
"""
    outputs = place.good(document, '{"x": 1.50, "n": 9007199254740993}')
    assert place.text(outputs["said"]) == "9007199254740993 1.50\n"


def test_inputs_that_are_passed_through_keep_their_address(place: Place) -> None:
    document = """
cwlVersion: v1.2
class: Workflow
requirements: {SubworkflowFeatureRequirement: {}}
inputs: {f: {type: File, secondaryFiles: [.idx]}, d: Directory, deep: File}
outputs:
  same: {type: File, outputSource: f}
  tree: {type: Directory, outputSource: d}
  linked: {type: File, outputSource: link/linked}
  renamed: {type: File, outputSource: link/renamed}
steps:
  link:
    in: {f: f, deep: deep}
    out: [linked, renamed]
    run:
      class: CommandLineTool
      requirements: {InitialWorkDirRequirement: {listing: [$(inputs.deep), {entry: $(inputs.f), entryname: other.txt}]}}
      inputs: {f: File, deep: File}
      outputs:
        linked: {type: File, outputBinding: {glob: "deep #1.txt"}}
        renamed: {type: File, outputBinding: {glob: other.txt}}
      baseCommand: "true"
"""
    place.put(f="f", f_dot_idx="i", d__one="1", **{"d__sub__deep #1_dot_txt": "deep"})
    deep = "d/sub/deep%20%231.txt"
    inputs: dict[str, Any] = {
        "f": {**sandbox_file("f"), "format": "http://example.org/x"},
        "d": sandbox_file("d/", "Directory"),
        "deep": sandbox_file(deep),
    }
    outputs = place.good(document, inputs)
    assert outputs["same"]["location"] == f"sandbox:{SANDBOX}#f"
    assert outputs["same"]["format"] == "http://example.org/x"
    assert outputs["same"]["checksum"] == "sha1$" + hashlib.sha1(b"f").hexdigest()
    assert outputs["same"]["secondaryFiles"][0]["location"] == f"sandbox:{SANDBOX}#f.idx"
    assert outputs["tree"]["location"] == f"sandbox:{SANDBOX}#d/"
    assert {entry["location"] for entry in outputs["tree"]["listing"]} == {
        f"sandbox:{SANDBOX}#d/one",
        f"sandbox:{SANDBOX}#d/sub/",
    }
    assert outputs["linked"]["location"] == f"sandbox:{SANDBOX}#{deep}"
    assert (outputs["renamed"]["location"], place.text(outputs["renamed"])) == ("outputs/other.txt", "f")
    assert place.names() == ["other.txt"]


@pytest.mark.parametrize(
    ("command", "what"),
    [
        ("ln -s /etc/hostname out.txt", "leads out of the directory of the job"),
        ("ln -s nowhere out.txt", None),
        ("mkdir out.txt; ln -s /etc out.txt/etc", None),
    ],
)
def test_a_link_that_leaves_the_job_is_an_error(place: Place, command: str, what: str | None) -> None:
    kind = "Directory" if "mkdir" in command else "File"
    document = f"""
cwlVersion: v1.2
class: CommandLineTool
inputs: []
outputs: {{out: {{type: {kind}, outputBinding: {{glob: out.txt}}}}}}
baseCommand: [sh, -c, '{command}']
"""
    result = place.run(document)
    assert (result["status"], result["outputs"]) == ("permanentFail", {})
    assert what is None or what in result["message"]


def test_what_cwl_output_json_says_is_taken(place: Place) -> None:
    document = """
cwlVersion: v1.2
class: CommandLineTool
inputs: {said: File}
outputs: {one: "File[]", n: int}
baseCommand: [sh, -c, 'echo a >a.txt; cp "$0" cwl.output.json']
arguments: [$(inputs.said)]
"""
    place.put(good='{"one": [{"class": "File", "path": "a.txt"}], "n": 3}')
    place.put(bad='{"one": [{"class": "File", "path": "/etc/hostname"}], "n": 3}')
    outputs = place.good(document, {"said": sandbox_file("good")})
    assert outputs["n"] == 3
    assert [entry["location"] for entry in outputs["one"]] == ["outputs/a.txt"]
    assert place.run(document, {"said": sandbox_file("bad")})["status"] == "permanentFail"


def test_a_sandbox_that_is_not_here_is_named(place: Place) -> None:
    document = "{cwlVersion: v1.2, class: CommandLineTool, inputs: {f: File}, outputs: [], baseCommand: 'true'}"
    for member in ("gone.txt", "../../job.json"):
        result = place.run(document, {"f": sandbox_file(member)})
        assert (result["status"], f"#{member}" in result["message"]) == ("permanentFail", True)
    other = {"class": "File", "location": "sandbox:/S3/other#x"}
    assert "was not brought with the job" in place.run(document, {"f": other})["message"]
    place.put(here="1")
    assert place.good(document, {"f": sandbox_file("here"), "undeclared": other}) == {}


def test_the_end_of_a_tool_decides_the_status(place: Place) -> None:
    document = """
cwlVersion: v1.2
class: CommandLineTool
temporaryFailCodes: [75]
inputs: {code: {type: int, inputBinding: {}}}
outputs: []
baseCommand: [sh, -c, 'exit $0']
"""
    assert place.run(document, {"code": 75})["status"] == "temporaryFail"
    result = place.run(document, {"code": 3})
    assert (result["status"], result["exit_code"]) == ("permanentFail", 1)
    assert "exited with status: 3" in result["message"]


def test_the_allocation_is_what_tools_are_told(place: Place) -> None:
    document = """
cwlVersion: v1.2
class: CommandLineTool
requirements: {ResourceRequirement: {coresMin: 1, coresMax: 8, ramMin: 100, ramMax: 100000}}
inputs: []
outputs: {said: stdout}
stdout: said.txt
arguments: [echo, $(runtime.cores), $(runtime.ram)]
"""
    assert place.text(place.good(document, cores=3, ram_mb=2000)["said"]) == "3 1872\n"
    unasked = document.replace("requirements: {Res", "hints: {Other").replace("v1.2", "v1.0")
    assert place.text(place.good(unasked, cores=3, ram_mb=500)["said"]) == "1 372\n"
    too_much = place.run(document.replace("ramMin: 100,", "ramMin: 5000,"), cores=3, ram_mb=2000)
    assert "Requested at least 5000 ram but only 1872 available" in too_much["message"]


def test_an_endless_expression_is_ended_by_its_memory(place: Place) -> None:
    document = """
cwlVersion: v1.2
class: ExpressionTool
requirements: {InlineJavascriptRequirement: {}}
inputs: []
outputs: {x: int}
expression: '${ var a = []; while (true) { a.push("x".repeat(1000000) + a.length); } }'
"""
    result = place.run(document)
    assert result["status"] == "permanentFail"
    assert "out of memory" in result["message"]


def test_the_reason_of_a_failure_is_told_without_what_follows_from_it(place: Place) -> None:
    document = """
cwlVersion: v1.2
class: CommandLineTool
inputs: []
outputs: []
baseCommand: [sh, -c, "exit 3"]
"""
    assert place.run(document)["message"] == "[job main.cwl] exited with status: 3"
