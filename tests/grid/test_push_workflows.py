"""Jobs in CWL where there is no network: document, inputs and engine travel there, and what they put out comes home."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.grid.installation import GridInstallation, installation_with
from tests.grid.site import GridSite

pytestmark = pytest.mark.timeout(600)
SYSTEMS_HERE = ("local", "slurm-ssh")
SYSTEMS_OFTEN = ("local",)

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "cwl"
FAILING = """
cwlVersion: v1.2
class: CommandLineTool
baseCommand: [sh, -c, "echo before; exit 3"]
inputs: {}
outputs: {said: stdout}
"""


@pytest.fixture(params=["archive", pytest.param("directory", marks=pytest.mark.long)])
def installation(
    site: GridSite, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[GridInstallation]:
    """An installation that pushes jobs, and sends the engine along or names it; nodes of `local` lack a network."""
    if site.element["Driver"] == "local" and os.geteuid() == 0:
        python = tmp_path / "python3"
        python.write_text('#!/bin/sh\nexec unshare --net /usr/bin/python3 "$@"\n')
        python.chmod(0o755)
        for directory in (tmp_path, *tmp_path.parents[:2]):
            directory.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    payload = {"Engine": sys.prefix, "Software": [sys.prefix]} if request.param == "directory" else {}
    with installation_with(site, Mode="push", Tags=["hostfeat:cwl"], Payload=payload) as running:
        yield running


def test_workflows_come_home_with_what_they_have_put_out(installation: GridInstallation) -> None:
    alice = installation.alice
    shutil.copytree(EXAMPLES, alice.directory / "cwl")
    ids = [int(line) for line in alice.run("jobs", "submit", "cwl/scatter.cwl", "cwl/scatter.yml", "-q").split()]
    ids += [int(line) for line in alice.run("jobs", "submit", "cwl/count.cwl", "cwl/many.yml", "-q").split()]
    (alice.directory / "failing.cwl").write_text(FAILING)
    failing = [int(line) for line in alice.run("jobs", "submit", "failing.cwl", "-q").split()]
    installation.await_jobs(ids, "Done")
    outputs = [json.loads(alice.run("api", "GET", f"/api/jobs/{job_id}/outputs")) for job_id in ids]
    names = [[each["basename"] for each in _files(output["counts"])] for output in outputs]
    assert names == [["pilot.counts", "data.counts"], ["pilot.counts"], ["data.counts"]]
    # the same file, whether it comes of a scatter or of a job of its own
    [both, *single] = [[each["checksum"] for each in _files(output["counts"])] for output in outputs]
    assert both == [checksum for each in single for checksum in each]

    [job] = installation.await_jobs(failing, "Failed")
    assert job["MinorStatus"] == "Application Finished With Errors"


def _files(value: object) -> list[dict[str, str]]:
    return value if isinstance(value, list) else [value]  # type: ignore[list-item]
