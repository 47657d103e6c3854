"""Where a job would rather run: near its input data, and for a while not on a host where it has failed."""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import text
from tests.infra.app import Application
from tests.matcher.conftest import ALPHA, BETA, OFFER, StartMatcher, Submit, a_pilot, a_request
from tests.matcher.factories import a_class
from tests.matcher.test_situations import Grid

from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.matcher.service.matcher import MATCHER, Matcher

NEAR = {"local_data": [ALPHA.site]}


async def _got(matcher: Matcher, *, site: str = ALPHA.site, host: str = "wn1", count: int = 1) -> list[int]:
    place = ALPHA if site == ALPHA.site else BETA
    answer = await matcher.match(a_pilot(place=place), a_request(offer={**OFFER, "host": host}, count=count))
    return [job.job_id for job in answer.jobs]


async def test_jobs_go_first_where_their_data_are(submit: Submit, start_matcher: StartMatcher) -> None:
    plain, near, urgent = await submit(2), await submit(2, a_class(**NEAR)), await submit(1, a_class(user_priority=9))
    matcher = await start_matcher()
    assert await _got(matcher, count=3) == [urgent[0], *near]
    assert await _got(matcher, site=BETA.site, count=2) == plain


async def test_elsewhere_age_decides_and_jobs_may_go_where_their_data_are_not(
    submit: Submit, start_matcher: StartMatcher
) -> None:
    near, plain = await submit(1, a_class(**NEAR)), await submit(1)
    matcher = await start_matcher()
    assert await _got(matcher, site=BETA.site, count=2) == [*near, *plain]


async def test_data_gain_nothing_over_other_owners(submit: Submit, start_matcher: StartMatcher) -> None:
    mine, theirs = await submit(3, a_class(**NEAR)), await submit(3, a_class(owner="bob"))
    matcher = await start_matcher()
    found = await _got(matcher, count=4)
    assert len(set(found) & set(mine)) == len(set(found) & set(theirs)) == 2


async def test_a_vo_may_do_without(submit: Submit, start_matcher: StartMatcher) -> None:
    plain = await submit(1)
    await submit(1, a_class(**NEAR))
    matcher = await start_matcher()
    ledger = matcher.usage.ledger
    ledger.configure({"voa": replace(ledger.scheduling("voa"), local_data_first=False)})
    assert await _got(matcher) == plain


async def test_explanations_tell_where_data_are(application: Application, db: Database, submit: Submit) -> None:
    await Grid(application, db, submit).see()
    [job_id] = await submit(1, a_class(**NEAR))
    answer = await application.client.get(f"/api/jobs/{job_id}/explain", headers=application.login())
    told = f"it waits for its turn, which comes sooner at {ALPHA.site}, where its input data are on disk"
    assert answer.json()["verdict"].endswith(told)
    await application.services[MATCHER].freshness.queue.seen()
    asked = {"offer": {**OFFER, "site": ALPHA.site, "ce": ALPHA.ce, "queue": ALPHA.queue}}
    headers = application.login(properties=["Operator"])
    answer = await application.client.post("/api/matcher/explain", json=asked, headers=headers)
    told = "of one owner's, those with their input data on disk there go first (1 job)"
    assert answer.json()["verdict"].endswith(told), answer.text


async def test_the_only_host_gets_a_job_back_after_a_while(submit: Submit, start_matcher: StartMatcher) -> None:
    now = utcnow()
    until = int((now + timedelta(hours=1)).timestamp())
    [job_id] = await submit(1, a_class(avoid={"hosts": ["wn1"]}, avoid_hosts_until=until))
    matcher = await start_matcher(clock=lambda: now)
    assert await _got(matcher) == []
    now += timedelta(minutes=59)
    assert await _got(matcher) == []
    now += timedelta(minutes=2)
    assert await _got(matcher) == [job_id]


async def test_another_host_gets_it_at_once(submit: Submit, start_matcher: StartMatcher) -> None:
    until = int((utcnow() + timedelta(hours=1)).timestamp())
    [job_id] = await submit(1, a_class(avoid={"hosts": ["wn1"]}, avoid_hosts_until=until))
    matcher = await start_matcher()
    assert await _got(matcher, host="wn2") == [job_id]


async def test_a_job_that_keeps_off_a_host_says_so_until_it_does_not(
    application: Application, db: Database, submit: Submit
) -> None:
    await Grid(application, db, submit).see()
    until = utcnow().replace(second=0, microsecond=0) + timedelta(minutes=30)
    made = a_class(avoid={"hosts": ["wn1"]}, avoid_hosts_until=int(until.timestamp()))
    [job_id] = await submit(1, made)
    headers = application.login()
    told = (await application.client.get(f"/api/jobs/{job_id}/explain", headers=headers)).json()["verdict"]
    assert told.endswith(f"waits for its turn, not on wn1, where it has failed, before {until:%Y-%m-%d %H:%M} UTC")
    async with db.transaction() as tx:
        change = "UPDATE requirement_class SET document = jsonb_set(document, '{avoid,until}', '1000')"
        await tx.execute(text(change))
    told = (await application.client.get(f"/api/jobs/{job_id}/explain", headers=headers)).json()["verdict"]
    assert told.endswith("waits for its turn")
