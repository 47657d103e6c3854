"""Where pilots might cross a border: to another place, to another VO, or past a revocation."""

from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from tests.infra.app import Application, bearer

from weyl.kit.db import Database
from weyl.kit.http import VERIFIER

Login = Callable[..., dict[str, str]]
SITE, ELSEWHERE = "LCG.Alpha.org", "LCG.Beta.org"
QUEUE = {"site": SITE, "ce": "ce.alpha.org", "queue": "default"}
STAMP, OTHER = "a" * 32, "b" * 32


@pytest.fixture
def operator(login: Login) -> dict[str, str]:
    """An operator of voa."""
    return login(properties=["Operator"])


async def start(client: httpx2.AsyncClient, headers: dict[str, str], **more: object) -> dict[str, Any]:
    """Make a secret and use it; returns the secret's id with the tokens."""
    made = await client.post("/api/pilots/secrets", headers=headers, json={**QUEUE, **more})
    assert made.status_code == 201, made.text
    redeemed = await client.post("/api/pilots/token", json={"secret": made.json()["secret"], "host": "wn1"})
    assert redeemed.status_code == 200, redeemed.text
    return {**redeemed.json(), "secret_id": made.json()["secret_id"]}


async def refresh(client: httpx2.AsyncClient, token: str) -> httpx2.Response:
    """Ask for the next pair of tokens."""
    return await client.post("/api/pilots/token/refresh", json={"refresh_token": token})


async def register(application: Application, stamp: str, vo: str) -> None:
    """Register a pilot of a VO."""
    answer = await application.client.post(
        "/api/pilots/", headers=application.login(group="service"), json={"pilot_stamp": stamp, "vo": vo}
    )
    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize(
    "change", [{"GridSite": ELSEWHERE}, {"DestinationSite": "ce.beta.org"}, {"Queue": "long", "Status": "Running"}]
)
async def test_a_pilot_does_not_move_itself(
    client: httpx2.AsyncClient, operator: dict[str, str], change: dict[str, str]
) -> None:
    tokens = await start(client, operator)
    pilot = bearer(tokens["access_token"])
    answer = await client.patch("/api/pilots/metadata", headers=pilot, json={tokens["stamp"]: change})
    assert answer.status_code == 403
    assert "does not move" in answer.json()["detail"]
    same = {"GridSite": SITE, "DestinationSite": "ce.alpha.org", "Queue": "default", "Status": "Running"}
    answer = await client.patch("/api/pilots/metadata", headers=pilot, json={tokens["stamp"]: same})
    assert answer.status_code == 204


async def test_a_pilot_that_did_not_know_its_element_may_tell_it(
    client: httpx2.AsyncClient, operator: dict[str, str]
) -> None:
    tokens = await start(client, operator, ce=None, queue=None)
    body = {tokens["stamp"]: {"DestinationSite": "ce.alpha.org", "Queue": "default"}}
    answer = await client.patch("/api/pilots/metadata", headers=bearer(tokens["access_token"]), json=body)
    assert answer.status_code == 204


async def test_tokens_say_the_place_of_the_secret_whatever_is_written_in_the_row(
    application: Application, operator: dict[str, str]
) -> None:
    client = application.client
    tokens = await start(client, operator)
    row = {tokens["stamp"]: {"GridSite": ELSEWHERE, "DestinationSite": "ce.beta.org", "Queue": "long"}}
    moved = await client.patch("/api/pilots/metadata", headers=application.login(group="pilot"), json=row)
    assert moved.status_code == 204
    following = (await refresh(client, tokens["refresh_token"])).json()
    claims = application.keys.decode(following["access_token"])
    assert {name: claims[name] for name in QUEUE} == QUEUE
    assert {name: following[name] for name in QUEUE} == QUEUE


async def test_an_operator_ends_no_session_of_another_vo(
    client: httpx2.AsyncClient, login: Login, operator: dict[str, str]
) -> None:
    tokens = await start(client, operator)
    foreign = login(vo="vob", properties=["Operator"])
    answer = await client.post("/api/pilots/revoke", headers=foreign, json={"secret_id": tokens["secret_id"]})
    assert answer.json() == {"secrets": 0, "stamps": []}
    assert (await refresh(client, tokens["refresh_token"])).status_code == 200


async def test_a_revocation_ends_only_what_fits_all_that_is_given(
    client: httpx2.AsyncClient, operator: dict[str, str]
) -> None:
    tokens = await start(client, operator)
    body = {"secret_id": tokens["secret_id"], "site": ELSEWHERE}
    answer = await client.post("/api/pilots/revoke", headers=operator, json=body)
    assert answer.json() == {"secrets": 0, "stamps": []}
    assert (await refresh(client, tokens["refresh_token"])).status_code == 200


