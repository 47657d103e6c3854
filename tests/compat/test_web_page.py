"""DiracX's web page, replayed: its calls in the form in which it sends them (section 5)."""

import base64
import hashlib
import io
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import parse_qs
from uuid import uuid4

import httpx2
import pytest

from tests.compat.clients import Json, People, Person
from tests.compat.installation import WEB_PAGE, jdl, new_group, of_group
from tests.compat.test_tokens import claims_of
from tests.infra.login import browse
from weyl.demo.stack import Stack

pytestmark = pytest.mark.xdist_group("compat")

CLIENT = "myDIRACClientID"
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
STATE = "a/b+c=d&e"
"""A state that shows whether it is escaped, and escaped once."""


def callback(stack: Stack) -> str:
    return f"{stack.url}/#authentication-callback"


async def web_login(stack: Stack, http: httpx2.Client) -> Json:
    """Log in as the page does; returns the answer of the token endpoint."""
    query = {
        "response_type": "code",
        "client_id": CLIENT,
        "redirect_uri": callback(stack),
        "scope": "vo:voa group:user",
        "state": STATE,
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "nonce": "not-wanted",
    }
    answer = http.get("/api/auth/authorize", params=query)
    assert answer.status_code == 307
    location = answer.headers["location"]
    assert location.startswith(stack.idp_url)
    page = await browse(location, "alice", stop_at=f"{stack.url}/#")
    assert page.url.startswith(f"{callback(stack)}?code=")
    sent = parse_qs(page.url.removeprefix(callback(stack)).removeprefix("?"), strict_parsing=True)
    assert sent.keys() == {"code", "state"}
    assert sent["state"] == [STATE]
    form = {
        "grant_type": "authorization_code",
        "code": sent["code"][0],
        "redirect_uri": callback(stack),
        "code_verifier": VERIFIER,
        "client_id": CLIENT,
    }
    wrong = http.post("/api/auth/token", data={**form, "code_verifier": "w" * 64})
    assert (wrong.status_code, wrong.json()["error"]) == (400, "invalid_grant")
    tokens = http.post("/api/auth/token", data=form)
    assert tokens.status_code == 200, tokens.text
    again = http.post("/api/auth/token", data=form)
    assert (again.status_code, again.json()["detail"]) == (400, "Code was already used")
    return dict(tokens.json())


@pytest.fixture(scope="module")
def anonymous(people: People) -> httpx2.Client:
    return people.stranger().http


@pytest.fixture(scope="module")
async def session(stack: Stack, anonymous: httpx2.Client) -> Json:
    return await web_login(stack, anonymous)


@pytest.fixture(scope="module")
def page(people: People, session: Json) -> httpx2.Client:
    """The page after its login."""
    return people.client_with(session["access_token"])


@pytest.fixture(scope="module")
def group(alice: Person) -> str:
    """A group of 30 jobs of alice's that wait."""
    group = new_group()
    alice.wait_for(alice.submit(*[jdl(group, JobName=f"w{n}") for n in range(30)]), "Waiting")
    return group


@pytest.mark.parametrize("name", ["openid-configuration", "dirac-metadata"])
def test_1_the_documents_are_open(anonymous: httpx2.Client, name: str) -> None:
    assert anonymous.get(f"/.well-known/{name}").status_code == 200


def test_2_the_search_before_the_login_is_401(anonymous: httpx2.Client) -> None:
    body = {"search": [], "sort": [{"parameter": "JobID", "direction": "desc"}]}
    answer = anonymous.post("/api/jobs/search", params={"page": 1, "per_page": 25}, json=body)
    assert answer.status_code == 401
    assert answer.json()["detail"]


def test_3_to_5_the_login_gives_tokens_with_the_claims_the_page_reads(session: Json) -> None:
    claims = claims_of(session["access_token"])
    assert {"preferred_username", "vo", "dirac_group", "dirac_properties", "exp", "sub"} <= claims.keys()
    assert (claims["preferred_username"], claims["vo"], claims["dirac_group"]) == ("alice", "voa", "user")
    assert claims["dirac_properties"] == ["NormalUser"]
    assert session["refresh_token"]


