"""Nobody touches, sees or guesses what belongs to others: each operation against jobs, sandboxes, pilots and logins."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from tests.compat.clients import Answer, Json, People, Person, model
from tests.compat.installation import jdl, new_group
from tests.compat.nodes import start_pilot
from tests.compat.test_tokens import claims_of

pytestmark = pytest.mark.xdist_group("compat")

UNKNOWN_JOB = 2**41
JOB_TYPE = "Hospital"


@dataclass(frozen=True)
class Target:
    """What somebody owns, or what nobody owns."""

    job: int
    pfn: str
    stamp: str
    jti: str

    def unknown(self) -> "Target":
        """Return things of the same form, in the same area, that do not exist."""
        name, digest = self.pfn.rsplit(":", 1)
        there_is_none = f"{name}:{digest[::-1].removeprefix('tsz.rat.')}.tar.zst"
        return replace(self, job=UNKNOWN_JOB, pfn=there_is_none, stamp=f"none-{uuid4().hex[:8]}", jti=str(uuid4()))


def owned_by(people: People, user: str, vo: str) -> Target:
    """Make a job that ran on a pilot, a sandbox and a login of somebody."""
    person = people(user, vo)
    file = person.home / "private.txt"
    file.write_text(f"{uuid4()}\n")
    pfn = person.call("async", "api.create_sandbox", [{"$path": str(file)}]).ok()
    [job] = person.submit(jdl(new_group(), JobType=JOB_TYPE, InputSandbox=[pfn]))
    person.wait_for([job], "Waiting")
    pilot = start_pilot(people, vo)
    assert pilot.take(group="user", job_type=JOB_TYPE) == [job]
    login = people.newly_logged_in(user, vo)
    return Target(job, pfn, pilot.stamp, claims_of(login.tokens["refresh_token"])["jti"])


@pytest.fixture(scope="module")
def of_bob_of_voa(people: People) -> Target:
    return owned_by(people, "bob", "voa")


@pytest.fixture(scope="module")
def of_bob_of_vob(people: People) -> Target:
    return owned_by(people, "bob", "vob")


def now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def equal(parameter: str, value: object) -> Json:
    return {"parameter": parameter, "operator": "eq", "value": value}


Attempt = Callable[[Person, str, Target], Answer]

MANAGING: dict[str, Attempt] = {
    "status": lambda p, m, t: p.call(
        m, "jobs.set_job_statuses", {str(t.job): {now(): model("JobStatusUpdate", status="Killed")}}
    ),
    "heartbeat": lambda p, m, t: p.call(m, "jobs.add_heartbeat", {str(t.job): model("HeartbeatData", load_average=1)}),
    "metadata": lambda p, m, t: p.call(m, "jobs.patch_metadata", {t.job: {"Site": "LCG.Evil.org"}}),
    "reschedule": lambda p, m, t: p.call(m, "jobs.reschedule_jobs", model("BodyJobsRescheduleJobs", job_ids=[t.job])),
    "sandboxes": lambda p, m, t: p.call(m, "jobs.get_job_sandboxes", t.job),
    "input sandbox": lambda p, m, t: p.call(m, "jobs.get_job_sandbox", t.job, "input"),
    "output sandbox": lambda p, m, t: p.call(m, "jobs.get_job_sandbox", t.job, "output"),
    "assign": lambda p, m, t: p.call(m, "jobs.assign_sandbox_to_job", t.job, json.dumps(t.pfn)),
    "unassign": lambda p, m, t: p.call(m, "jobs.unassign_job_sandboxes", t.job),
    "unassign in bulk": lambda p, m, t: p.call(
        m, "jobs.unassign_bulk_jobs_sandboxes", model("BodyJobsUnassignBulkJobsSandboxes", job_ids=[t.job])
    ),
    "download": lambda p, m, t: p.call(m, "jobs.get_sandbox_file", pfn=t.pfn),
    "pilot metadata": lambda p, m, t: p.call(
        m, "pilots.update_pilot_metadata", {t.stamp: model("PilotMetadata", status="Done")}
    ),
}
SANDBOXES_OF_JOBS = ("sandboxes", "input sandbox", "output sandbox")
LOOKING: dict[str, Attempt] = {
    "search by id": lambda p, m, t: p.call(m, "jobs.search", search=[equal("JobID", t.job)]),
    "history": lambda p, m, t: p.call(m, "jobs.search", parameters=["LoggingInfo"], search=[equal("JobID", t.job)]),
    "search by pilot": lambda p, m, t: p.call(m, "jobs.search", search=[equal("PilotStamp", t.stamp)]),
    "summary": lambda p, m, t: p.call(m, "jobs.summary", grouping=["Owner"], search=[equal("JobID", t.job)]),
    "search of VO": lambda p, m, t: p.call(
        m, "jobs.search", search=[equal("VO", "vob"), {"parameter": "JobID", "operator": "in", "values": [t.job]}]
    ),
    "pilots by stamp": lambda p, m, t: p.call(m, "pilots.search", search=[equal("PilotStamp", t.stamp)]),
    "pilots by job": lambda p, m, t: p.call(m, "pilots.search", search=[equal("JobID", t.job)]),
    "summary of pilots": lambda p, m, t: p.call(
        m, "pilots.summary", grouping=["VO"], search=[equal("PilotStamp", t.stamp)]
    ),
}


def heard(answer: Answer, target: Target) -> tuple[int, str]:
    """Return what an answer tells, with the names of the target taken out."""
    told = answer.text.replace(target.pfn, "PFN").replace(target.stamp, "STAMP")
    return answer.status, re.sub(rf"\b{target.job}\b", "JOB", told)


@pytest.mark.parametrize("attempt", MANAGING)
@pytest.mark.parametrize("group", ["user", "admin", "pilot"])
def test_what_another_vo_owns_is_as_if_it_did_not_exist(
    people: People, mode: str, of_bob_of_vob: Target, group: str, attempt: str
) -> None:
    alice = people("alice", "voa", group)
    unknown = of_bob_of_vob.unknown()
    real, none = (MANAGING[attempt](alice, mode, target) for target in (of_bob_of_vob, unknown))
    refusals = (400,) if attempt == "reschedule" and group != "user" else (403, 404)
    # To an administrator, as the contract has it, a job that does not exist has no sandboxes.
    assert real.status in ((200,) if attempt in SANDBOXES_OF_JOBS and group == "admin" else refusals), real
    assert heard(real, of_bob_of_vob) == heard(none, unknown)


@pytest.mark.parametrize("attempt", MANAGING)
def test_a_plain_user_cannot_touch_what_others_of_the_vo_own(
    alice: Person, mode: str, of_bob_of_voa: Target, attempt: str
) -> None:
    assert MANAGING[attempt](alice, mode, of_bob_of_voa).status == 403


@pytest.mark.parametrize("attempt", LOOKING)
@pytest.mark.parametrize("group", ["user", "admin"])
def test_no_search_finds_anything_of_another_vo(
    people: People, mode: str, of_bob_of_vob: Target, group: str, attempt: str
) -> None:
    assert LOOKING[attempt](people("alice", "voa", group), mode, of_bob_of_vob).ok() == []


@pytest.mark.parametrize(("user", "vo"), [("bob", "voa"), ("bob", "vob")])
def test_a_plain_user_cannot_end_logins_of_others(
    alice: Person, mode: str, of_bob_of_voa: Target, of_bob_of_vob: Target, user: str, vo: str
) -> None:
    target = of_bob_of_voa if vo == "voa" else of_bob_of_vob
    listed = alice.call(mode, "auth.get_refresh_tokens").ok()
    assert target.jti not in {row["JTI"] for row in listed}
    assert alice.call(mode, "auth.revoke_refresh_token_by_jti", target.jti).status in (403, 404)


def test_one_foreign_job_in_a_list_refuses_all_of_it(alice: Person, mode: str, of_bob_of_voa: Target) -> None:
    [mine] = alice.submit(jdl(new_group()))
    alice.wait_for([mine], "Waiting")
    update = {now(): model("JobStatusUpdate", status="Killed")}
    body = {str(mine): update, str(of_bob_of_voa.job): update}
    alice.call(mode, "jobs.set_job_statuses", body).refused(403)
    assert alice.jobs([mine])[mine]["Status"] == "Waiting"


def test_nothing_was_changed_by_any_attempt(people: People, of_bob_of_voa: Target, of_bob_of_vob: Target) -> None:
    for vo, target in (("voa", of_bob_of_voa), ("vob", of_bob_of_vob)):
        bob = people("bob", vo)
        row = bob.jobs([target.job])[target.job]
        assert (row["Status"], row["RescheduleCounter"]) == ("Matched", 0)
        assert row["Site"] != "LCG.Evil.org"
        sandboxes = bob.http.get(f"/api/jobs/{target.job}/sandbox").json()
        assert sandboxes == {"Input": [target.pfn.split("|", 1)[1]], "Output": []}
        assert bob.call("sync", "jobs.get_sandbox_file", pfn=target.pfn).ok()
        [pilot] = bob.call("sync", "pilots.search", search=[equal("PilotStamp", target.stamp)]).ok()
        assert pilot["Status"] != "Done"
