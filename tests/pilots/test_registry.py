"""The contract's four routes: who may, what is stored, what is found."""

from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from tests.infra import samples
from tests.infra.app import Application
from tests.infra.household import settle

from weyl.kit.db import DATABASE, Database

Login = Callable[..., dict[str, str]]
STAMP = "a" * 32


async def register(client: httpx2.AsyncClient, headers: dict[str, str], stamp: str = STAMP, **more: object) -> int:
    body = {"pilot_stamp": stamp, "vo": "voa", **more}
    return (await client.post("/api/pilots/", headers=headers, json=body)).status_code


async def found(
    client: httpx2.AsyncClient, headers: dict[str, str], *search: dict[str, object]
) -> list[dict[str, Any]]:
    answer = await client.post("/api/pilots/search", headers=headers, json={"search": list(search)})
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()
    return rows


def eq(parameter: str, value: object, operator: str = "eq") -> dict[str, object]:
    return {"parameter": parameter, "operator": operator, "value": value}


# -- who may not -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/pilots/"),
        ("PATCH", "/api/pilots/metadata"),
        ("POST", "/api/pilots/search"),
        ("POST", "/api/pilots/summary"),
        ("POST", "/api/pilots/secrets"),
        ("POST", "/api/pilots/revoke"),
        ("POST", "/api/pilots/logs?chunk=0"),
        ("GET", "/api/pilots/submission"),
        ("GET", f"/api/pilots/{STAMP}/logs"),
        ("GET", f"/api/pilots/{STAMP}/output"),
    ],
)
async def test_nobody_comes_in_without_a_token(client: httpx2.AsyncClient, method: str, path: str) -> None:
    assert (await client.request(method, path, json={})).status_code == 401


@pytest.mark.parametrize("group", ["user", "admin", "cs"])
async def test_people_do_not_write_pilots(client: httpx2.AsyncClient, login: Login, group: str) -> None:
    assert await register(client, login(group=group)) == 403
    await register(client, login(group="service"))
    answer = await client.patch("/api/pilots/metadata", headers=login(group=group), json={STAMP: {"Status": "Done"}})
    assert answer.status_code == 403


async def test_an_old_pilot_writes_pilots_of_its_vo_one_at_a_time(client: httpx2.AsyncClient, login: Login) -> None:
    pilot, other = login(group="pilot"), login(group="pilot", vo="vob")
    assert await register(client, pilot) == 201
    assert await register(client, pilot, "b" * 32) == 201
    assert await register(client, other, "c" * 32) == 403
    change = {"Status": "Running"}
    both = await client.patch("/api/pilots/metadata", headers=pilot, json={STAMP: change, "b" * 32: change})
    assert both.status_code == 403
    foreign = await client.patch("/api/pilots/metadata", headers=other, json={STAMP: change})
    unknown = await client.patch("/api/pilots/metadata", headers=other, json={"d" * 32: change})
    assert (foreign.status_code, unknown.status_code) == (404, 404)
    assert (await client.patch("/api/pilots/metadata", headers=pilot, json={STAMP: change})).status_code == 204
    assert (await found(client, login(), eq("PilotStamp", STAMP)))[0]["Status"] == "Running"


@pytest.mark.parametrize("path", ["/api/pilots/search", "/api/pilots/summary"])
async def test_pilots_do_not_read_about_pilots(application: Application, path: str) -> None:
    body = {"search": [], "grouping": ["Status"]}
    for headers in (
        application.login(group="pilot"),
        application.login(group="service", properties=["GenericPilot"]),
        application.pilot(STAMP),
        application.payload(1, stamp=STAMP),
    ):
        assert (await application.client.post(path, headers=headers, json=body)).status_code == 403


