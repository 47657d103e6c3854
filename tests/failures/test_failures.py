"""Failures that are alike: who may see which, and what they cost to count."""

import hashlib
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import text
from tests.infra.app import Application, Installation, config_document, running_application
from tests.jobs.conftest import MakeJobs, Rows

from weyl.failures import queries
from weyl.failures.clusters import window_of
from weyl.jobs.queries import signatures
from weyl.jobs.tables import jobs
from weyl.kit.clock import utcnow
from weyl.kit.db import DATABASE, Database

URL = "/api/jobs/failures"
ERROR = "Application Finished With Errors"


def name_of(said: str) -> str:
    """Return the name of failures that say this, particulars left out."""
    return hashlib.sha256(said.encode()).hexdigest()[:16]


async def clusters(application: Application, headers: dict[str, str] | None = None, **query: Any) -> list[Any]:
    answer = await application.client.get(URL, params=query, headers=headers or application.login())
    assert answer.status_code == 200, answer.text
    found: list[Any] = answer.json()["clusters"]
    return found


async def fail(db: Database, job_ids: list[int], application_status: str, *, minor: str = ERROR) -> None:
    async with db.transaction() as tx:
        values = {"status": "Failed", "minor_status": minor, "application_status": application_status}
        values |= {"last_update_time": utcnow()}
        await tx.execute(sa.update(jobs).where(jobs.c.job_id.in_(job_ids)).values(values))


async def fold(db: Database) -> None:
    async with db.transaction() as tx:
        await queries.fold_failures(tx)


@pytest.mark.parametrize("group", ["pilot", "cs", "service"])
async def test_who_may_not_search_jobs_sees_no_failures(application: Application, group: str) -> None:
    client = application.client
    assert (await client.get(URL)).status_code == 401
    assert (await client.get(URL, headers=application.login(group=group))).status_code == 403
    assert (await client.get(URL, headers=application.pilot("0" * 32))).status_code == 403


async def test_other_vos_have_failures_of_their_own(
    application: Application, make_jobs: MakeJobs, db: Database
) -> None:
    await fail(db, await make_jobs(2), "secret of voa 17")
    assert await clusters(application, application.login(vo="vob")) == []
    [own] = await clusters(application)
    assert own["count"] == 2
    note = {"url": f"{URL}/{own['signature']}/note", "json": {"note": "x"}}
    admin = application.login(vo="vob", group="admin")
    assert (await application.client.put(**note, headers=admin)).status_code == 404
    assert (await application.client.put(**note, headers=application.login())).status_code == 403
    assert (await application.client.put(**note)).status_code == 401


async def test_where_a_vo_hides_jobs_the_failures_of_others_stay_hidden(
    database_url: str, object_store: Any, make_jobs: MakeJobs, db: Database, tmp_path: Any
) -> None:
    from_vo = config_document()
    from_vo["Operations"] = {"voa": {"Services": {"JobMonitoring": {"GlobalJobsInfo": False}}}}
    own = Installation.create(tmp_path / "hiding")
    own.commit_config(from_vo, "Hide jobs")
    async with running_application(own, database_url, object_store) as application:
        await fail(db, await make_jobs(3, owner="bob"), "only of bob")
        await fail(db, await make_jobs(2, owner="bob"), "of both, number 1")
        await fail(db, await make_jobs(1), "of both, number 2")
        [seen] = await clusters(application)
        assert (seen["count"], seen["users"], seen["example"], seen["example_job_id"]) == (1, {"alice": 1}, "", None)
        assert len(await clusters(application, application.login(group="admin"))) == 2


