"""Lists as pages look at them: rows without a count, cursors that new jobs do not shift; others see no difference."""

import base64
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from sqlalchemy import text
from tests.infra.app import Application
from tests.jobs.conftest import MakeJobs

from weyl.kit.clock import utcnow
from weyl.kit.db import DATABASE, Database

URL = "/api/jobs/search"
PILOTS = "/api/pilots/search"


async def page(
    application: Application, body: Any = None, *, prefer: str | None = None, **query: Any
) -> httpx2.Response:
    headers = application.login() | ({"Prefer": f"count={prefer}"} if prefer else {})
    answer = await application.client.post(URL, json=body or {"parameters": ["JobID"]}, params=query, headers=headers)
    assert answer.status_code in (200, 206, 400, 416), answer.text
    return answer


def cursor_of(answer: httpx2.Response) -> str | None:
    link = answer.headers.get("Link")
    if link is None:
        return None
    assert link.endswith('>; rel="next"')
    return parse_qs(urlsplit(link[1:].partition(">")[0]).query)["cursor"][0]


async def walk(application: Application, body: Any, *, per_page: int = 3, between: Any = None) -> list[dict[str, Any]]:
    """Follow the cursors to the end."""
    found: list[dict[str, Any]] = []
    answer = await page(application, body, prefer="none", per_page=per_page)
    while True:
        found += answer.json()
        cursor = cursor_of(answer)
        if cursor is None:
            return found
        if between is not None:
            await between()
        answer = await page(application, body, prefer="none", per_page=per_page, cursor=cursor)


async def test_without_the_header_nothing_is_new(application: Application, make_jobs: MakeJobs) -> None:
    await make_jobs(7)
    whole, part = await page(application), await page(application, per_page=3)
    assert (whole.status_code, part.status_code) == (200, 206)
    assert part.headers["Content-Range"] == "jobs 0-2/7"
    for answer in (whole, part):
        assert not {"Link", "Preference-Applied"} & {name.title() for name in answer.headers}
    assert (await page(application, page=9)).headers["Content-Range"] == "jobs */7"


async def test_rows_come_without_a_count(application: Application, make_jobs: MakeJobs) -> None:
    await make_jobs(7)
    with application.services[DATABASE].count_statements() as statements:
        part = await page(application, prefer="none", per_page=3)
    assert len(statements) == 1
    assert (part.status_code, part.headers["Content-Range"]) == (206, "jobs 0-2/*")
    assert part.headers["Preference-Applied"] == "count=none"
    assert part.json()[0].keys() == {"JobID"}
    last = await page(application, prefer="none", per_page=3, page=3)
    assert (last.headers["Content-Range"], cursor_of(last)) == ("jobs 6-6/*", None)
    beyond = await page(application, prefer="none", page=9)
    assert (beyond.status_code, beyond.headers["Content-Range"], beyond.json()) == (416, "jobs */*", [])
    whole = await page(application, prefer="none")
    assert (whole.status_code, "Content-Range" in whole.headers) == (200, False)


async def test_counts_are_estimated_or_exact_as_wished(
    application: Application, make_jobs: MakeJobs, db: Database
) -> None:
    await make_jobs(300, job_name="a")
    async with db.transaction() as tx:
        await tx.execute(text("ANALYZE jobs"))
    named = {"search": [{"parameter": "JobName", "operator": "eq", "value": "a"}]}
    for prefer in ("estimated", "exact"):
        answer = await page(application, named, prefer=prefer, per_page=3)
        assert answer.headers["Content-Range"] == "jobs 0-2/300"
    odd = {"search": [{"parameter": "JobName", "operator": "like", "value": "%nothing%"}]}
    assert (await page(application, odd, prefer="estimated")).json() == []


SORTS = [
    [],
    [("JobID", "desc")],
    [("Site", "asc"), ("JobName", "desc")],
    [("StartExecTime", "asc")],
    [("StartExecTime", "desc"), ("JobID", "desc")],
    [("AccountedFlag", "desc")],
    [("VerifiedFlag", "asc"), ("UserPriority", "desc")],
    [("LastUpdateTime", "desc")],
]


@pytest.mark.parametrize("sort", SORTS)
async def test_cursors_lead_through_every_row_once(
    application: Application, make_jobs: MakeJobs, sort: list[tuple[str, str]]
) -> None:
    now = utcnow() - timedelta(hours=1)
    for number in range(4):
        at = None if number % 2 else now + timedelta(microseconds=number)
        columns = {"site": f"s{number % 3}", "job_name": f"n{number % 2}", "start_exec_time": at}
        await make_jobs(3, **columns, user_priority=number, accounted_flag=["true", "false", "Failed"][number % 3])
    body = {"parameters": ["JobID"], "sort": [{"parameter": name, "direction": way} for name, way in sort]}
    whole = (await page(application, body)).json()
    assert len(whole) == 12
    for per_page in (1, 5, 12):
        assert await walk(application, body, per_page=per_page) == whole


