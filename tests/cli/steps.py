"""What the tests of `weyl jobs` do again and again: submit, move, finish, read."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.cli.conftest import Program, Server

from weyl.jobs.calls import changes
from weyl.jobs.models.status import JobStatusUpdate
from weyl.jobs.states import JobStatus
from weyl.sandboxes import calls as sandbox_calls
from weyl.sandboxes.transfer import upload

JDL = 'Executable = "/bin/echo"; Arguments = "hello"; JobName = "greeting"; JobGroup = "{group}"; '


def submit(weyl: Program, group: str, count: int = 1, **environ: str) -> list[int]:
    weyl.file("job.jdl", JDL.format(group=group) + (f"Parameters = {count};" if count > 1 else ""))
    result = weyl("jobs", "submit", "job.jdl", "-q", **environ)
    assert result.returncode == 0, result.stderr
    return [int(line) for line in result.stdout.split()]


def move(server: Server, job_ids: list[int], *statuses: str) -> None:
    """Reports statuses, one after the other, as the wrapper and the matcher do."""
    now = datetime.now(UTC)
    updates = {
        now + timedelta(milliseconds=i): JobStatusUpdate(
            status=JobStatus(status), minor_status=f"step {i}", source="Job"
        )
        for i, status in enumerate(statuses)
    }
    with server.client("alice", group="admin") as admin:
        admin.send(changes.set_statuses(dict.fromkeys(job_ids, updates), force=True))


def rows(weyl: Program, *words: str, **more: str) -> list[dict[str, Any]]:
    """Returns what a command prints as JSON; it must succeed."""
    result = weyl("-o", "json", *words, **more)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def finish(server: Server, job_id: int, directory: Path) -> None:
    """Ends a job as its wrapper does: output sandbox first, then the status."""
    for name, text in (("std.out", "line 1\nline 2\nline 3\n"), ("std.err", "oops\n")):
        (directory / name).write_text(text)
    with server.client("alice") as client:
        pfn = upload(client, [directory / "std.out", directory / "std.err"])
        client.send(sandbox_calls.assign_output(job_id, pfn))
    move(server, [job_id], "Running", "Done")
