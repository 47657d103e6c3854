"""Jobs in CWL from submission to Done, beside cwltool by itself and beside JDL jobs that run it."""

import json
import subprocess
import sys
import time
from argparse import Namespace
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2

from tests.bench.cpu import cpu_s
from tests.bench.stack import BenchStack, bench_stack
from tests.bench.verdicts import Report, alternate, count, figure, times

SLOTS = 2
SCATTERED = 500
JOBS = 100
"""Of the 500 that the line speaks of: a cold cwltool costs a second of CPU on either side."""
SCATTER_TIMES_MAX, JOBS_TIMES_MAX = 1.5, 1.5
WAIT_S = 1_200.0
LOOK_EVERY_S = 0.2
FINAL = {"Done", "Failed", "Killed", "Deleted"}

ECHO = """cwlVersion: v1.2
class: CommandLineTool
inputs: {number: {type: int, inputBinding: {position: 1}}}
outputs: {said: {type: stdout}}
stdout: said.txt
baseCommand: echo
"""
SCATTER = """cwlVersion: v1.2
class: Workflow
requirements: {ScatterFeatureRequirement: {}}
inputs: {numbers: "int[]"}
outputs: {said: {type: "File[]", outputSource: say/said}}
steps:
  say:
    scatter: number
    in: {number: numbers}
    out: [said]
    run:
      class: CommandLineTool
      inputs: {number: {type: int, inputBinding: {position: 1}}}
      outputs: {said: {type: stdout}}
      stdout: said-$(inputs.number).txt
      baseCommand: echo
"""
TRUE = '[Executable="/bin/true";JobName="true";JobGroup="%s"]'
WITH_CWLTOOL = (
    '[Executable="/bin/sh";JobGroup="%s";JobName="cwltool";Parameters=%d;ParameterStart=0;ParameterStep=1;'
    "Arguments=\"-c 'cat > echo.cwl <<E\n%s\nE\n%s -m cwltool --quiet --no-container echo.cwl --number %%s'\"]"
)


def measure(report: Report, options: Namespace) -> None:
    """Warm the pilot up with one job of each kind, then run in turn."""
    with bench_stack(slots=SLOTS) as running, running.client() as client:
        runs = Runs(running, client)
        runs.cwl(SCATTER, [{"numbers": [1, 2]}])
        runs.jdl(TRUE, 1)
        scattered = max(5, round(SCATTERED * options.scale))
        numbers = {"numbers": list(range(scattered))}
        turns = options.long_alternations
        true_s = min(runs.jdl(TRUE, 1) for _ in range(3))
        pairs = alternate(
            lambda: max(0.0, runs.cwl(SCATTER, [numbers]) - true_s),
            lambda: _cwltool_s(running.stack.files.directory, numbers),
            turns=turns,
        )
        report.say(f"a scatter of {scattered} echos as one job, less {true_s:.2f} s that a job of /bin/true takes")
        report.add(times("a scatter as one job, wall", pairs, over="cwltool", of="s", at_most=SCATTER_TIMES_MAX))
        jobs = max(SLOTS, round(JOBS * options.scale))
        objects = [{"number": number} for number in range(jobs)]
        pairs = alternate(
            lambda: runs.cwl(ECHO, objects),
            lambda: runs.jdl(WITH_CWLTOOL, jobs, ECHO.rstrip(), sys.executable),
            turns=turns,
        )
        report.say(f"{jobs} echo jobs on {SLOTS} slots, beside as many JDL jobs that run cwltool themselves")
        report.add(times("echo jobs, wall", pairs, over="JDL with cwltool", of="s", at_most=JOBS_TIMES_MAX))
        report.add(*_figures(runs, objects))


class Runs:
    """Submits jobs and waits until all have ended."""

    def __init__(self, running: BenchStack, client: httpx2.Client) -> None:
        self._running = running
        self._client = client
        self.bad = 0

    def cwl(self, text: str, objects: list[dict[str, Any]]) -> float:
        """Return the seconds from submission to the end of the last job."""
        group = uuid4().hex[:16]
        body = {"workflow": text, "inputs": objects, "hints": {"dirac:Job": {"group": group}}}
        return self._until_done("/api/jobs/", body, group, len(objects))

    def jdl(self, text: str, jobs: int, *values: str) -> float:
        """Return the same of a JDL with the name of the group, and the number of jobs, in it."""
        group = uuid4().hex[:16]
        filled = text % (group, jobs, *values) if values else text % group
        return self._until_done("/api/jobs/jdl", [filled], group, jobs)

    def cpu_s(self) -> tuple[float, float]:
        """Return the CPU seconds of server, worker and pilots, which are the worker's children; of the database."""
        running = self._running
        database = running.database_pid
        programs = cpu_s(running.server_pid) + cpu_s(running.pid("worker"))
        return programs, 0.0 if database is None else cpu_s(database)

    def _until_done(self, path: str, body: Any, group: str, jobs: int) -> float:
        began = time.monotonic()
        answer = self._client.post(path, json=body)
        answer.raise_for_status()
        assert len(answer.json()) == jobs
        statuses: Counter[str] = Counter()
        while time.monotonic() - began < WAIT_S:
            statuses = self._statuses(group)
            if sum(statuses[status] for status in FINAL) == jobs:
                break
            time.sleep(LOOK_EVERY_S)
        self.bad += jobs - statuses["Done"]
        return time.monotonic() - began

    def _statuses(self, group: str) -> Counter[str]:
        condition = {"parameter": "JobGroup", "operator": "eq", "value": group}
        answer = self._client.post("/api/jobs/summary", json={"grouping": ["Status"], "search": [condition]})
        answer.raise_for_status()
        return Counter({row["Status"]: row["count"] for row in answer.json()})


def _figures(runs: Runs, objects: list[dict[str, Any]]) -> list[Any]:
    before = runs.cpu_s()
    seconds = runs.cwl(ECHO, objects)
    programs_s, database_s = (late - early for early, late in zip(before, runs.cpu_s(), strict=True))
    per_job = 1e3 / len(objects)
    return [
        count("jobs that did not end as Done", runs.bad, at_most=0),
        figure("a trivial CWL job, CPU of all programs", programs_s * per_job, "ms"),
        figure("a trivial CWL job, CPU of PostgreSQL", database_s * per_job, "ms"),
        figure("trivial CWL jobs from submission to Done", len(objects) / seconds, "jobs/s"),
    ]


def _cwltool_s(directory: Path, inputs: dict[str, Any]) -> float:
    """Return the seconds that cwltool takes by itself."""
    place = directory / f"cwltool-{uuid4().hex[:8]}"
    place.mkdir()
    (place / "scatter.cwl").write_text(SCATTER)
    (place / "inputs.json").write_text(json.dumps(inputs))
    command = [sys.executable, "-m", "cwltool", "--quiet", "--no-container", "scatter.cwl", "inputs.json"]
    began = time.monotonic()
    subprocess.run(command, cwd=place, stdout=subprocess.DEVNULL, check=True, timeout=WAIT_S)
    return time.monotonic() - began
