"""Jobs in CWL through a whole system: as under plain cwltool, and by the contract of CWL runners."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.flows.cwl_examples import EXAMPLES, NAMES, contents, plain
from weyl.demo.main_job import User
from weyl.demo.stack import Stack

pytestmark = [pytest.mark.xdist_group("cwl"), pytest.mark.timeout(900)]

ROOT = Path(__file__).resolve().parents[2]
SUITE = Path(os.environ.get("CONFORMANCE") or ROOT.parent / "shared" / "cwl-conformance")
# Each asks for something else: classes of processes, ways of inputs and outputs, both exit codes of a refusal.
CHOSEN = (
    "cl_optional_inputs_missing",
    "expression_any_string",
    "wf_wc_scatter_multiple_nested",
    "nested_workflow",
    "initial_workdir_trailingnl",
    "filesarray_secondaryfiles",
    "dynamic_resreq_wf",
    "wf_step_access_undeclared_param",
    "stdin_from_directory_literal_with_local_file",
    "secondary_files_in_output_records",
    "timelimit_basic",
    "listing_requirement_deep",
    "pass_through_required_true_when",
    "colon_in_paths",
    "very_big_and_very_floats_nojs",
)
SLEEPER = """cwlVersion: v1.2
class: CommandLineTool
inputs: []
outputs: []
baseCommand: [sleep, "300"]
"""


def weyl(user: User, *words: str, directory: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the program as a user."""
    return subprocess.run(
        [sys.executable, "-m", "weyl", *words],
        env=user.environment,
        cwd=directory or user.directory,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("name", NAMES)
def test_an_example_gives_what_plain_cwltool_gives(alice: User, tmp_path: Path, name: str) -> None:
    document, inputs = str(EXAMPLES / f"{name}.cwl"), str(EXAMPLES / f"{name}.yml")
    done = weyl(alice, "cwl-runner", "--outdir", str(tmp_path / "weyl"), document, inputs)
    assert done.returncode == 0, done.stderr
    assert contents(json.loads(done.stdout)) == plain(name, tmp_path / "plain")


@pytest.mark.skipif(not SUITE.is_dir(), reason="the conformance tests are not there")
def test_a_part_of_the_conformance_tests(alice: User, tmp_path: Path) -> None:
    programs = Path(sys.prefix) / "bin"
    command = [str(programs / "cwltest"), "--test", "conformance_tests.yaml", "--tool", str(programs / "weyl"), "-j2"]
    done = subprocess.run(
        [*command, "--timeout", "120", "-s", ",".join(CHOSEN), "--", "cwl-runner"],
        cwd=SUITE,
        env={**alice.environment, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    print(done.stderr)
    assert done.returncode == 0
    assert "14 tests passed, 1 unsupported features" in done.stderr


def test_runners_that_share_an_expired_login_refresh_it_once(alice: User) -> None:
    credentials = Path(alice.environment["WEYL_CREDENTIALS_PATH"])
    tokens = json.loads(credentials.read_text())
    credentials.write_text(json.dumps({**tokens, "expires_on": 0}))
    words = ("cwl-runner", "--quiet", str(EXAMPLES / "echo.cwl"))
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda number: weyl(alice, *words, "--outdir", f"out-{number}"), range(4)))
    assert [each.returncode for each in done] == [0] * 4, [each.stderr for each in done]
    # A refresh token that is used twice ends the login, so it still works only if one of them has refreshed it.
    assert weyl(alice, "whoami").returncode == 0


def test_outputs_are_fetched_and_told(alice: User, tmp_path: Path) -> None:
    submitted = weyl(alice, "jobs", "submit", str(EXAMPLES / "count.cwl"), str(EXAMPLES / "many.yml"), "-q", "--wait")
    assert submitted.returncode == 0, submitted.stderr
    ids = submitted.stdout.split()
    fetched = weyl(alice, "jobs", "output", *ids, "-d", str(tmp_path), "-o", "json")
    rows = json.loads(fetched.stdout)
    names = sorted(Path(row["Outputs"]["counts"]["path"]).name for row in rows)
    assert names == ["data.counts", "pilot.counts"]
    for row in rows:
        counts = row["Outputs"]["counts"]
        digest = hashlib.sha1(Path(counts["path"]).read_bytes()).hexdigest()
        assert counts["checksum"] == f"sha1${digest}"
    assert f"among its outputs: weyl jobs output {ids[0]}" in weyl(alice, "jobs", "logs", ids[0]).stderr


def test_a_killed_runner_leaves_no_running_job(stack: Stack, alice: User) -> None:
    (alice.directory / "sleep.cwl").write_text(SLEEPER)
    runner = subprocess.Popen(
        [sys.executable, "-m", "weyl", "cwl-runner", "sleep.cwl"],
        env=alice.environment,
        cwd=alice.directory,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert runner.stderr is not None
    line = runner.stderr.readline()
    while "Running" not in line:
        assert line, "the runner has ended"
        line = runner.stderr.readline()
    job_id = int(line.partition("Job ")[2].partition(":")[0])
    os.kill(runner.pid, signal.SIGKILL)
    runner.communicate(timeout=60)
    deadline = time.monotonic() + 60
    while alice.jobs([job_id])[0]["Status"] != "Killed":
        stack.check()
        assert time.monotonic() < deadline, alice.jobs([job_id])
        time.sleep(0.5)
