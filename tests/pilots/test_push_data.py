"""Files of the catalogue for nodes without a network: what the worker fetches, and what it stores."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from tests.pilots.test_output_data import archive
from tests.pilots.test_push_luggage import a_row
from tests.weyl_pilot.elements import Catalogue, Elements, Fault, running_elements
from tests.weyl_pilot.stand_in import SECRET, StandIn, running_stand_in

from weyl.kit.clock import utcnow
from weyl.pilots import bundles
from weyl.pilots.bundles import Journal, wire
from weyl.pilots.service import push_data
from weyl.pilots.service.push_data import DataFault, data_home, fetch_data
from weyl.pilots.service.push_doors import Door
from weyl_pilot.connection import Connections
from weyl_pilot.products import Product
from weyl_pilot.server import Server
from weyl_pilot.sums import Sums

DONE = {"Status": "Done", "MinorStatus": "Execution Complete"}


@pytest.fixture
def elements() -> Iterator[Elements]:
    """Storage that does what a test tells it."""
    with running_elements() as state:
        yield state


@pytest.fixture
def server() -> Iterator[StandIn]:
    """A server of the pilot's tests, with job 7."""
    with running_stand_in() as state:
        state.add(7)
        yield state


@pytest.fixture
def catalogue(server: StandIn, elements: Elements) -> Catalogue:
    """A server that knows files in this storage."""
    server.catalogue = Catalogue(elements)
    return server.catalogue


@pytest.fixture
def door(server: StandIn, catalogue: Catalogue) -> Iterator[Door]:
    """The pilot that a worker plays."""
    assert server.catalogue is catalogue
    connections = Connections()
    peer = Server(server.url, connections)
    peer.redeem(SECRET, stamp=None, host="here")
    yield Door(peer, {})
    connections.close()


def job(**work: Any) -> dict[str, Any]:
    """Return a matched job."""
    return {"job_id": 7, "work": work}


def left(**more: str) -> Journal:
    """Return what a job has reported that ended a moment ago."""
    now = utcnow()
    states = {
        wire(now - timedelta(seconds=3)): {"Status": "Completing", "MinorStatus": "Application Finished Successfully"},
        wire(now - timedelta(seconds=2)): {"Status": "Completing", "MinorStatus": "Uploading Outputs"},
        wire(now - timedelta(seconds=1)): {**DONE, **more},
    }
    return Journal(states, {"PayloadExitCode": 0}, 4)


def made(**files: bytes) -> bytes:
    """Return the archive in which a node leaves files."""
    told = []
    for name, content in files.items():
        sums = Sums()
        sums.update(content)
        told.append(Product(name, name, len(content), sums.values()).told())
    return archive(told, *((str(number), content) for number, content in enumerate(files.values())))


async def test_input_data_travel_with_their_job(door: Door, catalogue: Catalogue, elements: Elements) -> None:
    catalogue.add("/vo/a", b"first")
    catalogue.add("/vo/b", b"second")
    elements.contents["/NEAR/vo/b"] = b"wrong!"
    row = a_row(job(input_data=["LFN:/vo/a", "/vo/b"], wants_inputs=True))
    carried = await fetch_data(door, row)
    assert carried.files == {"data-0": b"first", "data-1": b"second"}
    assert [(lfn, said["file"], said["size"]) for lfn, said in carried.data.items()] == [
        ("/vo/a", "data-0", 5),
        ("/vo/b", "data-1", 6),
    ]
    document = json.loads(bundles.bundle_of(row.job, stamp="s", inputs=[], options={}, data=carried.data))
    assert document["data"]["/vo/a"]["checksums"] == {"sha256": catalogue.known["/vo/a"]["checksums"]["sha256"]}