async def test_a_cluster_says_how_many_where_whose_and_whether_it_is_new(
    application: Application, make_jobs: MakeJobs, db: Database
) -> None:
    old = await make_jobs(1, at=utcnow() - timedelta(hours=30), status="Failed", minor_status=ERROR)
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE jobs SET application_status = '9 events lost'"))
    await fail(db, await make_jobs(3, site="LCG.Alpha.org"), "1 events lost")
    await fail(db, await make_jobs(2, site="LCG.Beta.org", owner="bob"), "2 events lost")
    await fail(db, await make_jobs(1, site="LCG.Beta.org"), "no space left", minor="Uploading")
    for _ in range(2):  # before and after the deltas are folded
        first, second = await clusters(application)
        assert (first["text"], first["count"], first["before"], first["is_new"]) == (
            f"{ERROR.lower()}: <n> events lost",
            5,
            1,
            False,
        )
        assert first["sites"] == {"LCG.Alpha.org": 3, "LCG.Beta.org": 2}
        assert first["users"] == {"alice": 3, "bob": 2}
        assert sum(first["trend"]) == 5
        assert {place: sum(row) for place, row in first["split"].items()} == first["sites"]
        assert first["example_job_id"] == old[0]
        assert (second["text"], second["is_new"], second["count"]) == ("uploading: no space left", True, 1)
        [by_owner, _] = await clusters(application, by="owner")
        assert {place: sum(row) for place, row in by_owner["split"].items()} == by_owner["users"]
        await fold(db)
    [only] = await clusters(application, signature=second["signature"])
    assert only == second
    [only] = await clusters(
        application, signature=second["signature"], since=(utcnow() - timedelta(days=20)).isoformat()
    )
    assert only["count"] == 1
    [most] = await clusters(application, limit=1)
    assert most == first
    # What is new may be rare: it is looked for among all kinds, not among the most frequent.
    assert await clusters(application, limit=1, new=True) == [second]


async def test_every_way_to_fail_signs_the_job_and_running_again_takes_it_off(
    application: Application, make_jobs: MakeJobs, row: Rows, db: Database
) -> None:
    [job_id, other] = await make_jobs(2)
    assert await row(job_id, "signature") is None
    await fail(db, [job_id], "exit 1")
    signed = await row(job_id, "signature")
    assert signed == name_of(f"{ERROR.lower()}: exit 1")
    await fail(db, [job_id], "exit 1, killed")
    moved = await row(job_id, "signature")
    assert moved == name_of(f"{ERROR.lower()}: exit 1, killed")
    assert [each["signature"] for each in await clusters(application)] == [moved]
    async with db.transaction() as tx:
        await tx.execute(sa.update(jobs).where(jobs.c.job_id == job_id).values(status="Received"))
    assert await row(job_id, "signature") is None
    [born] = await make_jobs(1, status="Failed", minor_status="Illegal Job JDL")
    assert await row(born, "signature") == name_of("illegal job jdl")
    assert await row(other, "signature") is None


async def test_jobs_of_a_cluster_are_searched_and_shown_only_on_request(
    application: Application, make_jobs: MakeJobs, db: Database
) -> None:
    failing = await make_jobs(3)
    await make_jobs(2)
    await fail(db, failing, "exit 1")
    [cluster] = await clusters(application)
    condition = {"parameter": "FailureSignature", "operator": "eq", "value": cluster["signature"]}
    answer = await application.client.post(
        "/api/jobs/search", json={"search": [condition]}, headers=application.login()
    )
    assert [each["JobID"] for each in answer.json()] == failing
    assert "FailureSignature" not in answer.json()[0]
    body = {"parameters": ["JobID", "FailureSignature"], "search": [condition]}
    answer = await application.client.post("/api/jobs/search", json=body, headers=application.login())
    assert answer.json()[0] == {"JobID": failing[0], "FailureSignature": cluster["signature"]}
    body = {"grouping": ["FailureSignature"], "search": []}
    counts = (await application.client.post("/api/jobs/summary", json=body, headers=application.login())).json()
    assert {"FailureSignature": cluster["signature"], "count": 3} in counts


async def test_notes_are_kept_for_the_vo_and_taken_back(
    application: Application, make_jobs: MakeJobs, db: Database
) -> None:
    await fail(db, await make_jobs(1), "exit 1")
    [cluster] = await clusters(application)
    url, admin = f"{URL}/{cluster['signature']}/note", application.login("bob", group="admin")
    for link in ("javascript:alert(1)", "x", "https://a b"):
        refused = await application.client.put(url, json={"note": "x", "link": link}, headers=admin)
        assert refused.status_code == 422
    for note in ("First", "<b>The disk is full</b>"):
        kept = await application.client.put(url, json={"note": note, "link": "https://a.b/7"}, headers=admin)
        assert kept.status_code == 204, kept.text
    [noted] = await clusters(application)
    assert {**noted["note"], "at": None} == {
        "note": "<b>The disk is full</b>",
        "link": "https://a.b/7",
        "author": "bob",
        "at": None,
    }
    assert (await application.client.put(url, json={"note": " "}, headers=admin)).status_code == 204
    assert (await clusters(application))[0]["note"] is None


