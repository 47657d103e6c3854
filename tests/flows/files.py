"""A job that reads files of the catalogue and leaves some there, in JDL and in CWL: pulled by pilots, or pushed."""

import hashlib
import json
from pathlib import Path

from tests.infra.waiting import await_that
from weyl.demo.main_job import User
from weyl.demo.stack import Stack

HOME = "/hep/user/a/alice"
JDL = """Executable = "/bin/sh";
Arguments = "-c 'set -e; cat a.txt 1/a.txt >both.txt; wc -c <both.txt >size.txt; cat input_data.json'";
StdOutput = "std.out";
OutputSandbox = {"std.out"};
InputData = {"LFN:%(home)s/one/a.txt", "%(home)s/two/a.txt"};
OutputData = {"LFN:%(home)s/jdl/both.txt", "size.txt"};
OutputPath = "%(home)s/jdl";
"""
CWL = """cwlVersion: v1.2
class: CommandLineTool
$namespaces: {dirac: "https://diracgrid.org/cwl#"}
hints:
  dirac:Job:
    output_data: [{source: both, output_path: %(home)s/cwl}]
inputs: {first: {type: File, inputBinding: {position: 1}}, second: {type: File, inputBinding: {position: 2}}}
outputs: {both: {type: stdout}}
stdout: both.txt
baseCommand: cat
"""
INPUTS = {"first": {"class": "File", "location": f"lfn:{HOME}/one/a.txt"}}
INPUTS["second"] = {"class": "File", "location": f"lfn:{HOME}/two/a.txt"}


def put_inputs(user: User, ses: tuple[str, str]) -> str:
    """Put two files of one name on these elements; returns what a job makes of both."""
    texts = {"one": "first\n", "two": "second\n"}
    for (directory, text), se in zip(texts.items(), ses, strict=True):
        (user.directory / "a.txt").write_text(text)
        user.run("data", "put", "a.txt", f"{HOME}/{directory}/a.txt", "--se", se)
    return "".join(texts.values())


def submit_both(user: User) -> list[int]:
    """Submit the job in JDL and the one in CWL; returns their ids."""
    (user.directory / "files.jdl").write_text(JDL % {"home": HOME})
    (user.directory / "files.cwl").write_text(CWL % {"home": HOME})
    (user.directory / "files.json").write_text(json.dumps(INPUTS))
    jdl = user.run("jobs", "submit", "files.jdl", "-q")
    cwl = user.run("jobs", "submit", "files.cwl", "files.json", "-q")
    return [int(jdl), int(cwl)]


def wait_until_done(stack: Stack, user: User, ids: list[int]) -> None:
    """Wait for the end of jobs; one that fails, or is to run again, is told at once."""

    def are_done() -> bool:
        stack.check()
        rows = user.jobs(ids)
        bad = [row for row in rows if row["Status"] == "Failed" or row["MinorStatus"] == "Job Rescheduled"]
        assert not bad, bad
        return {row["Status"] for row in rows} == {"Done"}

    await_that(are_done, "jobs that are done", timeout_s=240, poll_s=0.5, explain=lambda: user.jobs(ids))


def check_outputs(user: User, ids: list[int], expected: str, place: Path) -> None:
    """Compare what both jobs have left in the catalogue, under the names that are theirs."""
    jdl, cwl = ids
    assert fetched(user, f"{HOME}/jdl/both.txt", place / "jdl") == expected
    assert fetched(user, f"{HOME}/jdl/size.txt", place / "jdl").strip() == str(len(expected))
    assert fetched(user, f"{HOME}/cwl/{cwl}_both.txt", place / "cwl") == expected
    for directory, job_id in (("jdl", jdl), ("cwl", cwl)):
        listed = json.loads(user.run("data", "ls", f"{HOME}/{directory}", "-o", "json"))
        assert {row["job_id"] for row in listed} == {job_id}
    [row] = json.loads(user.run("jobs", "output", str(cwl), "-d", str(place / "sandbox"), "-o", "json"))
    assert row["Outputs"]["both"]["location"] == f"LFN:{HOME}/cwl/{cwl}_both.txt"
    [row] = json.loads(user.run("jobs", "output", str(jdl), "-d", str(place / "sandbox"), "-o", "json"))
    listing = (Path(row["Directory"]) / "std.out").read_text()
    assert json.loads(listing) == {f"{HOME}/one/a.txt": "a.txt", f"{HOME}/two/a.txt": "1/a.txt"}


def fetched(user: User, lfn: str, place: Path) -> str:
    """Fetch a file of the catalogue; returns what is in it, which is what the catalogue knows."""
    place.mkdir(parents=True, exist_ok=True)
    [row] = json.loads(user.run("data", "get", lfn, "-d", str(place), "-o", "json"))
    content = Path(row["path"]).read_bytes()
    assert row["size"] == len(content)
    if len(row["checksum"]) == 64:
        assert row["checksum"] == hashlib.sha256(content).hexdigest()
    return content.decode()