async def test_a_pilot_with_its_own_token_writes_about_itself_only(application: Application) -> None:
    client, service = application.client, application.login(group="service")
    other = "b" * 32
    for stamp in (STAMP, other):
        assert await register(client, service, stamp) == 201
    mine = application.pilot(STAMP)
    for body in ({other: {"Status": "Done"}}, {STAMP: {"Status": "Done"}, other: {"Status": "Done"}}):
        assert (await client.patch("/api/pilots/metadata", headers=mine, json=body)).status_code == 403
    assert await register(client, mine, "c" * 32) == 403
    assert await register(client, mine, STAMP) == 409
    elsewhere = await client.patch(
        "/api/pilots/metadata", headers=application.pilot(STAMP, vo="vob"), json={STAMP: {"Status": "Done"}}
    )
    assert elsewhere.status_code == 404
    done = await client.patch("/api/pilots/metadata", headers=mine, json={STAMP: {"Status": "Done"}})
    assert done.status_code == 204
    rows = await found(client, application.login())
    assert {row["PilotStamp"]: row["Status"] for row in rows} == {STAMP: "Done", other: "Submitted"}


async def test_a_payload_writes_no_pilot(application: Application) -> None:
    await register(application.client, application.login(group="service"))
    answer = await application.client.patch(
        "/api/pilots/metadata", headers=application.payload(1, stamp=STAMP), json={STAMP: {"Status": "Done"}}
    )
    assert answer.status_code == 403


async def test_people_see_the_pilots_of_their_vo_and_administrators_all(
    client: httpx2.AsyncClient, login: Login
) -> None:
    service = login(group="service")
    await register(client, service)
    await register(client, service, "b" * 32, vo="vob")
    assert {row["VO"] for row in await found(client, login())} == {"voa"}
    assert await found(client, login(), eq("VO", "vob")) == []
    assert {row["VO"] for row in await found(client, service)} == {"voa", "vob"}


# -- registration ------------------------------------------------------------------------------------------------------


async def test_a_registered_pilot_has_the_defaults_of_the_contract(client: httpx2.AsyncClient, login: Login) -> None:
    body = {"pilot_stamp": STAMP, "vo": "voa"}
    answer = await client.post("/api/pilots", headers=login(group="service"), json=body)
    assert (answer.status_code, answer.json()) == (201, None)
    (row,) = await found(client, login())
    assert list(row) == [
        *("PilotID", "InitialJobID", "CurrentJobID", "PilotJobReference", "PilotStamp", "DestinationSite", "Queue"),
        *("GridSite", "VO", "GridType", "BenchMark", "SubmissionTime", "LastUpdateTime", "Status", "StatusReason"),
        "AccountingSent",
    ]
    assert row["SubmissionTime"].endswith("Z")
    expected = {
        "InitialJobID": 0,
        "CurrentJobID": 0,
        "PilotJobReference": STAMP,
        "DestinationSite": "NotAssigned",
        "Queue": "Unknown",
        "GridSite": "Unknown",
        "GridType": "DIRAC",
        "BenchMark": 0.0,
        "Status": "Submitted",
        "StatusReason": "Unknown",
        "AccountingSent": False,
    }
    assert {name: row[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"vo": "nobody"}, 400),
        ({"pilot_stamp": ""}, 422),
        ({"pilot_stamp": "x" * 33}, 422),
        ({"pilot_stamp": "nul\0"}, 422),
        ({"pilot_status": "Dancing"}, 422),
        ({"colour": "blue"}, 422),
    ],
)
async def test_a_bad_registration_is_refused(
    client: httpx2.AsyncClient, login: Login, more: dict[str, object], status: int
) -> None:
    assert await register(client, login(group="service"), **more) == status  # type: ignore[arg-type]
    assert await found(client, login(group="service")) == []


async def test_a_stamp_is_registered_once(client: httpx2.AsyncClient, login: Login) -> None:
    service = login(group="service")
    assert [await register(client, service), await register(client, service, vo="vob")] == [201, 409]


# -- metadata ----------------------------------------------------------------------------------------------------------


async def test_null_leaves_a_field_as_it_is(client: httpx2.AsyncClient, login: Login) -> None:
    service = login(group="service")
    await register(client, service, grid_site="LCG.Alpha.org")
    for change in (
        {"Status": "Running", "BenchMark": 11.5, "CurrentJobID": 7, "AccountingSent": True},
        {"StatusReason": "fine", "Status": None, "CurrentJobID": 8},
    ):
        answer = await client.patch("/api/pilots/metadata", headers=service, json={STAMP: change})
        assert (answer.status_code, answer.content) == (204, b"")
    (row,) = await found(client, login())
    assert (row["Status"], row["BenchMark"], row["StatusReason"]) == ("Running", 11.5, "fine")
    assert (row["InitialJobID"], row["CurrentJobID"], row["AccountingSent"]) == (7, 8, True)
    assert row["GridSite"] == "LCG.Alpha.org"


