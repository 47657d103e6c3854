"""Bans and drains reach the matcher within a second: nothing is started that should not be, and parked pilots wake."""

import asyncio
from datetime import timedelta
from typing import Any

from tests.infra.app import Application
from tests.matcher.conftest import OFFER, Submit, a_pilot, a_request
from tests.matcher.factories import a_class

from weyl.kit.clock import utcnow
from weyl.matcher.service.matcher import MATCHER
from weyl.resource_status.service.board import STATUS_BOARD

ALPHA = {"kind": "site", "name": "LCG.Alpha.org"}
STAMP = "a" * 32
ASKING_MAX = 2_000


async def _say(application: Application, method: str, path: str, **more: Any) -> None:
    headers = application.login(properties=["Operator"])
    answer = await application.client.request(method, f"/api/rss/{path}", json=[{**ALPHA, **more}], headers=headers)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["success"]) == 1


async def _ask(application: Application, **more: Any) -> dict[str, Any]:
    asked = await application.client.post(
        "/api/matcher/match", json={"offer": OFFER, **more}, headers=application.pilot(STAMP)
    )
    assert asked.status_code == 200, asked.text
    answer: dict[str, Any] = asked.json()
    return answer


async def _misses(application: Application, condition: str) -> None:
    """Ask, and get no job for this reason."""
    await application.seen()
    answer = await _ask(application)
    assert (answer["jobs"], answer["miss"]["condition"]) == ([], condition)


async def test_a_banned_site_gets_no_job_and_its_parked_pilot_wakes_when_the_ban_is_taken_back(
    application: Application, submit: Submit
) -> None:
    await _say(application, "PATCH", "status", status="Banned", reason="flood")
    await application.seen()
    [job_id] = await submit(1)
    await _misses(application, "site_status")
    parked = asyncio.create_task(_ask(application, wait_s=30))
    await asyncio.sleep(0)
    await _say(application, "POST", "status/release")
    answer = await asyncio.wait_for(parked, 20)
    assert [job["job_id"] for job in answer["jobs"]] == [job_id]


async def test_who_asks_while_a_site_opens_does_not_wait_in_vain(application: Application, submit: Submit) -> None:
    """Of those who ask all the time some have made their offer before it opens, and are looked at afterwards."""
    matcher, board = application.services[MATCHER], application.services[STATUS_BOARD]
    await _say(application, "PATCH", "status", status="Banned", reason="flood")
    await application.seen()
    await submit(ASKING_MAX)
    await _misses(application, "site_status")
    opening = asyncio.create_task(_say(application, "POST", "status/release"))
    asking = []
    while len(asking) < ASKING_MAX and not board.usable("voa", site="LCG.Alpha.org", ce=None).allowed:
        pilot = a_pilot(f"{len(asking):032x}")
        asking.append(asyncio.create_task(matcher.match(pilot, a_request(wait_s=20))))
        await asyncio.sleep(0 if len(asking) < ASKING_MAX / 2 else 0.01)
    await opening
    answers = await asyncio.wait_for(asyncio.gather(*asking), 18)
    assert len(asking) < ASKING_MAX
    assert all(len(answer.jobs) == 1 for answer in answers)


async def test_a_draining_site_still_gets_what_ends_in_time(application: Application, submit: Submit) -> None:
    until = utcnow() + timedelta(hours=3)
    await _say(application, "POST", "drain", reason="downtime", until=until.isoformat())
    await application.seen()
    [long] = await submit(1, a_class({"wall_time": 4 * 3600}))
    [short] = await submit(1, a_class({"wall_time": 2 * 3600}))
    answer = await _ask(application, wait_s=10)
    assert [job["job_id"] for job in answer["jobs"]] == [short]
    await _misses(application, "wall_time")
    await _say(application, "POST", "drain/release")
    answer = await _ask(application, wait_s=20)
    assert [job["job_id"] for job in answer["jobs"]] == [long]
