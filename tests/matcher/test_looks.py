"""Limits, shares and sites as people look at them."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text
from tests.infra.app import Application

from weyl.kit.db import Database

Login = Callable[..., dict[str, str]]
PATHS = ["limits", "shares", "sites"]
JOB = (
    "INSERT INTO jobs (site, owner, owner_group, vo, submission_time, last_update_time, status, description_id)"
    " SELECT :site, :owner, 'user', :vo, now(), now(), :status, 1 FROM generate_series(1, :number)"
)


async def run_jobs(db: Database, *, number: int, vo: str = "voa", **changes: str) -> None:
    """Let jobs be at a site."""
    plain = {"site": "LCG.Alpha.org", "owner": "alice", "status": "Running"}
    async with db.transaction() as tx:
        await tx.execute(text(JOB), {**plain, "vo": vo, "number": number, **changes})


async def told(application: Application, path: str, headers: dict[str, str]) -> list[dict[str, Any]]:
    answer = await application.client.get(f"/api/matcher/{path}", headers=headers)
    assert answer.status_code == 200, answer.text
    return list(answer.json())


@pytest.mark.parametrize("path", PATHS)
async def test_strangers_and_machines_are_told_nothing(application: Application, path: str) -> None:
    client = application.client
    assert (await client.get(f"/api/matcher/{path}")).status_code == 401
    assert (await client.get(f"/api/matcher/{path}", headers=application.pilot("a" * 32))).status_code == 403
    assert (await client.get(f"/api/matcher/{path}", headers=application.login(group="cs"))).status_code == 403


@pytest.mark.parametrize("path", ["limits", "shares"])
async def test_limits_and_shares_are_for_administrators(application: Application, path: str) -> None:
    answer = await application.client.get(f"/api/matcher/{path}", headers=application.login())
    assert answer.status_code == 403


async def test_sites_have_their_jobs_and_the_limits_that_hold_there(application: Application, db: Database) -> None:
    async with db.transaction() as tx:
        await tx.execute(
            text(
                "INSERT INTO match_rule (rule, vo, site, max_jobs, job_type) VALUES"
                " ('voa site=*', 'voa', '*', 5, ''), ('voa job_type=mc', 'voa', '', 1, 'mc'),"
                " ('vob site=*', 'vob', '*', 1, '')"
            )
        )
        await tx.execute(
            text(
                "INSERT INTO match_gate (key, rule, used_jobs, used_cores)"
                " VALUES ('voa site=*' || chr(31) || 'LCG.Alpha.org', 'voa site=*', 2, 2)"
            )
        )
    await run_jobs(db, number=3)
    await run_jobs(db, number=2, status="Matched")
    await run_jobs(db, number=7, status="Done")
    await run_jobs(db, number=9, vo="vob")
    alpha, beta = await told(application, "sites", application.login())
    assert (alpha["site"], alpha["status"], alpha["running"], alpha["matched"]) == ("LCG.Alpha.org", "Active", 3, 2)
    assert alpha["jobs_max"] == 5
    [limit] = alpha["limits"]
    assert (limit["limit"], limit["jobs_max"], limit["open"]) == ("site=LCG.Alpha.org", 5, limit["jobs"] < 5)
    assert (beta["site"], beta["running"], beta["limits"], beta["ces"]) == ("LCG.Beta.org", 0, [], 1)
    limits = await told(application, "limits", application.login(group="admin"))
    assert [each["limit"] for each in limits] == ["job_type=mc", "site=LCG.Alpha.org"]
    assert limits[0]["jobs"] == 0
    assert [
        each["limit"] for each in await told(application, "limits", application.login(vo="vob", group="admin"))
    ] == ["site=*"]


async def test_groups_come_in_the_order_of_service(application: Application, db: Database) -> None:
    async with db.transaction() as tx:
        await tx.execute(
            text(
                "INSERT INTO share_usage (vo, owner_group, owner, usage, at) VALUES"
                " ('voa', 'user', 'alice', 4000, now()), ('voa', 'user', 'bob', 1000, now()),"
                " ('voa', 'admin', 'alice', 10, now()), ('vob', 'user', 'bob', 99999, now()),"
                " ('voa', 'user', 'carol', 4000, now() - interval '10 years')"
            )
        )
    shares = await told(application, "shares", application.login(group="admin"))
    assert shares[-1]["group"] == "user"
    assert shares[-1]["rank"] == len(shares)
    assert shares[-1]["usage"] == pytest.approx(5000, rel=0.01)
    assert list(shares[-1]["owners"])[:2] == ["alice", "bob"]
    by_group = {share["group"]: share for share in shares}
    assert by_group["admin"]["usage_by_share"] < by_group["user"]["usage_by_share"]