async def test_a_pilot_is_shown_with_the_job_that_it_has_and_its_first_one(
    client: httpx2.AsyncClient, application: Application, db: Database, login: Login
) -> None:
    household = await settle(application, db)
    (job_id, tokens) = (household.job_id, household.tokens)
    await register(client, tokens["service"], "b" * 32)
    for search in ([], [eq("CurrentJobID", job_id)], [eq("InitialJobID", job_id)], [eq("CurrentJobID", 0, "gt")]):
        row = (await found(client, login(), *search))[-1 if search else 0]
        assert (row["PilotStamp"], row["InitialJobID"], row["CurrentJobID"]) == (samples.STAMP, job_id, job_id)
    for grouping in ("CurrentJobID", "InitialJobID"):
        answer = await client.post("/api/pilots/summary", headers=login(), json={"grouping": [grouping]})
        assert sorted((row[grouping], row["count"]) for row in answer.json()) == [(0, 1), (job_id, 1)]
    by_job = {"sort": [{"parameter": "CurrentJobID", "direction": "desc"}]}
    answer = await client.post("/api/pilots/search", headers=login(), json=by_job)
    assert [row["CurrentJobID"] for row in answer.json()] == [job_id, 0]
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE jobs SET status = 'Done'"))
    row = (await found(client, login()))[0]
    assert (row["InitialJobID"], row["CurrentJobID"]) == (job_id, 0)


async def test_one_unknown_pilot_stops_all_changes(client: httpx2.AsyncClient, login: Login) -> None:
    service = login(group="service")
    await register(client, service)
    body = {STAMP: {"Status": "Done"}, "b" * 32: {"Status": "Done"}}
    assert (await client.patch("/api/pilots/metadata", headers=service, json=body)).status_code == 404
    assert (await found(client, login()))[0]["Status"] == "Submitted"
    assert (await client.patch("/api/pilots/metadata", headers=service, json={})).status_code == 204


@pytest.mark.parametrize(
    "change", ['{"Colour": "blue"}', '{"BenchMark": NaN}', '{"BenchMark": 1e999}', '{"Status": "Dancing"}', "3"]
)
async def test_malformed_changes_are_422(client: httpx2.AsyncClient, login: Login, change: str) -> None:
    service = login(group="service")
    await register(client, service)
    headers = service | {"Content-Type": "application/json"}
    answer = await client.patch("/api/pilots/metadata", headers=headers, content=f'{{"{STAMP}": {change}}}')
    assert answer.status_code == 422


async def test_many_changes_cost_few_statements(application: Application) -> None:
    service = application.login(group="service")
    stamps = [f"{number:032x}" for number in range(50)]
    for stamp in stamps:
        await register(application.client, service, stamp)
    with application.services[DATABASE].count_statements() as statements:
        body = {stamp: {"Status": "Running"} for stamp in stamps}
        answer = await application.client.patch("/api/pilots/metadata", headers=service, json=body)
    assert answer.status_code == 204
    assert len(statements) <= 3


# -- search and summary ------------------------------------------------------------------------------------------------


@pytest.fixture
async def twelve(client: httpx2.AsyncClient, login: Login, db: Database) -> None:
    """Twelve pilots of voa: stamps 0..b, every third Done; pilot 1 and 2 have run jobs 101, 102."""
    service = login(group="service")
    for number in range(12):
        status = "Done" if number % 3 == 0 else "Running"
        await register(client, service, f"{number:x}" * 32, pilot_status=status)
    async with db.transaction() as tx:
        await tx.execute(
            text("INSERT INTO job_pilots (job_id, pilot_stamp) VALUES (101, :one), (102, :two), (102, :one)"),
            {"one": "1" * 32, "two": "2" * 32},
        )


