"""What operators are told of an offer over HTTP, and who is told nothing."""

from typing import Any

from sqlalchemy import text
from tests.infra.app import Application
from tests.matcher.conftest import OFFER, Submit
from tests.matcher.factories import a_class

from weyl.config.operations import MatchLimit
from weyl.jobs.service.limits import apply_limits
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.matcher.service.matcher import MATCHER
from weyl.task_queues.gates import merged, rules_of

PLACED = {**OFFER, "site": "LCG.Alpha.org", "ce": "ce.alpha.org", "queue": "default"}
STAMP = "d" * 32


async def _ask(application: Application, status: int = 200, **changes: Any) -> dict[str, Any]:
    headers = application.login("alice", properties=["Operator"])
    body = {"offer": {**PLACED, **changes}}
    answer = await application.client.post("/api/matcher/explain", json=body, headers=headers)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def _refresh(application: Application) -> None:
    await application.services[MATCHER].freshness.queue.seen()


async def test_who_is_no_operator_is_told_nothing(application: Application) -> None:
    url, body = "/api/matcher/explain", {"offer": PLACED}
    assert (await application.client.post(url, json=body)).status_code == 401
    for headers in (application.login(), application.pilot(STAMP), application.login(group="pilot")):
        assert (await application.client.post(url, json=body, headers=headers)).status_code in (401, 403)
        assert (await application.client.get(f"/api/pilots/{STAMP}/explain", headers=headers)).status_code in (401, 403)


async def test_an_offer_is_explained_condition_by_condition(application: Application, submit: Submit) -> None:
    await submit(3)
    await submit(9, a_class({"cpu": {"ram_mb": {"request": {"overhead": 65_536}}}}))
    await _refresh(application)
    told = await _ask(application)
    assert told["verdict"] == (
        "3 jobs of the 12 that wait could run there: a pilot with this offer gets one when it asks"
    )
    [step] = told["steps"]
    assert (step["condition"], step["offered"], step["wanted"]) == ("ram", 16_384, 65_536)
    assert (step["jobs_removed"], step["jobs_left"], step["classes_left"]) == (9, 3, 1)
    assert [(near["condition"], near["jobs"]) for near in told["nearest"]] == [("ram", 9)]
    assert (told["closed"], told["host_standing"], told["pilot"]) == (None, "open", None)


async def test_places_that_are_closed_or_unknown_are_named(application: Application, submit: Submit) -> None:
    await submit(1)
    await _refresh(application)
    told = await _ask(application, site="LCG.Gone.org")
    assert told["verdict"].endswith("Only test jobs start there: LCG.Gone.org is no site of voa")
    assert "names no site" in (await _ask(application, 400, site=None))["detail"]
    assert (await _ask(application, 422, wall_time=-1))["detail"]


async def test_a_limit_that_is_reached_is_shown_to_whoever_never_met_it(
    application: Application, db: Database, submit: Submit
) -> None:
    [job_id, _] = await submit(2)
    rules = merged(rules_of("voa", [MatchLimit(site="*", count=1)]))
    async with db.transaction() as tx:
        await apply_limits(tx, rules, utcnow())
    matcher = application.services[MATCHER]
    await matcher.limits.follower.seen()
    await _refresh(application)
    pilot = application.pilot("a" * 32)
    answer = await application.client.post("/api/matcher/match", json={"offer": OFFER, "wait_s": 5}, headers=pilot)
    assert [job["job_id"] for job in answer.json()["jobs"]] == [job_id]
    await matcher.limits.follower.seen()
    await _refresh(application)
    told = await _ask(application)
    assert told["verdict"] == (
        "None of the 1 job that wait can run there. "
        "A limit on what runs at LCG.Alpha.org is reached for all that are left"
    )
    assert [(limit["limit"], limit["open"]) for limit in told["limits"]] == [("site=LCG.Alpha.org", False)]
    assert (await _ask(application, site="LCG.Beta.org", ce=None, queue=None))["jobs_left"] == 1


async def test_a_pilot_is_told_from_what_it_last_offered(
    application: Application, db: Database, submit: Submit
) -> None:
    headers = application.login("alice", properties=["Operator"])
    url = f"/api/pilots/{STAMP}/explain"
    assert (await application.client.get(url, headers=headers)).status_code == 404
    registered = {"pilot_stamp": STAMP, "vo": "voa", "grid_site": "LCG.Alpha.org", "destination_site": "ce.alpha.org"}
    await application.client.post("/api/pilots/", json=registered, headers=application.login(group="service"))
    answer = await application.client.get(url, headers=headers)
    assert answer.status_code == 409
    assert "has asked for no job" in answer.json()["detail"]
    await submit(4, a_class({"tags": "os:el8"}))
    await _refresh(application)
    pilot = application.pilot(STAMP)
    for _ in range(2):
        await application.client.post("/api/matcher/match", json={"offer": OFFER}, headers=pilot)
    told = (await application.client.get(url, headers=headers)).json()
    assert told["verdict"].endswith("It lacks the tag os:el8, which the most of those left want")
    assert {name: told["pilot"][name] for name in ("asked", "hits", "last_miss", "is_draining")} == {
        "asked": 2,
        "hits": 0,
        "last_miss": "tags",
        "is_draining": False,
    }
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE pilots SET status = 'Done', status_reason = 'idle'"))
    told = (await application.client.get(url, headers=headers)).json()
    assert told["verdict"].startswith("It has ended as Done (idle). As it was last seen: None of the 4 jobs")
    stranger = application.login("bob", vo="vob", properties=["Operator"])
    assert (await application.client.get(url, headers=stranger)).status_code == 404
