"""The engine says what becomes of each step, in the file that the wrapper reads."""

import json
from pathlib import Path

import pytest

from tests.engine.workplace import Place

pytestmark = pytest.mark.system


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """The directory of one job."""
    return Place(tmp_path)


WORKFLOW = """
cwlVersion: v1.2
class: Workflow
requirements: {ScatterFeatureRequirement: {}, SubworkflowFeatureRequirement: {}, InlineJavascriptRequirement: {}}
inputs: {words: "string[]", wanted: boolean}
outputs: {all: {type: "File[]", outputSource: merge/out}, maybe: {type: "File?", outputSource: extra/out}}
steps:
  make:
    in: {word: words}
    scatter: word
    out: [out]
    run: tool.cwl
  merge:
    in: {word: words, files: make/out}
    scatter: [word, files]
    scatterMethod: dotproduct
    out: [out]
    run:
      class: Workflow
      inputs: {word: string, files: File}
      outputs: {out: {type: File, outputSource: inner/out}}
      steps: {inner: {in: {word: word}, out: [out], run: tool.cwl}}
  extra:
    in: {word: {default: x}, wanted: wanted}
    when: $(inputs.wanted)
    out: [out]
    run: tool.cwl
"""
TOOL = """
cwlVersion: v1.2
class: CommandLineTool
inputs: {word: {type: string, inputBinding: {}}}
outputs: {out: stdout}
stdout: $(inputs.word).txt
baseCommand: [sh, -c, 'test "$0" != bad && echo $0']
"""


def test_progress_says_what_became_of_each_step(place: Place) -> None:
    (place.base / "workflow/tool.cwl").write_text(TOOL)
    place.good(WORKFLOW, {"words": ["a", "b", "c"], "wanted": False}, cores=2)
    progress = json.loads((place.base / "progress.json").read_text())
    assert progress["steps"] == {
        "make": {"state": "completed", "done": 3, "of": 3},
        "merge": {"state": "completed", "done": 3, "of": 3},
        "extra": {"state": "skipped", "done": 0, "of": 1},
        "merge/inner": {"state": "completed", "done": 3, "of": 3},
    }
    assert progress["last"] == "merge[3]: completed"
    assert {path.name for path in (place.base / "work").iterdir()} >= {"make", "make_2", "make_3", "inner"}


def test_progress_of_a_failure_names_the_step(place: Place) -> None:
    (place.base / "workflow/tool.cwl").write_text(TOOL)
    result = place.run(WORKFLOW, {"words": ["bad"], "wanted": True})
    assert result["status"] == "permanentFail"
    steps = json.loads((place.base / "progress.json").read_text())["steps"]
    assert steps["make"]["state"] == "failed"
    assert steps["merge"]["state"] == "waiting"
