"""What pilots on unhealthy hosts get: one job at a time, or none; and what operators see of it."""

from datetime import timedelta

import pytest
from sqlalchemy import text
from tests.infra.app import Application
from tests.matcher.conftest import OFFER, StartMatcher, Submit, a_pilot, a_request

from weyl.kit.clock import utcnow
from weyl.kit.db import Database, notify
from weyl.pilots.service.hosts import figures
from weyl.task_queues.health import CHANNEL, Standing

SITE = "LCG.Alpha.org"
SMALL = {**OFFER, "cpu": {**OFFER["cpu"], "num_cores": 1}}  # type: ignore[dict-item]


async def score(db: Database, value: float, *, site: str = SITE, host: str = "wn1", hours_ago: float = 0) -> None:
    """Give a host a score, and tell so."""
    async with db.transaction() as tx:
        await tx.execute(
            text(
                "INSERT INTO host_health (site, host, score, at, reason) VALUES (:site, :host, :score, :at, 'x')"
                " ON CONFLICT (site, host) DO UPDATE SET score = :score, at = :at"
            ).bindparams(site=site, host=host, score=value, at=utcnow() - timedelta(hours=hours_ago))
        )
        await notify(tx, CHANNEL, "")


async def test_a_host_below_a_fifth_gets_nothing(db: Database, submit: Submit, start_matcher: StartMatcher) -> None:
    await submit(2)
    await score(db, 0.1)
    matcher = await start_matcher()
    answer = await matcher.match(a_pilot(), a_request())
    assert answer.miss is not None
    assert (answer.jobs, answer.action) == ([], "continue")
    assert (answer.miss.condition, answer.miss.retry_after_s) == ("host_health", 900)
    assert (await matcher.match(a_pilot(), a_request(offer=SMALL))).action == "stop"
    elsewhere = await matcher.match(a_pilot(), a_request(offer={**OFFER, "host": "wn2"}))
    assert len(elsewhere.jobs) == 1


async def test_a_host_below_a_half_gets_one_job_at_a_time(
    db: Database, submit: Submit, start_matcher: StartMatcher
) -> None:
    await submit(5)
    await score(db, 0.4)
    matcher = await start_matcher()
    first = await matcher.match(a_pilot(), a_request(count=4))
    assert len(first.jobs) == 1
    second = await matcher.match(a_pilot("b" * 32), a_request(count=4))
    assert second.miss is not None
    assert (second.jobs, second.miss.condition) == ([], "host_health")
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE jobs SET status = 'Done' WHERE status = 'Matched'"))
    assert len((await matcher.match(a_pilot(), a_request(count=4))).jobs) == 1


@pytest.mark.parametrize("hours", [1, 24])
async def test_hosts_recover_by_themselves(db: Database, start_matcher: StartMatcher, hours: int) -> None:
    await score(db, 0.0, hours_ago=hours)
    matcher = await start_matcher()
    expected = Standing.SINGLE if hours == 1 else Standing.OPEN
    assert matcher.hosts.standing(SITE, "wn1") is expected


async def test_every_process_hears_of_it(db: Database, start_matcher: StartMatcher) -> None:
    matchers = [await start_matcher(), await start_matcher()]
    await score(db, 0.1)
    for each in matchers:
        await each.hosts.follower.seen()
        assert each.hosts.standing(SITE, "wn1") is Standing.CLOSED


async def test_operators_see_them_and_pilots_do_not(application: Application, db: Database) -> None:
    await score(db, 0.1)
    await score(db, 0.3, host="wn2")
    await score(db, 0.9, host="wn3")
    await score(db, 0.1, site="LCG.Unknown.org")
    url = "/api/pilots/hosts"
    assert (await application.client.get(url)).status_code == 401
    assert (await application.client.get(url, headers=application.pilot("a" * 32))).status_code in (401, 403)
    rows = (await application.client.get(url, headers=application.login())).json()
    assert [(row["host"], row["standing"]) for row in rows] == [("wn1", "no jobs"), ("wn2", "one job at a time")]


async def test_a_site_with_many_of_them_raises_an_alarm(db: Database) -> None:
    await score(db, 0.1)
    for number in range(3):
        await score(db, 0.9, host=f"good{number}")
        await score(db, 0.9, host=f"good{number}", site="LCG.Beta.org")
    async with db.read() as tx:
        share, alarm = await figures(tx)
    assert (share.rows, alarm.rows) == ([((SITE,), 0.25)], [])
    await score(db, 0.1, host="wn2")
    async with db.read() as tx:
        share, alarm = await figures(tx)
    assert (share.rows, alarm.rows) == ([((SITE,), 0.4)], [((SITE,), 1.0)])
