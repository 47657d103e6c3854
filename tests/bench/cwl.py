"""`make bench-cwl`: jobs in CWL beside the same jobs in JDL, and beside cwltool; figures go to build/bench."""

import argparse
import sys

from tests.bench import cwl_running, cwl_submission, cwl_suite
from tests.bench.verdicts import ALTERNATIONS, LONG_ALTERNATIONS, OUT, ROOT, Report

PARTS = {"submission": cwl_submission.measure, "running": cwl_running.measure, "suite": cwl_suite.measure}


def main() -> int:
    """Run what was asked for; returns 1 if a line was missed."""
    parser = argparse.ArgumentParser(prog="make bench-cwl", description=__doc__)
    parser.add_argument("--only", choices=PARTS, help="measure only this")
    parser.add_argument("--scale", type=float, default=1.0, help="multiply the numbers of jobs")
    parser.add_argument("--alternations", type=int, default=ALTERNATIONS, help="times that each side is measured")
    parser.add_argument(
        "--long-alternations", type=int, default=LONG_ALTERNATIONS, help="the same for lines that take minutes"
    )
    options = parser.parse_args()
    report = Report("cwl")
    for name in [options.only] if options.only else PARTS:
        PARTS[name](report, options)
        report.note_pace()
    status = report.finish()
    print(f"The figures are in {OUT.relative_to(ROOT)}")
    return status


if __name__ == "__main__":
    sys.exit(main())
