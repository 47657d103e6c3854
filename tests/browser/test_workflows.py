"""Workflows in CWL are written or chosen, checked and submitted in a browser, and their jobs show steps and outputs."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import PICTURES, Login, accessibility_problems
from tests.infra.expectations import expect
from weyl.demo.main_job import User

EDITOR = "Workflow in CWL"
OUTLOOK = "Preview"
TOOL = """\
cwlVersion: v1.2
class: CommandLineTool
label: typed
inputs:
  seed: {type: long, inputBinding: {position: 1}}
  scale: {type: double, default: 1.5, inputBinding: {position: 2}}
  mode: {type: ["null", {type: enum, symbols: [fast, exact]}]}
  sizes: {type: "int[]", inputBinding: {position: 3}}
  options:
    type:
      type: record
      fields: {level: int, note: string?}
  either: {type: ["null", int, string], inputBinding: {position: 4}}
outputs:
  said: {type: stdout}
baseCommand: [echo]
stdout: said.txt
"""
FILES = {
    "main.cwl": """\
cwlVersion: v1.2
class: Workflow
label: Count and tell
inputs:
  text: File
  words: {type: string, default: lines}
outputs:
  lines: {type: File, outputSource: count/lines}
  told: {type: File, outputSource: tell/told}
steps:
  count:
    run: tools/count.cwl
    in: {text: text}
    out: [lines]
  tell:
    run: tools/tell.cwl
    in: {lines: count/lines, words: words}
    out: [told]
""",
    "tools/count.cwl": """\
cwlVersion: v1.2
class: CommandLineTool
inputs: {text: {type: File, inputBinding: {position: 1}}}
outputs: {lines: {type: stdout}}
baseCommand: [grep, -c, ""]
stdout: lines.txt
""",
    "tools/tell.cwl": """\
cwlVersion: v1.2
class: CommandLineTool
inputs:
  words: {type: string, inputBinding: {position: 1}}
  lines: {type: File, inputBinding: {position: 2}}
outputs: {told: {type: stdout}}
baseCommand: [echo, counted]
stdout: told.txt
""",
    "notes/large.txt": "not of the workflow",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A workflow of three files, with one that does not belong to it."""
    for path, text in FILES.items():
        (tmp_path / "wf" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "wf" / path).write_text(text)
    return tmp_path / "wf"


def _begin(page: Page) -> None:
    page.get_by_text("CWL", exact=True).click()
    expect(page.get_by_label(EDITOR, exact=True)).to_be_visible()


def _write(page: Page, text: str) -> None:
    page.get_by_label(EDITOR, exact=True).fill(text)


def _open(page: Page, folder: Path) -> None:
    page.locator("[data-chooses='Choose a folder for the workflow']").set_input_files(folder)
    expect(page.get_by_label("Main document")).to_have_value("main.cwl")


def _give(page: Page, name: str, content: bytes, of: str) -> None:
    field = page.locator(f"[data-chooses='Choose a file for {of}']")
    field.set_input_files({"name": name, "mimeType": "text/plain", "buffer": content})


def _submit(page: Page, said: str = "1 job submitted") -> list[int]:
    page.get_by_role("button", name="Submit", exact=True).click()
    done = page.get_by_role("status").filter(has_text=said)
    expect(done).to_be_visible()
    found = re.search(r"submitted: (\d+)(?:–(\d+))?", done.inner_text())
    assert found
    return list(range(int(found[1]), int(found[2] or found[1]) + 1))


def _input_objects(page: Page, jobs: list[int]) -> list[dict[str, Any]]:
    return [json.loads(page.request.get(f"/api/jobs/{job_id}/input-object").text()) for job_id in jobs]


