"""Writes `campaign-report.json` after a payload: how it ended and what it left; any Python from 3.9 runs this."""

import json
import os
from pathlib import Path
from typing import Any


def report(directory: Path, result: dict[str, Any]) -> dict[str, Any]:
    """Return what the bookkeeping of a campaign wants to know of one job."""
    return {
        "job": int(os.environ["WEYL_JOB_ID"]),
        "status": result["status"],
        "exit_code": result["exit_code"],
        "files": {path.name: path.stat().st_size for path in sorted(directory.iterdir()) if path.is_file()},
    }


if __name__ == "__main__":
    ended = json.loads(Path(os.environ["WEYL_RESULT_FILE"]).read_text())
    Path("campaign-report.json").write_text(json.dumps(report(Path(), ended)) + "\n")
