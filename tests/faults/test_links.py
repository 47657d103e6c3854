"""Each link, slow, reset or silent: answers in bounded time with the right status; what does not need it goes on."""

import hashlib
import re
import time
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from tests.faults.executions import Executions
from tests.faults.installation import PATIENCE_S, FaultyStack, Member, await_that
from tests.faults.proxy import Fault
from tests.infra.login import CLIENT_ID
from tests.infra.stack import device_tokens

pytestmark = [pytest.mark.xdist_group("fault-links"), pytest.mark.timeout(400)]

# The limit of a statement here is 2 s; the rest is patience with the way, and with a loaded machine.
BOUND_S = 60.0
FAULTS = [pytest.param("delay", marks=pytest.mark.long), "reset", "black hole"]


def timed(send: Callable[[], httpx2.Response]) -> httpx2.Response:
    """Send a request that is answered in bounded time whatever happens, in JSON and without our insides."""
    began = time.monotonic()
    answer = send()
    assert time.monotonic() - began < BOUND_S
    assert answer.status_code != 500, answer.text
    assert "Traceback (most recent" not in answer.text
    return answer


def search(member: Member) -> httpx2.Response:
    return timed(lambda: member.http.post("/api/jobs/search", json={"parameters": ["JobID"]}))


def submit(member: Member) -> httpx2.Response:
    jdl = '[JobName = "links"; Executable = "/bin/true"; Site = "LCG.Nowhere.org";]'
    return timed(lambda: member.http.post("/api/jobs/jdl", json=[jdl]))


def announce(member: Member, content: bytes) -> httpx2.Response:
    info = {
        "checksum_algorithm": "sha256",
        "checksum": hashlib.sha256(content).hexdigest(),
        "size": len(content),
        "format": "tar.bz2",
    }
    return timed(lambda: member.http.post("/api/jobs/sandbox", json=info))


def come_back(stack: FaultyStack, state: str) -> httpx2.Response:
    """Come back from the identity provider with a code that only it can judge."""
    query = {"code": "of-the-provider", "state": state, "iss": stack.idp_url}
    return timed(lambda: httpx2.get(f"{stack.url}/api/auth/device/complete", params=query, timeout=60))


def state_of_a_login(stack: FaultyStack) -> str:
    """Begin a login and return the state that the browser carries."""
    query = {"client_id": CLIENT_ID, "scope": "vo:hep group:user"}
    started = httpx2.post(f"{stack.url}/api/auth/device", params=query).json()
    sent_on = httpx2.get(started["verification_uri_complete"], follow_redirects=False)
    location = sent_on.headers.get("location") or re.search(r'https?://[^"]+state=[^"]+', sent_on.text)[0]
    return parse_qs(urlsplit(location.replace("&amp;", "&")).query)["state"][0]


def goes_on_without_anything(stack: FaultyStack, member: Member) -> None:
    """What a process answers from memory."""
    for path in ("/api/health/live", "/.well-known/openid-configuration", "/api/config/", "/api/openapi.json"):
        answer = timed(lambda path=path: member.http.get(path))
        assert answer.status_code == 200, (path, answer.text)


@pytest.mark.parametrize("fault", FAULTS)
def test_postgresql(stack: FaultyStack, alice: Member, fault: Fault) -> None:
    before = stack.pids()
    assert search(alice).status_code == 200
    with stack.postgres_link.fault(fault):
        for answer in (search(alice), submit(alice)):
            if fault == "delay":
                assert answer.status_code in (200, 201), answer.text
            else:
                assert answer.status_code == 503, answer.text
                assert answer.headers["retry-after"]
        goes_on_without_anything(stack, alice)
        ready = timed(stack.ready)
        assert ready.status_code == (200 if fault == "delay" else 503)
        assert fault == "delay" or ready.json()["detail"].startswith("database")
    await_that(lambda: stack.ready().status_code == 200, "ready again")
    assert search(alice).status_code == 200
    assert stack.pids() == before


@pytest.mark.parametrize("fault", FAULTS)
def test_the_object_store(stack: FaultyStack, alice: Member, fault: Fault) -> None:
    content = fault.encode()
    # The second time the store is asked whether it has it.
    assert announce(alice, content).status_code == 200
    with stack.store_link.fault(fault):
        answer = announce(alice, content)
        if fault == "delay":
            assert answer.status_code == 200
        else:
            assert answer.status_code == 503
            assert answer.headers["retry-after"]
            assert "object store" in answer.json()["detail"]
        if fault == "reset":
            await_that(lambda: "object store" in timed(stack.ready).json().get("warnings", {}), "a warning")
        assert timed(stack.ready).status_code == 200
        assert search(alice).status_code == 200
        assert submit(alice).status_code == 201
        goes_on_without_anything(stack, alice)
    assert announce(alice, content).status_code == 200


@pytest.mark.parametrize("fault", FAULTS)
def test_the_identity_provider(stack: FaultyStack, alice: Member, fault: Fault) -> None:
    state = state_of_a_login(stack)
    with stack.idp_link.fault(fault):
        answer = come_back(stack, state)
        if fault == "delay":
            assert answer.status_code == 401  # the provider has spoken: it does not know the code
            assert device_tokens(stack, "vo:hep group:user", "bob")["access_token"]
        else:
            assert answer.status_code == 502
            assert "identity provider cannot be reached" in answer.text
        assert timed(stack.ready).status_code == 200
        form = {"grant_type": "refresh_token", "client_id": CLIENT_ID, "refresh_token": "none"}
        assert timed(lambda: alice.http.post("/api/auth/token", data=form)).status_code in (400, 401)
        assert search(alice).status_code == 200
        assert submit(alice).status_code == 201
        goes_on_without_anything(stack, alice)
    assert device_tokens(stack, "vo:hep group:user", "bob")["access_token"]


@pytest.mark.parametrize("fault", ["reset", "black hole"])
def test_jobs_under_way_end_once_all_the_same(
    stack: FaultyStack, alice: Member, executions: Executions, fault: Fault
) -> None:
    name = f"links-{fault.replace(' ', '-')}"
    ids = alice.submit(executions.jdl(name, jobs=8), name)
    await_that(lambda: len(executions.counts("begin", name)) >= 1, "a job that runs")
    with stack.postgres_link.fault(fault), stack.store_link.fault(fault):
        # Payloads go on and end meanwhile; what they have to say waits in the pilot.
        await_that(lambda: len(executions.counts("end", name)) >= 1, "a job that has run")
        timed(stack.ready)
    await_that(
        lambda: [job["Status"] for job in alice.jobs(ids)] == ["Done"] * len(ids),
        f"all of {name} Done",
        timeout_s=PATIENCE_S,
        explain=lambda: alice.jobs(ids),
    )
    assert alice.count(name) == len(ids)
    assert set(executions.counts("end", name).values()) == {1}
