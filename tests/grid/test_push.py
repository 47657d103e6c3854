"""Push mode on real systems: jobs run where there is no network, and come back with all that they have made."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.grid.installation import CE, PILOT, SITE, GridInstallation, installation_with
from tests.grid.site import GridSite

pytestmark = pytest.mark.timeout(600)
SYSTEMS_HERE = ("local", "slurm-ssh")
SYSTEMS_OFTEN = ("slurm-ssh",)

JDL = """
    JobName = "pushed-%n"; Executable = "run.sh"; InputSandbox = {"run.sh"}; Arguments = "%n"; Parameters = 3;
    StdOutput = "std.out"; StdError = "std.err"; OutputSandbox = {"std.out", "std.err", "result.txt"};
"""
# A job that has a network or a token says so, and a job that is killed never gets to its end.
RUN = """#!/bin/sh
echo run $1 of $WEYL_JOB_ID
[ -z "$WEYL_JOB_TOKEN_FILE" ] || echo has a token
awk 'NR > 1 { print "has a route" }' /proc/net/route
echo $(($1 * 2)) >result.txt
"""


@pytest.fixture
def installation(site: GridSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GridInstallation]:
    """An installation that pushes jobs to the system of this test; those of `local` begin without a network."""
    if site.element["Driver"] == "local" and os.geteuid() == 0:
        python = tmp_path / "python3"
        # The starter of pilots takes the first Python of the path.
        python.write_text('#!/bin/sh\nexec unshare --net /usr/bin/python3 "$@"\n')
        python.chmod(0o755)
        for directory in (tmp_path, *tmp_path.parents[:2]):
            directory.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with installation_with(site, Mode="push") as running:
        yield running


def _outputs(installation: GridInstallation, ids: list[int], name: str) -> dict[str, str]:
    directory = installation.alice.directory / name
    installation.alice.run("jobs", "output", *map(str, ids), "-d", str(directory))
    return {str(path.relative_to(directory)): path.read_text() for path in directory.rglob("*") if path.is_file()}


def _wrappers() -> list[psutil.Process]:
    """Return the processes of the program that run bundles."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "--bundle" in words and any(PILOT in word for word in words):
            found.append(process)
    return found


def _worker(installation: GridInstallation) -> psutil.Process:
    program = installation.stack.program("worker")
    assert program.process is not None
    return psutil.Process(program.process.pid)


def _history(installation: GridInstallation, job_id: int) -> str:
    return installation.alice.run("jobs", "show", str(job_id), "--history")


def test_jobs_come_home_fail_and_are_killed(installation: GridInstallation) -> None:
    alice = installation.alice
    (alice.directory / "run.sh").write_text(RUN)
    ids = alice.submit(JDL, "pushed.jdl")
    failing = installation.submit("echo before; exit 3")
    installation.await_jobs(ids, "Done")
    found = _outputs(installation, ids, "outputs")
    assert sorted(text.strip() for name, text in found.items() if name.endswith("result.txt")) == ["0", "2", "4"]
    texts = [text for name, text in found.items() if name.endswith("std.out")]
    assert len(texts) == 3
    assert all("has a token" not in text for text in texts)
    if installation.site.element["Driver"] == "local" and os.geteuid() == 0:
        assert all("has a route" not in text for text in texts)

    [job] = installation.await_jobs(failing, "Failed")
    assert (job["MinorStatus"], job["ApplicationStatus"]) == (
        "Application Finished With Errors",
        "Exited With Status 3",
    )
    assert any("before" in text for text in _outputs(installation, failing, "failed").values())

    # The pilot of a match ends when the last of its jobs has been brought home.
    installation.until(lambda: any("pushed" in p["StatusReason"] for p in installation.pilots()), "no pilot ended")
    pilots = installation.pilots()
    assert {pilot["GridType"] for pilot in pilots} == {installation.site.element["Driver"]}
    ended = next(pilot for pilot in pilots if pilot["Status"] == "Done" and "pushed" in pilot["StatusReason"])
    assert "stage payload took" in alice.run("pilots", "logs", ended["PilotStamp"])

    # It is in the accounts as any other pilot, with the jobs that it has had.
    def is_accounted() -> bool:
        reasons = [p["StatusReason"] for p in installation.pilots() if p["Status"] == "Done"]
        jobs = sum(int(reason.split()[0]) for reason in reasons if "pushed" in reason)
        return {"site": SITE, "ce": CE, "status": "Done", "jobs": jobs} in [
            {**row["keys"], "jobs": row["jobs"]} for row in installation.accounts_of_pilots()
        ]

    installation.until(is_accounted, "the pilots are not in the accounts")

    held = installation.submit("echo started; sleep 300")
    installation.await_jobs(held, "Running")
    alice.run("jobs", "kill", str(held[0]), "--yes")
    installation.await_jobs(held, "Killed")
    installation.until(lambda: not _wrappers(), "the killed job still runs")
    parameters = json.loads(alice.run("jobs", "show", str(ids[0]), "--params", "-o", "json"))
    assert "CPUTime(s)" in json.dumps(parameters)


@pytest.mark.long
def test_a_worker_that_is_killed_loses_no_job_and_doubles_none(installation: GridInstallation) -> None:
    ids = installation.submit("echo ran; sleep 4", 6)
    killed = 0

    def is_over() -> bool:
        nonlocal killed
        jobs = installation.alice.jobs(ids)
        ended = sum(job["Status"] == "Done" for job in jobs)
        begun = sum(job["Status"] != "Waiting" for job in jobs)
        # Once when the first have been taken, once when the first have ended.
        if (killed == 0 and begun) or (killed == 1 and ended):
            _worker(installation).kill()
            killed += 1
        return ended == len(ids)

    installation.until(is_over, "jobs were lost with their worker")
    assert killed == 2
    for job_id in ids:
        assert _history(installation, job_id).count("Execution Complete") == 1
    assert len(_outputs(installation, ids, "all")) >= len(ids)


LISTED = """#!/bin/sh
case $1 in
    --query*) printf '0, GPU-push-aa, 8.0, 40960\\n1, GPU-push-bb, 8.0, 40960\\n' ;;
    *) echo "| CUDA Version: 12.4 |" ;;
esac
"""
GPU = {"Arch": "sm_80", "MemoryMB": 40_960, "Runtime": "12.4"}


@pytest.mark.grid_needs("gpus")
def test_jobs_get_gpus_of_their_own(site: GridSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node with two GPUs, as its own program lists them; two jobs run at once, and the third has to wait."""
    program = tmp_path / "nvidia-smi"
    program.write_text(LISTED)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with installation_with(site, Mode="push", GPUs=1, GPU=GPU, MaxTotal=2) as installation:
        alice = installation.alice
        (alice.directory / "run.sh").write_text("#!/bin/sh\necho gpu $CUDA_VISIBLE_DEVICES >result.txt; sleep 20\n")
        plain = installation.submit("true")
        ids = alice.submit(JDL + 'Tags = {"GPU"};', "gpus.jdl")
        installation.await_jobs(ids, "Done")
        found = _outputs(installation, ids, "outputs")
        seen = [text.strip() for name, text in found.items() if name.endswith("result.txt")]
        assert len(seen) == 3
        assert set(seen) == {"gpu GPU-push-aa", "gpu GPU-push-bb"}
        # Jobs that ask for no GPU stay away from nodes that have some.
        assert [job["Status"] for job in alice.jobs(plain)] == ["Waiting"]
