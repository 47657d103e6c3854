"""What people say of elements: who may, bulk, expiry, history, and that every process hears of it within a second."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from tests.infra.app import USERS, Application, Installation, config_document

from weyl.kit.clock import utcnow
from weyl.kit.db import DATABASE, Database, Listener
from weyl.kit.task import Run
from weyl.resource_status.claims import Claim, Element
from weyl.resource_status.models import Kind
from weyl.resource_status.permits import Spokesman
from weyl.resource_status.queries import put_claims, raise_revision, select_claims, select_history
from weyl.resource_status.service.board import CHANNEL, STATUS_BOARD
from weyl.resource_status.tasks import tasks

ALPHA, CE = {"kind": "site", "name": "LCG.Alpha.org"}, {"kind": "compute", "name": "ce.alpha.org"}
ADMIN = {"group": "service"}

Start = Callable[..., Awaitable[Application]]


async def _say(
    application: Application, method: str, path: str, *orders: dict[str, Any], **who: Any
) -> httpx2.Response:
    headers = application.login(**(who or ADMIN))
    return await application.client.request(method, f"/api/rss/{path}", json=list(orders), headers=headers)


async def _ban(application: Application, *places: dict[str, Any], **more: Any) -> httpx2.Response:
    who = {name: more.pop(name) for name in ("user", "vo", "group", "properties") if name in more}
    orders = [{**place, "status": "Banned", "reason": "flood", **more} for place in places]
    return await _say(application, "PATCH", "status", *orders, **who)


async def _sites(application: Application, vo: str = "voa") -> dict[str, Any]:
    answer = await application.client.get("/api/rss/site", headers=application.login(vo=vo))
    found: dict[str, Any] = answer.json()
    return found


async def _is_allowed(application: Application, vo: str = "voa") -> bool:
    """Tell whether the site may be used, once the process knows all that was said."""
    await application.seen()
    allowed: bool = (await _sites(application, vo))["LCG.Alpha.org"]["all"]["allowed"]
    return allowed


async def test_a_ban_is_seen_by_another_server_and_ends_when_it_is_taken_back(
    application: Application, start_application: Start, db: Database
) -> None:
    other = await start_application()
    notices: asyncio.Queue[str] = asyncio.Queue()
    listener = Listener(db, {CHANNEL: [notices.put_nowait]})
    await listener.start()
    assert (await _ban(application, ALPHA)).json()["success"] == [{**ALPHA, "access": "all", "vo": "voa"}]
    assert not await _is_allowed(other)
    assert await _is_allowed(other, "vob")
    released = await _say(application, "POST", "status/release", ALPHA)
    assert [place["name"] for place in released.json()["success"]] == ["LCG.Alpha.org"]
    assert await _is_allowed(other)
    for _ in range(2):  # other servers need not wait for their next look
        await asyncio.wait_for(notices.get(), 20)
    await listener.stop()
    again = await _say(application, "POST", "status/release", ALPHA)
    assert again.json() == {
        "success": [],
        "failed": [{**ALPHA, "access": "all", "vo": "voa", "reason": "There is nothing to take back"}],
    }


async def test_a_ban_that_expires_ends_by_itself_in_every_process(application: Application) -> None:
    await _ban(application, ALPHA, expires_at=(utcnow() + timedelta(seconds=3)).isoformat())
    assert not await _is_allowed(application)
    told = asyncio.Event()
    application.services[STATUS_BOARD].on_change(told.set)
    await asyncio.wait_for(told.wait(), 20)
    assert (await _sites(application))["LCG.Alpha.org"]["all"]["allowed"]


async def test_whoever_looks_first_after_a_ban_has_expired_keeps_nobody_from_being_told(
    application: Application,
) -> None:
    board, told = application.services[STATUS_BOARD], asyncio.Event()
    await _ban(application, ALPHA, expires_at=(utcnow() + timedelta(seconds=1.5)).isoformat())
    assert not await _is_allowed(application)
    board.on_change(told.set)
    banned = board.revision
    while board.revision == banned:
        await asyncio.sleep(0)
    await asyncio.wait_for(told.wait(), 8)


@pytest.mark.parametrize(
    ("who", "place", "status"),
    [
        ({}, ALPHA, 403),
        ({"properties": ["Operator"]}, ALPHA, 200),
        ({"properties": ["Operator"]}, {**ALPHA, "vo": "all"}, 403),
        ({"properties": ["Operator"]}, {**ALPHA, "vo": "vob"}, 403),
        ({"properties": ["SiteManager"]}, {**ALPHA, "vo": "all"}, 403),
        ({"user": "bob", "properties": ["SiteManager"]}, {**ALPHA, "vo": "all"}, 200),
        ({"user": "bob", "properties": ["SiteManager"]}, {**CE, "vo": "all"}, 200),
        ({"user": "bob", "properties": ["SiteManager"]}, {"kind": "site", "name": "LCG.Beta.org", "vo": "all"}, 403),
        ({"properties": ["ServiceAdministrator"]}, {**ALPHA, "vo": "all"}, 200),
        ({"properties": ["ServiceAdministrator"]}, {**ALPHA, "vo": "vob"}, 200),
    ],
)
async def test_who_may_speak_of_what(
    start_application: Start, installation: Installation, *, who: dict[str, Any], place: dict[str, Any], status: int
) -> None:
    document: Any = config_document()
    document["Resources"]["Sites"]["LCG.Alpha.org"]["Managers"] = [f"voa:{USERS['bob']}"]
    installation.commit_config(document, "bob manages Alpha")
    try:
        application = await start_application()
        assert (
            (await _ban(application, place, user="alice", **who)).status_code == status if "user" not in who else True
        )
        answer = await _ban(application, place, **{"user": "alice", **who})
        assert answer.status_code == status, answer.text
        drained = await _say(application, "POST", "drain", {**place, "reason": "x"}, **{"user": "alice", **who})
        assert drained.status_code == status
    finally:
        installation.commit_config(config_document(), "nobody manages")


async def test_nobody_and_pilots_say_nothing(application: Application) -> None:
    body = [{**ALPHA, "status": "Banned", "reason": "x"}]
    assert (await application.client.patch("/api/rss/status", json=body)).status_code == 401
    pilot = application.pilot("a" * 32)
    assert (await application.client.patch("/api/rss/status", json=body, headers=pilot)).status_code == 403


@pytest.mark.parametrize(
    ("order", "status", "sentence"),
    [
        ({"status": "Banned"}, 400, "say why"),
        ({"status": "Banned", "reason": "x", "expires_at": "2001-01-01T00:00:00Z"}, 400, "must lie ahead"),
        ({"status": "Banned", "reason": "x", "expires_at": "2099-01-01T00:00:00"}, 400, "time zone"),
        ({"status": "Banned", "reason": "x", "force": True}, 400, "force is for VO all"),
        ({"status": "Closed", "reason": "x"}, 422, ""),
        ({"status": "Banned", "reason": "x", "access": "write"}, 422, ""),
        ({"status": "Banned", "reason": "x", "surprise": 1}, 422, ""),
    ],
)
async def test_what_cannot_be_meant_is_refused_and_changes_nothing(
    application: Application, order: dict[str, Any], status: int, sentence: str
) -> None:
    answer = await _say(application, "PATCH", "status", {**ALPHA, "status": "Banned", "reason": "ok"}, {**CE, **order})
    assert answer.status_code == status
    assert sentence in answer.text
    assert (await _sites(application))["LCG.Alpha.org"]["all"]["allowed"]


async def test_elements_that_are_not_there_fail_alone(application: Application) -> None:
    answer = await _ban(application, ALPHA, {"kind": "site", "name": "LCG.Gone.org"})
    assert [place["name"] for place in answer.json()["success"]] == ["LCG.Alpha.org"]
    assert [place["reason"] for place in answer.json()["failed"]] == ["There is no site LCG.Gone.org with access all"]


async def test_why_tells_every_claim_and_hides_the_authors_of_what_is_said_for_all(application: Application) -> None:
    await _ban(application, {**ALPHA, "vo": "all"})
    await _say(application, "POST", "drain", {**ALPHA, "reason": "disks"}, properties=["Operator"])
    query = {"kind": "compute", "name": "ce.alpha.org"}
    await application.seen()
    told = (await application.client.get("/api/rss/why", params=query, headers=application.login())).json()
    assert (told["status"], told["reason"], told["decided_by"]) == (
        "Banned", "site LCG.Alpha.org: flood", "administrators",
    )  # fmt: skip
    assert [(claim["source"], claim["author"]) for claim in told["claims"]] == [
        ("manual", None),
        ("drain", "alice@voa"),
    ]
    seen = (await application.client.get("/api/rss/why", params=query, headers=application.login(**ADMIN))).json()
    assert seen["claims"][0]["author"] == "alice@voa"
    missing = await application.client.get("/api/rss/why", params={**query, "name": "x"}, headers=application.login())
    assert missing.status_code == 404


async def test_the_history_keeps_what_was_said_and_taken_back(application: Application) -> None:
    await _ban(application, ALPHA)
    await _say(application, "POST", "status/release", ALPHA)
    query = {"kind": "site", "name": "LCG.Alpha.org"}
    for vo, actions in (("voa", ["released", "set"]), ("vob", [])):
        answer = await application.client.get("/api/rss/history", params=query, headers=application.login(vo=vo))
        assert [entry["action"] for entry in answer.json()] == actions


async def test_many_orders_take_as_few_statements_as_one(application: Application) -> None:
    database: Database = application.services[DATABASE]
    counts = []
    for places in (
        [ALPHA],
        [ALPHA, CE, {"kind": "site", "name": "LCG.Beta.org"}, {"kind": "compute", "name": "ce.beta.org"}],
    ):
        with database.count_statements() as statements:
            assert (await _ban(application, *places)).status_code == 200
        # the process reads on its own what has changed, at any moment
        counts.append(
            [text for text in statements.statements if text.startswith(("INSERT", "UPDATE", "SELECT pg_notify"))]
        )
    assert len(counts[0]) == len(counts[1]) == 4, counts


async def test_elements_are_listed_with_who_decided(application: Application) -> None:
    await _say(application, "POST", "drain", {**ALPHA, "reason": "disks", "until": "2030-01-01T00:00:00Z"})
    query = {"kind": "site"}
    await application.seen()
    answer = await application.client.get("/api/rss/elements", params=query, headers=application.login())
    rows = {row["name"]: row for row in answer.json()}
    assert rows["LCG.Alpha.org"]["drain_until"] == "2030-01-01T00:00:00Z"
    assert rows["LCG.Beta.org"]["decided_by"] == "configuration"


async def test_a_notice_that_was_lost_is_made_up_for(application: Application, db: Database) -> None:
    claim = Claim(
        Element(Kind.SITE, "LCG.Alpha.org"), "all", "manual", None, "", "x", datetime(2026, 1, 1, tzinfo=UTC)
    )  # fmt: skip
    permit = Spokesman("x", may_force=False, places=frozenset([(claim.element, "all")]))
    async with db.transaction() as tx:
        await raise_revision(tx)
        await put_claims(tx, permit, [claim])
    board = application.services[STATUS_BOARD]
    told = asyncio.Event()
    board.on_change(told.set)
    if not board.claims.of(claim.element, "voa", utcnow()):
        await asyncio.wait_for(told.wait(), 20)
    assert board.claims.of(claim.element, "voa", utcnow())


async def test_what_ended_long_ago_is_forgotten(db: Database) -> None:
    now = utcnow()
    old = Claim(
        Element(Kind.SITE, "A"), "voa", "manual", None, "", "x", now - timedelta(days=2000), now - timedelta(days=8)
    )
    permit = Spokesman("x", may_force=False, places=frozenset([(old.element, "voa")]))
    async with db.transaction() as tx:
        await put_claims(tx, permit, [old])
    [task] = tasks(db)
    await task.handler(None, Run(0, 1))
    async with db.read() as tx:
        kept = await select_history(
            tx, kind=Kind.SITE, name="A", vos=["voa"], since=now - timedelta(days=3000), limit=9
        )
        assert kept == []
        assert (await select_claims(tx, now - timedelta(days=1000)))[1] == []
