"""From a secret to tokens and on: what opens, what does not, and what using something twice does."""

import gzip
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy import text
from tests.infra.app import Application, bearer

from weyl.kit.db import Database
from weyl.kit.http import VERIFIER

Login = Callable[..., dict[str, str]]
REFUSED = {"detail": "The pilot secret or refresh token is not valid"}
SITE = "LCG.Alpha.org"


@pytest.fixture
def operator(login: Login) -> dict[str, str]:
    """An operator of voa."""
    return login(properties=["Operator"])


async def mint(client: httpx2.AsyncClient, headers: dict[str, str], **more: object) -> dict[str, Any]:
    answer = await client.post("/api/pilots/secrets", headers=headers, json={"site": SITE, **more})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def redeem(client: httpx2.AsyncClient, secret: str, **more: object) -> httpx2.Response:
    return await client.post("/api/pilots/token", json={"secret": secret, "host": "wn1", **more})


async def refresh(client: httpx2.AsyncClient, token: str) -> httpx2.Response:
    return await client.post("/api/pilots/token/refresh", json={"refresh_token": token})


async def outcomes(db: Database) -> list[str]:
    async with db.read() as tx:
        rows = await tx.execute(text("SELECT outcome FROM pilot_secret_uses ORDER BY at"))
        return list(rows.scalars())


# -- who may not -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", ["user", "admin", "cs", "pilot"])
async def test_only_operators_and_administrators_make_and_revoke_secrets(
    client: httpx2.AsyncClient, login: Login, group: str
) -> None:
    headers = login(group=group)
    answers = [
        await client.post("/api/pilots/secrets", headers=headers, json={"site": SITE}),
        await client.delete(f"/api/pilots/secrets/{uuid4()}", headers=headers),
        await client.post("/api/pilots/revoke", headers=headers, json={"site": SITE}),
    ]
    assert [answer.status_code for answer in answers] == [403, 403, 403]


async def test_an_operator_stops_at_the_own_vo(
    client: httpx2.AsyncClient, login: Login, operator: dict[str, str]
) -> None:
    foreign = login(vo="vob", properties=["Operator"])
    made = await mint(client, operator)
    body = {"site": SITE, "vo": "voa"}
    assert (await client.post("/api/pilots/secrets", headers=foreign, json=body)).status_code == 403
    gone = await client.delete(f"/api/pilots/secrets/{made['secret_id']}", headers=foreign)
    assert gone.status_code == 404
    assert (await client.post("/api/pilots/revoke", headers=foreign, json=body)).status_code == 403
    assert (await redeem(client, made["secret"])).status_code == 200


@pytest.mark.parametrize("secret", ["x", "weylp_test_" + "a" * 43, "weylp_other_" + "a" * 43, "weylr_test_" + "a" * 43])
async def test_an_unknown_secret_opens_nothing(client: httpx2.AsyncClient, db: Database, secret: str) -> None:
    answer = await redeem(client, secret)
    assert (answer.status_code, answer.json()) == (401, REFUSED)
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert await outcomes(db) == ["unknown"]


async def test_attempts_are_limited_by_address(start_application: Any) -> None:
    application = await start_application(logins_per_minute=3)
    statuses = [(await redeem(application.client, "x")).status_code for _ in range(5)]
    assert statuses == [401, 401, 401, 429, 429]


# -- redeeming ---------------------------------------------------------------------------------------------------------


async def test_a_pilot_that_starts_by_itself_is_registered_and_gets_its_tokens(
    application: Application, db: Database, operator: dict[str, str]
) -> None:
    client = application.client
    made = await mint(client, operator, ce="ce.alpha.org", queue="default")
    assert made["secret"].startswith("weylp_test_")
    answer = await redeem(client, made["secret"], stamp="vacuum-1")
    tokens = answer.json()
    assert answer.headers["Cache-Control"] == "no-store"
    assert (tokens["stamp"], tokens["vo"], tokens["site"]) == ("vacuum-1", "voa", SITE)
    assert tokens["expires_in"] == 1200
    assert tokens["settings"]["wall_s"] == 86400
    assert tokens["settings"]["report_every_s"] == 120
    claims = application.keys.decode(tokens["access_token"])
    assert (claims["sub"], claims["aud"], claims["site"]) == ("pilot:vacuum-1", "weyl-pilot", SITE)
    rows = (await client.post("/api/pilots/search", headers=application.login())).json()
    assert [(row["PilotStamp"], row["Status"], row["GridSite"]) for row in rows] == [("vacuum-1", "Running", SITE)]
    assert await outcomes(db) == ["accepted"]


