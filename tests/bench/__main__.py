"""`make bench`: judges API, loop, memory, task engine and bulk orders, each apart; figures go to build/bench."""

import argparse
import sys
from collections.abc import Callable

from tests.bench import api, bulk, footprint, loop, tasks
from tests.bench.stack import bench_stack
from tests.bench.verdicts import ALTERNATIONS, OUT, ROOT


def measure_loop(options: argparse.Namespace) -> int:
    """Run the loop, and measure the processes that have just run it."""
    with bench_stack(slots=loop.SLOTS) as running:
        return loop.measure(running, options) | footprint.measure(running)


BENCHES: dict[str, Callable[[argparse.Namespace], int]] = {
    "api": api.measure,
    "loop": measure_loop,
    "tasks": tasks.measure,
    "bulk": bulk.measure,
}


def main() -> int:
    """Run what was asked for; returns 1 if a line was missed."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", choices=BENCHES, help="measure only this")
    parser.add_argument("--jobs", type=int, default=10_000, help="jobs in the table before searching")
    parser.add_argument("--scale", type=float, default=1.0, help="multiply the numbers of requests, jobs and tasks")
    parser.add_argument("--alternations", type=int, default=ALTERNATIONS, help="times that each side is measured")
    parser.add_argument("--bare", action="store_true", help="judge the API over bare statements, without the peer")
    options = parser.parse_args()
    status = 0
    for name in [options.only] if options.only else BENCHES:
        status |= BENCHES[name](options)
    print(f"The figures are in {OUT.relative_to(ROOT)}")
    return status


if __name__ == "__main__":
    sys.exit(main())
