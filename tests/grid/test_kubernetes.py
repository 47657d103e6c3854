"""What only Kubernetes has: images that are missing, nodes that are too small, tokens of service accounts, namespaces.

The cluster is an imitation (`kubernetes_api.py`): these tests show that the driver keeps to the API as it is recorded.
"""

from pathlib import Path

import pytest

from tests.grid.contract import Grid, copies, refusal
from tests.grid.kubernetes import CREDENTIALS
from tests.grid.site import GridSite, open_directory
from weyl.pilots.compute_elements.driver import CEState

SYSTEMS_HERE = ("kubernetes",)
pytestmark = pytest.mark.timeout(120)


async def test_an_image_that_is_missing_ends_the_wait(grid: Grid, site: GridSite) -> None:
    submitted = await grid.submit(site.make(Image="registry.example.org/missing:1"), grid.spec(), copies(1))
    handle = submitted.handles[0]
    assert await grid.ended([handle]) == {handle: CEState.ABORTED}
    assert "ImagePullBackOff" in (await grid.driver.status([handle]))[handle].detail
    await grid.driver.cleanup([handle])
    assert await grid.states([handle]) == {handle: CEState.UNKNOWN}


async def test_what_fits_on_no_node_is_given_up_after_an_hour(grid: Grid, site: GridSite) -> None:
    submitted = await grid.submit(site.make(Image="long-ago"), grid.waiting_spec(), copies(1))
    handle = submitted.handles[0]
    assert await grid.ended([handle]) == {handle: CEState.ABORTED}
    assert "Insufficient memory" in (await grid.driver.status([handle]))[handle].detail


async def test_a_token_that_is_not_known_there_is_refused_with_a_sentence(grid: Grid, site: GridSite) -> None:
    with open_directory("bad") as directory:
        (directory / CREDENTIALS).mkdir()
        (directory / CREDENTIALS / "token").write_text("another")
        (directory / CREDENTIALS / "token").chmod(0o600)
        site.credentials, good = directory, site.credentials
        try:
            assert "does not accept our credentials" in await refusal(grid.driver.submit(grid.spec(), copies(1)))
            assert "does not accept our credentials" in await refusal(grid.driver.status(["weyl-a"]))
        finally:
            site.credentials = good


async def test_secrets_go_with_their_jobs_and_inputs_are_kept_once(grid: Grid, site: GridSite) -> None:
    submitted = await grid.send(grid.spec(), 3)
    handles = list(submitted.handles.values())
    await grid.ended(handles)
    objects = site.directory / "objects" / "weyl"
    assert names(objects / "secrets") == sorted(handles)
    assert len(names(objects / "configmaps")) == 1
    await grid.driver.cleanup(handles)
    assert names(objects / "secrets") == []


def names(directory: Path) -> list[str]:
    """Names of the objects of a kind."""
    return sorted(path.stem for path in directory.glob("*.json"))
