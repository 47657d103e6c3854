"""What was used: a record each run of a job and each pilot, whoever ended it, and sums that are exact at any moment."""

import csv
import io
from datetime import timedelta
from typing import Any

import httpx2
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from tests.accounting.conftest import BEGAN, MakeJob
from tests.infra.app import Application, config_document
from weyl.accounting import parquet
from weyl.accounting.tables import job_hour_deltas, job_records, pilot_records
from weyl.accounting.tasks import FOLD, HOUSEKEEPING, tasks
from weyl.config.models import Config
from weyl.jobs.tables import job_heartbeats, job_pilots, jobs
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.kit.task import Run
from weyl.pilots.queries.submission import settle_pilots
from weyl.pilots.service.registry import let_jobs_go
from weyl.pilots.tables import pilots

PERIOD = {"start": "2026-11-20T00:00:00Z", "end": "2026-11-21T00:00:00Z"}


async def _move(db: Database, *job_ids: int, **columns: Any) -> None:
    async with db.transaction() as tx:
        await tx.execute(sa.update(jobs).where(jobs.c.job_id.in_(job_ids)).values(columns))


async def _records(db: Database, table: sa.Table = job_records) -> list[dict[str, Any]]:
    async with db.read() as tx:
        return [dict(row) for row in (await tx.execute(sa.select(table).order_by(table.c.record_id))).mappings()]


async def _report(application: Application, what: str = "jobs", **asked: Any) -> httpx2.Response:
    who = asked.pop("who", {"properties": ["AccountingMonitor"]})
    return await application.client.post(
        f"/api/accounting/{what}/report", json={**PERIOD, **asked}, headers=application.login(**who)
    )


async def test_a_job_that_ends_leaves_one_record_with_what_it_used(db: Database, make_job: MakeJob) -> None:
    job_id = await make_job()
    async with db.transaction() as tx:
        beats = [
            {
                "job_id": job_id,
                "at": BEGAN + timedelta(minutes=n),
                "cpu_consumed": 100.0 * n,
                "memory_used": 10.0 * (5 - n),
            }
            for n in range(1, 4)
        ]
        await tx.execute(sa.insert(job_heartbeats), beats)
    await _move(db, job_id, status="Completing")
    assert await _records(db) == []
    await _move(db, job_id, status="Done", minor_status="Execution Complete", end_exec_time=BEGAN + timedelta(hours=1))
    await _move(db, job_id, status="Deleted")
    [record] = await _records(db)
    used = {
        "status": "Done", "cores": 4, "wall_s": 3600, "cpu_s": 300, "core_s": 14_400, "memory_kib_max": 40,
        "lost": False,
    }  # fmt: skip
    assert {name: record[name] for name in used} == used
    assert record["ended_at"] == BEGAN + timedelta(hours=1)


async def test_a_run_that_is_given_up_to_run_again_is_a_record_as_well(db: Database, make_job: MakeJob) -> None:
    job_id = await make_job(reschedule_counter=1)
    await _move(
        db,
        job_id,
        status="Received",
        start_exec_time=None,
        last_update_time=BEGAN + timedelta(minutes=10),
        allocated=None,
    )
    await _move(db, job_id, status="Waiting")
    [record] = await _records(db)
    assert (record["status"], record["attempt"], record["wall_s"], record["cores"]) == ("Rescheduled", 1, 600, 4)


async def test_of_a_lost_job_the_last_sign_of_life_counts(db: Database, make_job: MakeJob) -> None:
    job_id = await make_job(status="Stalled", heart_beat_time=BEGAN + timedelta(minutes=5))
    late = BEGAN + timedelta(hours=3)
    await _move(db, job_id, status="Failed", minor_status="Job stalled: pilot not running", end_exec_time=late)
    [record] = await _records(db)
    assert (record["lost"], record["wall_s"]) == (True, 300)


