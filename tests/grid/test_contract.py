"""What every computing element driver must do, run over each of them with the real system behind it."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.grid.contract import Grid, copies, names, refusal
from tests.infra.selection import Share
from weyl.kit.ids import new_stamp
from weyl.pilots.compute_elements.driver import Carrier, CEState, Output

pytestmark = pytest.mark.timeout(400)

# What no handle looks like, what one of another system looks like, and what tries to get somewhere else.
STRANGE = [
    "",
    "nonsense",
    "999999999",
    "weyl-x:1:1",
    "../../etc:1:1",
    "$(touch /tmp/x):1",
    "a b\nc",
    "weyl-x:no:",
    "é;",
]
BOUNDED_S = 60


async def test_a_pilot_runs_with_its_stamp_inputs_and_secret_and_ends_done(grid: Grid) -> None:
    (copy,) = wanted = copies(1)
    submitted = await grid.send(grid.spec("0", "two words", "*"), wanted)
    handle = submitted.handles[0]
    assert await grid.ended([handle]) == {handle: CEState.DONE}
    output = await grid.driver.output(handle)
    assert output.stdout is not None
    first, second, *_ = output.stdout.decode().splitlines()
    assert first == f"stamp {copy.stamp}, secret hush-0, mode 600, shown 0"
    assert second.endswith(", arguments 0 two words *, data shared, common a 'quoted' $value")
    assert b"trouble" in ((output.stderr if grid.site.splits_output else output.stdout) or b"")
    assert output.exit_code == (0 if grid.site.has_exit_codes else None)


async def test_a_pilot_that_fails_says_so(grid: Grid) -> None:
    submitted = await grid.send(grid.spec("3"))
    handle = submitted.handles[0]
    assert await grid.ended([handle]) == {handle: CEState.FAILED}
    assert (await grid.driver.status([handle]))[handle].detail
    assert (await grid.driver.output(handle)).exit_code == (3 if grid.site.has_exit_codes else None)


async def test_many_pilots_are_sent_in_one_call_each_with_its_own_stamp_and_secret(
    grid: Grid, take_part: Callable[[int], Share]
) -> None:
    wanted = copies(grid.site.bulk // take_part(4).one_of)
    submitted = await grid.send(grid.spec(), wanted)
    handles = list(submitted.handles.values())
    assert len(set(handles)) == len(wanted)
    assert set((await grid.ended(handles)).values()) == {CEState.DONE}
    for index in {0, 1, len(wanted) // 2, len(wanted) - 1}:
        stdout = (await grid.driver.output(submitted.handles[index])).stdout or b""
        assert stdout.decode().startswith(f"stamp {wanted[index].stamp}, secret hush-{index}, mode 600, shown 0\n")
    await grid.driver.cleanup(handles)


async def test_a_program_that_does_not_exist_is_never_done(grid: Grid) -> None:
    submitted = await grid.submit(grid.driver, replace(grid.spec(), executable="/no/such/program"), copies(2))
    if submitted.failures:
        assert sorted(submitted.failures) == [0, 1]
        assert all(submitted.failures.values())
    else:
        ended = await grid.ended(list(submitted.handles.values()))
        assert set(ended.values()) <= {CEState.FAILED, CEState.ABORTED}


@pytest.mark.grid_needs("limit")
async def test_part_of_a_submission_may_fail(grid: Grid) -> None:
    assert grid.site.limited is not None
    submitted = await grid.submit(grid.site.limited(2), grid.spec(gated=True), copies(3))
    assert len(submitted.handles) == 2
    [refused] = {0, 1, 2} - set(submitted.handles)
    assert list(submitted.failures) == [refused]
    assert submitted.failures[refused]


@pytest.mark.parametrize("handle", STRANGE)
async def test_an_unknown_handle_is_unknown_and_never_an_error(grid: Grid, handle: str) -> None:
    assert await grid.states([handle]) == {handle: CEState.UNKNOWN}
    assert await grid.driver.cancel([handle]) == {handle: None}
    assert await grid.driver.output(handle) == Output()
    await grid.driver.cleanup([handle])


async def test_nothing_asked_is_nothing_answered(grid: Grid) -> None:
    assert (await grid.driver.submit(grid.spec(), [])).handles == {}
    assert await grid.driver.status([]) == {}
    assert await grid.driver.cancel([]) == {}
    assert await grid.driver.find([]) == {}
    await grid.driver.cleanup([])


async def test_unknown_and_known_handles_are_answered_for_together(grid: Grid) -> None:
    submitted = await grid.send(grid.spec(gated=True), 2)
    handles = list(submitted.handles.values())
    await grid.reach(handles, CEState.RUNNING)
    assert await grid.states([*handles, "nonsense"]) == {
        **dict.fromkeys(handles, CEState.RUNNING),
        "nonsense": CEState.UNKNOWN,
    }


@pytest.mark.grid_needs("forgetting")
async def test_an_ended_pilot_is_answered_for_when_its_system_has_forgotten_it(grid: Grid) -> None:
    assert grid.site.forget is not None
    submitted = await grid.send(grid.spec("3"))
    handle = submitted.handles[0]
    await grid.ended([handle])
    grid.site.forget(handle)
    expected = CEState.FAILED if grid.site.keeps_ended else CEState.UNKNOWN
    assert await grid.states([handle]) == {handle: expected}
    assert await grid.driver.cancel([handle]) == {handle: None}


async def test_cancelling_running_pilots_twice_is_cancelling_once(grid: Grid) -> None:
    submitted = await grid.send(grid.spec(gated=True), 2)
    handles = list(submitted.handles.values())
    await grid.reach(handles, CEState.RUNNING)
    assert await grid.driver.cancel(handles) == dict.fromkeys(handles)
    assert set((await grid.ended(handles)).values()) == {CEState.DELETED}
    assert await grid.driver.cancel(handles) == dict.fromkeys(handles)
    assert set((await grid.states(handles)).values()) == {CEState.DELETED}


@pytest.mark.grid_needs("waiting")
async def test_a_pilot_that_waits_is_waiting_and_can_be_cancelled(grid: Grid) -> None:
    assert grid.site.waiting is not None
    submitted = await grid.send(grid.waiting_spec(), 2)
    handles = list(submitted.handles.values())
    assert set((await grid.reach(handles, CEState.WAITING)).values()) == {CEState.WAITING}
    assert (await grid.driver.output(handles[0])).exit_code is None
    assert await grid.driver.cancel(handles) == dict.fromkeys(handles)
    assert set((await grid.ended(handles)).values()) == {CEState.DELETED}


async def test_cancelling_what_has_ended_changes_nothing(grid: Grid) -> None:
    submitted = await grid.send(grid.spec())
    states = await grid.ended(list(submitted.handles.values()))
    assert await grid.driver.cancel(list(states)) == dict.fromkeys(states)
    assert await grid.states(list(states)) == states


async def test_output_is_read_while_the_pilot_runs(grid: Grid) -> None:
    submitted = await grid.send(grid.spec(gated=True))
    handle = submitted.handles[0]
    await grid.reach([handle], CEState.RUNNING)
    if grid.site.shows_running_output:

        async def has_spoken() -> bool:
            output = await grid.driver.output(handle)
            return b"trouble" in ((output.stderr if grid.site.splits_output else output.stdout) or b"")

        await grid.until(has_spoken)
    assert (await grid.driver.output(handle)).exit_code is None
    grid.open_gate()
    assert await grid.ended([handle]) == {handle: CEState.DONE}


@pytest.mark.grid_needs("carrying")
async def test_files_are_carried_back_while_the_pilot_runs_and_links_are_not_followed(grid: Grid) -> None:
    assert isinstance(grid.driver, Carrier)
    # Where a system has pilots work elsewhere, it names the place from which is carried.
    script = b"""#!/bin/sh