async def test_input_data_that_cannot_be_sent_fail_their_job_in_words(
    door: Door, catalogue: Catalogue, elements: Elements
) -> None:
    catalogue.add("/vo/a", b"first")
    row = a_row(job(input_data=["/vo/a"], wants_inputs=True))
    catalogue.known["/vo/a"]["size"] = 101 << 20
    with pytest.raises(DataFault, match="101 MiB: to a node without a network no more than 100 are sent"):
        await fetch_data(door, row)
    assert elements.requests == []
    catalogue.known["/vo/a"]["size"] = 5
    elements.faults["/NEAR/vo/a"] = elements.faults["/FAR/vo/a"] = [Fault("status", 404)] * 2
    with pytest.raises(DataFault, match=r"/vo/a: NEAR: HTTP 404 Not Found, FAR: HTTP 404 Not Found"):
        await fetch_data(door, row)
    states = bundles.input_failed("no", now=utcnow(), of_data=True)
    assert next(iter(states.values()))["ErrorClass"] == "input_data"


async def test_output_data_are_stored_before_the_job_is_told_to_be_done(door: Door, catalogue: Catalogue) -> None:
    row = a_row(job(output_data=["a", "b"]))
    content = made(a=b"first", b=b"second")
    for _ in range(2):  # as after a crash of the worker
        home = await data_home(door, row, content, left(), now=utcnow())
        assert home is not None
        assert list(home.left.states.values())[-1] == DONE
        assert home.places["a"] == {"lfn": "/vo/out/a", "se": "NEAR"}
        assert catalogue.registered == {"/vo/out/a": b"first", "/vo/out/b": b"second"}
        catalogue.elements.contents.clear()


async def test_what_is_still_compared_leaves_the_job_completed(door: Door, catalogue: Catalogue) -> None:
    catalogue.state = "verifying"
    home = await data_home(door, a_row(job(output_data=["a"])), made(a=b"first"), left(), now=utcnow())
    assert home is not None
    states = list(home.left.states.values())
    assert (states[-1]["Status"], states[-1]["MinorStatus"]) == ("Completed", "Pending Requests")
    assert [state["Status"] for state in states[:-1]] == ["Completing", "Completing"]


@pytest.mark.parametrize("content", [None, b"nonsense", made(a=b"first")[:-9000]])
async def test_output_data_that_did_not_come_fail_the_job(door: Door, content: bytes | None) -> None:
    home = await data_home(door, a_row(job(output_data=["a"])), content, left(), now=utcnow())
    assert home is not None
    states = list(home.left.states.values())
    assert (states[-1]["Status"], states[-1]["ErrorClass"]) == ("Failed", "output_upload")
    assert [state["MinorStatus"] for state in states] == ["Application Finished Successfully", "Uploading Outputs"]
    assert "OutputDataProblem" in home.left.parameters
    assert not home.left.is_good


async def test_a_storage_that_is_away_is_tried_again_for_half_an_hour(
    door: Door, elements: Elements, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push_data, "PAUSES_S", (0.0,))
    for se in ("NEAR", "FAR"):
        elements.faults[f"/{se}/vo/out/a"] = [Fault("status", 503)] * 9
    row, reports = a_row(job(output_data=["a"])), left()
    assert await data_home(door, row, made(a=b"first"), reports, now=utcnow()) is None
    home = await data_home(door, row, made(a=b"first"), reports, now=utcnow() + timedelta(minutes=31))
    assert home is not None
    assert "a: NEAR: HTTP 503" in home.left.parameters["OutputDataProblem"]


async def test_no_transfer_holds_a_queue_for_ever(
    door: Door, catalogue: Catalogue, elements: Elements, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push_data, "TRANSFER_S", 0.5)
    catalogue.add("/vo/a", b"first")
    elements.faults["/NEAR/vo/a"] = [Fault("stall", 1)]
    with pytest.raises(DataFault, match=r"did not come within 0\.5 s"):
        await fetch_data(door, a_row(job(input_data=["/vo/a"], wants_inputs=True)))


def test_what_follows_the_output_data_is_held_back() -> None:
    reports = left()
    assert [state["MinorStatus"] for state in reports.before_upload().states.values()] == [
        "Application Finished Successfully"
    ]