async def test_jobs_that_never_ran_used_nothing(db: Database, make_job: MakeJob) -> None:
    ids = [await make_job(status="Waiting", start_exec_time=None, allocated=None) for _ in range(3)]
    await _move(db, *ids, status="Killed", end_exec_time=BEGAN)
    assert [(record["wall_s"], record["cores"]) for record in await _records(db)] == [(0, 1)] * 3
    async with db.read() as tx:
        rows = (await tx.execute(sa.select(job_hour_deltas))).all()
    assert len(rows) == 1


async def test_sums_are_the_same_before_and_after_folding(
    application: Application, db: Database, make_job: MakeJob
) -> None:
    first = [await make_job() for _ in range(3)]
    other = await make_job(owner="bob", site="B")
    await _move(db, *first, status="Done", end_exec_time=BEGAN + timedelta(hours=1))
    await _move(db, other, status="Failed", end_exec_time=BEGAN + timedelta(hours=2))
    before = (await _report(application, by=["site", "status"], bucket="day")).json()
    assert before == [
        {
            "bucket": "2026-11-20T00:00:00Z", "keys": {"site": site, "status": status},
            "jobs": count, "wall_s": wall, "cpu_s": 0, "core_s": wall * 4,
        }
        for site, status, count, wall in (("A", "Done", 3, 10_800), ("B", "Failed", 1, 7_200))
    ]  # fmt: skip
    fold = next(task for task in tasks(db, record_months=60) if task.task == FOLD)
    for _ in range(2):
        await fold.handler(None, Run(0, 1))
        assert (await _report(application, by=["site", "status"], bucket="day")).json() == before
    only = (await _report(application, where={"site": ["B", "C"]})).json()
    assert [(row["keys"], row["jobs"]) for row in only] == [({}, 1)]
    assert (await _report(application, where={"site": ["C"]})).json() == []


async def test_a_pilot_that_ends_leaves_a_record_of_how_it_was_used(
    application: Application, db: Database, make_job: MakeJob
) -> None:
    place = {"grid_site": "A", "destination_site": "ce", "queue": "q", "vo": "voa"}
    ended = BEGAN + timedelta(hours=2)
    async with db.transaction() as tx:
        await tx.execute(
            sa.insert(pilots),
            [
                {
                    **place,
                    "pilot_stamp": stamp * 32,
                    "submission_time": BEGAN,
                    "last_update_time": BEGAN,
                    "spoke_at": BEGAN,
                }
                for stamp in "ab"
            ],
        )
    job_id = await make_job()
    async with db.transaction() as tx:
        await tx.execute(sa.insert(job_pilots).values(job_id=job_id, pilot_stamp="a" * 32))
    await _move(db, job_id, status="Done", end_exec_time=BEGAN + timedelta(hours=1))
    async with db.transaction() as tx:
        await tx.execute(sa.update(pilots).values(status="Done", ended_at=ended))
    used, empty = await _records(db, pilot_records)
    assert (used["jobs"], used["wall_s"], used["job_wall_s"]) == (1, 7200, 3600)
    assert (empty["jobs"], empty["job_wall_s"]) == (0, 0)
    [sums] = (await _report(application, "pilots", by=["ce"])).json()
    assert sums == {
        "bucket": None, "keys": {"ce": "ce"}, "pilots": 2, "empty": 1, "jobs": 1, "wall_s": 14_400, "job_wall_s": 3600,
    }  # fmt: skip


async def test_jobs_that_are_lost_with_their_pilot_are_in_its_record(
    application: Application, db: Database, make_job: MakeJob
) -> None:
    del application  # its configuration is not needed, the partitions of its tables are
    config = Config.model_validate(config_document())
    values = {"grid_site": "A", "destination_site": "ce", "queue": "q", "vo": "voa", "pilot_stamp": "a" * 32}
    times = {"submission_time": BEGAN, "last_update_time": BEGAN, "spoke_at": BEGAN}
    async with db.transaction() as tx:
        await tx.execute(sa.insert(pilots).values({**values, **times, "status": "Running"}))
    lost = await make_job(heart_beat_time=BEGAN + timedelta(minutes=20))
    never_started = await make_job(status="Matched", start_exec_time=None)
    now = BEGAN + timedelta(hours=1)
    async with db.transaction() as tx:
        moved = await settle_pilots(tx, {"a" * 32: ("Failed", "its node is gone")}, now=now)
        await let_jobs_go(tx, moved, config=config, now=now, starts={"a" * 32: frozenset({lost})})
    [record] = await _records(db, pilot_records)
    assert (record["status"], record["jobs"], record["job_wall_s"]) == ("Failed", 1, 1200)
    [of_job] = [each for each in await _records(db) if each["job_id"] == lost]
    assert (of_job["wall_s"], of_job["lost"]) == (1200, True)
    assert never_started not in {each["job_id"] for each in await _records(db)}


