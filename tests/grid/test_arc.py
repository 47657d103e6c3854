"""ARC, which takes its time: what the conformance suite asks one by one is asked here of many jobs in a few turns."""

import asyncio
from dataclasses import replace

import pytest

from tests.grid.arc import CERTIFICATE, CREDENTIALS, running_on
from tests.grid.contract import Grid, copies, names, refusal
from tests.grid.daemons import USER, run
from tests.grid.site import GridSite, open_directory
from weyl.kit.ids import new_stamp
from weyl.pilots.compute_elements.driver import CEState, CEStatus, Output

SYSTEMS_HERE = ("arc",)
pytestmark = pytest.mark.timeout(400)


async def test_pilots_of_every_fate_in_one_turn(grid: Grid) -> None:
    """Twenty in one request that end well, one that fails, one without a program, two that are cancelled."""
    wanted, gated = copies(20), copies(2)
    spec = grid.spec("0", "two words", "*")
    sent = await grid.send(replace(spec, outputs=("never-written.log",), scratch_mb=100), wanted)
    good = [sent.handles[index] for index in range(20)]
    (failing,) = (await grid.send(grid.spec("3"))).handles.values()
    (lost,) = (await grid.send(replace(grid.spec(), executable="/no/such/program"))).handles.values()
    waiting = list((await grid.send(grid.spec(gated=True), gated)).handles.values())
    assert len({*good, failing, lost, *waiting}) == 24

    found = await grid.driver.find([*names(wanted), *names(gated), f"weyl-{new_stamp()}"])
    assert found == dict(zip([*names(wanted), *names(gated)], [*good, *waiting], strict=True))
    before = await grid.states([*good, failing, *waiting, "nonsense", "../../etc"])
    assert {before.pop("nonsense"), before.pop("../../etc")} == {CEState.UNKNOWN}
    assert set(before.values()) <= {CEState.WAITING, CEState.RUNNING}
    assert (await grid.driver.output(failing)).exit_code is None
    assert await grid.driver.cancel([*waiting, "nonsense"]) == dict.fromkeys([*waiting, "nonsense"])
    await grid.driver.cleanup(good[:1])

    ended = await grid.ended([*good, failing, lost, *waiting])
    assert {ended[handle] for handle in good} == {CEState.DONE}
    assert {ended[handle] for handle in waiting} == {CEState.DELETED}
    assert {ended[failing], ended[lost]} == {CEState.FAILED}
    assert "3" in (await grid.driver.status([failing]))[failing].detail
    for index in (0, 19):
        output = await grid.driver.output(good[index])
        assert output.stdout is not None
        first, second = output.stdout.decode().splitlines()
        assert first == f"stamp {wanted[index].stamp}, secret hush-{index}, mode 600, shown 0"
        assert second.startswith(f"user {USER}, arguments 0 two words *, data shared, common a 'quoted' $value")
        assert (output.stderr, output.exit_code) == (b"trouble\n", 0)
        assert b"FINISHED" in (output.log or b"")
    assert (await grid.driver.output(failing)).exit_code == 3

    # Cancelled twice, cancelled though ended, cleaned twice.
    over = [*good[:2], failing, *waiting]
    assert await grid.driver.cancel(over) == dict.fromkeys(over)
    assert await grid.states(over) == {handle: ended[handle] for handle in over}
    for _ in range(2):
        await grid.driver.cleanup(over)

    async def forgotten() -> bool:
        return set((await grid.states(over)).values()) == {CEState.UNKNOWN}

    await grid.until(forgotten)
    assert await grid.driver.output(failing) == Output()


async def test_a_certificate_is_taken_in_place_of_a_token(grid: Grid, site: GridSite) -> None:
    site.element["Credentials"] = CERTIFICATE
    try:
        (copy,) = wanted = copies(1)
        submitted = await grid.driver.submit(grid.spec(gated=True), wanted)
        assert submitted.failures == {}
        handle = submitted.handles[0]

        async def found() -> bool:
            return await grid.driver.find(names([copy])) == {f"weyl-{copy.stamp}": handle}

        await grid.until(found)
        assert await grid.driver.cancel([handle]) == {handle: None}
    finally:
        site.element["Credentials"] = CREDENTIALS
    # The job is of another person than the one with the token.
    assert await grid.states([handle]) == {handle: CEState.UNKNOWN}


async def test_refusals_are_sentences(grid: Grid, site: GridSite) -> None:
    with open_directory("bad") as directory:
        (directory / CREDENTIALS).mkdir()
        token = directory / CREDENTIALS / "token"
        token.write_text("no.token.at-all")
        token.chmod(0o600)
        site.credentials, good = directory, site.credentials
        try:
            assert "does not accept our credentials" in await refusal(grid.driver.submit(grid.spec(), copies(2)))
            assert "does not accept our credentials" in await refusal(grid.driver.status(["abc"]))
        finally:
            site.credentials = good
    assert "nosuch" in await refusal(grid.driver.submit(replace(grid.spec(), queue="nosuch"), copies(2)))
    assert "GPUs" in await refusal(grid.driver.submit(replace(grid.spec(), gpus=1), copies(1)))
    assert "CERTIFICATE_VERIFY_FAILED" in await refusal(site.make(CA=None).status(["abc"]))


async def test_part_of_a_submission_may_have_no_files(grid: Grid) -> None:
    """A file name that ARC cannot take keeps one copy from starting, and that one only."""
    first, second = copies(2)
    odd = replace(second, secrets={"../../../../no/such/directory/x": b"x"})
    submitted = await grid.driver.submit(grid.spec(), [first, odd])
    assert list(submitted.handles) == [0]
    assert list(submitted.failures) == [1]
    await grid.driver.cancel(list(submitted.handles.values()))


async def test_capacity_is_what_arc_publishes(grid: Grid) -> None:
    capacity = await grid.driver.capacity()
    assert capacity is None or (capacity.running >= 0 and capacity.waiting >= 0)


async def test_one_that_hangs_is_given_up_and_comes_back(grid: Grid, site: GridSite) -> None:
    process = running_on(site)
    async with asyncio.timeout(60):
        process.suspend()
        try:
            assert await refusal(site.make(Timeout=2).status(["abc"]))
            assert await refusal(site.make(Timeout=2).submit(grid.spec(), copies(2)))
        finally:
            process.resume()
    assert await grid.driver.status(["abc"]) == {"abc": CEStatus(CEState.UNKNOWN, "ARC does not know it")}


def test_nobody_but_this_machine_reaches_it(site: GridSite) -> None:
    port = site.element["Endpoint"].rpartition(":")[2].partition("/")[0]
    rules = run("iptables", "-S", "INPUT").splitlines()
    assert any(f"--dport {port} " in rule and "! -i lo" in rule and "-j DROP" in rule for rule in rules)
