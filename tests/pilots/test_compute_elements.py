"""What every computing element driver must do, run over each of them."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from weyl.kit.ids import new_stamp
from weyl.pilots.compute_elements.driver import (
    CEState,
    ComputeElementDriver,
    Copy,
    DriverContext,
    PilotSpec,
    Submitted,
    job_name,
)
from weyl.pilots.compute_elements.local import LocalComputeElement

SCRIPT = b"""#!/bin/sh
echo "stamp $WEYL_PILOT_STAMP, secret $(cat secret), mode $(stat -c %a secret)"
echo trouble >&2
while [ -f wait ]; do sleep 0.05; done
exit "${1:-0}"
"""
WAITING = {"wait": b""}


@dataclass
class Element:
    """One driver under test: how to make it anew, and how to make one copy of a submission fail."""

    make: Callable[[], ComputeElementDriver]
    directory: Path
    limit_to: Callable[[int], ComputeElementDriver]

    @property
    def driver(self) -> ComputeElementDriver:
        """A driver without any memory of what was asked before."""
        return self.make()


@pytest.fixture(params=["local"])
async def element(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Element]:
    """Each driver in turn; pilots left over by a test are ended."""
    assert request.param == "local"
    context = DriverContext(site="Here", ce="local", directory=tmp_path / "ce")
    limited = DriverContext(site="Here", ce="local", directory=tmp_path / "ce")
    element = Element(
        make=lambda: LocalComputeElement(context),
        directory=context.directory,
        limit_to=lambda places: LocalComputeElement(
            DriverContext(limited.site, limited.ce, limited.directory, options={"RunningMax": places})
        ),
    )
    yield element
    names = [path.name for path in context.directory.glob("*")] if context.directory.is_dir() else []
    release(element)
    await element.driver.cancel((await element.driver.find(names)).values())


def spec(*arguments: str, waits: bool = False) -> PilotSpec:
    """A pilot that prints who it is and, if asked to, waits until it is released."""
    inputs = {"pilot.sh": SCRIPT, **(WAITING if waits else {})}
    return PilotSpec(executable="./pilot.sh", arguments=arguments, inputs=inputs, environment={"COMMON": "yes"})


def copies(count: int) -> list[Copy]:
    """Copies with a secret each."""
    return [Copy(new_stamp(), secrets={"secret": f"hush-{index}".encode()}) for index in range(count)]


def release(element: Element) -> None:
    """Lets waiting pilots go on."""
    for path in element.directory.glob("*/work/wait"):
        path.unlink()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Asks a computing element, which sends no signals, until it says so."""
    async with asyncio.timeout(30):
        while not await condition():
            await asyncio.sleep(0.02)


async def ended(element: Element, submitted: Submitted) -> dict[str, CEState]:
    """States once all pilots are over."""
    handles = list(submitted.handles.values())

    async def all_over() -> bool:
        return all(status.state.is_final for status in (await element.driver.status(handles)).values())

    await until(all_over)
    return {handle: status.state for handle, status in (await element.driver.status(handles)).items()}


@pytest.mark.parametrize("count", [1, 50])
async def test_pilots_start_with_their_stamp_and_secret_and_end_done(element: Element, count: int) -> None:
    wanted = copies(count)
    submitted = await element.driver.submit(spec(), wanted)
    assert submitted.failures == {}
    assert sorted(submitted.handles) == list(range(count))
    assert len(set(submitted.handles.values())) == count
    assert set((await ended(element, submitted)).values()) == {CEState.DONE}
    for index, handle in submitted.handles.items():
        output = await element.driver.output(handle)
        assert output.stdout == f"stamp {wanted[index].stamp}, secret hush-{index}, mode 600\n".encode()
        assert output.stderr == b"trouble\n"
        assert output.exit_code == 0


async def test_a_pilot_that_fails_says_so(element: Element) -> None:
    submitted = await element.driver.submit(spec("3"), copies(1))
    assert set((await ended(element, submitted)).values()) == {CEState.FAILED}
    handle = submitted.handles[0]
    assert (await element.driver.output(handle)).exit_code == 3
    assert "3" in (await element.driver.status([handle]))[handle].detail


