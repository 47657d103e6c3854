"""What only this machine does as a computing element; what is asked of every driver is in `tests/grid`."""

import os
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.infra.waiting import until

from weyl.kit.ids import new_stamp
from weyl.pilots.compute_elements.driver import (
    CEState,
    ComputeElementDriver,
    Copy,
    DriverContext,
    PilotSpec,
    Submitted,
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


@pytest.fixture
async def element(tmp_path: Path) -> AsyncIterator[Element]:
    """This machine; pilots left over by a test are ended."""
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


async def ended(element: Element, submitted: Submitted) -> dict[str, CEState]:
    """States once all pilots are over."""
    handles = list(submitted.handles.values())

    async def all_over() -> bool:
        return all(status.state.is_final for status in (await element.driver.status(handles)).values())

    await until(all_over, "all pilots are over")
    return {handle: status.state for handle, status in (await element.driver.status(handles)).items()}


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
