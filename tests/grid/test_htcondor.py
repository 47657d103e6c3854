"""What only HTCondor has: jobs on hold, jobs that lose their node, schedds elsewhere, and its commands behind SSH."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.grid.contract import Grid, copies
from tests.grid.daemons import USER, owned_directory
from tests.grid.htcondor import CREDENTIALS, HTCondorSite
from tests.grid.site import GridSite, open_directory
from tests.grid.sshd import missing_ssh, running_sshd
from weyl.pilots.compute_elements.driver import CEState, DriverError

SYSTEMS_HERE = ("htcondor",)
pytestmark = pytest.mark.timeout(200)


@pytest.fixture
def condor(site: GridSite) -> HTCondorSite:
    """The pool with its commands."""
    assert isinstance(site, HTCondorSite)
    return site


def job(handle: str) -> str:
    """The number of a job in the queue."""
    return handle.partition(":")[0]


async def test_a_job_on_hold_is_removed_and_its_reason_is_kept(grid: Grid, condor: HTCondorSite) -> None:
    submitted = await grid.send(grid.waiting_spec(), 2)
    held, waits = submitted.handles.values()

    async def is_idle() -> bool:
        return (await grid.driver.status([held]))[held].detail == "idle"

    await grid.until(is_idle)
    condor.pool.tool("condor_hold", "-reason", "the disk's full", job(held))
    found = await grid.driver.status([held, waits])
    assert found[held].state is CEState.ABORTED
    assert "the disk's full" in found[held].detail
    assert found[waits].state is CEState.WAITING

    async def is_gone() -> bool:
        return job(held) not in condor.pool.tool("condor_q", "-allusers", "-af:j", "JobStatus").split()

    await grid.until(is_gone)
    again = (await grid.driver.status([held]))[held]
    assert again.state is CEState.ABORTED
    assert again.detail.startswith(found[held].detail)


async def test_a_pilot_that_lost_its_node_is_not_started_again(grid: Grid, condor: HTCondorSite) -> None:
    submitted = await grid.send(grid.spec(gated=True))
    handle = submitted.handles[0]
    await grid.reach([handle], CEState.RUNNING)
    condor.pool.tool("condor_vacate_job", "-fast", job(handle))
    assert await grid.ended([handle]) == {handle: CEState.ABORTED}
    assert "PeriodicRemove" in (await grid.driver.status([handle]))[handle].detail


async def test_a_token_that_is_not_of_the_pool_is_refused_with_a_reason(condor: HTCondorSite, grid: Grid) -> None:
    with open_directory("bad") as directory:
        place = directory / CREDENTIALS
        place.mkdir()
        token = (condor.pool.credentials / CREDENTIALS / "token").read_text().strip()
        (place / "token").write_text(token[:-6] + "AAAAAA")
        (place / "token").chmod(0o600)
        condor.credentials, good = directory, condor.credentials
        try:
            submitted = await grid.driver.submit(grid.spec(), copies(2))
        finally:
            condor.credentials = good
    assert submitted.handles == {}
    assert all("condor_submit" in reason or "HTCondor" in reason for reason in submitted.failures.values())


@pytest.fixture
def elsewhere(condor: HTCondorSite) -> Iterator[str]:
    """A configuration that knows no daemon: that of a machine that is not part of the pool."""
    with open_directory("client") as directory:
        config = directory / "condor_config"
        config.write_text(
            f"LOCAL_DIR = {directory}\nNETWORK_INTERFACE = 127.0.0.1\nSEC_DEFAULT_AUTHENTICATION_METHODS = IDTOKENS\n"
        )
        yield str(config)


async def test_a_schedd_of_another_machine_is_found_through_its_pool(
    grid: Grid, condor: HTCondorSite, elsewhere: str
) -> None:
    schedd = condor.pool.tool("condor_status", "-schedd", "-af", "Name").strip()
    driver = condor.make(
        Setup=[f"export CONDOR_CONFIG={elsewhere}"], Schedd=schedd, Pool=f"127.0.0.1:{condor.pool.port}"
    )
    submitted = await grid.submit(driver, grid.spec("3"), copies(1))
    assert submitted.failures == {}
    handle = submitted.handles[0]
    assert await grid.ended([handle]) == {handle: CEState.FAILED}
    assert (await driver.output(handle)).exit_code == 3
    assert b"trouble" in ((await driver.output(handle)).stderr or b"")
    condor.pool.forget(handle)
    assert (await driver.status([handle]))[handle].state is CEState.FAILED
    with pytest.raises(DriverError, match="no record"):
        await condor.make(Schedd="nowhere@here", Pool=f"127.0.0.1:{condor.pool.port}").status([handle])


async def test_the_commands_may_be_behind_ssh(grid: Grid, condor: HTCondorSite) -> None:
    if reason := missing_ssh():
        pytest.skip(reason)
    with open_directory("g-condor-ssh") as directory, running_sshd(directory / "sshd") as server:
        remote = owned_directory(directory / "far & si'de")
        far = HTCondorSite(
            pool=condor.pool,
            factory=condor.factory,
            element={
                "Driver": "htcondor",
                "Endpoint": server.endpoint,
                "Credentials": "ssh",
                "DriverOptions": {
                    "HostKeys": [server.host_key],
                    "Setup": [f"export CONDOR_CONFIG={condor.pool.config}"],
                    "Directory": str(remote),
                },
            },
            directory=directory,
            credentials=server.credentials,
        )
        behind = Grid(far, directory)
        wanted = copies(10)
        submitted = await behind.send(behind.spec(), wanted)
        handles = list(submitted.handles.values())
        assert set((await behind.ended(handles)).values()) == {CEState.DONE}
        output = await behind.driver.output(handles[3])
        assert (output.stdout or b"").decode().startswith(f"stamp {wanted[3].stamp}, secret hush-3, mode 600, shown 0")
        assert f"user {USER}" in (output.stdout or b"").decode()
        assert left(remote) == []
        await behind.end_all()


async def test_nothing_is_left_where_commands_were_prepared(grid: Grid, condor: HTCondorSite) -> None:
    submitted = await grid.send(grid.spec(), 3)
    await grid.ended(list(submitted.handles.values()))
    await asyncio.gather(*(grid.driver.output(handle) for handle in submitted.handles.values()))
    assert left(condor.directory / "elements") == []


def left(directory: Path) -> list[Path]:
    """Files, and directories of commands and pilots, below the driver's own."""
    return [path for path in directory.rglob("*") if path.name != "fetch" or not path.is_dir()]