def test_a_page_of_another_address_gets_no_code(stack: Stack, anonymous: httpx2.Client) -> None:
    query = {
        "response_type": "code",
        "client_id": CLIENT,
        "redirect_uri": "https://evil.example.org/#authentication-callback",
        "scope": "vo:voa",
        "state": STATE,
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    for change in ({}, {"redirect_uri": callback(stack) + "x"}, {"redirect_uri": stack.url + "/"}):
        assert anonymous.get("/api/auth/authorize", params={**query, **change}).status_code == 400


def test_6_the_list_shows_the_newest_first(page: httpx2.Client, group: str) -> None:
    body: Json = {"search": [], "sort": [{"parameter": "JobID", "direction": "desc"}]}
    answer = page.post("/api/jobs/search", params={"page": 1, "per_page": 25}, json=body)
    ids = [row["JobID"] for row in answer.json()]
    assert answer.status_code == 206
    assert len(ids) == 25
    assert ids == sorted(ids, reverse=True)
    unit, part = answer.headers["content-range"].split(" ")
    assert (unit, part.split("/")[0]) == ("jobs", "0-24")
    assert int(part.split("/")[1]) >= 30
    body["search"] = [of_group(group)]
    last = page.post("/api/jobs/search", params={"page": 2, "per_page": 25}, json=body)
    assert (len(last.json()), last.headers["content-range"]) == (5, "jobs 25-29/30")


def test_7_the_summary_feeds_the_donut_and_the_completion(page: httpx2.Client, group: str) -> None:
    answer = page.post("/api/jobs/summary", json={"grouping": ["Status"], "search": []})
    assert all(row.keys() == {"Status", "count"} for row in answer.json())
    own = page.post("/api/jobs/summary", json={"grouping": ["Status"], "search": [of_group(group)]})
    assert own.json() == [{"Status": "Waiting", "count": 30}]
    for column in ("Site", "JobName", "OwnerGroup", "JobGroup"):
        assert page.post("/api/jobs/summary", json={"grouping": [column], "search": []}).status_code == 200


def test_8_the_history_of_one_job(page: httpx2.Client, group: str) -> None:
    job = page.post("/api/jobs/search", json={"search": [of_group(group)]}).json()[0]["JobID"]
    spec = {"parameter": "JobID", "operator": "eq", "value": job}
    answer = page.post("/api/jobs/search", json={"parameters": ["LoggingInfo"], "search": [spec]})
    [row] = answer.json()
    assert row["LoggingInfo"][0]["Status"] == "Received"


def test_a_filter_of_the_last_hours_is_understood(page: httpx2.Client, group: str) -> None:
    spec = {"parameter": "LastUpdateTime", "operator": "gt", "value": "2024-02-01T10:20:30.000Z"}
    answer = page.post("/api/jobs/search", json={"search": [spec, of_group(group)]})
    assert len(answer.json()) == 30


@pytest.mark.parametrize(
    ("status", "minor"), [("Killed", "Marked for termination"), ("Deleted", "Marked for deletion")]
)
def test_9_kill_and_delete(page: httpx2.Client, alice: Person, status: str, minor: str) -> None:
    [job] = alice.submit(jdl(new_group()))
    alice.wait_for([job], "Waiting")
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    body = {str(job): {at: {"Status": status, "MinorStatus": minor, "Source": "User: alice"}}}
    answer = page.patch("/api/jobs/status", json=body)
    assert answer.status_code == 200
    assert answer.json()["success"][str(job)]["Status"] == status
    row = alice.jobs([job])[job]
    assert (row["Status"], row["MinorStatus"]) == (status, minor)


def test_10_reschedule(page: httpx2.Client, alice: Person) -> None:
    [job] = alice.submit(jdl(new_group()))
    alice.wait_for([job], "Waiting")
    answer = page.post("/api/jobs/reschedule", json={"job_ids": [job]})
    assert answer.status_code == 200
    assert str(job) in answer.json()["success"]


def upload(page: httpx2.Client) -> str:
    """Upload a tar.bz2, the format of a browser; returns its PFN."""
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w:bz2") as archive:
        entry = tarfile.TarInfo("std.out")
        content = uuid4().hex.encode()
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    digest = hashlib.sha256(memory.getvalue()).hexdigest()
    info = {"checksum_algorithm": "sha256", "checksum": digest, "size": len(memory.getvalue()), "format": "tar.bz2"}
    form = page.post("/api/jobs/sandbox", json=info).raise_for_status().json()
    httpx2.post(form["url"], data=form["fields"], files={"file": memory.getvalue()}).raise_for_status()
    return str(form["pfn"])


def test_11_the_browser_may_read_a_sandbox_from_the_store(page: httpx2.Client, alice: Person) -> None:
    pfn = upload(page)
    [job] = alice.submit(jdl(new_group(), InputSandbox=[pfn]))
    page.patch(f"/api/jobs/{job}/sandbox/output", json=pfn).raise_for_status()
    for kind in ("input", "output"):
        [short] = page.get(f"/api/jobs/{job}/sandbox/{kind}").json()
        assert not short.startswith("SB:")
        url = page.get("/api/jobs/sandbox", params={"pfn": short}).json()["url"]
        answer = httpx2.get(url, headers={"Origin": WEB_PAGE})
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] in ("*", WEB_PAGE)


async def test_12_the_logout_ends_the_login(stack: Stack, anonymous: httpx2.Client) -> None:
    tokens = await web_login(stack, anonymous)
    token = tokens["refresh_token"]
    answer = anonymous.post("/api/auth/revoke", data={"token": token, "client_id": CLIENT})
    assert (answer.status_code, answer.json()) == (200, "Refresh token revoked")
    form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": CLIENT}
    assert anonymous.post("/api/auth/token", data=form).status_code == 401


def preflight(http: httpx2.Client, origin: str) -> httpx2.Response:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    return http.options("/api/jobs/status", headers=headers)


def plain(http: httpx2.Client, origin: str) -> httpx2.Response:
    return http.post("/api/jobs/search", json={}, headers={"Origin": origin})


@pytest.mark.parametrize("send", [preflight, plain])
def test_13_the_setting_says_which_other_origins_may_ask(
    page: httpx2.Client, send: Callable[[httpx2.Client, str], httpx2.Response]
) -> None:
    allowed = send(page, WEB_PAGE)
    assert allowed.status_code in (200, 206)
    assert allowed.headers["access-control-allow-origin"] == WEB_PAGE
    # The page sends a token; no page of another origin may use the cookie of a browser that is logged in.
    assert "access-control-allow-credentials" not in allowed.headers
    if send is plain:
        assert "content-range" in allowed.headers["access-control-expose-headers"].lower()
    assert "access-control-allow-origin" not in send(page, "http://localhost:8000").headers
