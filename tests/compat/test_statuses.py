"""Status reports, heartbeats, metadata and rescheduling through DiracX's library (flows 21 to 24)."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.compat.clients import Json, Person, model
from tests.compat.installation import RESCHEDULES_MAX, jdl, new_group

pytestmark = pytest.mark.xdist_group("compat")

UNKNOWN = 2**40


def at(seconds: float = 0) -> str:
    """Return a time from now on, as the wire has it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def update(status: str | None = None, **fields: str) -> Json:
    return model("JobStatusUpdate", **({"status": status} if status else {}), **fields)


def waiting_jobs(person: Person, number: int) -> list[int]:
    ids = person.submit(*[jdl(new_group())] * number)
    person.wait_for(ids, "Waiting")
    return ids


def history(person: Person, job_id: int) -> list[Json]:
    spec = {"parameter": "JobID", "operator": "eq", "value": job_id}
    [row] = person.rows(spec, parameters=["LoggingInfo"])
    return list(row["LoggingInfo"])


def move(person: Person, *steps: tuple[int, str]) -> None:
    """Move jobs along, each step a little later than the one before."""
    for number, (job_id, status) in enumerate(steps):
        body = {str(job_id): {at(number / 1000): {"Status": status, "Source": "Test"}}}
        answer = person.http.patch("/api/jobs/status", json=body)
        assert answer.status_code == 200, answer.text
        assert answer.json()["success"][str(job_id)]["Status"] == status


def run(person: Person, ids: list[int]) -> None:
    move(person, *[(job_id, status) for status in ("Matched", "Running") for job_id in ids])


def test_statuses_of_a_hundred_jobs_in_one_call(admin: Person, mode: str) -> None:
    ids = waiting_jobs(admin, 100)
    good, illegal, late = ids[:60], ids[60:90], ids[90:]
    body: Json = {str(job): {at(): update("Killed", minor_status="Marked for termination")} for job in good}
    body |= {str(job): {at(): update("Done", source="JobWrapper", application_status="over")} for job in illegal}
    body |= {str(job): {"2020-01-01T00:00:00Z": update("Killed")} for job in late}
    body |= {str(UNKNOWN + number): {at(): update("Killed")} for number in range(3)}
    answer = admin.call(mode, "jobs.set_job_statuses", body)
    result = answer.ok()
    assert sorted(map(int, result["success"])) == ids
    assert result["failed"] == {str(UNKNOWN + number): {"detail": "Not found"} for number in range(3)}
    assert all(result["success"][str(job)]["Status"] == "Killed" for job in good)

    rows = admin.jobs(ids)
    assert {(rows[job]["Status"], rows[job]["MinorStatus"]) for job in good} == {("Killed", "Marked for termination")}
    assert all(rows[job]["EndExecTime"] for job in good)
    assert {rows[job]["Status"] for job in (*illegal, *late)} == {"Waiting"}
    assert {rows[job]["ApplicationStatus"] for job in illegal} == {"over"}
    assert {rows[job]["EndExecTime"] for job in illegal} == {None}
    refused = history(admin, illegal[0])[-1]
    assert (refused["Source"], refused["Status"]) == ("JobWrapper(SM)", "Waiting")
    old = history(admin, late[0])[0]
    assert old["StatusTime"].startswith("2020-01-01T00:00:00")


def test_only_an_administrator_forces(alice: Person, admin: Person, mode: str) -> None:
    [job] = waiting_jobs(alice, 1)
    body = {str(job): {at(): update("Done")}}
    alice.call(mode, "jobs.set_job_statuses", body, force=True).refused(403)
    assert alice.jobs([job])[job]["Status"] == "Waiting"
    admin.call(mode, "jobs.set_job_statuses", body, force=True).ok()
    assert alice.jobs([job])[job]["Status"] == "Done"
    assert history(alice, job)[-1]["Status"] == "Done"


