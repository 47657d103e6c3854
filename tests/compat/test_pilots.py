"""Pilots through DiracX's library (flow 25; the mapping to jobs is tested with the jobs)."""

import json
from uuid import uuid4

import pytest

from tests.compat.clients import Json, People, Person, model

pytestmark = pytest.mark.xdist_group("compat")


@pytest.fixture
def service(people: People) -> Person:
    """Alice of `voa` as an administrator of services."""
    return people("alice", "voa", "service")


def new_stamp() -> str:
    return f"p-{uuid4().hex[:20]}"


def row_of(person: Person, mode: str, stamp: str) -> Json:
    spec = {"parameter": "PilotStamp", "operator": "eq", "value": stamp}
    [row] = person.call(mode, "pilots.search", search=[spec]).ok()
    return dict(row)


def test_a_pilot_is_registered_once_with_its_defaults(service: Person, alice: Person, mode: str) -> None:
    stamp = new_stamp()
    first = service.call(mode, "pilots.register_pilot", pilot_stamp=stamp, vo="voa")
    first.ok()
    assert first.status == 201
    again = service.call(mode, "pilots.register_pilot", pilot_stamp=stamp, vo="voa")
    assert (again.error, again.status) == ("ResourceExistsError", 409)
    row = row_of(alice, mode, stamp)
    assert (row["PilotStamp"], row["VO"], row["GridType"], row["GridSite"]) == (stamp, "voa", "DIRAC", "Unknown")
    assert (row["DestinationSite"], row["PilotJobReference"]) == ("NotAssigned", stamp)
    assert (row["Status"], row["Queue"], row["StatusReason"], row["BenchMark"]) == ("Submitted", *["Unknown"] * 2, 0.0)
    assert (row["CurrentJobID"], row["AccountingSent"]) == (0, False)
    unknown = service.call(mode, "pilots.register_pilot", pilot_stamp=new_stamp(), vo="nowhere")
    unknown.refused(400)
    service.call(mode, "pilots.register_pilot", pilot_stamp="x" * 33, vo="voa").refused(422)


def test_fields_of_pilots_are_changed_all_or_none(service: Person, alice: Person, mode: str) -> None:
    stamps = [new_stamp(), new_stamp()]
    for stamp in stamps:
        service.call(mode, "pilots.register_pilot", pilot_stamp=stamp, vo="voa", grid_type="Slurm").ok()
    changes = {
        stamps[0]: model("PilotMetadata", status="Running", bench_mark=12.5, queue="long"),
        stamps[1]: model("PilotMetadata", status_reason="lost", accounting_sent=True),
    }
    answer = service.call(mode, "pilots.update_pilot_metadata", changes)
    answer.ok()
    assert answer.status == 204
    first, second = (row_of(alice, mode, stamp) for stamp in stamps)
    assert (first["Status"], first["BenchMark"], first["Queue"], first["GridType"]) == (
        "Running",
        12.5,
        "long",
        "Slurm",
    )
    assert (second["Status"], second["StatusReason"], second["AccountingSent"]) == ("Submitted", "lost", True)
    assert first["LastUpdateTime"] >= first["SubmissionTime"]
    assert service.call(mode, "pilots.update_pilot_metadata", {}).status == 204
    mixed = {stamps[0]: model("PilotMetadata", status="Done"), "unknown": model("PilotMetadata", status="Done")}
    service.call(mode, "pilots.update_pilot_metadata", mixed).refused(404)
    assert row_of(alice, mode, stamps[0])["Status"] == "Running"
    extra = json.dumps({stamps[0]: {"VO": "vob"}})
    service.call(mode, "pilots.update_pilot_metadata", {"$bytes": extra}).refused(422)


def test_pilots_are_found_page_by_page_and_counted(service: Person, alice: Person, mode: str) -> None:
    site = f"CLOUD.{uuid4().hex[:8]}.org"
    stamps = [new_stamp() for _ in range(3)]
    for stamp in stamps:
        service.call(mode, "pilots.register_pilot", pilot_stamp=stamp, vo="voa", grid_site=site).ok()
    here = {"parameter": "GridSite", "operator": "eq", "value": site}
    sort = [{"parameter": "PilotID", "direction": "desc"}]
    page = alice.call(mode, "pilots.search", search=[here], sort=sort, parameters=["PilotStamp"], page=1, per_page=2)
    assert [row["PilotStamp"] for row in page.ok()] == stamps[:0:-1]
    assert (page.status, page.headers["content-range"]) == (206, "pilots 0-1/3")
    counts = alice.call(mode, "pilots.summary", grouping=["Status"], search=[here]).ok()
    assert counts == [{"Status": "Submitted", "count": 3}]
    beyond = alice.call(mode, "pilots.search", search=[here], page=9, per_page=2)
    assert (beyond.status, beyond.headers["content-range"]) == (416, "pilots */3")


def test_who_may_register_change_and_read(people: People, alice: Person, mode: str) -> None:
    stamp = new_stamp()
    pilot = people("bob", "voa", "pilot")
    alice.call(mode, "pilots.register_pilot", pilot_stamp=stamp, vo="voa").refused(403)
    pilot.call(mode, "pilots.register_pilot", pilot_stamp=stamp, vo="vob").refused(403)
    pilot.call(mode, "pilots.register_pilot", pilot_stamp=stamp, vo="voa").ok()
    alice.call(mode, "pilots.update_pilot_metadata", {stamp: model("PilotMetadata", status="Done")}).refused(403)
    pilot.call(mode, "pilots.update_pilot_metadata", {stamp: model("PilotMetadata", status="Done")}).ok()
    pilot.call(mode, "pilots.search").refused(403)
    pilot.call(mode, "pilots.summary", grouping=["Status"]).refused(403)
