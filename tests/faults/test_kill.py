"""`kill -9` of each part at three points: every job ends Done once, and the others need no restart."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.executions import Executions
from tests.faults.installation import FaultyStack, Member, await_that

pytestmark = [pytest.mark.xdist_group("fault-kills"), pytest.mark.timeout(400)]

JOBS = 12
VICTIMS = ("server", "worker", "pilot", "postgresql", "seaweedfs")
POINTS = ("submission", "running", "ending")
# Each part once, where most is at stake for it.
OFTEN = {
    "server": "submission",
    "worker": "ending",
    "pilot": "running",
    "postgresql": "submission",
    "seaweedfs": "ending",
}
CASES = [
    pytest.param(victim, point, marks=[] if OFTEN[victim] == point else [pytest.mark.long])
    for victim in VICTIMS
    for point in POINTS
]


@pytest.mark.parametrize(("victim", "point"), CASES)
def test_every_job_ends_done_once(
    stack: FaultyStack, alice: Member, executions: Executions, victim: str, point: str
) -> None:
    name = f"{victim}-{point}"
    jdl = executions.jdl(name, jobs=JOBS)
    await_that(stack.is_whole, "what the last test has killed runs again")
    before = stack.pids()
    if point == "submission":
        if victim == "pilot":
            alice.submit(executions.jdl("first", jobs=1, seconds=0), "first")
            await_that(lambda: bool(executions.counts("end", "first")), "a pilot at work")
        # What is killed here starts again in this thread: the kernel ends programs with the thread that started them.
        with ThreadPoolExecutor(1) as pool:
            submission = pool.submit(alice.submit, jdl, name)
            stack.kill(victim)
            ids = submission.result()
    else:
        ids = alice.submit(jdl, name)
        word, needed = ("begin", 1) if point == "running" else ("end", 3)
        await_that(lambda: len(executions.counts(word, name)) >= needed, f"{needed} jobs at {word}")
        stack.kill(victim)
    await_that(lambda: ended(alice, ids), f"all of {name} ended", explain=lambda: (alice.jobs(ids), stack.pilots()))

    jobs = alice.jobs(ids)
    assert {job["Status"] for job in jobs} == {"Done"}, [job for job in jobs if job["Status"] != "Done"]
    assert len(ids) == alice.count(name) == JOBS
    for job in jobs:
        assert alice.history(job["JobID"]).count("Done") == 1
    ends, begins = executions.counts("end", name), executions.counts("begin", name)
    assert len(ends) == JOBS
    if victim != "pilot":
        assert set(begins.values()) == set(ends.values()) == {1}, begins
    after = stack.pids()
    assert {each for each in before if before[each] != after[each]} <= {victim}


def ended(member: Member, ids: list[int]) -> bool:
    jobs = member.jobs(ids)
    return len(jobs) == len(ids) and all(job["Status"] in ("Done", "Failed", "Killed") for job in jobs)
