"""What only a Slurm does: nodes that fail, words, ids that begin anew, and commands that answer garbage or nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from tests.grid.contract import Grid, copies, names
from tests.grid.site import GridSite, open_directory
from weyl.pilots.compute_elements.driver import CEState, ComputeElementDriver
from weyl.pilots.compute_elements.slurm_words import STATES, status_of
from weyl.remote.errors import RemoteError

pytestmark = [pytest.mark.xdist_group("grid-slurm"), pytest.mark.timeout(300)]


@pytest.fixture
def site(start_system: Callable[[str], GridSite]) -> GridSite:
    """Slurm by its commands here."""
    return start_system("slurm")


@pytest.fixture
async def grid(site: GridSite) -> AsyncIterator[Grid]:
    """That Slurm, with a gate of the test's own."""
    with open_directory("gate") as directory:
        grid = Grid(site, directory)
        yield grid
        await grid.end_all()


def with_setup(site: GridSite, *lines: str, **changes: object) -> dict[str, object]:
    """Return options with which the commands behave otherwise: a function of the shell goes before a program."""
    return {"Setup": [*site.element["DriverOptions"]["Setup"], *lines], **changes}


async def state_or_none(driver: ComputeElementDriver, handle: str) -> CEState | None:
    """Return a state; None if the driver says that it cannot know."""
    try:
        return (await driver.status([handle]))[handle].state
    except RemoteError:
        return None


async def test_a_pilot_whose_node_fails_has_failed_for_that_reason(grid: Grid) -> None:
    assert grid.site.fail_node is not None
    submitted = await grid.send(grid.spec(gated=True))
    handle = submitted.handles[0]
    await grid.reach([handle], CEState.RUNNING)
    with grid.site.fail_node():
        await grid.ended([handle])
        status = (await grid.driver.status([handle]))[handle]
    assert (status.state, "NODE_FAIL" in status.detail) == (CEState.FAILED, True)


async def test_a_pilot_that_somebody_else_cancels_is_deleted(grid: Grid) -> None:
    assert grid.site.command is not None
    submitted = await grid.send(grid.waiting_spec())
    handle = submitted.handles[0]
    grid.site.command("scancel", handle.rpartition(":")[2])
    assert await grid.ended([handle]) == {handle: CEState.DELETED}


async def test_jobs_of_a_slurm_that_counts_anew_are_not_mistaken_for_older_ones(grid: Grid) -> None:
    assert grid.site.forget is not None
    submitted = await grid.send(grid.waiting_spec(), 3)
    older = list(submitted.handles.values())
    grid.site.forget("")
    again = await grid.send(grid.waiting_spec(), 3)
    newer = list(again.handles.values())
    same = {handle.rpartition(":")[2] for handle in older} & {handle.rpartition(":")[2] for handle in newer}
    assert set((await grid.states(older)).values()) == {CEState.UNKNOWN}
    assert await grid.driver.cancel(older) == dict.fromkeys(older)
    assert set((await grid.states(newer)).values()) == {CEState.WAITING}, same


async def test_what_sbatch_refuses_is_told_and_leaves_no_directory(grid: Grid) -> None:
    driver = grid.site.make(**with_setup(grid.site))
    wanted = copies(5)
    spec = grid.spec()
    refused = await grid.submit(driver, type(spec)(**{**spec.__dict__, "queue": "no-such-partition"}), wanted)
    assert refused.handles == {}
    assert sorted(refused.failures) == list(range(5))
    assert all("partition" in reason for reason in refused.failures.values())
    assert await grid.driver.find(names(wanted)) == {}
    # What was refused may be sent again under its name.
    assert sorted((await grid.send(spec, wanted)).handles) == list(range(5))


async def test_part_of_a_submission_is_taken(grid: Grid) -> None:
    lines = ('sbatch() { case $* in *name=weyl-a*) echo limit >&2; return 1;; esac; command sbatch "$@"; }',)
    wanted = copies(4)
    marked = [
        type(copy)(("a" if index % 2 else "b") + copy.stamp[1:], secrets=copy.secrets)
        for index, copy in enumerate(wanted)
    ]
    submitted = await grid.submit(grid.site.make(**with_setup(grid.site, *lines)), grid.spec(), marked)
    assert sorted(submitted.handles) == [0, 2]
    assert submitted.failures == dict.fromkeys([1, 3], "limit")
    assert set((await grid.ended(list(submitted.handles.values()))).values()) == {CEState.DONE}


@pytest.mark.parametrize(
    "answer",
    [
        "echo 'Segmentation fault'",
        "head -c 300000 /dev/urandom",
        "echo '1|2'; echo '|||||'; echo",
        "exit 0",
        "echo 'slurm_load_jobs error: Zero Bytes were transmitted or received' >&2; return 1",
        "kill -9 $$",
        "yes",
        "sleep 1000",
    ],
)
async def test_garbage_and_silence_are_no_states(grid: Grid, answer: str) -> None:
    submitted = await grid.send(grid.waiting_spec())
    handle = submitted.handles[0]
    driver = grid.site.make(**with_setup(grid.site, f"squeue() {{ {answer}; }}", Timeout=10))
    async with asyncio.timeout(60):
        assert await state_or_none(driver, handle) in (CEState.UNKNOWN, None)
    assert await grid.states([handle]) == {handle: CEState.WAITING}


async def test_a_submission_that_gets_no_answer_is_in_doubt_and_found_later(grid: Grid) -> None:
    lines = ('sbatch() { command sbatch "$@"; sleep 1000; }',)
    wanted = copies(1)
    driver = grid.site.make(**with_setup(grid.site, *lines, Timeout=10))
    submitted = await driver.submit(grid.spec(gated=True), wanted)
    assert (submitted.handles, submitted.failures) == ({}, {})
    assert "No answer within" in submitted.doubtful[0]
    found = await grid.driver.find(names(wanted))
    assert list(found) == names(wanted)
    await grid.driver.cancel(list(found.values()))
    await grid.ended(list(found.values()))


def test_every_word_of_slurm_has_one_meaning() -> None:
    wanted = {
        "PENDING CONFIGURING": CEState.WAITING,
        "RUNNING COMPLETING SUSPENDED": CEState.RUNNING,
        "COMPLETED": CEState.DONE,
        "FAILED TIMEOUT OUT_OF_MEMORY NODE_FAIL PREEMPTED DEADLINE": CEState.FAILED,
        "CANCELLED": CEState.DELETED,
        "BOOT_FAIL": CEState.ABORTED,
    }
    for words, state in wanted.items():
        for word in words.split():
            assert STATES[word] is state
            assert status_of([word]).state is state
    assert status_of(["FAILED", "COMPLETING"]).state is CEState.RUNNING
    assert status_of([]).state is CEState.UNKNOWN
    assert status_of(["NEW_WORD"], "None").state is CEState.UNKNOWN
    assert status_of(["PENDING"], "Priority").detail == "PENDING Priority"