cd "${WEYL_PLACE:-.}" && printf 'one\\ntwo\\0' >report && printf 1234567890 >large && ln -s /etc/passwd link && : >empty
while [ ! -e "$1" ]; do sleep 0.2; done
"""
    spec = grid.spec(str(grid.gate))
    submitted = await grid.send(replace(spec, inputs={"pilot.sh": script}), 2)
    handles = list(submitted.handles.values())
    wanted = ["report", "large", "link", "empty", "missing"]
    found: dict[str, dict[str, bytes | None]] = {}

    async def are_there() -> bool:
        found.update(await grid.driver.carry([*handles, "nonsense"], wanted, bytes_max=9))
        return all("empty" in found[handle] for handle in handles)

    await grid.until(are_there)
    await are_there()  # the first look may have come between two of the files
    for handle in handles:
        assert found[handle] == {"report": b"one\ntwo\0", "large": None, "empty": b""}
    assert not found.get("nonsense")
    grid.open_gate()
    await grid.ended(handles)
    assert (await grid.driver.carry(handles[:1], ["report"], bytes_max=99))[handles[0]] == {"report": b"one\ntwo\0"}
    await grid.driver.cleanup(handles)
    assert not (await grid.driver.carry(handles, ["report"], bytes_max=99)).get(handles[0])


async def test_cleaning_twice_is_cleaning_once_and_spares_what_runs(grid: Grid) -> None:
    over = await grid.send(grid.spec())
    await grid.ended(list(over.handles.values()))
    running = await grid.send(grid.spec(gated=True))
    await grid.reach(list(running.handles.values()), CEState.RUNNING)
    handles = [over.handles[0], running.handles[0]]
    await grid.driver.cleanup(handles)
    await grid.driver.cleanup(handles)
    states = await grid.states(handles)
    assert states[handles[0]] in (CEState.UNKNOWN, CEState.DONE)
    assert states[handles[1]] is CEState.RUNNING
    assert (await grid.driver.output(handles[0])).stdout is None
    grid.open_gate()
    assert (await grid.ended(handles[1:])) == {handles[1]: CEState.DONE}


async def test_pilots_are_found_by_name_after_a_crash(grid: Grid) -> None:
    wanted = copies(3)
    submitted = await grid.send(grid.spec(gated=True), wanted)
    found = await grid.driver.find([*names(wanted), f"weyl-{new_stamp()}"])
    assert found == dict(zip(names(wanted), submitted.handles.values(), strict=True))
    grid.open_gate()
    assert set((await grid.ended(list(found.values()))).values()) == {CEState.DONE}
    assert await grid.driver.find(names(wanted)) == found


async def test_a_submission_that_is_cut_short_leaves_nothing_that_cannot_be_found(grid: Grid) -> None:
    wanted = copies(20)
    sending = asyncio.create_task(grid.submit(grid.driver, grid.spec(gated=True), wanted))
    await asyncio.wait([sending], timeout=0.3)
    sending.cancel()
    await asyncio.wait([sending])
    counts: list[int] = []

    async def settled() -> bool:
        counts.append(len(await grid.driver.find(names(wanted))))
        return len(counts) >= 4 and len(set(counts[-4:])) == 1

    await grid.until(settled)
    found = await grid.driver.find(names(wanted))
    assert len(set(found.values())) == len(found)
    states = await grid.states(list(found.values()))
    assert CEState.UNKNOWN not in states.values()
    assert await grid.driver.cancel(list(found.values())) == dict.fromkeys(found.values())
    await grid.ended(list(found.values()))


async def test_capacity_counts_what_is_there(grid: Grid) -> None:
    before = await grid.driver.capacity()
    assert before is not None
    submitted = await grid.send(grid.spec(gated=True), 2)
    await grid.reach(list(submitted.handles.values()), CEState.RUNNING)
    now = await grid.driver.capacity()
    assert now is not None
    assert now.running >= 2
    assert now.free is None or now.free >= 0


@pytest.mark.grid_needs("outage")
async def test_a_computing_element_that_is_down_says_why_and_comes_back(grid: Grid) -> None:
    assert grid.site.down is not None
    submitted = await grid.send(grid.spec(gated=True))
    handle = submitted.handles[0]
    await grid.reach([handle], CEState.RUNNING)
    impatient = grid.site.make(**grid.site.impatient)
    async with asyncio.timeout(BOUNDED_S):
        with grid.site.down():
            assert await refusal(impatient.submit(grid.spec(), copies(2)))
            assert await refusal(impatient.status([handle]))
    grid.open_gate()
    assert await grid.ended([handle]) == {handle: CEState.DONE}
    again = await grid.send(grid.spec())
    assert set((await grid.ended(list(again.handles.values()))).values()) == {CEState.DONE}


@pytest.mark.grid_needs("hanging")
async def test_a_computing_element_that_hangs_is_given_up_in_bounded_time(grid: Grid) -> None:
    assert grid.site.frozen is not None
    submitted = await grid.send(grid.spec(gated=True))
    handle = submitted.handles[0]
    await grid.reach([handle], CEState.RUNNING)
    impatient = grid.site.make(**grid.site.impatient)
    wanted = copies(1)
    async with asyncio.timeout(BOUNDED_S):
        with grid.site.frozen():
            assert await refusal(impatient.status([handle]))
            assert await refusal(impatient.submit(grid.spec(), wanted))
    grid.open_gate()
    assert await grid.ended([handle]) == {handle: CEState.DONE}
    # What was given up may have been taken all the same: it is found by its name, once at most.
    found = await grid.driver.find(names(wanted))
    assert len(found) <= 1
    await grid.driver.cancel(list(found.values()))
