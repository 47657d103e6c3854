"""Changes as they happen: who is told of what, what is told to those who come back, and when a stream ends."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
from tests.infra.app import USERS, Application, Installation, bearer, config_document
from tests.web.streams import page

from weyl.auth.tokens import Identity, access_claims
from weyl.config.models import Config
from weyl.jobs.ranges import to_ranges
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.kit.ids import uuid7
from weyl.kit.services import BEFORE_STOP
from weyl.preparation.service.checks import check_jobs
from weyl.web.service import hub as hub_module
from weyl.web.service.hub import HUB

Start = Callable[..., Awaitable[Application]]
JDL = 'Executable = "/bin/true";'


@pytest.fixture
async def quick(start_application: Start) -> Application:
    """An application that looks for changes all the time."""
    return await start_application(events_every_s=0.05)


async def submit(application: Application, headers: dict[str, str], number: int = 1) -> list[int]:
    answer = await application.client.post("/api/jobs/jdl", json=[JDL] * number, headers=headers)
    assert answer.status_code == 201, answer.text
    return [job["JobID"] for job in answer.json()]


async def until(page: Any, wanted: set[int]) -> list[dict[str, Any]]:
    """Read events until all these ids were named."""
    events, named = [], set[Any]()
    while not wanted <= named:
        events.append(await page.next())
        named |= set(events[-1]["changed"])
    return events


@pytest.mark.parametrize(
    ("query", "group", "status"),
    [
        ("topic=jobs", None, 401),
        ("topic=jobs", "cs", 403),
        ("topic=queues", "user", 403),
        ("topic=fish", "user", 400),
        ("", "user", 422),
    ],
)
async def test_who_may_not_look_is_refused_before_the_stream(
    application: Application, query: str, group: str | None, status: int
) -> None:
    headers = application.login(group=group) if group else {}
    answer = await application.client.get(f"/api/events?{query}", headers=headers)
    assert answer.status_code == status, answer.text


async def test_machines_are_no_pages(application: Application) -> None:
    answer = await application.client.get("/api/events?topic=jobs", headers=application.pilot("a" * 32))
    assert answer.status_code == 403


async def test_changes_of_jobs_are_told_to_their_vo_only(quick: Application) -> None:
    alice, bob = quick.login("alice"), quick.login("bob", vo="vob")
    async with page(quick, alice) as hers, page(quick, bob) as his:
        assert hers.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert hers.headers["x-accel-buffering"] == "no"
        assert hers.headers["cache-control"] == "no-store"
        await hers.next("ready")
        await his.next("ready")
        [first] = await submit(quick, alice)
        [event] = await until(hers, {first})
        assert event["changed"] == [first]
        assert (event["topic"], event["more"], sum(event["counters"].values())) == ("jobs", False, 1)
        [other] = await submit(quick, bob)
        [event] = await until(his, {other})
        assert event["changed"] == [other]


async def test_where_jobs_are_private_others_in_the_vo_learn_nothing(
    start_application: Start, installation: Installation
) -> None:
    document: dict[str, Any] = config_document()
    private = {"Services": {"JobMonitoring": {"GlobalJobsInfo": False}}}
    installation.commit_config({**document, "Operations": {"Defaults": private}}, "Private")
    try:
        application = await start_application(events_every_s=0.05)
        bob, admin = application.login("bob"), application.login("alice", group="admin")
        async with page(application, bob) as his, page(application, admin) as watched:
            await his.next("ready")
            await watched.next("ready")
            hers = await submit(application, application.login("alice"))
            await until(watched, set(hers))
            own = await submit(application, bob)
            events = await until(his, set(own))
            assert [event["changed"] for event in events] == [own]
    finally:
        installation.commit_config(document, "Open again")


async def test_who_sees_queues_but_no_jobs_is_told_which_queues_have_changed(quick: Application, db: Database) -> None:
    keeper, other = quick.login(group="service"), quick.login("bob", vo="vob", properties=["ServiceAdministrator"])
    async with page(quick, keeper, "topic=queues") as hers, page(quick, other, "topic=queues") as his:
        await hers.next("ready")
        await his.next("ready")
        job_ids = [*await submit(quick, quick.login(), 2), *await submit(quick, quick.login("bob", vo="vob"))]
        config = Config.model_validate(config_document())
        await check_jobs(db, to_ranges(job_ids), config=config, now=utcnow())
        for opened, headers in ((hers, keeper), (his, other)):
            queues = (await quick.client.get("/api/task-queues", headers=headers)).json()
            wanted = {queue["class_id"] for queue in queues}
            assert len(wanted) == 1
            [event] = await until(opened, wanted)
            assert (event["topic"], set(event["changed"]), event["counters"]) == ("queues", wanted, {})


async def test_pilots_and_sites_have_topics_of_their_own(quick: Application) -> None:
    operator = quick.login("alice", properties=["Operator"])
    async with page(quick, operator, "topic=pilots&topic=sites") as opened:
        assert (await opened.next("ready"))["topics"] == ["pilots", "sites"]
        stamp = "b" * 32
        answer = await quick.client.post(
            "/api/pilots/", json={"pilot_stamp": stamp, "vo": "voa"}, headers=quick.login(group="pilot")
        )
        assert answer.status_code == 201, answer.text
        event = await opened.next()
        assert (event["topic"], event["changed"], event["counters"]) == ("pilots", [stamp], {"Submitted": 1})
        order = {"kind": "site", "name": "LCG.Alpha.org", "status": "Banned", "reason": "Flood"}
        answer = await quick.client.patch("/api/rss/status", json=[order], headers=operator)
        assert answer.status_code == 200, answer.text
        event = await opened.next()
        assert (event["topic"], event["changed"]) == ("sites", ["LCG.Alpha.org"])


async def test_a_ban_that_is_lifted_between_two_looks_is_told(start_application: Start) -> None:
    """A page may have read the list between them, and would show the ban for ever."""
    application = await start_application(events_every_s=1.0)
    operator = application.login(properties=["Operator"])
    site = {"kind": "site", "name": "LCG.Alpha.org"}
    async with page(application, operator, "topic=sites") as opened:
        await opened.next("ready")
        order = {**site, "status": "Banned", "reason": "Flood"}
        for method, path, body in (("PATCH", "status", order), ("POST", "status/release", site)):
            answer = await application.client.request(method, f"/api/rss/{path}", json=[body], headers=operator)
            assert answer.status_code == 200, answer.text
        event = await opened.next()
        assert (event["topic"], event["changed"]) == ("sites", ["LCG.Alpha.org"])


async def test_who_comes_back_is_told_what_was_missed(quick: Application) -> None:
    alice = quick.login()
    async with page(quick, alice) as stays:
        await stays.next("ready")
        async with page(quick, alice) as goes:
            await goes.next("ready")
            [first] = await submit(quick, alice)
            await until(goes, {first})
            last_id = goes.last_id
        missed = await submit(quick, alice, 2)
        await until(stays, set(missed))
        async with page(quick, alice, last_id=last_id) as again:
            event = await again.next()
            assert set(missed) <= set(event["changed"])
            assert event["more"] is False


@pytest.mark.parametrize("last_id", ["jobs=1", "jobs=99999999999", "jobs=1,fish=2"])
async def test_who_comes_back_after_too_long_reads_everything_anew(quick: Application, last_id: str) -> None:
    await submit(quick, quick.login(), 3)
    async with page(quick, quick.login(), last_id=last_id) as again:
        assert (await again.next())["more"] is True


@pytest.mark.parametrize("last_id", ["", "nonsense", "jobs=x", "=", "jobs=" + "9" * 9_000])
async def test_an_id_that_makes_no_sense_is_none(quick: Application, last_id: str) -> None:
    async with page(quick, quick.login(), last_id=last_id) as opened:
        await opened.next("ready")
        ids = await submit(quick, quick.login())
        await until(opened, set(ids))


async def test_of_very_many_changes_some_are_named(quick: Application) -> None:
    alice = quick.login()
    async with page(quick, alice) as opened:
        await opened.next("ready")
        await submit(quick, alice, 700)
        event = await opened.next()
        while len(event["changed"]) < hub_module.IDS_MAX:
            event = await opened.next()
        assert event["more"] is True
        assert len(event["changed"]) == 500


async def test_what_commits_late_is_told_nevertheless(quick: Application, db: Database) -> None:
    alice = quick.login()
    [first] = await submit(quick, alice)
    async with page(quick, alice) as opened:
        await opened.next("ready")
        async with db.transaction() as tx:
            await tx.exec_driver_sql(
                "INSERT INTO job_history (job_id, at, status, minor_status, application_status)"
                f" VALUES ({first}, now(), 'Waiting', 'late', 'x')"
            )
            [second] = await submit(quick, alice)
            await until(opened, {second})
        await until(opened, {first})


async def test_a_stream_ends_when_the_login_is_suspended(start_application: Start, installation: Installation) -> None:
    application = await start_application(events_every_s=0.05)
    document: dict[str, Any] = config_document()
    async with page(application, application.login("bob")) as opened:
        await opened.next("ready")
        document["Registry"]["voa"]["Users"]["bob-sub"]["Suspended"] = ["voa"]
        installation.commit_config(document, "Suspend bob")
        try:
            assert "log in again" in (await opened.next("end"))["reason"]
            await asyncio.wait_for(opened.ended.wait(), 10)
        finally:
            installation.commit_config(config_document(), "Take him back")


async def test_a_stream_ends_with_its_token(quick: Application) -> None:
    identity = Identity(f"voa:{USERS['alice']}", "voa", "alice", "user", frozenset(["NormalUser"]))
    claims = access_claims(identity, token_id=uuid7(), now=int(time.time()), lifetime_s=6)
    async with page(quick, bearer(quick.keys.sign(claims))) as opened:
        await opened.next("ready")
        assert "log in again" in (await opened.next("end"))["reason"]
        await asyncio.wait_for(opened.ended.wait(), 10)


async def test_a_quiet_stream_says_that_it_is_there(quick: Application) -> None:
    async with page(quick, quick.login()) as opened:
        await opened.next("ready")
        assert await opened.block() == ": still here"


async def test_streams_end_when_the_server_stops(quick: Application) -> None:
    async with page(quick, quick.login()) as opened:
        await opened.next("ready")
        for prepare in quick.services[BEFORE_STOP]:
            prepare()
        assert "stops" in (await opened.next("end"))["reason"]
        await asyncio.wait_for(opened.ended.wait(), 10)


async def test_streams_are_bounded(start_application: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    application = await start_application(events_every_s=0.05, event_streams_max=2)
    monkeypatch.setattr(hub_module, "STREAMS_OF_ONE_MAX", 1)
    path = "/api/events?topic=jobs"
    client: httpx2.AsyncClient = application.client
    async with page(application, application.login("alice")):
        assert (await client.get(path, headers=application.login("alice"))).status_code == 429
        async with page(application, application.login("bob")):
            refused = await client.get(path, headers=application.login("carol"))
            assert refused.status_code == 503
            assert refused.headers["retry-after"]
        async with page(application, application.login("carol")) as opened:
            assert opened.status == 200


async def test_nobody_who_looks_costs_nothing(quick: Application) -> None:
    topic = quick.services[HUB].topics["jobs"]
    async with page(quick, quick.login()) as opened:
        await opened.next("ready")
        await until(opened, set(await submit(quick, quick.login())))
        position = topic.position
    await submit(quick, quick.login())
    await topic.follower.seen()
    assert topic.position == position


async def test_however_many_look_on_changes_are_read_once(quick: Application) -> None:
    topic = quick.services[HUB].topics["jobs"]
    async with page(quick, quick.login("alice")) as one, page(quick, quick.login("bob")) as two:
        await one.next("ready")
        await two.next("ready")
        assert topic.watchers == 2
        [job_id] = await submit(quick, quick.login("alice"))
        events = [await one.next(), await two.next()]
        assert [event["changed"] for event in events] == [[job_id], [job_id]]
        assert len({event["seq"] for event in events}) == 1
    assert topic.watchers == 0
