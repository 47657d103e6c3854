"""The examples in CWL run under plain cwltool, and hold all that a bundle needs."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from weyl.cwl.bundling import bundle

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SMALL = sorted(path.stem for path in (EXAMPLES / "cwl").glob("*.cwl"))
FILES = {
    "scatter": ["count.cwl", "scatter.cwl"],
    "workflow": ["count.cwl", "workflow.cwl"],
    "javascript": ["javascript.cwl", "sum.js"],
}
SAID = {
    "echo": "Hello, grid\n",
    "workflow": "      4 data\n      1 are\n",
    "javascript": "positive 7.00 1.75\n",
    "requirements": None,
    "count": None,
    "scatter": None,
    "indexed": "beta 2\n",
}


def run(directory: Path, *words: str) -> dict[str, Any]:
    """Runs plain cwltool and returns the output object."""
    command = [sys.executable, "-m", "cwltool", "--quiet", "--no-container", "--outdir", str(directory), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def texts(value: Any) -> list[str]:
    """Returns the contents of all files of an output object."""
    if isinstance(value, list):
        return [text for item in value for text in texts(item)]
    if not isinstance(value, dict):
        return []
    if value.get("class") == "File":
        return [Path(value["path"]).read_text()]
    return [text for item in value.values() for text in texts(item)]


def test_every_small_document_has_inputs_and_an_answer() -> None:
    assert sorted(SAID) == SMALL
    assert all((EXAMPLES / "cwl" / f"{name}.yml").is_file() for name in SMALL)


@pytest.mark.system
@pytest.mark.parametrize("name", SMALL)
def test_a_small_document_runs_under_plain_cwltool(name: str, tmp_path: Path) -> None:
    found = texts(run(tmp_path, str(EXAMPLES / "cwl" / f"{name}.cwl"), str(EXAMPLES / "cwl" / f"{name}.yml")))
    assert all(found)
    assert SAID[name] is None or SAID[name] in found


@pytest.mark.system
def test_the_collisions_run_under_plain_cwltool(tmp_path: Path) -> None:
    inputs = tmp_path / "inputs.json"
    inputs.write_text(json.dumps({"seeds": [1, 2], "events": 300, "python": sys.executable}))
    found = run(tmp_path / "out", str(EXAMPLES / "zmumu" / "zmumu.cwl"), str(inputs))
    assert json.loads(Path(found["fit"]["path"]).read_text())["events"] == 600
    assert found["plot"]["basename"] == "zmumu.svg"


@pytest.mark.parametrize("name", SMALL)
def test_bundles_of_small_documents_hold_what_they_name(name: str) -> None:
    assert list(bundle(EXAMPLES / "cwl" / f"{name}.cwl").files) == FILES.get(name, [f"{name}.cwl"])


def test_the_bundle_of_the_collisions_brings_its_programs() -> None:
    names = ["generate.cwl", "generate.py", "merge.cwl", "merge.py", "zmumu.cwl"]
    assert list(bundle(EXAMPLES / "zmumu" / "zmumu.cwl").files) == names


def documents_of_pages() -> list[tuple[str, str]]:
    """Return the documents in CWL that pages for users show, each with its page."""
    found = []
    for page in sorted((EXAMPLES.parent / "docs" / "user").glob("*.md")):
        blocks = re.findall(r"^```yaml\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
        found += [(f"{page.stem}-{number}", block) for number, block in enumerate(blocks) if "cwlVersion" in block]
    return found


@pytest.mark.system
@pytest.mark.parametrize(("name", "text"), documents_of_pages(), ids=[name for name, _ in documents_of_pages()])
def test_a_document_of_a_page_is_valid(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "document.cwl").write_text(text)
    command = [sys.executable, "-m", "cwltool", "--quiet", "--validate", str(tmp_path / "document.cwl")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
