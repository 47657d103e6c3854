"""Where errors of hosts are not retried, what may have started never starts again, and what did not start does."""

import hashlib
import io
import tarfile

import httpx2
import pytest

from tests.faults.executions import Executions
from tests.faults.installation import FaultyStack, Member, await_that
from tests.faults.test_kill import ended

pytestmark = [pytest.mark.xdist_group("fault-start-once"), pytest.mark.timeout(400)]

RUNS_ONCE = True


def test_a_payload_whose_start_could_not_be_reported_does_not_run_twice(
    stack: FaultyStack, alice: Member, executions: Executions
) -> None:
    """The database is away when the job begins, the payload ends, the pilot is killed."""
    name = "unreported"
    # Each answer half a second late: the report of the start is far from committed when the payload has begun.
    with stack.postgres_link.fault("delay"):
        executions.on_word = lambda word, _: stack.postgres_link.play("reset") if word == "begin" else None
        ids = alice.submit(executions.jdl(name, jobs=1, seconds=0.1), name)
        await_that(lambda: executions.counts("end", name).total() == 1, "the payload over")
        executions.on_word = None
        stack.kill("pilot")
    await_that(lambda: ended(alice, ids), "the job over", explain=lambda: alice.jobs(ids))

    assert executions.counts("begin", name) == {f"{name}-0": 1}
    [job] = alice.jobs(ids)
    assert (job["Status"], job["RescheduleCounter"]) == ("Failed", 0)
    assert job["MinorStatus"] == "Job stalled: pilot not running"


def test_a_job_whose_pilot_died_before_the_payload_started_runs_once(
    stack: FaultyStack, alice: Member, executions: Executions
) -> None:
    """Its input does not come, the pilot is killed: nothing has started, which the pilot's file says."""
    name = "unstarted"
    sandbox = uploaded(alice, b"input that is too late")
    with stack.store_link.fault("black hole"):
        ids = alice.submit(executions.jdl(name, jobs=1, seconds=0.1, more=f'InputSandbox = {{"{sandbox}"}};'), name)
        await_that(
            lambda: [job["MinorStatus"] for job in alice.jobs(ids)] == ["Downloading InputSandbox"],
            "a job that waits for its input",
            explain=lambda: alice.jobs(ids),
        )
        stack.kill("pilot")
    await_that(lambda: ended(alice, ids), "the job over", explain=lambda: alice.jobs(ids))

    assert executions.counts("begin", name) == {f"{name}-0": 1}
    [job] = alice.jobs(ids)
    assert (job["Status"], job["RescheduleCounter"]) == ("Done", 0)
    assert "Rescheduled" in alice.history(ids[0])


def uploaded(member: Member, content: bytes) -> str:
    """Store an input sandbox of one file, and return its name."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:bz2") as tar:
        entry = tarfile.TarInfo("input.txt")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    packed = stream.getvalue()
    info = {"checksum_algorithm": "sha256", "checksum": hashlib.sha256(packed).hexdigest()}
    form = member.http.post("/api/jobs/sandbox", json={**info, "size": len(packed), "format": "tar.bz2"}).json()
    stored = httpx2.post(form["url"], data=form["fields"], files={"file": packed}, timeout=60)
    assert stored.status_code in (200, 201, 204), stored.text
    return str(form["pfn"])