def test_problems_stand_at_their_lines(logged_in: Login) -> None:
    page = logged_in("/submit")
    _begin(page)
    _write(page, TOOL.replace("stdout: said", "stdoot: said").replace("scale: {type: double", "scale: {type: dubble"))
    outlook = page.get_by_label(OUTLOOK)
    expect(outlook.get_by_role("alert")).to_contain_text("dubble")
    marked = page.locator(".editor pre span[data-tone=danger]")
    expect(marked.first).to_have_text("6")
    expect(page.get_by_role("button", name="Submit", exact=True)).to_be_disabled()
    page.get_by_role("button", name=re.compile("^Go to line 6")).click()
    expect(page.get_by_label(EDITOR, exact=True)).to_be_focused()
    assert accessibility_problems(page) == []
    _write(page, "cwlVersion: v1.2\nclass: [")
    expect(outlook.get_by_role("alert")).to_contain_text("not-yaml")
    _write(page, TOOL)
    expect(outlook.get_by_role("alert")).to_have_count(0)
    expect(page.get_by_role("button", name="Submit", exact=True)).to_be_enabled()


def test_a_form_asks_for_typed_inputs_and_sends_them_as_they_were_written(logged_in: Login) -> None:
    page = logged_in("/submit")
    _begin(page)
    _write(page, TOOL)
    seed = page.locator("input[name=seed]")
    expect(seed).to_be_visible()
    page.get_by_role("button", name="Submit", exact=True).click()
    expect(seed).to_be_focused()
    expect(page.get_by_text("This field is required.").first).to_be_visible()
    seed.fill("much")
    expect(page.get_by_text("Enter a whole number.")).to_be_visible()
    seed.fill("9007199254740993")
    page.locator("input[name=scale]").fill("2.0")
    page.locator("select[name=mode]").select_option("exact")
    page.locator("textarea[name=sizes]").fill("3\n4\n")
    page.locator("input[name=level]").fill("1")
    page.get_by_label("Type of either").select_option(label="string")
    page.locator("input[name=either]").fill("17")
    [job_id] = _submit(page)
    text = page.request.get(f"/api/jobs/{job_id}/input-object").text()
    assert re.search(r'"seed": ?9007199254740993\b', text)
    assert re.search(r'"scale": ?2\.0\b', text)
    assert json.loads(text) == {
        "seed": 9007199254740993,
        "scale": 2.0,
        "mode": "exact",
        "sizes": [3, 4],
        "options": {"level": 1},
        "either": "17",
    }


def test_a_range_and_a_scatter_are_rehearsed_and_submitted(logged_in: Login) -> None:
    page = logged_in("/submit")
    _begin(page)
    _write(page, TOOL)
    page.locator("input[name=level]").fill("1")
    page.get_by_text("Range", exact=True).click()
    page.get_by_label("Input", exact=True).select_option("seed")
    page.get_by_label("To", exact=True).fill("6")
    page.get_by_label("Step", exact=True).fill("2")
    expect(page.get_by_label("Jobs", exact=True)).to_contain_text("3 jobs")
    page.get_by_role("button", name="Dry run").click()
    rehearsed = page.get_by_label("Dry run", exact=True)
    expect(rehearsed).to_contain_text("Valid: 3 jobs")
    expect(rehearsed.get_by_role("row")).to_have_count(2)
    jobs = _submit(page, "3 jobs submitted")
    assert [each["seed"] for each in _input_objects(page, jobs)] == [0, 2, 4]
    page.get_by_text("Scatter", exact=True).click()
    differing = page.get_by_role("group", name="Inputs to scatter")
    differing.get_by_label("seed").check()
    differing.get_by_label("scale").check()
    page.locator("textarea[name=seed]").fill("1\n2")
    page.locator("textarea[name=scale]").fill("0.5")
    page.get_by_role("button", name="Submit", exact=True).click()
    expect(page.get_by_text("The lists must have the same length.")).to_be_visible()
    page.get_by_label("Scatter method").select_option("flat_crossproduct")
    jobs = _submit(page, "2 jobs submitted")
    assert [(each["seed"], each["scale"]) for each in _input_objects(page, jobs)] == [(1, 0.5), (2, 0.5)]


