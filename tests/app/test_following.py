"""What a server process keeps in memory follows the database, whatever went wrong with an earlier read."""

import asyncio
from typing import Any

from sqlalchemy import text
from tests.faults.proxy import proxy_before, url_through
from tests.infra.app import Application, Installation, running_application

from weyl.demo.seaweedfs import RunningStore
from weyl.kit.db import Database, notify
from weyl.kit.following import FOLLOWERS, Follower
from weyl.kit.metrics import METRICS
from weyl.pilots.service import draining
from weyl.resource_status.service import board

ALPHA = {"kind": "site", "name": "LCG.Alpha.org"}
STAMP = "a" * 32


def follower(application: Application, name: str) -> Follower:
    [found] = [each for each in application.services[FOLLOWERS] if each.name == name]
    return found


async def execute(db: Database, *statements: str, channel: str) -> None:
    """Run statements in one transaction, which ends with a notice."""
    async with db.transaction() as tx:
        for statement in statements:
            await tx.execute(text(statement))
        await notify(tx, channel, "")


async def failed(follower: Follower) -> None:
    """Wait until a read has failed."""
    async with asyncio.timeout(30):
        while not follower.error:
            await asyncio.sleep(0)


async def say(application: Application, method: str, path: str, **more: Any) -> None:
    answer = await application.client.request(
        method, f"/api/rss/{path}", json=[{**ALPHA, **more}], headers=application.login(group="service")
    )
    assert answer.status_code == 200, answer.text


async def test_a_server_whose_read_of_revocations_failed_learns_of_the_next(
    application: Application, db: Database
) -> None:
    revocations = follower(application, "revocations")
    await execute(db, "ALTER TABLE pilots ALTER revoked_at TYPE text", channel=draining.CHANNEL)
    await failed(revocations)
    await execute(
        db,
        "ALTER TABLE pilots ALTER revoked_at TYPE timestamptz USING revoked_at::timestamptz",
        "INSERT INTO pilots (pilot_stamp, vo, status, submission_time, last_update_time, revoked_at)"
        f" VALUES ('{STAMP}', 'voa', 'Aborted', now(), now(), now())",
        channel=draining.CHANNEL,
    )
    await revocations.seen()
    answer = await application.client.get("/api/rss/site", headers=application.pilot(STAMP))
    assert (answer.status_code, answer.json()) == (401, {"detail": "This pilot was revoked"})


async def test_a_server_that_could_not_read_a_claim_learns_of_the_next_ban(
    application: Application, db: Database
) -> None:
    await execute(
        db,
        "INSERT INTO status_claims SELECT 'starship', 'x', 'all', 'voa', 'manual', 'Banned', 'x', 'x', now()",
        "UPDATE status_revision SET revision = revision + 1",
        channel=board.CHANNEL,
    )
    await failed(follower(application, "resource status"))
    await execute(db, "DELETE FROM status_claims", channel=board.CHANNEL)
    await say(application, "PATCH", "status", status="Banned", reason="flood")
    await application.seen()
    sites = (await application.client.get("/api/rss/site", headers=application.login())).json()
    assert not sites["LCG.Alpha.org"]["all"]["allowed"]


async def test_a_server_that_could_not_read_holds_wakes_jobs_at_the_next_opening(
    application: Application, db: Database
) -> None:
    held = (
        "INSERT INTO job_holds (job_id, vo, reason, text, names, since, hold_until, tries)"
        " VALUES (1, 'voa', 'closed_site', '', ARRAY['site:LCG.Alpha.org'], now(), now() + interval '1 hour', 0)"
    )
    await execute(db, held, "ALTER TABLE job_holds RENAME TO hidden", channel=board.CHANNEL)
    await say(application, "PATCH", "status", status="Banned", reason="flood")
    await failed(follower(application, "held jobs"))
    await execute(db, "ALTER TABLE hidden RENAME TO job_holds", channel=board.CHANNEL)
    await application.seen()
    await say(application, "POST", "status/release")
    await application.seen()
    async with db.read() as tx:
        assert await tx.scalar(text("SELECT woken_at FROM job_holds")) is not None


async def test_a_server_starts_without_its_database_and_catches_up(
    database_url: str, db: Database, installation: Installation, object_store: RunningStore
) -> None:
    await execute(
        db,
        "INSERT INTO pilots (pilot_stamp, vo, status, submission_time, last_update_time, revoked_at)"
        f" VALUES ('{STAMP}', 'voa', 'Aborted', now(), now(), now())",
        channel=draining.CHANNEL,
    )
    with proxy_before(database_url) as link:
        link.play("reset")
        url = url_through(link, database_url)
        async with asyncio.timeout(60), running_application(installation, url, object_store) as application:
            client, pilot = application.client, application.pilot(STAMP)
            assert (await client.get("/api/health/live")).status_code == 200
            assert (await client.get("/api/health/ready")).status_code == 503
            assert all(each.error for each in application.services[FOLLOWERS] if each.name in ("clock", "revocations"))
            link.play("none")
            await application.seen()
            assert (await client.get("/api/health/ready")).status_code == 200
            assert (await client.get("/api/rss/site", headers=pilot)).status_code == 401


async def test_figures_tell_which_copies_cannot_be_read(application: Application, db: Database) -> None:
    name = 'weyl_follower_failing_seconds{{follower="{}"}} '
    await execute(db, "ALTER TABLE status_revision RENAME TO kept", channel=board.CHANNEL)
    await failed(follower(application, "resource status"))
    lines = (await application.services[METRICS].text()).decode().splitlines()
    told = {
        each.name: line for line in lines for each in application.services[FOLLOWERS] if name.format(each.name) in line
    }
    assert len(told) == len(application.services[FOLLOWERS])
    assert [each for each, line in told.items() if not line.endswith(" 0.0")] == ["resource status"]
