"""Documents of other groups, as they are in the source distributions of cwl-utils and Toil, run here unedited."""

import json
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.flows.cwl_examples import contents, plain_run
from weyl.demo.main_job import User

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("cwl"), pytest.mark.timeout(900)]

CWL_UTILS, TOIL = "cwl-utils==0.45", "toil==9.6.0"
DOCUMENTS = {
    # Containers are hints: a node without them passes them by.
    "revsort": (TOIL, "src/toil/test/cwl/revsort.cwl", "src/toil/test/cwl/revsort-job.json"),
    "conditional": (TOIL, "src/toil/test/cwl/conditional_wf.cwl", "src/toil/test/cwl/conditional_wf.yaml"),
    "left out": (TOIL, "src/toil/test/cwl/not_run_required_input.cwl"),
    "javascript": (CWL_UTILS, "src/cwl_utils/testdata/js-expr-req-wf.cwl#wf"),
    "environment": (CWL_UTILS, "src/cwl_utils/testdata/env-tool1.cwl", "src/cwl_utils/testdata/env-job.json"),
}


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return `unpacked(requirement)` -> the folder of a source distribution; skips where PyPI cannot be reached."""
    directory = tmp_path_factory.mktemp("sdists")
    known: dict[str, Path] = {}

    def get(requirement: str) -> Path:
        if requirement not in known:
            place = directory / requirement.partition("=")[0]
            words = ["download", "--quiet", "--no-binary", ":all:", "--no-deps", "--dest", str(place), requirement]
            command = [sys.executable, "-m", "pip", *words]
            done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
            if done.returncode:
                pytest.skip(f"{requirement} is not to be had from PyPI here: {done.stderr[-500:]}")
            [archive] = place.glob("*.tar.gz")
            with tarfile.open(archive) as tar:
                tar.extractall(place, filter="data")
            [known[requirement]] = [path for path in place.iterdir() if path.is_dir()]
        return known[requirement]

    return get


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_of_another_group_gives_what_plain_cwltool_gives(
    alice: User, unpacked: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    requirement, *paths = DOCUMENTS[name]
    words = [str(unpacked(requirement) / path) for path in paths]
    done = subprocess.run(
        [sys.executable, "-m", "weyl", "cwl-runner", "--outdir", str(tmp_path / "weyl"), *words],
        env=alice.environment,
        cwd=alice.directory,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert contents(json.loads(done.stdout)) == plain_run(words, tmp_path / "plain")