def test_a_time_without_zone_refuses_the_whole_call(alice: Person, mode: str) -> None:
    first, second = waiting_jobs(alice, 2)
    body = {str(first): {at(): update("Killed")}, str(second): {"2030-01-01T00:00:00": update("Killed")}}
    alice.call(mode, "jobs.set_job_statuses", body).refused(400)
    assert {row["Status"] for row in alice.jobs([first, second]).values()} == {"Waiting"}
    alice.call(mode, "jobs.set_job_statuses", {str(first): {}}).refused(400)


def test_if_nothing_succeeded_the_answer_is_404_with_the_object(admin: Person, mode: str) -> None:
    answer = admin.call(mode, "jobs.set_job_statuses", {str(UNKNOWN): {at(): update("Killed")}})
    detail = answer.refused(404)
    assert detail == {"success": {}, "failed": {str(UNKNOWN): {"detail": "Not found"}}}


def test_the_wire_has_null_for_what_did_not_change(alice: Person) -> None:
    [job] = waiting_jobs(alice, 1)
    answer = alice.http.patch("/api/jobs/status", json={job: {"2020-01-01T00:00:00Z": {"MinorStatus": "late"}}})
    changed = answer.json()["success"][str(job)]
    assert set(changed.values()) == {None}
    assert {"Status", "MinorStatus", "ApplicationStatus", "HeartBeatTime", "StartExecTime"} <= changed.keys()


def test_heartbeats_of_a_hundred_jobs_twice_in_a_second_and_one_kill(alice: Person, mode: str) -> None:
    ids = waiting_jobs(alice, 100)
    run(alice, ids[:2])
    beat = model("HeartbeatData", load_average=0.5, memory_used=100, standard_output="line 1\n")
    body = {str(job): beat for job in ids}
    for _ in range(2):
        answer = alice.call(mode, "jobs.add_heartbeat", body)
        assert (answer.ok(), answer.status) == ([], 200)
    assert all(row["HeartBeatTime"] for row in alice.jobs(ids).values())
    kill = {str(ids[0]): {at(): update("Killed", minor_status="Marked for termination", source="User: alice")}}
    alice.call(mode, "jobs.set_job_statuses", kill).ok()
    alice.call(mode, "jobs.set_job_statuses", kill).ok()
    commands = alice.call(mode, "jobs.add_heartbeat", body).ok()
    assert [(command["job_id"], command["command"]) for command in commands] == [(ids[0], "Kill")]
    assert alice.call(mode, "jobs.add_heartbeat", body).ok() == []


def test_a_heartbeat_wakes_a_matched_or_stalled_job(alice: Person, mode: str) -> None:
    matched, stalled = waiting_jobs(alice, 2)
    move(alice, (matched, "Matched"), (stalled, "Matched"), (stalled, "Running"), (stalled, "Stalled"))
    body = {str(job): model("HeartbeatData", cpu_consumed=1.5) for job in (matched, stalled)}
    alice.call(mode, "jobs.add_heartbeat", body).ok()
    assert {row["Status"] for row in alice.jobs([matched, stalled]).values()} == {"Running"}
    assert history(alice, matched)[-1]["Source"] == "Heartbeat"


def test_one_unknown_job_among_heartbeats_is_404_and_nothing_is_stored(admin: Person, mode: str) -> None:
    [job] = waiting_jobs(admin, 1)
    body = {str(number): model("HeartbeatData", load_average=1) for number in (job, UNKNOWN)}
    admin.call(mode, "jobs.add_heartbeat", body).refused(404)
    assert admin.jobs([job])[job]["HeartBeatTime"] is None
    extra = {str(job): {"LoadAverage": 1, "Nonsense": 2}}
    admin.call(mode, "jobs.add_heartbeat", {"$bytes": json.dumps(extra)}).refused(422)


