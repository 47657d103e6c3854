"""Submission of CWL beside parametric JDL: CPU of server and database, statements, compilations, memory."""

import asyncio
import json
import os
import re
import socket
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx2

from tests.bench.cpu import cpu_s
from tests.bench.stack import BenchStack, bench_stack
from tests.bench.statements import log_no_statements, log_statements
from tests.bench.verdicts import Report, Sample, alternate, count, figure, limit, times
from weyl.demo.processes import wait_until

JOBS, FEW, MANY = 10_000, 1_000, 100_000
JDL_TIMES_MAX = 3.0
MANY_TIMES_MAX = 1.2
EXPRESSIONS_TIMES_MAX = 1.15
"""How many times a submission costs whose requirements are expressions: 15 % for the expressions."""
BODY_TIMES_MAX = 10.0
RANGE_MB_MAX = 64.0
"""How far the server may grow for a range, however long: it is not spelled out."""

ECHO = """cwlVersion: v1.2
class: CommandLineTool
label: {label}
requirements:
  InlineJavascriptRequirement: {{}}
  ResourceRequirement: {{coresMin: 1, ramMin: {ram}}}
inputs:
  number: {{type: int, inputBinding: {{position: 1}}}}
  text: {{type: string, default: hello, inputBinding: {{position: 2}}}}
outputs:
  said: {{type: stdout}}
stdout: said.txt
baseCommand: echo
"""
PLAIN = ECHO.format(label="plain", ram=500)
WITH_EXPRESSION = ECHO.format(label="expression", ram='"${ return 500 + 250 * (inputs.number % 4); }"')
JDL = (
    '[Executable="/bin/echo";Arguments="%%s hello";StdOutput="said.txt";OutputSandbox={"said.txt"};'
    'JobName="echo";MinRAM=500;Parameters=%d;ParameterStart=0;ParameterStep=1]'
)


_STATEMENT = re.compile(r"\S+ \S+ \S+ \[(\d+)\] LOG:  (?:statement|execute \S+): *(.*)")


def measure(report: Report, options: Namespace) -> None:
    """Measure with the worker stopped: its writes would disturb and its CPU is not counted."""
    with bench_stack(slots=0) as running:
        running.stack.rest()  # or the supervisor would start the worker again
        running.stack.program("worker").stop()
        metrics = _show_metrics(running)
        with running.client() as client:
            submitter = Submitter(running, client)
            _judge(report, submitter, options)
            report.add(*asyncio.run(_counted(running, submitter, metrics, options)))


def _show_metrics(running: BenchStack) -> str:
    """Start the server anew, with its figures on a port of their own; returns their address."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    running.stack.environment["WEYL_METRICS_PORT"] = str(port)
    server = running.stack.program("server")
    server.stop()
    server.start()
    wait_until(lambda: _answers(f"{running.stack.url}/ready"), server.process, log=server.log, timeout_s=60)
    return f"http://127.0.0.1:{port}/metrics"


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=5).is_success
    except httpx2.HTTPError:
        return False


class Submitter:
    """Sends submissions and says what they cost."""

    def __init__(self, running: BenchStack, client: httpx2.Client) -> None:
        self._running = running
        self._client = client
        self._labels = 0

    def cwl(self, text: str, jobs: int, *, spelled_out: bool = False) -> None:
        """Submit jobs in one call: as a range, or each with an object of its own."""
        body: dict[str, Any] = {"workflow": text}
        if spelled_out:
            body["inputs"] = [{"number": number} for number in range(jobs)]
        else:
            body |= {"range_param": "number", "range_end": jobs}
        self._post("/api/jobs/", body, jobs)

    def jdl(self, jobs: int) -> None:
        """Submit as many parametric jobs in one call."""
        self._post("/api/jobs/jdl", [JDL % jobs], jobs)

    def unknown(self) -> str:
        """Return a document that the server has never seen."""
        self._labels += 1
        return ECHO.format(label=f"new {os.getpid()} {self._labels}", ram=500)

    def _post(self, path: str, body: Any, jobs: int) -> None:
        answer = self._client.post(path, json=body)
        answer.raise_for_status()
        assert len(answer.json()) == jobs, f"{len(answer.json())} jobs instead of {jobs}"

    def cost(self, act: Callable[[], None], jobs: int) -> Sample:
        """Return milliseconds of CPU a job: of the server with its compilers, and of the database."""
        before = self._cpu_s()
        act()
        return tuple((late - early) * 1e3 / jobs for early, late in zip(before, self._cpu_s(), strict=True))

    def _cpu_s(self) -> tuple[float, float]:
        database = self._running.database_pid
        return cpu_s(self._running.server_pid), 0.0 if database is None else cpu_s(database)

    def peak_mb(self) -> float:
        """Return the most memory that the server's process has had since `forget_peak`."""
        return _status_mb(self._running.server_pid, "VmHWM")

    def forget_peak(self) -> float:
        """Let the peak begin anew; returns the memory of now."""
        Path(f"/proc/{self._running.server_pid}/clear_refs").write_text("5")
        return _status_mb(self._running.server_pid, "VmRSS")


