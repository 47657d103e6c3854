"""The example of a payload command: what it lets pass, and what it fails a job for."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).resolve().parents[2] / "examples" / "commands" / "check_summary.py"
GOOD = {"success": True, "read": 10, "expected": 10}


@pytest.mark.parametrize(
    ("summaries", "code", "said"),
    [
        ({"work/a/summary.json": GOOD, "work/b/summary-2.json": GOOD}, 0, "2 summaries, all events read"),
        ({"work/a/summary.json": {**GOOD, "read": 9}}, 1, "summary.json: 9 of 10 events were read."),
        (
            {"work/a/summary.json": GOOD, "summary2.json": {"success": False}},
            1,
            "summary2.json: the application reports",
        ),
        ({}, 1, "The application ended with 0 and wrote no summary."),
    ],
)
def test_a_summary_decides(tmp_path: Path, summaries: dict[str, Any], code: int, said: str) -> None:
    for name, summary in {"result.json": {"status": "success", "exit_code": 0}, **summaries}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(json.dumps(summary))
    command = [sys.executable, "-I", "-S", str(PROGRAM)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code
    assert said in done.stdout + done.stderr
