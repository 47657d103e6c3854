"""`kill -9` of each part at each stage of jobs in CWL: all end Done once, with their outputs, and none twice."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.faults.cwl import (
    ENDS,
    INSERTS,
    MANIFESTS,
    body,
    check_outputs,
    engines,
    held,
    is_held,
    kill_engines,
    recorded,
    with_switched_engine,
)
from tests.faults.executions import Executions
from tests.faults.installation import FaultyStack, Member, await_that, running_installation
from tests.faults.test_kill import ended
from tests.faults.test_start_once import uploaded

pytestmark = [pytest.mark.xdist_group("fault-cwl"), pytest.mark.timeout(400)]

JOBS = 3
CASES = {
    "server": ["submission", "setup", "running", "recording", "ending"],
    "worker": ["submission", "setup", "running", "recording", "ending"],
    "pilot": ["setup", "running", "uploading", "recording", "ending"],
    "engine": ["running", "finishing"],
}
# Each part once, where most is at stake for it.
OFTEN = {("server", "submission"), ("worker", "recording"), ("pilot", "ending"), ("engine", "finishing")}
REPEATS = ("pilot", "engine")
"""Without these nobody can tell whether a payload has done its work, so it does it again."""


@pytest.fixture(scope="module")
def stack() -> Iterator[FaultyStack]:
    """An installation whose jobs in CWL may run again where they failed: there is one host."""
    with running_installation(change=with_switched_engine) as running:
        yield running


def kill(stack: FaultyStack, victim: str) -> None:
    """`kill -9` a part; an engine is one of those that run jobs."""
    if victim == "engine":
        assert kill_engines(stack)
    else:
        stack.kill(victim)


def struck(
    stack: FaultyStack, alice: Member, executions: Executions, *, name: str, point: str, strike: Callable[[], None]
) -> list[int]:
    """Submit jobs, bring them to a stage, and strike while they are kept there; returns their ids."""
    sandbox = uploaded(alice, name.encode()) if point == "setup" else None
    wanted = body(executions, name, jobs=JOBS, sandbox=sandbox, seconds=1 if point == "running" else 0.1)
    with ExitStack() as kept, ThreadPoolExecutor(1) as pool:
        if point in HELD:
            kept.enter_context(held(stack, HELD[point]))
        if point == "setup":
            kept.enter_context(stack.store_link.fault("black hole"))
        if point == "finishing":
            executions.on_word = lambda word, _: _once(executions, strike) if word == "end" else None
        submission = pool.submit(alice.submit_cwl, wanted, name)
        if point == "submission":
            await_that(lambda: is_held(stack), "a submission on its way")
        else:
            ids = submission.result()
            await_stage(stack, alice, executions, ids, name=name, point=point, kept=kept)
        if point != "finishing":
            strike()
        kept.close()
        return submission.result()


HELD = {"submission": INSERTS, "recording": MANIFESTS, "ending": ENDS}


def _once(executions: Executions, strike: Callable[[], None]) -> None:
    executions.on_word = None
    strike()


def await_stage(
    stack: FaultyStack,
    alice: Member,
    executions: Executions,
    ids: list[int],
    *,
    name: str,
    point: str,
    kept: ExitStack,
) -> None:
    """Wait until one of the jobs is at a stage."""

    def minors() -> set[str]:
        return {job["MinorStatus"] for job in alice.jobs(ids)}

    def is_there() -> bool:
        if point == "setup":
            return "Downloading InputSandbox" in minors()
        return bool(executions.counts("begin" if point == "running" else "end", name))

    await_that(is_there, f"a job at {point}", explain=lambda: alice.jobs(ids))
    if point == "uploading":
        kept.enter_context(stack.store_link.fault("black hole"))
        await_that(lambda: "Uploading Output Sandbox" in minors(), "an upload", explain=lambda: alice.jobs(ids))
    elif point == "recording":
        await_that(lambda: is_held(stack), "a manifest on its way", explain=lambda: alice.jobs(ids))
    elif point == "ending":
        await_that(lambda: recorded(stack, ids), "outputs recorded", explain=lambda: alice.jobs(ids))


@pytest.mark.parametrize(
    ("victim", "point"),
    [
        pytest.param(victim, point, marks=[] if (victim, point) in OFTEN else [pytest.mark.long])
        for victim, points in CASES.items()
        for point in points
    ],
)
def test_every_job_ends_done_once_with_its_outputs(
    stack: FaultyStack, alice: Member, executions: Executions, victim: str, point: str
) -> None:
    name = f"{victim}-{point}"
    await_that(stack.is_whole, "what the last test has killed runs again")
    ids = struck(stack, alice, executions, name=name, point=point, strike=lambda: kill(stack, victim))
    await_that(lambda: ended(alice, ids), f"all of {name} ended", explain=lambda: (alice.jobs(ids), stack.pilots()))

    jobs = alice.jobs(ids)
    assert {job["Status"] for job in jobs} == {"Done"}, [job for job in jobs if job["Status"] != "Done"]
    assert len(ids) == JOBS
    for number, job_id in enumerate(sorted(ids)):
        assert alice.history(job_id).count("Done") == 1
        check_outputs(alice, job_id, f"{name}-{number}")
    assert sorted(recorded(stack, ids)) == sorted(ids)
    begins, ends = executions.counts("begin", name), executions.counts("end", name)
    assert set(ends) == {f"{name}-{number}" for number in range(JOBS)}
    if victim not in REPEATS:
        assert set(begins.values()) == set(ends.values()) == {1}, begins
    await_that(lambda: not engines(stack), "no engine left", explain=lambda: engines(stack))
