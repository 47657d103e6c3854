"""Jobs that have waited for longer than their VO's TTL."""

from datetime import timedelta

from sqlalchemy import text
from tests.infra.app import config_document
from tests.matcher.conftest import StartMatcher, Submit, a_pilot, a_request
from tests.matcher.factories import a_class

from weyl.config.models import Config
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.matcher.service.expiry import MINOR_EXPIRED, expire


def a_config(ttl: int | None) -> Config:
    document = config_document()
    document["Operations"]["voa"] = {"Matching": {} if ttl is None else {"TTL": ttl}}  # type: ignore[index]
    return Config.model_validate(document)


async def test_only_jobs_that_still_wait_and_have_waited_too_long_fail(
    db: Database, submit: Submit, start_matcher: StartMatcher
) -> None:
    old, others = await submit(3), await submit(1, a_class(vo="vob"))
    async with db.transaction() as tx:
        await tx.execute(
            text("UPDATE jobs SET submission_time = now() - interval '2 h', last_update_time = now() - interval '2 h'")
        )
        # one of them was held until a minute ago
        await tx.execute(text("UPDATE jobs SET last_update_time = now() WHERE job_id = :id"), {"id": old[2]})
    young = await submit(2)
    matcher = await start_matcher()
    [matched] = (await matcher.match(a_pilot(), a_request())).jobs
    assert matched.job_id == old[0]
    assert await expire(db, a_config(None), utcnow()) == 0
    assert await expire(db, a_config(3_600), utcnow()) == 1
    async with db.read() as tx:
        rows = await tx.execute(text("SELECT job_id, status, minor_status FROM jobs ORDER BY job_id"))
        found = {row.job_id: (row.status, row.minor_status) for row in rows}
        queued = set((await tx.execute(text("SELECT job_id FROM queue"))).scalars())
    assert found[old[1]] == ("Failed", MINOR_EXPIRED)
    assert found[old[0]][0] == "Matched"
    assert {found[job_id][0] for job_id in (old[2], *young, *others)} == {"Waiting"}
    assert queued == {old[2], *young, *others}
    assert await expire(db, a_config(3_600), utcnow() + timedelta(hours=2)) == 3
