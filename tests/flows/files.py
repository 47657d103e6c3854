"""A job that reads files of the catalogue and leaves some there, in JDL and in CWL: pulled by pilots, or pushed."""

import hashlib
import json
from pathlib import Path

from weyl.demo.main_job import User

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


def fetched(user: User, lfn: str, place: Path) -> str:
    """Fetch a file of the catalogue; returns what is in it, which is what the catalogue knows."""
    place.mkdir(exist_ok=True)
    rows = json.loads(user.run("data", "get", lfn, "-d", str(place), "-o", "json"))
    [row] = rows["success"].values() if isinstance(rows, dict) else rows
    content = Path(row["path"]).read_bytes()
    assert row["size"] == len(content)
    if len(row["checksum"]) == 64:
        assert row["checksum"] == hashlib.sha256(content).hexdigest()
    return content.decode()
