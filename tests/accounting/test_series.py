"""Series for plots: every bucket, the largest and the others, quotients; and who sees whose."""

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.infra.app import Application
from weyl.accounting.cli import write_csv
from weyl.accounting.series import BUCKETS_MAX, JOB_VALUES, buckets_of, series_of, table_of
from weyl.accounting.tables import job_hour_deltas, job_hours
from weyl.kit.db import DATABASE, Database

URL = "/api/accounting/jobs/series"
DAY = datetime(2026, 3, 1, tzinfo=UTC)
PERIOD = {"start": DAY.isoformat(), "end": (DAY + timedelta(days=3)).isoformat()}


async def used(db: Database, site: str, *, day: int = 0, jobs: int = 1, folded: bool = True, **other: Any) -> None:
    table = job_hours if folded else job_hour_deltas
    row = {"hour": DAY + timedelta(days=day, hours=5), "vo": "voa", "owner": "alice", "owner_group": "user"}
    row |= {"job_type": "User", "site": site, "status": "Done", "jobs": jobs}
    row |= {"wall_s": 100.0 * jobs, "cpu_s": 50.0 * jobs, "core_s": 100.0 * jobs}
    async with db.transaction() as tx:
        await tx.execute(sa.insert(table).values(row | other))


async def plot(application: Application, headers: dict[str, str] | None = None, **asked: Any) -> Any:
    answer = await application.client.post(
        URL, json=PERIOD | asked, headers=headers or application.login(group="admin")
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_who_may_not(application: Application, db: Database) -> None:
    await used(db, "a", owner="bob")
    for url in (URL, "/api/accounting/pilots/series"):
        assert (await application.client.post(url, json=PERIOD)).status_code == 401
        refused = await application.client.post(url, json=PERIOD, headers=application.login(group="cs"))
        assert refused.status_code == 403
    pilots = await application.client.post("/api/accounting/pilots/series", json=PERIOD, headers=application.login())
    assert pilots.status_code == 403
    assert (await plot(application, application.login()))["series"] == []
    assert (await plot(application, application.login(vo="vob", group="admin"), by="owner"))["series"] == []


async def test_a_line_has_every_bucket_and_what_is_not_folded(application: Application, db: Database) -> None:
    await used(db, "a", day=0, jobs=2)
    await used(db, "a", day=2, jobs=3, folded=False)
    found = await plot(application)
    assert [at[:10] for at in found["buckets"]] == ["2026-03-01", "2026-03-02", "2026-03-03"]
    assert found["series"] == [{"name": "all", "is_other": False, "total": 5.0, "values": [2.0, 0.0, 3.0]}]
    assert len((await plot(application, bucket="hour"))["buckets"]) == 72
    assert (await plot(application, bucket="month"))["series"][0]["values"] == [5.0]


async def test_the_largest_stand_alone_and_the_others_together(application: Application, db: Database) -> None:
    for number, site in enumerate(["a", "b", "c", "d", "other"], 1):
        await used(db, site, jobs=number)
    found = await plot(application, by="site", top=2)
    assert [(line["name"], line["is_other"], line["total"]) for line in found["series"]] == [
        ("other", False, 5.0),
        ("d", False, 4.0),
        ("other", True, 6.0),
    ]
    parts = await plot(application, by="site", top=2, normalised=True)
    assert sum(line["values"][0] for line in parts["series"]) == pytest.approx(1)
    assert parts["series"][0]["values"][1] is None
    only = await plot(application, by="site", where={"site": ["a", "b"]})
    assert [line["name"] for line in only["series"]] == ["b", "a"]


async def test_quotients_are_of_sums(application: Application, db: Database) -> None:
    await used(db, "a", jobs=1)
    await used(db, "b", jobs=3, cpu_s=30.0)
    found = await plot(application, value="efficiency")
    assert found["series"][0]["values"] == [pytest.approx(80 / 400), None, None]
    assert found["series"][0]["total"] == pytest.approx(0.2)
    assert found["unit"] == ""
    refused = await application.client.post(
        URL, json={**PERIOD, "value": "efficiency", "normalised": True}, headers=application.login()
    )
    assert refused.status_code == 400


async def test_the_table_for_spreadsheets_has_no_formulas(application: Application, db: Database) -> None:
    await used(db, "=a,b", jobs=1)
    answer = await application.client.post(
        URL, json={**PERIOD, "by": "site"}, params={"format": "csv"}, headers=application.login(group="admin")
    )
    assert answer.headers["Content-Type"].startswith("text/csv")
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert rows[0] == ["bucket", "'=a,b"]
    assert rows[1] == ["2026-03-01T00:00:00Z", "1.0"]


def test_records_are_written_for_spreadsheets(tmp_path: Path) -> None:
    pages = [b"job_group,wall_s\n=cmd(),-1.5\n", b'job_group,wall_s\n"a\x1b\r\nb",2.0\n']
    assert write_csv(pages, tmp_path / "jobs.csv") == 2
    written = (tmp_path / "jobs.csv").read_bytes()
    assert written == b'job_group,wall_s\n\'=cmd(),-1.5\n"a\\x1b\r\nb",2.0\n'


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"end": "2026-02-01T00:00:00Z"}, 400),
        ({"start": "2026-03-01T00:00:00"}, 400),
        ({"start": "2020-01-01T00:00:00Z", "bucket": "hour"}, 400),
        ({"value": "pilots"}, 422),
        ({"by": "host"}, 422),
        ({"top": 0}, 422),
    ],
)
async def test_questions_without_an_answer(application: Application, asked: dict[str, Any], status: int) -> None:
    answer = await application.client.post(URL, json=PERIOD | asked, headers=application.login())
    assert answer.status_code == status, answer.text


async def test_a_plot_is_one_statement(application: Application, db: Database) -> None:
    await used(db, "a")
    with application.services[DATABASE].count_statements() as statements:
        await plot(application, by="site")
    assert len(statements) == 1


def test_buckets_cover_a_period_and_know_their_end() -> None:
    half = DAY + timedelta(hours=12, minutes=30)
    assert buckets_of(half, half + timedelta(minutes=45), "hour") == [
        DAY + timedelta(hours=12),
        DAY + timedelta(hours=13),
    ]
    months = buckets_of(DAY - timedelta(days=60), DAY + timedelta(days=1), "month")
    assert [at.month for at in months] == [12, 1, 2, 3]
    assert len(buckets_of(DAY, DAY + timedelta(days=9_000), "hour")) == BUCKETS_MAX + 1


def test_no_rows_make_no_lines_and_a_table_of_buckets() -> None:
    assert series_of([], JOB_VALUES["jobs"], [DAY], is_split=True, normalised=True) == []
    assert table_of([], [DAY]) == [["bucket"], [DAY]]
