"""Measures the loop: 300 jobs of /bin/true, submitted in one call to pilots that already wait, until all are Done."""

import json
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

import httpx2

from tests.bench.stack import BenchStack, load

JOBS = 300
SLOTS = 8
WAIT_S = 180.0
LOOK_EVERY_S = 0.2
FINAL = {"Done", "Failed", "Killed", "Deleted"}
JDL = (
    '[Executable="/bin/true";JobName="loop";JobGroup="%s";StdOutput="std.out";StdError="std.err";'
    'OutputSandbox={"std.out","std.err"};CPUTime=100;Parameters=%d]'
)


@dataclass
class Loop:
    """What one run of the loop took."""

    jobs: int
    slots: int
    done: int
    submit_s: float
    seconds: float
    jobs_s: float
    statuses: dict[str, int]
    load_before: tuple[float, float, float]
    load_after: tuple[float, float, float]

    def text(self) -> str:
        """Return the outcome as one line."""
        told = f"{self.done} of {self.jobs} jobs Done after {self.seconds:.2f} s"
        return f"loop: {told} ({self.jobs_s:.1f} jobs/s, {self.slots} slots, submitted in {self.submit_s * 1e3:.0f} ms)"


def measure(stack: BenchStack, out: Path) -> Loop:
    """Warm the pilots up with a job for every slot, then time the jobs; writes `loop.json`."""
    with stack.client() as client:
        warm = _run(client, SLOTS, slots=SLOTS)
        if warm.done != SLOTS:
            raise SystemExit(f"The pilots did not run {SLOTS} jobs to begin with: {warm.statuses}")
        result = _run(client, JOBS, slots=SLOTS)
    (out / "loop.json").write_text(json.dumps(asdict(result), indent=1) + "\n")
    print(result.text(), flush=True)
    return result


def _run(client: httpx2.Client, jobs: int, *, slots: int) -> Loop:
    group, before = uuid4().hex[:16], load()
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
    return Loop(
        jobs=jobs,
        slots=slots,
        done=statuses["Done"],
        submit_s=submitted - began,
        seconds=seconds,
        jobs_s=statuses["Done"] / seconds,
        statuses=dict(statuses),
        load_before=before,
        load_after=load(),
    )


def _statuses(client: httpx2.Client, group: str) -> Counter[str]:
    condition = {"parameter": "JobGroup", "operator": "eq", "value": group}
    answer = client.post("/api/jobs/summary", json={"grouping": ["Status"], "search": [condition]})
    answer.raise_for_status()
    return Counter({row["Status"]: row["count"] for row in answer.json()})
