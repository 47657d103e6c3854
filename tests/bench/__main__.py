"""`make bench`: measures API, loop, memory, task engine and orders in bulk, each apart; figures go to build/bench."""

import argparse
import sys
from pathlib import Path

from tests.bench import api_bench, bulk, footprint, loop, tasks
from tests.bench.stack import BenchStack, bench_stack

ROOT = Path(__file__).resolve().parent.parent.parent
OUT = ROOT / "build" / "bench"


def measure_api(running: BenchStack, *, jobs: int, scale: float) -> None:
    """Measure every operation, with the worker stopped: its writes would disturb and its CPU is not counted."""
    running.stack.rest()  # or the supervisor would start the worker again
    running.stack.program("worker").stop()
    arguments = ["--url", running.stack.url, "--creds", str(running.credentials), "--pid", str(running.server_pid)]
    if running.database_pid is not None:
        arguments += ["--db-pid", str(running.database_pid)]
    arguments += ["--jobs", str(jobs), "--scale", str(scale), "--json", str(OUT / "api.json")]
    api_bench.main(arguments)


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", choices=("api", "loop", "tasks", "bulk"), help="measure only this")
    parser.add_argument("--jobs", type=int, default=10_000, help="jobs in the table before searching")
    parser.add_argument("--scale", type=float, default=1.0, help="multiply the number of requests")
    options = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    if options.only in (None, "api"):
        with bench_stack(slots=0) as running:
            measure_api(running, jobs=options.jobs, scale=options.scale)
    if options.only in (None, "loop"):
        with bench_stack(slots=loop.SLOTS) as running:
            loop.measure(running, OUT)
            footprint.measure(running, OUT)
    if options.only in (None, "tasks"):
        tasks.measure(OUT)
    if options.only in (None, "bulk"):
        bulk.measure(OUT)
    print(f"The figures are in {OUT.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