def test_a_workflow_of_several_files_runs_and_shows_its_steps_and_outputs(
    logged_in: Login, alice: User, folder: Path
) -> None:
    page = logged_in("/submit")
    _begin(page)
    _open(page, folder)
    files = page.get_by_label("Files of the workflow")
    expect(files).to_contain_text("Uses 3 of 4 files")
    files.get_by_role("button", name="tools/tell.cwl").click()
    editor = page.get_by_label("File tools/tell.cwl")
    expect(editor).to_have_value(FILES["tools/tell.cwl"])
    editor.fill(FILES["tools/tell.cwl"].replace("counted", "[counted"))
    page.get_by_role("button", name=re.compile("^Go to line .* of tools.tell.cwl")).first.click()
    expect(page.get_by_label("File tools/tell.cwl")).to_be_focused()
    editor.fill(FILES["tools/tell.cwl"].replace("counted", "there are"))
    expect(page.get_by_label("Steps", exact=True)).to_contain_text("2 steps")
    _give(page, "poem #1.txt", b"one\ntwo\nthree\n", "text")
    assert accessibility_problems(page) == []
    [job_id] = _submit(page)
    page.get_by_role("link", name="View job").click()
    page.get_by_role("tab", name="Workflow").click()
    steps = page.get_by_role("tabpanel")
    expect(steps.get_by_role("row").filter(has_text="echo there are")).to_contain_text("count")
    alice.run("jobs", "wait", str(job_id))
    expect(steps.get_by_role("row").filter(has_text="grep -c")).to_contain_text("completed")
    expect(steps).to_contain_text("2 completed")
    steps.get_by_role("button", name="count").click()
    expect(steps.get_by_role("button", name="count")).to_have_attribute("aria-pressed", "true")
    assert accessibility_problems(page) == []
    page.get_by_role("tab", name="Inputs").click()
    expect(page.get_by_role("tabpanel")).to_contain_text("poem #1.txt")
    page.get_by_role("tab", name="Outputs").click()
    outputs = page.get_by_role("tabpanel")
    expect(outputs.get_by_role("listitem").filter(has_text="lines.txt")).to_contain_text("sha1$")
    with page.expect_download() as got:
        outputs.get_by_role("button", name="Download lines.txt").click()
    assert got.value.path().read_text() == "3\n"
    assert got.value.suggested_filename == "lines.txt"
    assert accessibility_problems(page) == []


def test_jobs_without_a_workflow_have_no_such_tabs(logged_in: Login, alice: User) -> None:
    (alice.directory / "plain.jdl").write_text('[ Executable = "/bin/true"; ]')
    [job] = json.loads(alice.run("jobs", "submit", "plain.jdl", "-o", "json"))
    page = logged_in(f"/jobs/{job['JobID']}")
    expect(page.get_by_role("tab", name="Overview")).to_be_visible()
    expect(page.get_by_role("tab", name="Workflow")).to_have_count(0)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_submit_workflows(logged_in: Login, folder: Path, width: int, scheme: str) -> None:
    page = logged_in("/submit", color_scheme=scheme, viewport={"width": width, "height": 1600})
    _begin(page)
    PICTURES.mkdir(parents=True, exist_ok=True)
    _write(page, TOOL.replace("type: stdout", "type: stdoot"))
    expect(page.get_by_label(OUTLOOK).get_by_role("alert")).to_be_visible()
    page.screenshot(path=PICTURES / f"workflow-wrong-{width}-{scheme}.png", animations="disabled")
    _write(page, TOOL)
    page.get_by_text("Scatter", exact=True).click()
    page.get_by_role("group", name="Inputs to scatter").get_by_label("seed").check()
    page.screenshot(path=PICTURES / f"workflow-typed-{width}-{scheme}.png", animations="disabled")
    assert accessibility_problems(page) == []
    _open(page, folder)
    expect(page.get_by_label("Steps", exact=True)).to_contain_text("2 steps")
    page.screenshot(path=PICTURES / f"workflow-files-{width}-{scheme}.png", animations="disabled")
    assert accessibility_problems(page) == []
    assert not page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