async def test_users_see_what_is_theirs_watchers_their_vo_and_nobody_another_one(
    application: Application, db: Database, make_job: MakeJob
) -> None:
    mine, theirs, foreign = await make_job(), await make_job(owner="bob"), await make_job(vo="vob")
    await _move(db, mine, theirs, foreign, status="Done", end_exec_time=BEGAN)
    for who, seen in (
        ({"user": "alice"}, {"alice"}),
        ({"user": "bob"}, {"bob"}),
        ({"user": "carol"}, set()),
        ({"user": "carol", "properties": ["AccountingMonitor"]}, {"alice", "bob"}),
    ):
        rows = (await _report(application, by=["owner"], who=who)).json()
        assert {row["keys"]["owner"] for row in rows} == seen
    assert (await _report(application, by=["owner"], who={"vo": "vob", "user": "alice"})).json()[0]["jobs"] == 1
    assert (await _report(application, "pilots", who={})).status_code == 403
    assert (await _report(application, who={"group": "pilot"})).status_code == 403
    anonymous = await application.client.post("/api/accounting/jobs/report", json=PERIOD)
    assert anonymous.status_code == 401


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"end": "2026-11-20T00:00:00Z"}, 400),
        ({"start": "2026-11-20T00:00:00"}, 400),
        ({"start": "1900-11-20T00:00:00Z"}, 400),
        ({"by": ["job_id"]}, 422),
        ({"bucket": "week"}, 422),
        ({"where": {"site": []}}, 422),
        ({"where": {"owner; drop": ["x"]}}, 422),
        ({"surprise": 1}, 422),
    ],
)
async def test_what_cannot_be_asked_is_refused(application: Application, asked: dict[str, Any], status: int) -> None:
    assert (await _report(application, **asked)).status_code == status


async def test_records_stream_as_csv_and_become_parquet(
    application: Application, db: Database, make_job: MakeJob, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weyl.accounting.service.RECORDS_A_PAGE", 2)
    ids = [await make_job() for _ in range(5)]
    for number, job_id in enumerate(ids):
        await _move(
            db, job_id, status="Done", minor_status='a "b", c', end_exec_time=BEGAN + timedelta(minutes=number // 2)
        )
    answer = await application.client.get("/api/accounting/jobs/records", params=PERIOD, headers=application.login())
    assert answer.headers["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [int(row["job_id"]) for row in rows] == ids
    assert rows[0]["minor_status"] == 'a "b", c'
    assert parquet.write(iter([answer.content, answer.content]), tmp_path / "x.parquet") == 10
    table = pq.read_table(tmp_path / "x.parquet")
    assert table["job_id"].to_pylist() == ids * 2
    assert table["ended_at"].to_pylist()[0] == BEGAN
    assert str(table.schema.field("core_s").type) == "double"


async def test_months_that_are_over_are_dropped(db: Database) -> None:
    keep = next(task for task in tasks(db, record_months=1) if task.task == HOUSEKEEPING)
    async with db.transaction() as tx:
        await tx.execute(
            sa.text(
                "CREATE TABLE job_records_2020_01 PARTITION OF job_records"
                " FOR VALUES FROM ('2020-01-01') TO ('2020-02-01')"
            )
        )
    await keep.handler(None, Run(0, 1))
    async with db.read() as tx:
        assert (await tx.execute(sa.text("SELECT to_regclass('job_records_2020_01')"))).scalar_one() is None
        month = f"job_records_{utcnow():%Y_%m}"
        assert (await tx.execute(sa.text(f"SELECT to_regclass('{month}')"))).scalar_one() is not None