@pytest.mark.usefixtures("twelve")
async def test_pages_tell_what_they_are_a_part_of(client: httpx2.AsyncClient, login: Login) -> None:
    async def page(number: int) -> httpx2.Response:
        return await client.post(f"/api/pilots/search?page={number}&per_page=5", headers=login())

    first, last, beyond = await page(1), await page(3), await page(4)
    assert (first.status_code, first.headers["Content-Range"]) == (206, "pilots 0-4/12")
    assert (last.status_code, last.headers["Content-Range"]) == (206, "pilots 10-11/12")
    assert (beyond.status_code, beyond.headers["Content-Range"], beyond.json()) == (416, "pilots */12", [])
    everything = await client.post("/api/pilots/search", headers=login())
    assert (everything.status_code, len(everything.json())) == (200, 12)
    assert "Content-Range" not in everything.headers


@pytest.mark.usefixtures("twelve")
async def test_pilots_are_found_by_the_jobs_that_they_ran(client: httpx2.AsyncClient, login: Login) -> None:
    def stamps(rows: list[dict[str, Any]]) -> set[str]:
        return {row["PilotStamp"][0] for row in rows}

    assert stamps(await found(client, login(), eq("JobID", 101))) == {"1"}
    assert stamps(await found(client, login(), eq("JobID", "102"))) == {"1", "2"}
    among = {"parameter": "JobID", "operator": "in", "values": [101, 102, 999]}
    assert stamps(await found(client, login(), among)) == {"1", "2"}
    assert await found(client, login(), eq("JobID", 999)) == []
    assert await found(client, login(vo="vob"), eq("JobID", 101)) == []
    assert await found(client, login(), eq("JobID", "x")) == []
    for bad in ([eq("JobID", 101, "gt")], [eq("JobID", 101), eq("PilotID", 1)]):
        answer = await client.post("/api/pilots/search", headers=login(), json={"search": bad})
        assert answer.status_code == 400, bad


@pytest.mark.usefixtures("twelve")
async def test_columns_conditions_and_order_are_as_asked(client: httpx2.AsyncClient, login: Login) -> None:
    body = {
        "parameters": ["Status", "PilotStamp"],
        "search": [eq("Status", "Done")],
        "sort": [{"parameter": "PilotStamp", "direction": "desc"}],
    }
    rows = (await client.post("/api/pilots/search", headers=login(), json=body)).json()
    assert [row["PilotStamp"][0] for row in rows] == ["9", "6", "3", "0"]
    assert list(rows[0]) == ["PilotStamp", "Status"]
    body = {"parameters": ["Status"], "distinct": True, "sort": [{"parameter": "Status", "direction": "asc"}]}
    assert (await client.post("/api/pilots/search", headers=login(), json=body)).json() == [
        {"Status": "Done"},
        {"Status": "Running"},
    ]


@pytest.mark.parametrize(
    "body",
    [
        {"parameters": ["Colour"]},
        {"search": [eq("Colour", "blue")]},
        {"sort": [{"parameter": "Colour", "direction": "asc"}]},
        {"search": [eq("Status", "(", "regex")]},
        {"search": [eq("SubmissionTime", "2026-13")]},
        {"parameters": ["Status"], "distinct": True, "sort": [{"parameter": "PilotID", "direction": "asc"}]},
    ],
)
async def test_what_makes_no_sense_is_400(client: httpx2.AsyncClient, login: Login, body: dict[str, object]) -> None:
    await register(client, login(group="service"))
    assert (await client.post("/api/pilots/search", headers=login(), json=body)).status_code == 400


@pytest.mark.usefixtures("twelve")
async def test_a_summary_counts_by_columns(client: httpx2.AsyncClient, login: Login) -> None:
    async def summary(**body: object) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = (await client.post("/api/pilots/summary", headers=login(), json=body)).json()
        return sorted(rows, key=str)

    assert await summary(grouping=["Status"]) == [{"Status": "Done", "count": 4}, {"Status": "Running", "count": 8}]
    assert await summary(grouping=["VO"], search=[eq("JobID", 102)]) == [{"VO": "voa", "count": 2}]
    assert len(await summary(grouping=[])) == 12
    answer = await client.post("/api/pilots/summary", headers=login(), json={"grouping": ["Colour"]})
    assert answer.status_code == 400
