"""How the suites of `tests/grid` send pilots and follow them; the pilots print who they are and wait when told to."""

from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import replace
from pathlib import Path

from tests.grid.site import GridSite
from tests.infra.waiting import until
from weyl.kit.ids import new_stamp
from weyl.pilots.compute_elements.driver import (
    CEState,
    ComputeElementDriver,
    Copy,
    PilotSpec,
    Submitted,
    job_name,
)
from weyl.remote.errors import RemoteError

# The gate is a file of the test: a pilot that is told of one goes on when it is there.
SCRIPT = b"""#!/bin/sh
echo "stamp $WEYL_PILOT_STAMP, secret $(cat secret), mode $(stat -L -c %a secret), shown $(env | grep -c hush)"
echo "user $(id -un), arguments $*, data $(cat data.txt), common $COMMON"
echo trouble >&2
if [ -n "$WEYL_TEST_GATE" ]; then
    while [ ! -e "$WEYL_TEST_GATE" ]; do sleep 0.2; done
fi
exit "${1:-0}"
"""
EXECUTABLE = "./pilot.sh"


class Grid:
    """A running system in one test."""

    def __init__(self, site: GridSite, directory: Path) -> None:
        self.site = site
        self.gate = directory / "gate"
        self._sent: list[str] = []

    @property
    def driver(self) -> ComputeElementDriver:
        """A driver that remembers nothing: the one of a worker that has just started."""
        return self.site.make()

    def spec(self, *arguments: str, gated: bool = False) -> PilotSpec:
        """A pilot that prints who it is and, if `gated`, runs until the gate opens."""
        environment = {"COMMON": "a 'quoted' $value"}
        if gated:
            environment["WEYL_TEST_GATE"] = str(self.gate)
        return PilotSpec(
            executable=EXECUTABLE,
            arguments=arguments,
            inputs={"pilot.sh": SCRIPT, "data.txt": b"shared\n"},
            environment=environment,
            memory_mb=50,
            wall_s=600,
            queue=self.site.queue,
        )

    def waiting_spec(self) -> PilotSpec:
        """A pilot that waits in its queue until it is cancelled."""
        assert self.site.waiting is not None
        return replace(self.spec(), **self.site.waiting)

    def open_gate(self) -> None:
        """Let the gated pilots of this test go on."""
        self.gate.write_text("")
        self.gate.chmod(0o644)

    async def send(self, spec: PilotSpec, wanted: Collection[Copy] | int = 1) -> Submitted:
        """Submit and demand that every copy was taken."""
        made = copies(wanted) if isinstance(wanted, int) else list(wanted)
        submitted = await self.submit(self.driver, spec, made)
        assert submitted.failures == {}
        assert sorted(submitted.handles) == list(range(len(made)))
        return submitted

    async def submit(self, driver: ComputeElementDriver, spec: PilotSpec, wanted: Iterable[Copy]) -> Submitted:
        """Submit; what is taken is ended after the test."""
        submitted = await driver.submit(spec, list(wanted))
        self._sent += submitted.handles.values()
        return submitted

    async def states(self, handles: Collection[str]) -> dict[str, CEState]:
        """Return the states; every handle must be answered for."""
        found = await self.driver.status(handles)
        assert set(found) == set(handles)
        return {handle: status.state for handle, status in found.items()}

    async def reach(self, handles: Collection[str], *wanted: CEState) -> dict[str, CEState]:
        """Wait until every pilot is in one of the states."""

        async def reached() -> bool:
            return all(state in wanted for state in (await self.states(handles)).values())

        await self.until(reached)
        return await self.states(handles)

    async def ended(self, handles: Collection[str]) -> dict[str, CEState]:
        """Wait until every pilot is over."""

        async def over() -> bool:
            return all(state.is_final for state in (await self.states(handles)).values())

        await self.until(over)
        return await self.states(handles)

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        """Ask a computing element, which sends no signals, until it says so; slower the longer it takes."""
        await until(condition, "the condition", timeout_s=self.site.patience_s, poll_s=0.05)

    async def end_all(self) -> None:
        """Leave nothing behind for the next test."""
        self.open_gate()
        if self._sent:
            await self.driver.cancel(self._sent)
            await self.until(self._nothing_runs)
            await self.driver.cleanup(self._sent)

    async def _nothing_runs(self) -> bool:
        running = (CEState.RUNNING, CEState.WAITING)
        return not any(state in running for state in (await self.states(self._sent)).values())


def copies(count: int) -> list[Copy]:
    """Copies with a stamp and a secret each."""
    return [Copy(new_stamp(), secrets={"secret": f"hush-{index}".encode()}) for index in range(count)]


def names(wanted: Iterable[Copy]) -> list[str]:
    """Return the job names of copies."""
    return [job_name(copy.stamp) for copy in wanted]


async def refusal(answer: Awaitable[object]) -> str:
    """Return why a driver could not do what it was asked for, whether it raised or gave a reason for each copy."""
    try:
        got = await answer
    except (RemoteError, OSError) as error:
        return str(error)
    assert isinstance(got, Submitted)
    assert got.handles == {}
    reasons = [*got.failures.values(), *got.doubtful.values()]
    assert reasons
    return reasons[0]
