"""Jobs through DiracX's library: parametric ones, histories, order, summaries, jobs of pilots (flows 7 and 14)."""

import json
from datetime import UTC, datetime

import pytest

from tests.compat.clients import Json, People, Person
from tests.compat.installation import jdl, new_group, of_group
from tests.compat.nodes import start_pilot

pytestmark = pytest.mark.xdist_group("compat")

LATER_THAN_RECEIVED = {"Received", "Checking", "Waiting"}


@pytest.mark.parametrize("number", [20, 10_000])
def test_a_parametric_jdl_becomes_that_many_jobs(alice: Person, mode: str, number: int) -> None:
    group = new_group()
    text = jdl(group, JobName="run-%n", Parameters=number, ParameterStart=5, ParameterStep=3, Arguments="%s")
    jobs = alice.call(mode, "jobs.submit_jdl_jobs", [text]).ok()
    ids = [job["JobID"] for job in jobs]
    assert len(set(ids)) == number
    assert ids == sorted(ids)
    assert {job["Status"] for job in jobs} <= LATER_THAN_RECEIVED
    rows = alice.rows(of_group(group), parameters=["JobID", "Status", "JobName"])
    assert [row["JobID"] for row in rows] == ids
    assert {row["Status"] for row in rows} <= LATER_THAN_RECEIVED
    width = len(str(number - 1))
    assert rows[7]["JobName"] == f"run-{7:0{width}}"


def test_an_answer_to_a_submission_is_of_the_generated_class(alice: Person, mode: str) -> None:
    [job] = alice.call(mode, "jobs.submit_jdl_jobs", [jdl(new_group())]).ok()
    assert job.keys() == {"JobID", "Status", "MinorStatus", "TimeStamp"}
    assert (job["Status"], job["MinorStatus"]) == ("Received", "Job accepted")
    age = datetime.now(UTC) - datetime.fromisoformat(job["TimeStamp"])
    assert abs(age.total_seconds()) < 60


@pytest.mark.parametrize(
    ("jdls", "word"),
    [
        ([], ""),
        (["[ Arguments = 1; ]"], "Executable"),
        ([jdl(), jdl(Parameters=3)], "Parameters"),
        ([jdl(VirtualOrganization="vob")], "VirtualOrganization"),
        ([jdl(Parameters=0)], "Parameters"),
        ([jdl(JobType="Nonsense")], "JobType"),
        ([jdl(), "[ Executable = "], "1"),
    ],
)
def test_what_cannot_be_a_job_is_400_with_the_reason(alice: Person, mode: str, jdls: list[str], word: str) -> None:
    alice.call(mode, "jobs.submit_jdl_jobs", jdls).refused(400, word=word)


def test_the_history_is_told_from_the_oldest_on(alice: Person, mode: str) -> None:
    [job_id] = alice.submit(jdl(new_group()))
    alice.wait_for([job_id], "Waiting")
    spec = {"parameter": "JobID", "operator": "eq", "value": job_id}
    [row] = alice.call(mode, "jobs.search", parameters=["LoggingInfo"], search=[spec]).ok()
    history = row["LoggingInfo"]
    assert [record["Status"] for record in history][:1] == ["Received"]
    assert history[-1]["Status"] == "Waiting"
    assert [record["StatusTime"] for record in history] == sorted(record["StatusTime"] for record in history)
    for record in history:
        assert record.keys() == {"Status", "MinorStatus", "ApplicationStatus", "StatusTime", "Source"}
        assert "idem" not in record.values()
    assert "Owner" in row
    [narrow] = alice.call(mode, "jobs.search", parameters=["LoggingInfo", "Site"], search=[spec]).ok()
    assert narrow.keys() == {"JobID", "Site", "LoggingInfo"}


def test_rows_come_in_the_order_asked_for(alice: Person, mode: str) -> None:
    group = new_group()
    alice.submit(*[jdl(group, JobName=name, Priority=priority) for name, priority in (("b", 1), ("a", 1), ("c", 3))])
    sort = [{"parameter": "UserPriority", "direction": "desc"}, {"parameter": "JobName", "direction": "asc"}]
    rows = alice.call(mode, "jobs.search", parameters=["JobName"], search=[of_group(group)], sort=sort).ok()
    assert [row["JobName"] for row in rows] == ["c", "a", "b"]
    wrong = alice.call(mode, "jobs.search", sort=[{"parameter": "Nothing", "direction": "asc"}])
    wrong.refused(400)


