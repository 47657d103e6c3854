#!/usr/bin/env python3
"""Looks at the summary that the application has written, and fails the job if it did not read all its events.

A payload command of the stage `post`: it runs in the directory of the job, as the user of the payload, when the payload
has ended well. Any Python from 3.9 on runs it.
"""

import json
import sys
from pathlib import Path


def main(directory: Path = Path()) -> int:
    """Return 0 if every summary below the directory tells of success, 1 with the reason on standard error if not."""
    result = json.loads((directory / "result.json").read_text(encoding="utf-8"))
    summaries = sorted(directory.rglob("summary*.json"))
    if not summaries:
        return fail(f"The application ended with {result['exit_code']} and wrote no summary.")
    for path in summaries:
        summary = json.loads(path.read_text(encoding="utf-8"))
        if not summary.get("success"):
            return fail(f"{path.name}: the application reports an error.")
        if summary.get("read") != summary.get("expected"):
            return fail(f"{path.name}: {summary.get('read')} of {summary.get('expected')} events were read.")
    print(f"{len(summaries)} summaries, all events read")
    return 0


def fail(reason: str) -> int:
    """Say why the job fails."""
    print(reason, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
