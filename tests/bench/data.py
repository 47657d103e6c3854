"""`make bench-data`: the catalogue beside bare PostgreSQL and beside Rucio, storage beside bare drivers."""

import argparse
import sys
from pathlib import Path

from tests.bench import data_catalog, data_rucio, data_storage
from tests.bench.data_stack import data_stack
from tests.bench.verdicts import ALTERNATIONS, LONG_ALTERNATIONS, OUT, ROOT, Report

PARTS = {"catalog": data_catalog.measure, "storage": data_storage.measure, "rucio": data_rucio.measure}
FILES = 100_000


def main() -> int:
    """Run what was asked for; returns 1 if a line was missed."""
    parser = argparse.ArgumentParser(prog="make bench-data", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="measure only this; may be repeated")
    parser.add_argument("--files", type=int, default=FILES, help="how many files the catalogue has")
    parser.add_argument("--directory", type=Path, help="where the installation is kept for further runs")
    parser.add_argument("--alternations", type=int, default=ALTERNATIONS, help="times that each side is measured")
    parser.add_argument(
        "--long-alternations", type=int, default=LONG_ALTERNATIONS, help="the same for lines that take minutes"
    )
    options = parser.parse_args()
    report = Report("data")
    with data_stack(options.directory) as stack:
        data_catalog.prepare(report, options, stack)
        for name in options.only or PARTS:
            PARTS[name](report, options, stack)
            report.note_pace()
    status = report.finish()
    print(f"The figures are in {OUT.relative_to(ROOT)}")
    return status


if __name__ == "__main__":
    sys.exit(main())