async def test_a_replayed_secret_takes_the_access_token_of_the_first_use_too(
    application: Application, operator: dict[str, str]
) -> None:
    client = application.client
    made = (await client.post("/api/pilots/secrets", headers=operator, json=QUEUE)).json()
    first, second = [await client.post("/api/pilots/token", json={"secret": made["secret"]}) for _ in range(2)]
    assert (first.status_code, second.status_code) == (200, 401)
    await application.services[VERIFIER].follower.seen()
    answer = await client.post(
        "/api/pilots/logs?chunk=0", headers=bearer(first.json()["access_token"]), content=b"\x1f\x8b"
    )
    assert answer.status_code == 401


async def test_tokens_of_pilots_and_tokens_of_people_do_not_stand_for_each_other(
    application: Application, operator: dict[str, str]
) -> None:
    client = application.client
    tokens = await start(client, operator)
    for token in (tokens["refresh_token"], "weylp_test_" + "a" * 43):
        assert (await client.get("/api/config/", headers=bearer(token))).status_code == 401
    for token in (tokens["access_token"], operator["Authorization"].removeprefix("Bearer ")):
        assert (await refresh(client, token)).status_code in (401, 422)
        form = {"grant_type": "refresh_token", "client_id": "myDIRACClientID", "refresh_token": token}
        assert (await client.post("/api/auth/token", data=form)).status_code == 401


SEARCHES: list[dict[str, Any]] = [
    {"search": []},
    {"search": [{"parameter": "PilotStamp", "operator": "eq", "value": OTHER}]},
    {"search": [{"parameter": "PilotStamp", "operator": "in", "values": [STAMP, OTHER]}]},
    {"search": [{"parameter": "VO", "operator": "eq", "value": "vob"}]},
    {"search": [{"parameter": "VO", "operator": "neq", "value": "voa"}]},
    {"search": [{"parameter": "VO", "operator": "regex", "value": "."}]},
    {"search": [{"parameter": "PilotStamp", "operator": "not in", "values": []}]},
    {"search": [], "parameters": ["VO"], "distinct": True},
    {"search": [], "sort": [{"parameter": "VO", "direction": "desc"}]},
    {"search": [{"parameter": "JobID", "operator": "in", "values": [1, 2, 3]}]},
]


@pytest.mark.parametrize("body", SEARCHES)
async def test_no_filter_shows_or_counts_pilots_of_another_vo(application: Application, body: dict[str, Any]) -> None:
    await register(application, STAMP, "voa")
    for number in range(3):
        await register(application, OTHER[: number + 1] if number else OTHER, "vob")
    client, alice = application.client, application.login(properties=["Operator"])
    answer = await client.post("/api/pilots/search?per_page=1", headers=alice, json=body)
    assert {row["VO"] for row in answer.json()} <= {"voa"}
    assert "content-range" not in answer.headers
    beyond = await client.post("/api/pilots/search?page=9", headers=alice, json=body)
    assert beyond.headers["content-range"] in ("pilots */0", "pilots */1")
    counted = await client.post("/api/pilots/summary", headers=alice, json={"grouping": ["VO"], **body})
    assert counted.json() in ([], [{"VO": "voa", "count": 1}])


async def test_no_pattern_is_tried_on_the_rows_of_another_vo(start_application: Any, db: Database) -> None:
    application = await start_application(database_statement_timeout_s=1)
    await register(application, OTHER, "vob")
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE pilots SET status_reason = repeat('a', 250)"))
    pattern = "^" + "(a*)" * 6 + "".join(rf"\{group}\{group}" for group in range(1, 7)) + "$"
    body = {"search": [{"parameter": "StatusReason", "operator": "regex", "value": pattern}], "grouping": ["Status"]}
    for verb in ("search", "summary"):
        answer = await application.client.post(f"/api/pilots/{verb}", headers=application.login(), json=body)
        assert (answer.status_code, answer.json()) == (200, [])
        answer = await application.client.post(f"/api/pilots/{verb}", headers=application.login(vo="vob"), json=body)
        assert answer.status_code == 400
        assert "took too long" in answer.json()["detail"]


async def test_a_number_that_no_page_has_is_beyond_the_end(application: Application) -> None:
    await register(application, STAMP, "voa")
    for page in (2**31, 2**62, 2**63, 2**70):
        answer = await application.client.post(
            f"/api/pilots/search?page={page}&per_page=10000", headers=application.login(), json={}
        )
        assert (answer.status_code, answer.json()) == (416, []), answer.text


async def test_columns_may_be_named_twice(application: Application) -> None:
    await register(application, STAMP, "voa")
    body = {"grouping": ["VO"] * 100, "search": []}
    answer = await application.client.post("/api/pilots/summary", headers=application.login(), json=body)
    assert answer.json() == [{"VO": "voa", "count": 1}]