async def test_the_secret_itself_is_stored_nowhere(
    client: httpx2.AsyncClient, db: Database, operator: dict[str, str]
) -> None:
    made = await mint(client, operator)
    async with db.read() as tx:
        rows = await tx.execute(text("SELECT s::text FROM pilot_secrets s"))
        assert made["secret"] not in " ".join(rows.scalars())


async def test_a_secret_used_twice_opens_nothing_and_ends_what_the_first_use_began(
    client: httpx2.AsyncClient, db: Database, operator: dict[str, str]
) -> None:
    made = await mint(client, operator)
    first = (await redeem(client, made["secret"])).json()
    second = await redeem(client, made["secret"], host="thief")
    assert (second.status_code, second.json()) == (401, REFUSED)
    assert (await refresh(client, first["refresh_token"])).status_code == 401
    assert await outcomes(db) == ["accepted", "used up"]


async def test_a_secret_of_many_uses_serves_many_pilots_and_no_more(
    client: httpx2.AsyncClient, operator: dict[str, str]
) -> None:
    made = await mint(client, operator, max_uses=2)
    first = (await redeem(client, made["secret"])).json()
    second = (await redeem(client, made["secret"])).json()
    assert first["stamp"] != second["stamp"]
    assert (await redeem(client, made["secret"])).status_code == 401
    assert (await refresh(client, first["refresh_token"])).status_code == 200


async def test_a_stamp_that_is_taken_is_refused_and_the_use_not_counted(
    client: httpx2.AsyncClient, operator: dict[str, str]
) -> None:
    made = await mint(client, operator, max_uses=2)
    assert (await redeem(client, made["secret"], stamp="one")).status_code == 200
    assert (await redeem(client, made["secret"], stamp="one")).status_code == 409
    assert (await redeem(client, made["secret"], stamp="two")).status_code == 200


async def test_a_secret_for_one_stamp_is_no_use_to_another(
    client: httpx2.AsyncClient, db: Database, operator: dict[str, str]
) -> None:
    made = await mint(client, operator)
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE pilot_secrets SET pilot_stamp = 'mine'"))
    assert (await redeem(client, made["secret"], stamp="yours")).status_code == 401
    assert await outcomes(db) == ["other stamp"]


@pytest.mark.parametrize(
    ("change", "outcome"),
    [("not_after = now() - interval '1 second'", "expired"), ("revoked_at = now()", "revoked")],
)
async def test_a_secret_that_is_over_opens_nothing(
    client: httpx2.AsyncClient, db: Database, operator: dict[str, str], change: str, outcome: str
) -> None:
    made = await mint(client, operator)
    async with db.transaction() as tx:
        await tx.execute(text(f"UPDATE pilot_secrets SET {change}"))
    answer = await redeem(client, made["secret"])
    assert (answer.status_code, answer.json()) == (401, REFUSED)
    assert await outcomes(db) == [outcome]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"site": "Nowhere"}, 400),
        ({"site": SITE, "hours": 73}, 422),
        ({"site": SITE, "max_uses": 0}, 422),
        ({}, 422),
    ],
)
async def test_a_secret_for_nowhere_or_for_ever_is_not_made(
    client: httpx2.AsyncClient, operator: dict[str, str], body: dict[str, object], status: int
) -> None:
    assert (await client.post("/api/pilots/secrets", headers=operator, json=body)).status_code == status


# -- refreshing --------------------------------------------------------------------------------------------------------


async def test_each_refresh_token_works_once_and_using_one_again_ends_the_session(
    client: httpx2.AsyncClient, operator: dict[str, str]
) -> None:
    tokens = [(await redeem(client, (await mint(client, operator))["secret"])).json()]
    for _ in range(3):
        answer = await refresh(client, tokens[-1]["refresh_token"])
        assert answer.status_code == 200
        tokens.append(answer.json())
    assert len({made["refresh_token"] for made in tokens}) == 4
    assert tokens[-1]["not_after"] == tokens[0]["not_after"]
    assert (await refresh(client, tokens[1]["refresh_token"])).status_code == 401
    assert (await refresh(client, tokens[-1]["refresh_token"])).status_code == 401


