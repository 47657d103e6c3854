"""Output data on their way: announced, written to the first target that takes them, registered together."""

import hashlib
import io
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.weyl_pilot.elements import Catalogue, Elements, Fault
from tests.weyl_pilot.stand_in import SECRET, StandIn
from weyl_pilot.connection import Connections
from weyl_pilot.errand import Errand, Halted
from weyl_pilot.products import Product
from weyl_pilot.server import Server
from weyl_pilot.uploads import NotStored, Stock, Stored, Uploads

CONTENTS = {"a": b"first", "b": b"second" * 100_000}


@pytest.fixture
def peer(server: StandIn, catalogue: Catalogue) -> Iterator[Server]:
    """A pilot's view of the server, which has job 1."""
    assert server.catalogue is catalogue
    server.add(1)
    connections = Connections()
    peer = Server(server.url, connections)
    peer.redeem(SECRET, stamp=None, host="here")
    yield peer
    connections.close()


@pytest.fixture
def uploads(peer: Server) -> Uploads:
    """What stores files without long pauses."""
    found = Uploads(peer, ends_at=float("inf"))
    found.pauses_s = (0.0, 0.01, 0.02)
    return found


def stock(contents: dict[str, bytes] | None = None) -> Stock:
    """Return files that were measured."""
    contents = contents or CONTENTS
    products = [
        Product(name, name, len(content), {"sha256": hashlib.sha256(content).hexdigest()})
        for name, content in contents.items()
    ]
    return Stock(1, products, lambda product: io.BytesIO(contents[product.name]))


def test_files_are_stored_at_the_first_target_and_registered(
    uploads: Uploads, catalogue: Catalogue, elements: Elements
) -> None:
    stored = uploads.store(stock(), Errand())
    assert stored == Stored("registered", {name: {"lfn": f"/vo/out/{name}", "se": "NEAR"} for name in CONTENTS})
    assert catalogue.registered == {f"/vo/out/{name}": content for name, content in CONTENTS.items()}
    assert {headers["authorization"] for _, _, headers in elements.requests} == {"Bearer storage-token"}


@pytest.mark.parametrize(
    "fault", [Fault("status", 503), Fault("status", 400), Fault("garbage"), Fault("hang-up"), Fault("status", 507)]
)
def test_a_target_that_fails_is_followed_by_the_next(
    uploads: Uploads, catalogue: Catalogue, elements: Elements, fault: Fault
) -> None:
    elements.faults["/NEAR/vo/out/a"] = [fault]
    assert uploads.store(stock(), Errand()).places["a"]["se"] == "FAR"
    assert catalogue.registered["/vo/out/a"] == b"first"


def test_all_targets_are_tried_again_after_a_pause(uploads: Uploads, elements: Elements) -> None:
    for se in ("NEAR", "FAR"):
        elements.faults[f"/{se}/vo/out/a"] = [Fault("status", 503), Fault("status", 503)]
    assert uploads.store(stock(), Errand()).places["a"]["se"] == "NEAR"
    assert len(elements.asked("PUT", "/NEAR/vo/out/a")) == 3


def test_no_target_left_names_the_file_and_every_element(
    uploads: Uploads, catalogue: Catalogue, elements: Elements
) -> None:
    elements.faults["/NEAR/vo/out/b"] = [Fault("status", 400)]
    elements.faults["/FAR/vo/out/b"] = [Fault("status", 507)] * 9
    with pytest.raises(NotStored) as caught:
        uploads.store(stock(), Errand())
    assert str(caught.value) == "b: NEAR: HTTP 400 Bad Request, FAR: HTTP 507 Insufficient Storage"
    assert catalogue.registered == {}
    # What will not change is not asked again.
    assert len(elements.asked("PUT", "/NEAR/vo/out/b")) == 1
    assert len(elements.asked("PUT", "/FAR/vo/out/b")) == 3


def test_what_a_lost_answer_has_left_is_compared_by_the_server(
    uploads: Uploads, catalogue: Catalogue, elements: Elements
) -> None:
    catalogue.ses = ("NEAR",)
    elements.faults["/NEAR/vo/out/a"] = [Fault("hang-up", value=True)]
    with pytest.raises(NotStored, match="a: it is not what was announced"):
        uploads.store(stock(), Errand())


@pytest.mark.parametrize("is_same", [True, False])
def test_what_must_not_be_written_over_is_left_to_the_server_to_compare(
    uploads: Uploads, catalogue: Catalogue, elements: Elements, is_same: bool
) -> None:
    catalogue.headers = {"If-None-Match": "*"}
    elements.contents["/NEAR/vo/out/a"] = CONTENTS["a"] if is_same else b"of somebody else"
    if is_same:
        assert uploads.store(stock(), Errand()).places["a"]["se"] == "NEAR"
        assert elements.asked("PUT", "/FAR/vo/out/a") == []
        return
    with pytest.raises(NotStored, match="a: it is not what was announced"):
        uploads.store(stock(), Errand())


