"""Measures the loop: 300 jobs of /bin/true through pilots that already wait, beside the same commands started bare."""

import resource
import subprocess
import time
from argparse import Namespace
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from uuid import uuid4

import httpx2

from tests.bench.cpu import cpu_s
from tests.bench.stack import BenchStack
from tests.bench.verdicts import Report, Sample, alternate, count, figure, times

JOBS = 300
SLOTS = 8
WAIT_S = 600.0
LOOK_EVERY_S = 0.2
BARE_TIMES_MAX = 70.0
"""How many times the CPU of a bare command a job takes: in server, worker, pilots and database together."""
FINAL = {"Done", "Failed", "Killed", "Deleted"}
COMMAND = "/bin/true"
JDL = (
    f'[Executable="{COMMAND}";JobName="loop";JobGroup="%s";StdOutput="std.out";StdError="std.err";'
    'OutputSandbox={"std.out","std.err"};CPUTime=100;Parameters=%d]'
)


@dataclass
class Run:
    """What one run of the loop took."""

    jobs: int
    done: int
    submit_s: float
    seconds: float
    cpu: Sample
    """Milliseconds per job: of server, worker and pilots; of the database."""


def measure(running: BenchStack, options: Namespace) -> int:
    """Warm the pilots up with a job for every slot, then run jobs and bare commands in turn."""
    report, jobs = Report("loop"), max(SLOTS, round(JOBS * options.scale))
    with running.client() as client:
        warm = _run(client, running, SLOTS)
        if warm.done != SLOTS:
            raise SystemExit(f"The pilots ran {warm.done} of {SLOTS} jobs to begin with")
        pairs = alternate(lambda: _run(client, running, jobs), lambda: _bare_ms(jobs), turns=options.alternations)
    report.note_pace()
    report.say(f"{jobs} jobs and as many bare commands of {COMMAND}, {SLOTS} at a time")
    runs = [run for run, _ in pairs]
    costs = [(run.cpu, bare_ms) for run, bare_ms in pairs]
    report.add(
        count("jobs that did not end as Done", sum(run.jobs - run.done for run in runs), at_most=0),
        times("CPU per job, programs + database", costs, over="bare", of="ms", at_most=BARE_TIMES_MAX),
        figure("jobs from submission to Done", max(run.done / run.seconds for run in runs), "jobs/s"),
        figure("submission of all in one call", min(run.submit_s for run in runs) * 1e3, "ms"),
    )
    return report.finish()


def _run(client: httpx2.Client, running: BenchStack, jobs: int) -> Run:
    group, before = uuid4().hex[:16], _cpu_s(running)
    began = time.monotonic()
    client.post("/api/jobs/jdl", json=[JDL % (group, jobs)]).raise_for_status()
    submitted = time.monotonic()
    statuses: Counter[str] = Counter()
    while time.monotonic() - began < WAIT_S:
        statuses = _statuses(client, group)
        if sum(statuses[status] for status in FINAL) == jobs:
            break
        time.sleep(LOOK_EVERY_S)
    seconds = time.monotonic() - began
    spent_s = [late - early for early, late in zip(before, _cpu_s(running), strict=True)]
    return Run(jobs, statuses["Done"], submitted - began, seconds, tuple(each * 1e3 / jobs for each in spent_s))


def _cpu_s(running: BenchStack) -> tuple[float, float]:
    """Return the CPU seconds of server, worker and pilots, which are the worker's children, and of the database."""
    database = running.database_pid
    return cpu_s(running.server_pid) + cpu_s(running.pid("worker")), 0.0 if database is None else cpu_s(database)


def _bare_ms(jobs: int) -> Sample:
    """Return the milliseconds of CPU per command, of the commands and of this process that starts them."""
    before = _own_s()
    with ThreadPoolExecutor(SLOTS) as slots:
        list(slots.map(lambda _: subprocess.run([COMMAND], capture_output=True, check=True), range(jobs)))
    return (_own_s() - before) * 1e3 / jobs


def _own_s() -> float:
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _statuses(client: httpx2.Client, group: str) -> Counter[str]:
    condition = {"parameter": "JobGroup", "operator": "eq", "value": group}
    answer = client.post("/api/jobs/summary", json={"grouping": ["Status"], "search": [condition]})
    answer.raise_for_status()
    return Counter({row["Status"]: row["count"] for row in answer.json()})
