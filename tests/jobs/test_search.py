"""Searches at the door: scope first, then columns, conditions, order, pages, and what they cost."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from tests.infra.app import Application, Installation, config_document
from tests.jobs.conftest import MakeJobs

from weyl.config.service import CONFIG
from weyl.jobs.queries import search as queries
from weyl.jobs.tables import jobs
from weyl.kit.db import DATABASE, Database

URL = "/api/jobs/search"
STAMP, OTHER = "a" * 32, "b" * 32
COLUMNS = [
    "JobID",
    "JobType",
    "JobGroup",
    "Site",
    "JobName",
    "Owner",
    "OwnerGroup",
    "VO",
    "SubmissionTime",
    "RescheduleTime",
    "LastUpdateTime",
    "StartExecTime",
    "HeartBeatTime",
    "EndExecTime",
    "Status",
    "MinorStatus",
    "ApplicationStatus",
    "UserPriority",
    "RescheduleCounter",
    "VerifiedFlag",
    "AccountedFlag",
]


async def find(application: Application, headers: dict[str, str] | None = None, **body: Any) -> list[dict[str, Any]]:
    """Return the rows that a search finds, as alice."""
    answer = await application.client.post(URL, json=body, headers=headers or application.login())
    assert answer.status_code in (200, 206), answer.text
    return list(answer.json())


async def ids(application: Application, *search: dict[str, Any], headers: dict[str, str] | None = None) -> list[int]:
    """Return the ids of the jobs that meet the conditions."""
    return [row["JobID"] for row in await find(application, headers, parameters=["JobID"], search=list(search))]


def eq(parameter: str, value: str | int) -> dict[str, Any]:
    """Return a condition."""
    return {"parameter": parameter, "operator": "eq", "value": value}


async def test_who_may_search(application: Application, make_jobs: MakeJobs) -> None:
    own = await make_jobs()
    others = await make_jobs(owner="bob")
    foreign = await make_jobs(vo="vob")
    assert (await application.client.post(URL)).status_code == 401
    for headers in (
        application.login(group="service"),
        application.login(group="pilot"),
        application.pilot(STAMP),
        application.payload(own[0], stamp=STAMP),
    ):
        assert (await application.client.post(URL, headers=headers)).status_code == 403
    assert await ids(application) == own + others
    assert await ids(application, eq("VO", "vob")) == []
    assert await ids(application, eq("JobID", foreign[0]), headers=application.login("bob", group="admin")) == []
    assert await ids(application, headers=application.login("bob", vo="vob")) == foreign
    everywhere = application.login(properties=["ServiceAdministrator"])
    assert await ids(application, headers=everywhere) == own + others + foreign


async def test_a_vo_may_show_users_their_own_jobs_only(
    installation: Installation, application: Application, make_jobs: MakeJobs
) -> None:
    own, others = await make_jobs(), await make_jobs(owner="bob")
    document = config_document()
    document["Operations"] = {"voa": {"Services": {"JobMonitoring": {"GlobalJobsInfo": False}}}}
    installation.commit_config(document, "Hide")
    try:
        await application.services[CONFIG].refresh()
        assert await ids(application) == own
        assert await ids(application, eq("Owner", "bob")) == []
        summary = await application.client.post(
            "/api/jobs/summary", json={"grouping": ["Owner"]}, headers=application.login()
        )
        assert summary.json() == [{"Owner": "alice", "count": 1}]
        assert await ids(application, headers=application.login("carol", group="admin")) == own + others
    finally:
        installation.commit_config(config_document(), "Show")
        await application.services[CONFIG].refresh()


@pytest.mark.parametrize("path", [URL, "/api/jobs/summary"])
async def test_a_status_that_there_is_not_matches_nothing_and_is_told(application: Application, path: str) -> None:
    for operator in ({"operator": "eq", "value": "Faild"}, {"operator": "in", "values": ["Done", "Faild"]}):
        body = {"grouping": ["Status"], "search": [{"parameter": "Status", **operator}]}
        answer = await application.client.post(path, json=body, headers=application.login())
        assert (answer.status_code, answer.json()) == (200, [])
        assert answer.headers["Weyl-Warning"] == "There is no Status 'Faild'. Did you mean: Failed?"
    body["search"] = [{"parameter": "Status", "operator": "like", "value": "F%"}]
    good = await application.client.post(path, json=body, headers=application.login())
    assert "Weyl-Warning" not in good.headers


@pytest.mark.parametrize("body", [None, {}, {"parameters": None}, {"parameters": []}])
async def test_without_columns_all_come_in_the_order_of_the_table(
    application: Application, make_jobs: MakeJobs, body: Any
) -> None:
    (job_id,) = await make_jobs(at=datetime(2026, 11, 1, 12, tzinfo=UTC))
    arguments = {} if body is None else {"json": body}
    (row,) = (await application.client.post(URL, headers=application.login(), **arguments)).json()
    assert list(row) == COLUMNS
    assert (row["JobID"], row["SubmissionTime"], row["RescheduleTime"]) == (job_id, "2026-11-01T12:00:00Z", None)
    assert (row["VerifiedFlag"], row["AccountedFlag"], row["Site"]) == (True, False, "ANY")


async def test_a_json_null_as_body_is_a_search_for_all(application: Application, make_jobs: MakeJobs) -> None:
    await make_jobs(2)
    headers = application.login() | {"Content-Type": "application/json"}
    assert len((await application.client.post(URL, content=b"null", headers=headers)).json()) == 2


async def test_columns_come_in_the_order_of_the_table_whatever_was_asked(
    application: Application, make_jobs: MakeJobs
) -> None:
    await make_jobs(accounted_flag="Failed")
    (row,) = await find(application, parameters=["AccountedFlag", "Status", "JobID", "Status"])
    assert list(row.items())[1:] == [("Status", "Received"), ("AccountedFlag", "Failed")]
    assert next(iter(row)) == "JobID"


async def test_strings_serve_for_any_type(application: Application, make_jobs: MakeJobs) -> None:
    first, second = await make_jobs(2)
    await make_jobs(verified_flag=False, accounted_flag="true", status="Done")
    assert await ids(application, eq("JobID", str(first))) == [first]
    assert await ids(application, eq("JobID", second)) == [second]
    assert await ids(application, eq("VerifiedFlag", "TRUE")) == [first, second]
    assert await ids(application, eq("AccountedFlag", "False")) == [first, second]
    assert await ids(application, eq("Status", "received")) == []
    assert await ids(application, eq("JobID", 2**80)) == []
    assert await ids(application, {"parameter": "JobID", "operator": "lt", "value": str(2**80)}, eq("VO", "voa"))


async def test_an_id_that_is_not_a_number_is_the_id_of_no_job(application: Application, make_jobs: MakeJobs) -> None:
    (job_id,) = await make_jobs()
    answer = await application.client.post(URL, json={"search": [eq("JobID", "abc")]}, headers=application.login())
    assert (answer.status_code, answer.json()) == (200, [])
    assert await ids(application, {"parameter": "JobID", "operator": "neq", "value": "abc"}) == [job_id]
    assert await ids(application, {"parameter": "JobID", "operator": "in", "values": ["abc", str(job_id)]}) == [job_id]
    summary = {"grouping": ["Status"], "search": [eq("JobID", "abc")]}
    answer = await application.client.post("/api/jobs/summary", json=summary, headers=application.login())
    assert (answer.status_code, answer.json()) == (200, [])


@pytest.mark.parametrize(
    "body",
    [
        {"parameters": ["Nothing"]},
        {"search": [eq("Nothing", 1)]},
        {"search": [eq("class_ids", 1)]},
        {"search": [eq("LoggingInfo", 1)]},
        {"search": [{"parameter": "Status", "operator": "is", "value": "Done"}]},
        {"search": [{"parameter": "Status", "operator": "regex", "value": "("}]},
        {"search": [{"parameter": "Status", "operator": "like", "value": "\\"}]},
        {"search": [{"parameter": "JobID", "operator": "gt", "value": "five"}]},
        {"search": [eq("VerifiedFlag", "maybe")]},
        {"search": [eq("SubmissionTime", "2026-13")]},
        {"search": [eq("Owner", "a\x00b")]},
        {"sort": [{"parameter": "Nothing", "direction": "asc"}]},
        {"sort": [{"parameter": "JobID", "direction": "sideways"}]},
        {"distinct": True, "parameters": ["Status"], "sort": [{"parameter": "Site", "direction": "asc"}]},
        {"search": [{"parameter": "PilotStamp", "operator": "neq", "value": STAMP}]},
        {"search": [{"parameter": "PilotStamp", "operator": "not in", "values": [STAMP]}]},
        {"search": [eq("PilotStamp", STAMP), eq("JobID", 1)]},
    ],
)
async def test_what_makes_no_sense_is_400(application: Application, body: Any) -> None:
    answer = await application.client.post(URL, json=body, headers=application.login())
    assert answer.status_code == 400
    assert answer.json()["detail"]


@pytest.mark.parametrize("query", ["page=0", "per_page=0", "per_page=10001", "page=x", "page=-1"])
async def test_a_page_has_bounds(application: Application, query: str) -> None:
    assert (await application.client.post(f"{URL}?{query}", headers=application.login())).status_code == 422


@pytest.mark.parametrize("value", [b"NaN", b"Infinity", b"1e999", b"null", b"[]"])
async def test_a_value_of_another_kind_is_malformed(application: Application, value: bytes) -> None:
    body = b'{"search": [{"parameter": "JobID", "operator": "eq", "value": ' + value + b"}]}"
    headers = application.login() | {"Content-Type": "application/json"}
    assert (await application.client.post(URL, content=body, headers=headers)).status_code == 422


async def test_pages_tell_which_part_they_are(application: Application, make_jobs: MakeJobs) -> None:
    job_ids = await make_jobs(25)
    headers = application.login()

    async def page(query: str, **body: Any) -> tuple[int, str | None, int]:
        answer = await application.client.post(f"{URL}?{query}", json=body, headers=headers)
        return answer.status_code, answer.headers.get("content-range"), len(answer.json())

    assert await page("per_page=25") == (200, None, 25)
    assert await page("per_page=10") == (206, "jobs 0-9/25", 10)
    assert await page("page=2&per_page=10") == (206, "jobs 10-19/25", 10)
    assert await page("page=3&per_page=10") == (206, "jobs 20-24/25", 5)
    assert await page("page=4&per_page=10") == (416, "jobs */25", 0)
    assert await page(f"page={10**30}&per_page=10") == (416, "jobs */25", 0)
    none = {"search": [eq("Status", "Done")]}
    assert await page("per_page=10", **none) == (200, None, 0)
    assert await page("page=2&per_page=10", **none) == (416, "jobs */0", 0)
    one_site = {"search": [{"parameter": "JobID", "operator": "in", "values": job_ids[:12]}]}
    assert await page("per_page=10", **one_site) == (206, "jobs 0-9/12", 10)


async def test_above_the_limit_the_total_is_a_bound_that_lets_clients_go_on(
    application: Application, make_jobs: MakeJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "COUNT_MAX", 5)
    await make_jobs(20)
    uncounted = {"search": [{"parameter": "JobName", "operator": "eq", "value": "Unknown"}]}
    for number, expected in ((1, "jobs 0-3/6"), (2, "jobs 4-7/9"), (4, "jobs 12-15/17"), (5, "jobs 16-19/20")):
        answer = await application.client.post(
            f"{URL}?per_page=4&page={number}", json=uncounted, headers=application.login()
        )
        assert answer.headers["content-range"] == expected


async def test_rows_are_ordered_by_job_unless_asked_otherwise(application: Application, make_jobs: MakeJobs) -> None:
    first = await make_jobs(3, status="Waiting")
    second = await make_jobs(3, status="Done")
    assert await ids(application) == first + second

    async def ordered(*sort: tuple[str, str]) -> list[int]:
        keys = [{"parameter": name, "direction": direction} for name, direction in sort]
        return [row["JobID"] for row in await find(application, parameters=["JobID"], sort=keys)]

    assert await ordered(("JobID", "desc")) == [*reversed(first + second)]
    assert await ordered(("Status", "asc")) == second + first
    assert await ordered(("Status", "desc"), ("JobID", "desc")) == [*reversed(first), *reversed(second)]


async def test_distinct_rows_are_counted_as_such(application: Application, make_jobs: MakeJobs) -> None:
    for status in ("Done", "Failed", "Waiting"):
        await make_jobs(3, status=status)
    body = {"parameters": ["Status", "Owner"], "distinct": True}
    headers = application.login()
    answer = await application.client.post(f"{URL}?per_page=2", json=body, headers=headers)
    assert answer.headers["content-range"] == "jobs 0-1/3"
    assert [row["Status"] for row in answer.json()] == ["Done", "Failed"]
    assert len(await find(application, **body)) == 3
    down = [{"parameter": "Status", "direction": "desc"}]
    assert [row["Status"] for row in await find(application, **body, sort=down)] == ["Waiting", "Failed", "Done"]


async def test_jobs_are_found_by_the_pilots_that_ran_them(application: Application, make_jobs: MakeJobs) -> None:
    one = await make_jobs(2, pilot=STAMP)
    two = await make_jobs(pilot=OTHER)
    await make_jobs(pilot=STAMP, vo="vob")
    await make_jobs()
    assert await ids(application, eq("PilotStamp", STAMP)) == one
    assert await ids(application, eq("PilotStamp", STAMP), eq("PilotStamp", OTHER)) == one + two
    either = {"parameter": "PilotStamp", "operator": "in", "values": [STAMP, OTHER, "unknown"]}
    assert await ids(application, either, eq("Status", "Received")) == one + two
    assert await ids(application, eq("PilotStamp", "unknown")) == []
    assert await ids(application, {"parameter": "PilotStamp", "operator": "in", "values": []}) == []


async def test_logging_info_brings_the_history(application: Application, make_jobs: MakeJobs) -> None:
    first, second = await make_jobs(2, status="Matched")
    update = {(datetime.now(UTC)).isoformat(): {"ApplicationStatus": "half", "Source": "Job"}}
    answer = await application.client.patch("/api/jobs/status", json={first: update}, headers=application.login())
    assert answer.status_code == 200
    rows = await find(application, parameters=["LoggingInfo", "Status"])
    assert [list(row) for row in rows] == [["JobID", "Status", "LoggingInfo"]] * 2
    assert [[line["ApplicationStatus"] for line in row["LoggingInfo"]] for row in rows] == [
        ["Unknown", "half"],
        ["Unknown"],
    ]
    line = rows[0]["LoggingInfo"][1]
    assert list(line) == ["Status", "MinorStatus", "ApplicationStatus", "StatusTime", "Source"]
    assert (line["Status"], line["MinorStatus"]) == ("Matched", "Job accepted")
    assert line["StatusTime"].endswith("Z")
    (row,) = await find(application, parameters=["LoggingInfo"], search=[eq("JobID", second)])
    assert list(row) == [*COLUMNS, "LoggingInfo"]


async def test_periods_are_searched_in_utc(application: Application, make_jobs: MakeJobs) -> None:
    at = datetime(2026, 2, 28, 10, 30, 15, 500_000, tzinfo=UTC)
    early, late = await make_jobs(at=at), await make_jobs(at=at + timedelta(days=1))

    async def where(operator: str, value: str) -> list[int]:
        return await ids(application, {"parameter": "SubmissionTime", "operator": operator, "value": value})

    assert await where("eq", "2026-02") == early
    assert await where("eq", "2026-02-28T10:30:15.000Z") == early
    assert await where("neq", "2026-02-28") == late
    assert await where("gt", "2026-02-28") == late
    assert await where("gt", "2026-02-28 10:30:15") == late
    assert await where("lt", "2026-03") == early


async def test_a_search_costs_few_statements(application: Application, make_jobs: MakeJobs, db: Database) -> None:
    await make_jobs(30)
    cases = [
        ({}, "per_page=100", 1),
        ({}, "per_page=10", 2),
        ({"parameters": ["LoggingInfo"]}, "per_page=10", 3),
        ({"search": [eq("JobName", "Unknown")]}, "per_page=10", 2),
    ]
    for body, query, expected in cases:
        with application.services[DATABASE].count_statements() as statements:
            await application.client.post(f"{URL}?{query}", json=body, headers=application.login())
        assert len(statements) == expected, statements.statements


async def test_ten_thousand_rows_come_in_one_page(application: Application, make_jobs: MakeJobs, db: Database) -> None:
    await make_jobs()
    async with db.transaction() as tx:
        names = [column.name for column in jobs.columns if column.name != "job_id"]
        copied = sa.select(*(jobs.c[name] for name in names)).join(
            sa.func.generate_series(1, 10_000).table_valued("n"), sa.true()
        )
        await tx.execute(sa.insert(jobs).from_select(names, copied))
    answer = await application.client.post(f"{URL}?per_page=10000", headers=application.login())
    assert (answer.status_code, len(answer.json())) == (206, 10_000)
    assert answer.headers["content-range"] == "jobs 0-9999/10001"


INPUTS = '{"seed": 1.0E5}'


async def a_workflow_job(make_jobs: MakeJobs, db: Database, **columns: Any) -> int:
    """Make a job that runs a workflow."""
    [job_id] = await make_jobs(workflow_id="ab" * 32, **columns)
    async with db.transaction() as tx:
        statement = sa.text("UPDATE jobs SET inputs = CAST(CAST(:inputs AS text) AS json) WHERE job_id = :job_id")
        await tx.execute(statement, {"inputs": INPUTS, "job_id": job_id})
    return job_id


async def test_workflows_are_found_by_their_id_and_shown_on_request(
    application: Application, make_jobs: MakeJobs, db: Database
) -> None:
    [plain] = await make_jobs()
    job_id = await a_workflow_job(make_jobs, db)
    await a_workflow_job(make_jobs, db, vo="vob")
    one_of = {"parameter": "WorkflowID", "operator": "in", "values": ["ab" * 32, "x"]}
    assert await ids(application, eq("WorkflowID", "ab" * 32)) == await ids(application, one_of) == [job_id]
    assert list((await find(application))[0]) == COLUMNS
    body = {"parameters": ["WorkflowParams", "WorkflowID", "JobID"]}
    answer = await application.client.post(URL, json=body, headers=application.login())
    assert answer.json() == [
        {"JobID": plain, "WorkflowID": None, "WorkflowParams": None},
        {"JobID": job_id, "WorkflowID": "ab" * 32, "WorkflowParams": {"seed": 100_000.0}},
    ]
    assert f'"WorkflowParams":{INPUTS}' in answer.text


@pytest.mark.parametrize(
    ("body", "word"),
    [
        *(
            ({"search": [{"parameter": "WorkflowID", "operator": operator, "value": "a"}]}, "'eq' or 'in'")
            for operator in ("neq", "gt", "like", "regex")
        ),
        ({"search": [{"parameter": "WorkflowID", "operator": "not in", "values": ["a"]}]}, "'eq' or 'in'"),
        ({"search": [eq("WorkflowParams", "a")]}, "no column 'WorkflowParams'"),
        ({"sort": [{"parameter": "WorkflowParams", "direction": "asc"}]}, "no column 'WorkflowParams'"),
        ({"parameters": ["WorkflowParams"], "distinct": True}, "distinct"),
    ],
)
async def test_input_objects_are_shown_and_nothing_else(
    application: Application, body: dict[str, Any], word: str
) -> None:
    answer = await application.client.post(URL, json=body, headers=application.login())
    assert answer.status_code == 400
    assert word in answer.json()["detail"]


async def test_a_page_of_input_objects_is_bounded(
    application: Application, make_jobs: MakeJobs, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await a_workflow_job(make_jobs, db)
    monkeypatch.setattr(queries, "PARAMS_BYTES_MAX", 20 * len(INPUTS))
    for per_page, shown in ((20, {"seed": 1.0e5}), (21, None)):
        answer = await application.client.post(
            f"{URL}?per_page={per_page}", json={"parameters": ["WorkflowParams"]}, headers=application.login()
        )
        assert answer.json() == [{"WorkflowParams": shown}]