def test_a_refused_permission_is_asked_for_once_more(
    uploads: Uploads, catalogue: Catalogue, elements: Elements
) -> None:
    catalogue.ses = ("NEAR",)
    elements.faults["/NEAR/vo/out/a"] = [Fault("status", 403)]
    assert uploads.store(stock(), Errand()).state == "registered"
    assert len(catalogue.said) == 2
    elements.contents.clear()
    elements.faults["/NEAR/vo/out/a"] = [Fault("status", 403)] * 9
    with pytest.raises(NotStored, match="a: NEAR: HTTP 403"):
        uploads.store(stock(), Errand())
    assert len(catalogue.said) == 4


def test_a_permission_that_is_about_to_end_is_renewed(uploads: Uploads, catalogue: Catalogue) -> None:
    catalogue.expires_at = "2020-01-01T00:00:00Z"
    uploads.store(stock(), Errand())
    assert len(catalogue.said) == 3


def test_large_files_go_in_parts_of_which_a_broken_one_is_repeated(
    uploads: Uploads, catalogue: Catalogue, elements: Elements
) -> None:
    catalogue.part_bytes = 250_000
    elements.faults["/NEAR/vo/out/b"] = [Fault("hang-up")]
    uploads.store(stock(), Errand())
    assert catalogue.registered["/vo/out/b"] == CONTENTS["b"]
    assert len(elements.asked("PUT", "/NEAR/vo/out/b")) == 4


def test_a_mounted_directory_gets_whole_files_under_their_names(
    uploads: Uploads, catalogue: Catalogue, tmp_path: Path
) -> None:
    catalogue.ses, catalogue.directory = ("NEAR",), str(tmp_path)
    uploads.store(stock(), Errand())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    catalogue.directory = str(tmp_path / "not mounted")
    with pytest.raises(NotStored, match="its directory is not here"):
        uploads.store(stock(), Errand())


def test_one_wrong_file_of_fifty_registers_none(uploads: Uploads, catalogue: Catalogue, elements: Elements) -> None:
    contents = {f"f{number}": b"%d" % number for number in range(50)}
    wrong = stock(contents)
    wrong.products[17].checksums["sha256"] = "0" * 64  # type: ignore[index]
    with pytest.raises(NotStored, match="f17: it is not what was announced"):
        uploads.store(wrong, Errand())
    assert catalogue.registered == {}
    elements.contents.clear()
    assert uploads.store(stock(contents), Errand()).state == "registered"
    assert len(catalogue.registered) == 50


def test_what_the_server_refuses_is_not_written(uploads: Uploads, catalogue: Catalogue, elements: Elements) -> None:
    catalogue.refused = {"a": {"code": "conflict", "detail": "another file has this name"}}
    with pytest.raises(NotStored, match="a: another file has this name"):
        uploads.store(stock(), Errand())
    assert elements.requests == []


def test_a_commit_waits_for_a_server_that_is_away(
    uploads: Uploads, catalogue: Catalogue, server: StandIn, elements: Elements
) -> None:
    with elements.changed:
        done = threading.Thread(target=lambda: uploads.store(stock(), Errand()))
        done.start()
        elements.changed.wait_for(lambda: "/NEAR/vo/out/a" in elements.contents, 10)
        with server.changed:
            server.is_down = True
    threading.Timer(2.0, lambda: setattr(server, "is_down", False)).start()
    done.join(30)
    assert len(catalogue.registered) == 2
    assert len(elements.requests) == 2


def test_files_that_are_still_looked_at_are_not_registered_yet(uploads: Uploads, catalogue: Catalogue) -> None:
    catalogue.state = "verifying"
    stored = uploads.store(stock(), Errand())
    assert (stored.state, stored.places["a"]["lfn"], catalogue.registered) == ("verifying", "/vo/out/a", {})


def test_nothing_to_keep_is_nothing_to_commit(uploads: Uploads, catalogue: Catalogue) -> None:
    empty = Stock(1, [], lambda product: io.BytesIO())
    assert uploads.store(empty, Errand()) == Stored("registered")
    assert [said["files"] for said in catalogue.said] == [[]]


def test_an_ended_job_writes_and_commits_nothing(uploads: Uploads, catalogue: Catalogue, elements: Elements) -> None:
    for se in ("NEAR", "FAR"):
        elements.faults[f"/{se}/vo/out/a"] = [Fault("status", 503)] * 9
    uploads.pauses_s = (0.0, 60.0)
    errand = Errand()
    threading.Timer(0.5, errand.halt).start()
    with pytest.raises(Halted):
        uploads.store(stock(), errand)
    assert catalogue.registered == {}