def test_metadata_sets_the_site_and_any_parameter(alice: Person, mode: str) -> None:
    first, second = waiting_jobs(alice, 2)
    body = {
        first: {"Site": "LCG.Alpha.org", "CPUNormalizationFactor": 10, "HostName": "wn1", "Mine": {"a": [1, None]}},
        str(second): model("JobMetaData", grid_ce="ce.alpha.org"),
    }
    answer = alice.call(mode, "jobs.patch_metadata", body)
    answer.ok()
    assert answer.status == 204
    rows = alice.jobs([first, second])
    assert (rows[first]["Site"], rows[second]["Site"]) == ("LCG.Alpha.org", "ANY")
    parameters = alice.http.get(f"/api/jobs/{first}/parameters").json()
    assert parameters["CPUNormalizationFactor"] == 10
    assert (parameters["HostName"], parameters["Mine"]) == ("wn1", {"a": [1, None]})
    # The library refuses to send a number as text; older programs do.
    text = {first: {"CPUNormalizationFactor": "11.5", "TotalCPUTime(s)": "20"}}
    assert alice.http.patch("/api/jobs/metadata", json=text).status_code == 204
    parameters = alice.http.get(f"/api/jobs/{first}/parameters").json()
    assert (parameters["CPUNormalizationFactor"], parameters["TotalCPUTime(s)"]) == (11, 20)


def test_an_immutable_attribute_refuses_everything(alice: Person, mode: str) -> None:
    [job] = waiting_jobs(alice, 1)
    refused = alice.call(mode, "jobs.patch_metadata", {job: {"Owner": "bob", "Site": "LCG.Alpha.org", "Note": "x"}})
    refused.refused(400)
    assert alice.jobs([job])[job]["Site"] == "ANY"
    assert "Note" not in alice.http.get(f"/api/jobs/{job}/parameters").json()


def test_metadata_of_an_unknown_job_is_404(admin: Person, mode: str) -> None:
    admin.call(mode, "jobs.patch_metadata", {UNKNOWN: {"Site": "LCG.Alpha.org"}}).refused(404)


def reschedule(person: Person, mode: str, ids: list[int], **options: bool) -> Json:
    return dict(person.call(mode, "jobs.reschedule_jobs", model("BodyJobsRescheduleJobs", job_ids=ids), **options).ok())


def test_rescheduling_stops_at_the_limit(alice: Person, mode: str) -> None:
    [job] = waiting_jobs(alice, 1)
    for number in range(1, RESCHEDULES_MAX + 1):
        success = reschedule(alice, mode, [job])["success"][str(job)]
        assert (success["RescheduleCounter"], success["Site"]) == (number, "ANY")
        assert "/bin/true" in success["InputData"]
        assert success["RescheduleTime"]
        alice.wait_for([job], "Waiting")
    over = alice.call(mode, "jobs.reschedule_jobs", model("BodyJobsRescheduleJobs", job_ids=[job]))
    detail = over.refused(400)
    assert detail["failed"][str(job)]["detail"] == f"Maximum number of reschedules exceeded ({RESCHEDULES_MAX})"
    row = alice.jobs([job])[job]
    assert (row["Status"], row["MinorStatus"]) == ("Failed", "Maximum of reschedulings reached")
    reset = reschedule(alice, mode, [job], reset_jobs=True)
    assert reset["success"][str(job)]["RescheduleCounter"] == 0


def test_failed_running_and_unknown_jobs_in_one_reschedule(admin: Person, mode: str) -> None:
    failed, running = waiting_jobs(admin, 2)
    run(admin, [failed, running])
    move(admin, (failed, "Failed"))
    answer = reschedule(admin, mode, [failed, running, UNKNOWN])
    assert sorted(map(int, answer["success"])) == [failed, running]
    assert list(answer["failed"]) == [str(UNKNOWN)]
    assert answer["failed"][str(UNKNOWN)]["detail"]
    rows = admin.wait_for([failed, running], "Waiting")
    assert {row["RescheduleCounter"] for row in rows.values()} == {1}
    assert {row["StartExecTime"] for row in rows.values()} == {None}
    told = [record["Status"] for record in history(admin, failed)]
    assert "Rescheduled" in told
    assert told[told.index("Rescheduled") + 1] == "Received"
    beats = admin.call(mode, "jobs.add_heartbeat", {str(running): model("HeartbeatData", load_average=1)}).ok()
    assert [command["command"] for command in beats] == ["Kill"]
