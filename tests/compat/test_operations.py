"""Every operation of the contract is called once through the generated client, sync and async (section 4)."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from tests.compat.clients import Answer, Json, People, Person, model
from tests.compat.installation import VOS, jdl, new_group
from tests.infra.stack import CLIENT_ID, DEVICE_GRANT
from weyl.demo.browser import walk_through_forms

pytestmark = pytest.mark.xdist_group("compat")

CONTRACT = json.loads((Path(__file__).parent / "operations.json").read_text())
OPERATION_IDS = sorted(
    operation["operationId"] for methods in CONTRACT["paths"].values() for operation in methods.values()
)
SCOPE = "vo:voa group:user"


@dataclass(frozen=True)
class Caller:
    """Makes one call, with the kind of client that is looked at."""

    people: People
    mode: str

    def __call__(self, name: str, *args: object, who: Person | None = None, **kwargs: object) -> Answer:
        return (who or self.people("alice")).call(self.mode, name, *args, **kwargs)

    def job(self) -> int:
        """Return a new job of alice's that waits: no check of ours dates a change after the test's own."""
        alice = self.people("alice")
        [job] = alice.submit(jdl(new_group()))
        alice.wait_for([job], "Waiting")
        return job

    def sandbox(self) -> str:
        """Return the PFN of a sandbox that alice announced."""
        return str(self("jobs.initiate_sandbox_upload", sandbox_info()).ok()["pfn"])

    def pilot(self) -> str:
        """Return the stamp of a new pilot."""
        stamp = f"op-{uuid4().hex[:20]}"
        self("pilots.register_pilot", who=self.service, pilot_stamp=stamp, vo="voa").ok()
        return stamp

    @property
    def service(self) -> Person:
        """Alice as an administrator of services."""
        return self.people("alice", "voa", "service")


def sandbox_info() -> Json:
    digest = (uuid4().hex + uuid4().hex)[:64]
    return model("SandboxInfo", checksum_algorithm="sha256", checksum=digest, size=10, format="tar.zst")


def now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def redirected(answer: Answer, *, to: str) -> Json:
    """Check a redirect that the client, told not to follow it, takes for an error; returns the query."""
    assert (answer.error, answer.status) == ("HttpResponseError", 307), answer
    location = answer.headers["location"]
    assert location.startswith(to), location
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


def openid_configuration(call: Caller) -> None:
    document = call("well_known.get_openid_configuration").ok()
    url = call.people.stack.url
    assert document["issuer"] == f"{url}/"
    assert document["token_endpoint"] == f"{url}/api/auth/token"
    assert set(document["scopes_supported"]) >= {"vo:voa", "vo:vob", "group:admin", "property:NormalUser"}


def jwks(call: Caller) -> None:
    keys = call("well_known.get_jwks").ok()["keys"]
    assert all({"kid", "alg", "kty"} <= key.keys() and "d" not in key for key in keys)


def installation_metadata(call: Caller) -> None:
    organisations = call("well_known.get_installation_metadata").ok()["virtual_organizations"]
    assert sorted(organisations) == list(VOS)
    assert organisations["voa"]["default_group"] == "user"
    assert organisations["voa"]["groups"]["admin"]["properties"] == [
        "JobAdministrator",
        "NormalUser",
        "ProxyManagement",
    ]


def security_txt(call: Caller) -> None:
    assert "Contact:" in call("well_known.get_security_txt").ok()


def device_start(call: Caller) -> Json:
    started: Json = call("auth.initiate_device_flow", client_id=CLIENT_ID, scope=SCOPE).ok()
    assert len(started["user_code"]) == 8
    assert started["verification_uri_complete"].endswith(f"/api/auth/device?user_code={started['user_code']}")
    return started


def device_page(call: Caller) -> Json:
    started = device_start(call)
    answer = call("auth.do_device_flow", user_code=started["user_code"], permit_redirects=False)
    sent = redirected(answer, to=call.people.stack.idp_url)
    assert sent["redirect_uri"] == f"{call.people.stack.url}/api/auth/device/complete"
    return sent


def device_end(call: Caller) -> None:
    sent = device_page(call)
    # The code is none of the provider's: it says so, and nobody is logged in.
    answer = call("auth.finish_device_flow", code="none", state=sent["state"], permit_redirects=False)
    assert answer.status in (400, 401)
    answer = call("auth.finish_device_flow", code="none", state="none", permit_redirects=False)
    answer.refused(400, word="Invalid state")


def device_page_at_the_end(call: Caller) -> None:
    answer = call("auth.finished")
    assert answer.status == 200
    assert "<html" in answer.text.lower()


def token(call: Caller) -> None:
    started = device_start(call)
    wanted = {"device_code": started["device_code"], "client_id": CLIENT_ID}
    pending = call("auth.get_oidc_token", **wanted)
    assert json.loads(pending.text) == {"error": "authorization_pending"}
    assert pending.ok() == {"error": "authorization_pending"}
    walk_through_forms(started["verification_uri_complete"], {"login": "bob", "password": "bob"})
    tokens = call("auth.get_oidc_token", **wanted).ok()
    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] == 1200
    used = call.people("alice").http.post("/api/auth/token", data={"grant_type": DEVICE_GRANT, **wanted})
    assert (used.status_code, used.json()["detail"]) == (400, "Code was already used")


def code_start(call: Caller) -> Json:
    answer = call(
        "auth.initiate_authorization_flow",
        response_type="code",
        code_challenge="x" * 43,
        code_challenge_method="S256",
        client_id=CLIENT_ID,
        redirect_uri=f"{call.people.stack.url}/#authentication-callback",
        scope=SCOPE,
        state="mine",
        permit_redirects=False,
    )
    return redirected(answer, to=call.people.stack.idp_url)


def code_end(call: Caller) -> None:
    sent = code_start(call)
    answer = call("auth.complete_authorization_flow", code="none", state=sent["state"], permit_redirects=False)
    assert answer.status in (400, 401)
    call("auth.complete_authorization_flow", code="none", state="none").refused(400, word="Invalid state")


def userinfo(call: Caller) -> None:
    assert call("auth.userinfo").ok()["preferred_username"] == "alice"


def refresh_tokens(call: Caller) -> None:
    assert call("auth.get_refresh_tokens").ok()


def revoke_by_id(call: Caller) -> None:
    [first, *_] = call("auth.get_refresh_tokens", who=call.people.newly_logged_in("bob", "vob")).ok()
    assert call("auth.revoke_refresh_token_by_jti", first["JTI"], who=call.people("bob", "vob")).ok()


def revoke(call: Caller) -> None:
    person = call.people.newly_logged_in("bob")
    for value in (person.tokens["refresh_token"], "garbage", person.tokens["access_token"]):
        answer = call("auth.revoke_refresh_token_by_refresh_token", token=value, client_id=CLIENT_ID)
        assert answer.ok() == "Refresh token revoked"


def serve_config(call: Caller) -> None:
    assert "voa" in call("config.serve_config").ok()["Registry"]


def submit(call: Caller) -> None:
    [job] = call("jobs.submit_jdl_jobs", [jdl(new_group())]).ok()
    assert job["JobID"] > 0


def search_jobs(call: Caller) -> None:
    job = call.job()
    spec = {"parameter": "JobID", "operator": "eq", "value": job}
    assert [row["JobID"] for row in call("jobs.search", search=[spec]).ok()] == [job]


def summary_of_jobs(call: Caller) -> None:
    call.job()
    assert sum(row["count"] for row in call("jobs.summary", grouping=["Status"]).ok()) > 0


def set_statuses(call: Caller) -> None:
    job = call.job()
    update = model("JobStatusUpdate", status="Killed", minor_status="Marked for termination")
    result = call("jobs.set_job_statuses", {str(job): {now(): update}}).ok()
    assert result["success"][str(job)]["Status"] == "Killed"


def heartbeat(call: Caller) -> None:
    assert call("jobs.add_heartbeat", {str(call.job()): model("HeartbeatData", vsize=1)}).ok() == []


def metadata(call: Caller) -> None:
    assert call("jobs.patch_metadata", {call.job(): {"Site": "LCG.Alpha.org"}}).status == 204


def reschedule(call: Caller) -> None:
    job = call.job()
    answer = call("jobs.reschedule_jobs", model("BodyJobsRescheduleJobs", job_ids=[job])).ok()
    assert str(job) in answer["success"]


def announce_sandbox(call: Caller) -> None:
    assert call("jobs.initiate_sandbox_upload", sandbox_info()).ok()["url"]


def sandbox_file(call: Caller) -> None:
    assert call("jobs.get_sandbox_file", pfn=call.sandbox()).ok()["expires_in"] > 0


def sandboxes_of_a_job(call: Caller) -> None:
    assert call("jobs.get_job_sandboxes", call.job()).ok() == {"Input": [], "Output": []}


def sandbox_of_a_job(call: Caller) -> None:
    assert call("jobs.get_job_sandbox", call.job(), "input").ok() == []


def assign_sandbox(call: Caller) -> None:
    answer = call("jobs.assign_sandbox_to_job", call.job(), json.dumps(call.sandbox()))
    answer.ok()
    assert (answer.status, answer.text) == (200, "null")


def unassign_sandboxes(call: Caller) -> None:
    answer = call("jobs.unassign_job_sandboxes", call.job())
    answer.ok()
    assert (answer.status, answer.text) == (200, "null")


def unassign_in_bulk(call: Caller) -> None:
    body = model("BodyJobsUnassignBulkJobsSandboxes", job_ids=[call.job()])
    assert call("jobs.unassign_bulk_jobs_sandboxes", body).status == 204


def register_pilot(call: Caller) -> None:
    answer = call("pilots.register_pilot", who=call.service, pilot_stamp=f"op-{uuid4().hex[:20]}", vo="voa")
    answer.ok()
    assert (answer.status, answer.text) == (201, "null")


def update_pilot(call: Caller) -> None:
    change = {call.pilot(): model("PilotMetadata", status="Done")}
    assert call("pilots.update_pilot_metadata", change, who=call.service).status == 204


def search_pilots(call: Caller) -> None:
    spec = {"parameter": "PilotStamp", "operator": "eq", "value": call.pilot()}
    assert len(call("pilots.search", search=[spec]).ok()) == 1


def summary_of_pilots(call: Caller) -> None:
    call.pilot()
    assert call("pilots.summary", grouping=["VO"]).ok()[0]["VO"] == "voa"


def statuses_of(kind: str) -> Callable[[Caller], None]:
    def look(call: Caller) -> None:
        answer = call(f"rss.get_{kind}_status")
        assert answer.ok().keys() == json.loads(answer.text).keys()

    return look


CALLS: dict[str, Callable[[Caller], object]] = {
    ".well-known_get_openid_configuration": openid_configuration,
    ".well-known_get_jwks": jwks,
    ".well-known_get_installation_metadata": installation_metadata,
    ".well-known_get_security_txt": security_txt,
    "auth_initiate_device_flow": device_start,
    "auth_do_device_flow": device_page,
    "auth_finish_device_flow": device_end,
    "auth_finished": device_page_at_the_end,
    "auth_initiate_authorization_flow": code_start,
    "auth_complete_authorization_flow": code_end,
    "auth_get_oidc_token": token,
    "auth_userinfo": userinfo,
    "auth_get_refresh_tokens": refresh_tokens,
    "auth_revoke_refresh_token_by_jti": revoke_by_id,
    "auth_revoke_refresh_token_by_refresh_token": revoke,
    "config_serve_config": serve_config,
    "jobs_submit_jdl_jobs": submit,
    "jobs_search": search_jobs,
    "jobs_summary": summary_of_jobs,
    "jobs_set_job_statuses": set_statuses,
    "jobs_add_heartbeat": heartbeat,
    "jobs_patch_metadata": metadata,
    "jobs_reschedule_jobs": reschedule,
    "jobs_initiate_sandbox_upload": announce_sandbox,
    "jobs_get_sandbox_file": sandbox_file,
    "jobs_get_job_sandboxes": sandboxes_of_a_job,
    "jobs_get_job_sandbox": sandbox_of_a_job,
    "jobs_assign_sandbox_to_job": assign_sandbox,
    "jobs_unassign_job_sandboxes": unassign_sandboxes,
    "jobs_unassign_bulk_jobs_sandboxes": unassign_in_bulk,
    "pilots_register_pilot": register_pilot,
    "pilots_update_pilot_metadata": update_pilot,
    "pilots_search": search_pilots,
    "pilots_summary": summary_of_pilots,
    "rss_get_storage_status": statuses_of("storage"),
    "rss_get_compute_status": statuses_of("compute"),
    "rss_get_site_status": statuses_of("site"),
    "rss_get_fts_status": statuses_of("fts"),
}


def test_every_operation_of_the_contract_has_a_call() -> None:
    assert sorted(CALLS) == OPERATION_IDS


@pytest.mark.parametrize("operation_id", OPERATION_IDS)
def test_an_operation_through_the_generated_client(people: People, mode: str, operation_id: str) -> None:
    CALLS[operation_id](Caller(people, mode))