async def test_new_jobs_shift_no_page(application: Application, make_jobs: MakeJobs) -> None:
    made = await make_jobs(7)
    body = {"parameters": ["JobID"], "sort": [{"parameter": "JobID", "direction": "desc"}]}
    found = await walk(application, body, between=lambda: make_jobs(2))
    assert [each["JobID"] for each in found] == made[::-1]


async def test_a_cursor_counts_on(application: Application, make_jobs: MakeJobs) -> None:
    await make_jobs(7)
    first = await page(application, prefer="none", per_page=3)
    second = await page(application, prefer="exact", per_page=3, cursor=cursor_of(first))
    assert second.headers["Content-Range"] == "jobs 3-5/7"
    third = await page(application, per_page=3, cursor=cursor_of(second))
    assert third.headers["Content-Range"] == "jobs 6-6/7"


@pytest.mark.parametrize(
    "cursor", ["x", "", "é", "W10", base64.urlsafe_b64encode(b'[[["JobID","asc"]],["x"],1]').decode()]
)
async def test_what_is_no_cursor_is_a_bad_request(application: Application, cursor: str) -> None:
    assert (await page(application, cursor=cursor)).status_code == 400


@pytest.mark.parametrize("value", [str(2**70), "null", '"x"', "1.5", '{"t":"2026-01-01T00:00:00"}', "true", "[]"])
async def test_a_forged_cursor_is_refused_or_finds_rows_of_its_user(
    application: Application, make_jobs: MakeJobs, value: str
) -> None:
    await make_jobs(1, vo="vob")
    forged = base64.urlsafe_b64encode(f'[[["JobID","asc"]],[{value}],1]'.encode()).decode()
    answer = await page(application, cursor=forged)
    assert answer.status_code in (400, 416)


async def test_distinct_rows_have_no_cursor(application: Application, make_jobs: MakeJobs) -> None:
    await make_jobs(2)
    await make_jobs(2, site="b")
    body = {"parameters": ["Site"], "distinct": True}
    answer = await page(application, body, prefer="none", per_page=1)
    assert (answer.status_code, cursor_of(answer), len(answer.json())) == (206, None, 1)


async def test_pilots_are_listed_in_the_same_way(application: Application) -> None:
    admin = application.login(group="pilot")
    for number in range(5):
        made = {"pilot_stamp": f"{number:032x}", "vo": "voa"}
        assert (await application.client.post("/api/pilots/", json=made, headers=admin)).status_code == 201
    body = {"parameters": ["PilotStamp"], "sort": [{"parameter": "SubmissionTime", "direction": "desc"}]}
    headers = application.login(group="admin")
    plain = await application.client.post(PILOTS, json=body, headers=headers, params={"per_page": 2})
    assert (plain.headers["Content-Range"], "Link" in plain.headers) == ("pilots 0-1/5", False)
    found: list[Any] = []
    query: dict[str, Any] = {"per_page": 2}
    while True:
        answer = await application.client.post(
            PILOTS, json=body, headers=headers | {"Prefer": "count=none"}, params=query
        )
        assert answer.headers["Content-Range"].endswith("/*")
        found += answer.json()
        if not (cursor := cursor_of(answer)):
            break
        query = {"per_page": 2, "cursor": cursor}
    whole = await application.client.post(PILOTS, json=body, headers=headers)
    assert found == whole.json()
    assert found[0].keys() == {"PilotStamp"}


async def test_the_run_time_is_told_and_searched_by_on_request(application: Application, make_jobs: MakeJobs) -> None:
    now = utcnow()
    start = now - timedelta(hours=2)
    [ended] = await make_jobs(status="Done", start_exec_time=start, end_exec_time=start + timedelta(seconds=90))
    [running] = await make_jobs(status="Running", start_exec_time=start)
    # Of a job that waits again, an earlier run is over, whether or not it is known when.
    [waiting] = await make_jobs(status="Waiting", start_exec_time=start)
    found = (await page(application, {"parameters": ["JobID", "RunTime"]})).json()
    times = {row["JobID"]: row["RunTime"] for row in found}
    assert (times[ended], times[waiting]) == (90, None)
    assert 7200 <= times[running] < 7300
    longer = {"parameter": "RunTime", "operator": "gt", "value": "3600"}
    found = (await page(application, {"parameters": ["JobID"], "search": [longer]})).json()
    assert found == [{"JobID": running}]
    sort = [{"parameter": "RunTime", "direction": "asc"}]
    found = (await page(application, {"sort": sort})).json()
    assert [row["JobID"] for row in found] == [ended, running, waiting]
    assert "RunTime" not in found[0]