def test_distinct_rows_are_counted_once(alice: Person, mode: str) -> None:
    group = new_group()
    alice.submit(*[jdl(group, JobName=name) for name in ("b", "a", "b", "b", "c")])
    body = {
        "parameters": ["JobName"],
        "search": [of_group(group)],
        "sort": [{"parameter": "JobName", "direction": "asc"}],
        "distinct": True,
    }
    # The keywords of this client do not know `distinct`; its body may still be given as bytes.
    answer = alice.call(mode, "jobs.search", body={"$bytes": json.dumps(body)})
    assert answer.ok() == [{"JobName": "a"}, {"JobName": "b"}, {"JobName": "c"}]
    part = alice.call(mode, "jobs.search", body={"$bytes": json.dumps(body)}, per_page=2)
    assert (part.status, part.headers["content-range"]) == (206, "jobs 0-1/3")


def test_a_summary_counts(alice: Person, mode: str) -> None:
    group = new_group()
    alice.submit(*[jdl(group, JobName=name) for name in ("b", "a", "b")])
    counts = alice.call(mode, "jobs.summary", grouping=["JobName", "Owner"], search=[of_group(group)]).ok()
    assert sorted(counts, key=lambda row: row["JobName"]) == [
        {"JobName": "a", "Owner": "alice", "count": 1},
        {"JobName": "b", "Owner": "alice", "count": 2},
    ]
    assert alice.call(mode, "jobs.summary", grouping=["Status"], search=[of_group(new_group())]).ok() == []
    alice.call(mode, "jobs.summary", grouping=["Nothing"]).refused(400)


@pytest.fixture(scope="module")
def run(people: People, alice: Person) -> Json:
    """Two jobs that run on a pilot, and a third that waits."""
    group = new_group()
    ids = alice.submit(*[jdl(group, JobType="Test")] * 2)
    [waiting] = alice.submit(jdl(group, JobType="User"))
    alice.wait_for([*ids, waiting], "Waiting")
    pilot = start_pilot(people)
    taken = pilot.take(group="user", job_type="Test", count=2)
    return {"group": group, "stamp": pilot.stamp, "ids": sorted(taken), "waiting": waiting}


def test_jobs_are_found_by_the_stamps_of_their_pilots(alice: Person, mode: str, run: Json) -> None:
    def search(*specs: Json) -> list[int]:
        rows = alice.call(mode, "jobs.search", parameters=["JobID"], search=list(specs)).ok()
        return [row["JobID"] for row in rows]

    stamp = {"parameter": "PilotStamp", "operator": "eq", "value": run["stamp"]}
    stamps = {"parameter": "PilotStamp", "operator": "in", "values": [run["stamp"], "unknown"]}
    assert search(stamp) == search(stamps) == run["ids"]
    assert search({**stamp, "value": "unknown"}) == []
    like = {**stamp, "operator": "like"}
    job = {"parameter": "JobID", "operator": "eq", "value": run["ids"][0]}
    alice.call(mode, "jobs.search", search=[like]).refused(400)
    alice.call(mode, "jobs.search", search=[stamp, job]).refused(400)


def test_pilots_are_found_by_their_jobs(alice: Person, mode: str, run: Json) -> None:
    spec = {"parameter": "JobID", "operator": "eq", "value": run["ids"][1]}
    rows = alice.call(mode, "pilots.search", search=[spec]).ok()
    assert [row["PilotStamp"] for row in rows] == [run["stamp"]]
    waiting = {"parameter": "JobID", "operator": "in", "values": [run["waiting"]]}
    assert alice.call(mode, "pilots.search", search=[waiting]).ok() == []
    pilot = {"parameter": "PilotID", "operator": "eq", "value": rows[0]["PilotID"]}
    alice.call(mode, "pilots.search", search=[spec, pilot]).refused(400)
