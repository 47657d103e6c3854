"""Runs CWL conformance tests through a whole installation of its own: `make conformance`.

Takes the suite in the directory CONFORMANCE (default ../shared/cwl-conformance), starts the system of `weyl up` in a
scratch directory, lets cwltest run `weyl cwl-runner`, and compares with the suite's baseline.tsv if it has one.
TAGS=required chooses tests, J=2 is how many run at once. Results are in build/conformance.
"""

import csv
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from weyl.demo.installation import InstallationFiles
from weyl.demo.main_job import User
from weyl.demo.stack import Stack, remove_directory

ROOT = Path(__file__).resolve().parent.parent
SUITE = ROOT.parent / "shared" / "cwl-conformance"
TESTS = "conformance_tests.yaml"
RESULTS = ROOT / "build" / "conformance"
PROGRAMS = Path(sys.prefix) / "bin"
TEST_TIMEOUT_S = 120
SECTIONS = {"passed": "pass", "failed": "fail", "unsupported": "unsupported"}
# From good to bad.
RANKS = ("pass", "unsupported", "fail", "missing")


def main() -> int:
    """Run the tests; returns 0 if none ended worse than the baseline says, 2 if there are no tests."""
    suite = Path(os.environ.get("CONFORMANCE") or SUITE).resolve()
    if not (suite / TESTS).is_file():
        print(f"There are no conformance tests in {suite}: no {TESTS}.", file=sys.stderr)
        print("Name their directory, as CONFORMANCE=../cwl-v1.2 make conformance.", file=sys.stderr)
        return 2
    shutil.rmtree(RESULTS, ignore_errors=True)
    RESULTS.mkdir(parents=True)
    directory = Path(tempfile.mkdtemp(prefix="weyl-c-"))
    directory.chmod(0o755)
    try:
        with Stack(InstallationFiles(directory), say=print) as stack:
            user = User(stack)
            user.login()
            began = time.monotonic()
            code = run(suite, user.environment, directory / "outputs")
            print(f"{time.monotonic() - began:.0f} s")
    finally:
        remove_directory(directory)
    found = verdicts(RESULTS / "badges" / "all.md")
    expected = baseline(suite / "baseline.tsv")
    write(found, expected)
    return judge(found, expected, code)


def run(suite: Path, environment: Mapping[str, str], outputs: Path) -> int:
    """Let cwltest run the suite, in its directory; returns its exit code."""
    outputs.mkdir()
    command = [str(PROGRAMS / "cwltest"), "--test", TESTS, "--tool", str(PROGRAMS / "weyl")]
    command += ["-j", os.environ.get("J", "2"), "--timeout", str(TEST_TIMEOUT_S), "--badgedir", str(RESULTS / "badges")]
    if os.environ.get("TAGS"):
        command += ["--tags", os.environ["TAGS"]]
    log = RESULTS / "cwltest.log"
    print(f"Running {suite / TESTS}; the log is {log}", flush=True)
    with log.open("wb") as file:
        done = subprocess.run(
            [*command, "--", "cwl-runner"],
            cwd=suite,
            # What cwltest leaves in its temporary directory goes with the installation.
            env={**environment, "TMPDIR": str(outputs)},
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
        )
    print(log.read_text(errors="replace").rstrip().rpartition("\n")[2])
    return done.returncode


def verdicts(report: Path) -> dict[str, str]:
    """Read what became of each test from the report that cwltest has written."""
    found: dict[str, str] = {}
    section = ""
    for line in report.read_text().splitlines() if report.is_file() else ():
        head = re.fullmatch(r"## List of (\w+) tests", line)
        entry = re.match(r"- \[([^\]]+)\]", line)
        if head is not None:
            section = SECTIONS[head[1]]
        elif entry is not None:
            found[entry[1]] = section
    return found


def baseline(file: Path) -> dict[str, str]:
    """Read what the reference runner makes of each test; nothing if the suite does not say."""
    if not file.is_file():
        return {}
    with file.open(newline="") as lines:
        return {row["id"]: row["cwltool_no_container"] for row in csv.DictReader(lines, delimiter="\t")}


def write(found: Mapping[str, str], expected: Mapping[str, str]) -> None:
    """Keep the results beside what was expected."""
    with (RESULTS / "results.tsv").open("w", newline="") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerow(("id", "weyl", "baseline"))
        writer.writerows((name, verdict, expected.get(name, "")) for name, verdict in found.items())


def judge(found: Mapping[str, str], expected: Mapping[str, str], code: int) -> int:
    """Say how many passed and which are worse than expected; returns the exit code."""
    print(", ".join(f"{count} {verdict}" for verdict, count in Counter(found.values()).most_common()) or "No results")
    if not found:
        return 1
    if not expected:
        return code
    worse = {name: verdict for name, verdict in found.items() if is_worse(verdict, expected.get(name, "pass"))}
    if not os.environ.get("TAGS"):
        worse |= {name: "missing" for name in expected if name not in found}
    for name, verdict in worse.items():
        print(f"  {name}: {verdict}, baseline {expected.get(name, 'unknown')}")
    print(
        "Each test ended as in baseline.tsv, or better."
        if not worse
        else f"{len(worse)} ended worse than baseline.tsv."
    )
    return 1 if worse else 0


def is_worse(verdict: str, expected: str) -> bool:
    """Say whether a verdict is worse than another."""
    return RANKS.index(verdict) > RANKS.index(expected)


if __name__ == "__main__":
    sys.exit(main())