async def test_a_refresh_whose_answer_got_lost_is_repeated_and_brings_the_same_token(
    client: httpx2.AsyncClient, operator: dict[str, str]
) -> None:
    tokens = (await redeem(client, (await mint(client, operator))["secret"])).json()
    answers = [await refresh(client, tokens["refresh_token"]) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    [following] = {answer.json()["refresh_token"] for answer in answers}
    assert following != tokens["refresh_token"]
    assert (await refresh(client, following)).status_code == 200


@pytest.mark.parametrize(
    "meanwhile",
    [
        "UPDATE pilot_sessions SET refreshed_at = refreshed_at - interval '2 minutes'",
        "UPDATE pilot_sessions SET refreshed_from = '192.0.2.7'",
        "UPDATE pilot_sessions SET generation = generation + 1",
    ],
    ids=["too late", "from elsewhere", "after the next token was used"],
)
async def test_a_stolen_refresh_token_still_ends_the_session(
    client: httpx2.AsyncClient, db: Database, operator: dict[str, str], meanwhile: str
) -> None:
    tokens = (await redeem(client, (await mint(client, operator))["secret"])).json()
    following = (await refresh(client, tokens["refresh_token"])).json()
    async with db.transaction() as tx:
        await tx.execute(text(meanwhile))
    for shown in (tokens, following):
        assert (await refresh(client, shown["refresh_token"])).status_code == 401
    async with db.read() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM pilots WHERE revoked_at IS NULL")) == 0


async def test_the_grace_for_lost_answers_is_not_for_a_revoked_pilot(
    client: httpx2.AsyncClient, operator: dict[str, str]
) -> None:
    tokens = (await redeem(client, (await mint(client, operator))["secret"])).json()
    assert (await refresh(client, tokens["refresh_token"])).status_code == 200
    await client.post("/api/pilots/revoke", headers=operator, json={"stamps": [tokens["stamp"]]})
    assert (await refresh(client, tokens["refresh_token"])).status_code == 401


async def test_a_forged_refresh_token_ends_nothing(client: httpx2.AsyncClient, operator: dict[str, str]) -> None:
    tokens = (await redeem(client, (await mint(client, operator))["secret"])).json()
    session = tokens["refresh_token"].split("_")[2]
    for forged in ("x", f"weylr_test_{session}_0_{'a' * 43}", tokens["access_token"]):
        assert (await refresh(client, forged)).status_code in (401, 422)
    assert (await refresh(client, tokens["refresh_token"])).status_code == 200


async def test_no_token_outlives_the_pilot(client: httpx2.AsyncClient, db: Database, operator: dict[str, str]) -> None:
    tokens = (await redeem(client, (await mint(client, operator))["secret"])).json()
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE pilot_sessions SET not_after = now() + interval '90 seconds'"))
    near_the_end = (await refresh(client, tokens["refresh_token"])).json()
    assert near_the_end["expires_in"] <= 90
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE pilot_sessions SET not_after = now()"))
    assert (await refresh(client, near_the_end["refresh_token"])).status_code == 401


# -- revoking ----------------------------------------------------------------------------------------------------------


async def test_revoking_a_secret_ends_what_began_with_it(client: httpx2.AsyncClient, operator: dict[str, str]) -> None:
    made = await mint(client, operator, max_uses=5)
    tokens = (await redeem(client, made["secret"])).json()
    path = f"/api/pilots/secrets/{made['secret_id']}"
    assert (await client.delete(path, headers=operator)).status_code == 204
    assert (await redeem(client, made["secret"])).status_code == 401
    assert (await refresh(client, tokens["refresh_token"])).status_code == 401
    assert (await client.delete(path, headers=operator)).status_code == 404


@pytest.mark.parametrize("what", ["stamps", "host", "site", "secret_id"])
async def test_pilots_are_revoked_by_what_they_have_in_common(
    client: httpx2.AsyncClient, operator: dict[str, str], what: str
) -> None:
    made = await mint(client, operator)
    spared = await mint(client, operator, site="LCG.Beta.org")
    tokens = (await redeem(client, made["secret"], host="bad")).json()
    others = (await redeem(client, spared["secret"], host="good")).json()
    wanted = {"stamps": [tokens["stamp"]], "host": "bad", "site": SITE, "secret_id": made["secret_id"]}[what]
    answer = await client.post("/api/pilots/revoke", headers=operator, json={what: wanted})
    assert answer.json()["stamps"] == [tokens["stamp"]]
    assert (await refresh(client, tokens["refresh_token"])).status_code == 401
    assert (await refresh(client, others["refresh_token"])).status_code == 200


async def test_a_revocation_must_say_of_what(client: httpx2.AsyncClient, operator: dict[str, str]) -> None:
    for body in ({}, {"vo": "voa"}):
        assert (await client.post("/api/pilots/revoke", headers=operator, json=body)).status_code == 400


async def test_the_access_token_of_a_revoked_pilot_is_worthless_within_seconds(
    application: Application, operator: dict[str, str]
) -> None:
    client = application.client
    made = await mint(client, operator)
    tokens = (await redeem(client, made["secret"])).json()
    payload = application.payload(1, stamp=tokens["stamp"])
    assert (await client.get("/api/rss/site", headers=bearer(tokens["access_token"]))).status_code == 200
    await redeem(client, made["secret"], host="thief")
    await application.services[VERIFIER].follower.seen()
    for headers in (bearer(tokens["access_token"]), payload):
        answer = await client.get("/api/rss/site", headers=headers)
        assert (answer.status_code, answer.json()) == (401, {"detail": "This pilot was revoked"})
    assert (await client.get("/api/rss/site", headers=application.pilot("b" * 32))).status_code == 200


# -- what the token opens ----------------------------------------------------------------------------------------------


async def test_the_tokens_of_a_pilot_write_its_own_row_and_log(
    application: Application, operator: dict[str, str]
) -> None:
    client = application.client
    tokens = (await redeem(client, (await mint(client, operator))["secret"])).json()
    pilot, stamp = bearer(tokens["access_token"]), tokens["stamp"]
    for number, line in ((0, "one\n"), (1, "two\n"), (1, "again\n")):
        answer = await client.post(
            f"/api/pilots/logs?chunk={number}", headers=pilot, content=gzip.compress(line.encode())
        )
        assert answer.status_code == 204
    log = await client.get(f"/api/pilots/{stamp}/logs", headers=application.login())
    assert (log.text, log.headers["Weyl-Next-Piece"]) == ("one\ntwo\n", "2")
    rest = await client.get(f"/api/pilots/{stamp}/logs?first=2", headers=application.login())
    assert (rest.text, rest.headers["Weyl-Next-Piece"]) == ("", "2")
    done = await client.patch("/api/pilots/metadata", headers=pilot, json={stamp: {"Status": "Done"}})
    assert done.status_code == 204


async def test_logs_are_for_people_of_the_vo(application: Application, operator: dict[str, str]) -> None:
    client = application.client
    stamp = (await redeem(client, (await mint(client, operator))["secret"])).json()["stamp"]
    for path in (f"/api/pilots/{stamp}/logs", f"/api/pilots/{stamp}/output"):
        assert (await client.get(path, headers=application.login(vo="vob"))).status_code == 404
        assert (await client.get(path, headers=application.login(group="pilot"))).status_code == 403
        assert (await client.get(path, headers=application.pilot(stamp))).status_code == 403
    assert (await client.get(f"/api/pilots/{stamp}/output", headers=application.login())).status_code == 400


@pytest.mark.parametrize(
    ("number", "content", "status"),
    [
        (0, b"plain", 400),
        (0, b"\x1f\x8b" + b"x" * 65_536, 413),
        (2_000, gzip.compress(b"", mtime=0), 413),
        (-1, b"", 422),
    ],
)
async def test_a_piece_of_a_log_that_will_not_do_is_refused(
    application: Application, number: int, content: bytes, status: int
) -> None:
    answer = await application.client.post(
        f"/api/pilots/logs?chunk={number}", headers=application.pilot("a" * 32), content=content
    )
    assert answer.status_code == status


async def test_people_and_payloads_store_no_log(application: Application) -> None:
    for headers in (application.login(), application.login(group="pilot"), application.payload(1, stamp="a" * 32)):
        answer = await application.client.post("/api/pilots/logs?chunk=0", headers=headers, content=b"")
        assert answer.status_code == 403


async def test_an_expired_token_is_a_token_no_more(application: Application) -> None:
    claims = dict(application.keys.decode(application.pilot("a" * 32)["Authorization"].removeprefix("Bearer ")))
    expired = bearer(application.keys.sign(claims | {"exp": int(time.time()) - 1}))
    answer = await application.client.patch("/api/pilots/metadata", headers=expired, json={})
    assert answer.status_code == 401