def _judge(report: Report, submitter: Submitter, options: Namespace) -> None:
    jobs, many, few = (max(100, round(number * options.scale)) for number in (JOBS, MANY, FEW))
    for text in (PLAIN, WITH_EXPRESSION):
        submitter.cwl(text, 10)
    submitter.jdl(10)

    def compared(ours: Callable[[], None], theirs: Callable[[], None], sizes: tuple[int, int]) -> Any:
        return alternate(
            lambda: submitter.cost(ours, sizes[0]),
            lambda: submitter.cost(theirs, sizes[1]),
            turns=options.alternations,
        )

    def cwl(text: str, number: int, *, spelled_out: bool = False) -> Callable[[], None]:
        return lambda: submitter.cwl(text, number, spelled_out=spelled_out)

    equal = (jobs, jobs)
    ranges = compared(cwl(PLAIN, jobs), lambda: submitter.jdl(jobs), equal)
    spelled = compared(cwl(PLAIN, jobs, spelled_out=True), lambda: submitter.jdl(jobs), equal)
    sizes = compared(cwl(PLAIN, many), cwl(PLAIN, few), (many, few))
    expressions = compared(cwl(WITH_EXPRESSION, jobs), cwl(PLAIN, jobs), equal)
    report.say(f"{jobs:,} jobs a call, {many:,} beside {few:,}; CPU of server, its compilers and the database")
    over = "parametric JDL"
    report.add(
        times(f"{jobs:,} jobs of a range, CPU a job", ranges, over=over, of="ms", at_most=JDL_TIMES_MAX),
        times(f"{jobs:,} jobs spelled out, CPU a job", spelled, over=over, of="ms", at_most=JDL_TIMES_MAX),
        times(f"a job of {many:,}, CPU", sizes, over=f"a job of {few:,}", of="ms", at_most=MANY_TIMES_MAX),
        times(
            f"{jobs:,} jobs with expressions, CPU a job",
            expressions,
            over="without",
            of="ms",
            at_most=EXPRESSIONS_TIMES_MAX,
        ),
        *_memory(submitter, many),
    )


def _memory(submitter: Submitter, jobs: int) -> list[Any]:
    """Judge how far the server grows while it takes a range, and while it takes jobs that are spelled out."""
    base = submitter.forget_peak()
    submitter.cwl(PLAIN, jobs)
    for_range = submitter.peak_mb() - base
    body_mb = len(json.dumps({"inputs": [{"number": number} for number in range(jobs)]})) / 2**20
    base = submitter.forget_peak()
    submitter.cwl(PLAIN, jobs, spelled_out=True)
    for_objects = submitter.peak_mb() - base
    return [
        limit(f"server's growth for a range of {jobs:,}", for_range, "MB", at_most=RANGE_MB_MAX),
        limit(
            f"server's growth for {jobs:,} objects of {body_mb:.1f} MB",
            for_objects,
            "MB",
            at_most=max(RANGE_MB_MAX, BODY_TIMES_MAX * body_mb),
        ),
    ]


async def _counted(running: BenchStack, submitter: Submitter, metrics: str, options: Namespace) -> list[Any]:
    """Count statements at two sizes, and compilations of a document that is new and of one that is known."""
    log = next(running.stack.files.directory.glob("pg/postgres.log"))
    url = running.stack.environment["WEYL_DATABASE_URL"]
    few, many = (max(100, round(number * options.scale)) for number in (FEW, MANY))
    await log_statements(url)
    try:
        counts = [_statements(log, lambda number=jobs: submitter.cwl(PLAIN, number)) for jobs in (few, many)]
    finally:
        await log_no_statements(url)
    new = submitter.unknown()
    found = _compilations(metrics)
    submitter.cwl(new, 10)
    once = _compilations(metrics)
    submitter.cwl(new, 10)
    again = _compilations(metrics)
    return [
        figure(f"statements of a submission of {few:,}", counts[0], ""),
        count(f"statements more for {many:,} jobs", counts[1] - counts[0], at_most=0),
        count("compilations of a new document", once - found, at_most=1),
        count("compilations of a known document", again - once, at_most=0),
    ]


def _statements(log: Path, submit: Callable[[], None]) -> int:
    """Count the statements of the transaction that stores jobs: what the server asks once a second is not its own."""
    before = log.stat().st_size
    submit()
    transactions: dict[str, list[str]] = {}
    for line in log.read_bytes()[before:].decode(errors="replace").splitlines():
        found = _STATEMENT.match(line)
        if found is None:
            continue
        process, told = found.groups()
        if told.startswith("BEGIN"):
            transactions[process] = []
        transactions.setdefault(process, []).append(told)
        if told.startswith("COMMIT") and any(each.startswith('COPY "jobs"') for each in transactions[process]):
            return len(transactions[process]) - 2
    raise SystemExit(f"{log} does not show the transaction that stored the jobs")


def _compilations(metrics: str) -> float:
    text = httpx2.get(metrics, timeout=30).text
    found: Mapping[str, str] = dict(re.findall(r"^(weyl_cwl_compilations_total\S*) (\S+)$", text, re.MULTILINE))
    return sum(map(float, found.values()))


def _status_mb(pid: int, name: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024