async def test_jobs_that_failed_before_are_signed_by_a_task(
    application: Application, make_jobs: MakeJobs, row: Rows, db: Database
) -> None:
    async with db.transaction() as tx:
        await tx.execute(text("ALTER TABLE jobs DISABLE TRIGGER USER"))
    job_ids = await make_jobs(5, status="Failed", minor_status=ERROR)
    async with db.transaction() as tx:
        await tx.execute(text("ALTER TABLE jobs ENABLE TRIGGER USER"))
        assert await signatures.has_unsigned(tx)
    assert await clusters(application) == []
    signed = []
    while not signed or signed[-1]:
        async with db.transaction() as tx:
            signed.append(await signatures.sign_jobs(tx, limit=2))
    assert signed == [2, 2, 1, 0]
    assert await row(job_ids[0], "signature") == name_of(ERROR.lower())
    assert [each["count"] for each in await clusters(application)] == [5]


async def test_old_hours_are_forgotten_and_notes_are_not(
    application: Application, make_jobs: MakeJobs, db: Database
) -> None:
    await make_jobs(1, at=utcnow() - timedelta(days=300), status="Failed", minor_status=ERROR)
    await fold(db)
    async with db.transaction() as tx:
        await queries.delete_failures(tx, before=utcnow() - timedelta(days=180))
        left = [
            await tx.scalar(text(f"SELECT count(*) FROM {name}"))
            for name in ("failure_hours", "failure_days", "failure_signatures")
        ]
    assert left == [0, 0, 0]


async def test_months_are_counted_by_the_day_and_say_the_same(
    application: Application, make_jobs: MakeJobs, db: Database
) -> None:
    now = utcnow()
    for days, site, owner in (
        (40, "LCG.Alpha.org", "bob"),
        (12, "LCG.Alpha.org", "bob"),
        (12, "LCG.Beta.org", "alice"),
    ):
        values = {"status": "Failed", "minor_status": ERROR, "site": site, "owner": owner}
        await make_jobs(2, at=now - timedelta(days=days), **values)
    moved = await make_jobs(1, site="LCG.Beta.org")
    await fail(db, moved, "exit 1")
    await fold(db)
    await fail(db, moved, "gone", minor="Uploading")
    since, seen = (now - timedelta(days=20)).isoformat(), []
    for by in ("site", "site", "owner"):  # before and after the deltas are folded
        first, second = await clusters(application, since=since, by=by)
        assert (first["count"], first["before"], first["is_new"]) == (4, 2, False)
        assert first["sites"] == {"LCG.Alpha.org": 2, "LCG.Beta.org": 2}
        assert first["users"] == {"alice": 2, "bob": 2}
        assert sum(first["trend"]) == 4
        assert {place: sum(row) for place, row in first["split"].items()} == first["sites" if by == "site" else "users"]
        assert (second["text"], second["count"], second["is_new"]) == ("uploading: gone", 1, True)
        seen.append(first)
        await fold(db)
    assert seen[0] == seen[1]
    assert len(await clusters(application)) == 1
    assert await clusters(application, since=since, by="owner", limit=1, new=True) == [second]


def test_a_window_has_whole_hours_or_days_and_few_buckets() -> None:
    now = utcnow().replace(minute=30)
    for hours in (0, 1, 23, 24, 25, 240, 241, 2_000):
        window = window_of(now - timedelta(hours=hours), now)
        assert 1 <= len(window.starts) <= 24
        assert window.start <= now - timedelta(hours=hours)
        assert window.end > now
        assert window.starts[-1] < window.end
        assert window.start - window.before == window.end - window.start
        assert window.is_daily == (hours > 240)


async def test_times_that_make_no_sense_are_refused(application: Application) -> None:
    late = (utcnow() + timedelta(days=1)).isoformat()
    for query, status in (
        ({"since": late}, 400),
        ({"since": "x"}, 422),
        ({"by": "x"}, 422),
        ({"limit": 201}, 422),
        ({"signature": "x"}, 422),
    ):
        answer = await application.client.get(URL, params=query, headers=application.login())
        assert answer.status_code == status, answer.text
    assert (
        await application.client.get(URL, params={"since": "0001-01-01"}, headers=application.login())
    ).status_code in (200, 422)


async def test_counting_reads_no_jobs(application: Application, make_jobs: MakeJobs, db: Database) -> None:
    await fail(db, await make_jobs(2), "exit 1")
    with application.services[DATABASE].count_statements() as statements:
        await clusters(application)
    assert len(statements) == 2
    assert not any(
        "jobs" in statement.replace("AS jobs", "").replace("jobs DESC", "") for statement in statements.statements
    )