async def test_part_of_a_submission_may_fail(element: Element) -> None:
    submitted = await element.limit_to(2).submit(spec(waits=True), copies(3))
    assert sorted(submitted.handles) == [0, 1]
    assert list(submitted.failures) == [2]
    assert "places" in submitted.failures[2]
    capacity = await element.limit_to(2).capacity()
    assert capacity is not None
    assert (capacity.running, capacity.free) == (2, 0)
    release(element)
    await ended(element, submitted)


async def test_a_program_that_does_not_exist_is_a_failure_and_leaves_nothing(element: Element) -> None:
    submitted = await element.driver.submit(PilotSpec(executable="no-such-program"), copies(2))
    assert submitted.handles == {}
    assert sorted(submitted.failures) == [0, 1]
    assert "no-such-program" in submitted.failures[0]
    assert list(element.directory.glob("*")) == []


@pytest.mark.parametrize("handle", ["", "nonsense", "weyl-x:1:1", "../../etc:1:1", "weyl-x:notanumber:"])
async def test_an_unknown_handle_is_unknown_and_never_an_error(element: Element, handle: str) -> None:
    driver = element.driver
    assert (await driver.status([handle]))[handle].state is CEState.UNKNOWN
    assert await driver.cancel([handle]) == {handle: None}
    assert (await driver.output(handle)).stdout is None
    await driver.cleanup([handle])


async def test_cancelling_twice_is_cancelling_once(element: Element) -> None:
    submitted = await element.driver.submit(spec(waits=True), copies(2))
    handles = list(submitted.handles.values())
    assert await element.driver.cancel(handles) == dict.fromkeys(handles)
    assert {status.state for status in (await element.driver.status(handles)).values()} == {CEState.DELETED}
    assert await element.driver.cancel(handles) == dict.fromkeys(handles)


async def test_cancelling_what_has_ended_changes_nothing(element: Element) -> None:
    submitted = await element.driver.submit(spec(), copies(1))
    states = await ended(element, submitted)
    await element.driver.cancel(list(states))
    assert {handle: status.state for handle, status in (await element.driver.status(list(states))).items()} == states


async def test_output_can_be_read_while_the_pilot_runs(element: Element) -> None:
    submitted = await element.driver.submit(spec(waits=True), copies(1))
    handle = submitted.handles[0]

    async def has_spoken() -> bool:
        return b"stamp" in ((await element.driver.output(handle)).stdout or b"")

    await until(has_spoken)
    assert (await element.driver.status([handle]))[handle].state is CEState.RUNNING
    assert (await element.driver.output(handle)).exit_code is None
    release(element)
    assert (await ended(element, submitted))[handle] is CEState.DONE


async def test_cleaning_twice_is_cleaning_once_and_spares_what_runs(element: Element) -> None:
    over = await element.driver.submit(spec(), copies(1))
    await ended(element, over)
    running = await element.driver.submit(spec(waits=True), copies(1))
    handles = [over.handles[0], running.handles[0]]
    await element.driver.cleanup(handles)
    await element.driver.cleanup(handles)
    statuses = await element.driver.status(handles)
    assert [statuses[handle].state for handle in handles] == [CEState.UNKNOWN, CEState.RUNNING]


async def test_pilots_are_found_by_name_after_a_crash(element: Element) -> None:
    wanted = copies(2)
    submitted = await element.driver.submit(spec(waits=True), wanted)
    names = [job_name(copy.stamp) for copy in wanted]
    found = await element.driver.find([*names, job_name(new_stamp())])
    assert found == dict(zip(names, submitted.handles.values(), strict=True))
    assert {status.state for status in (await element.driver.status(found.values())).values()} == {CEState.RUNNING}


async def test_a_pilot_that_was_killed_from_outside_is_not_done(element: Element) -> None:
    submitted = await element.driver.submit(spec(waits=True), copies(1))
    handle = submitted.handles[0]
    os.killpg(int(handle.split(":")[1]), signal.SIGKILL)
    assert (await ended(element, submitted))[handle] in (CEState.ABORTED, CEState.FAILED)


async def test_secrets_are_nowhere_but_in_their_files(element: Element) -> None:
    submitted = await element.driver.submit(spec(waits=True), copies(1))
    pid = submitted.handles[0].split(":")[1]
    for name in ("environ", "cmdline"):
        assert b"hush" not in Path(f"/proc/{pid}/{name}").read_bytes()
