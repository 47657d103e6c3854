"""Jobs are submitted: all of a request or nothing, in few statements, and once however often it is repeated."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from tests.infra.app import Application

from weyl.descriptions.jdl import parse
from weyl.descriptions.work import work_document
from weyl.jobs.tables import job_count_deltas, job_counts, job_descriptions, job_history, jobs, submissions
from weyl.kit.clock import utcnow
from weyl.kit.db import DATABASE, Database
from weyl.sandboxes.tables import sandbox_jobs, sandboxes

Submit = Callable[..., Any]

PLAIN = 'Executable = "/bin/date";'


@pytest.fixture
async def served(start_application: Callable[..., Awaitable[Application]]) -> Application:
    return await start_application(jobs_per_submission_max=2000)


@pytest.fixture
def submit(served: Application) -> Submit:
    """Return `submit(*texts, **who)` -> the answer."""

    async def call(*texts: str, key: str | None = None, **who: Any) -> httpx2.Response:
        headers = served.login(**who) | ({"Idempotency-Key": key} if key is not None else {})
        return await served.client.post("/api/jobs/jdl", json=list(texts), headers=headers)

    return call


async def _rows(db: Database, table: sa.Table, *where: Any) -> list[dict[str, Any]]:
    async with db.read() as tx:
        found = await tx.execute(sa.select(table).where(*where).order_by(*table.primary_key.columns))
        return [dict(row) for row in found.mappings()]


async def _payloads(db: Database) -> list[dict[str, Any]]:
    async with db.read() as tx:
        found = await tx.execute(
            sa.text("SELECT payload FROM pgqueuer WHERE entrypoint = 'jobs.check_jobs' ORDER BY id")
        )
        return [json.loads(row.payload) for row in found]


async def test_nobody_submits_without_a_token_or_the_property(
    served: Application, submit: Submit, db: Database
) -> None:
    anonymous = await served.client.post("/api/jobs/jdl", json=[PLAIN])
    assert anonymous.status_code == 401
    assert (await submit(PLAIN, group="service")).status_code == 403
    assert (await submit(PLAIN, group="pilot")).status_code == 403
    assert await _rows(db, jobs) == []


@pytest.mark.parametrize("body", [b"{", b"{}", b'"a"', b"[1]", b"[null]", b'["\\ud800"]', b""])
async def test_a_malformed_body_is_422(served: Application, body: bytes) -> None:
    answer = await served.client.post("/api/jobs/jdl", content=body, headers=served.login())
    assert answer.status_code == 422


async def test_a_plain_job(submit: Submit, db: Database) -> None:
    text = (
        'executable = "a.sh"; JobName = "n-%j"; JobGroup = "g"; JobType = "Test"; Site = "LCG.Alpha.org"; Priority = 4;'
    )
    answer = await submit(text)
    assert answer.status_code == 201
    [inserted] = answer.json()
    assert list(inserted) == ["JobID", "Status", "MinorStatus", "TimeStamp"]
    assert (inserted["Status"], inserted["MinorStatus"]) == ("Received", "Job accepted")
    assert inserted["TimeStamp"].endswith("Z")
    [job] = await _rows(db, jobs)
    assert job["job_id"] == inserted["JobID"]
    shown = (
        "job_name",
        "job_group",
        "job_type",
        "site",
        "owner",
        "owner_group",
        "vo",
        "user_priority",
        "verified_flag",
    )
    assert [job[name] for name in shown] == [
        f"n-{job['job_id']}", "g", "Test", "LCG.Alpha.org", "alice", "user", "voa", 4, True,
    ]  # fmt: skip
    [description] = await _rows(db, job_descriptions)
    assert description["jdl"] == text
    assert description["document"]["CPUTime"] == 86_400
    [record] = await _rows(db, job_history)
    assert (record["status"], record["minor_status"], record["at"]) == (
        "Received",
        "Job accepted",
        job["submission_time"],
    )
    assert await _payloads(db) == [{"ranges": [[job["job_id"], job["job_id"]]]}]


async def test_what_is_not_said_gets_the_defaults_of_the_contract(submit: Submit, db: Database) -> None:
    await submit(PLAIN)
    [job] = await _rows(db, jobs)
    shown = ("job_type", "job_group", "site", "job_name", "user_priority", "application_status", "reschedule_counter")
    assert [job[name] for name in shown] == ["user", "00000000", "ANY", "Unknown", 1, "Unknown", 0]


async def test_equal_texts_share_one_description(submit: Submit, db: Database) -> None:
    other = 'Executable = "b"; Site = {"A", "B"};'
    answer = await submit(PLAIN, other, PLAIN)
    ids = [job["JobID"] for job in answer.json()]
    assert ids == sorted(ids)
    assert [job["site"] for job in await _rows(db, jobs)] == ["ANY", "Multiple", "ANY"]
    assert len(await _rows(db, job_descriptions)) == 2


async def test_parametric_jobs_are_received_at_once(submit: Submit, db: Database) -> None:
    text = 'Executable = "r"; JobName = "sim_%n"; Parameters = 12; ParameterStep = 2; Parameters.X = 12;'
    answer = await submit(text)
    assert [job["Status"] for job in answer.json()] == ["Received"] * 12
    rows = await _rows(db, jobs)
    assert [row["job_name"] for row in rows] == [f"sim_{number:02}" for number in range(12)]
    assert rows[3]["parameters"] == {"ParameterNumber": 3, "Parameter": 7, "Parameter.X": 1}
    [description] = await _rows(db, job_descriptions)
    assert description["document"]["ParameterCount"] == 12
    assert len(await _rows(db, job_history)) == 12


async def test_sites_and_priorities_may_be_parameters(submit: Submit, db: Database) -> None:
    text = 'Executable = "r"; Site = "%s"; Priority = %(P)s; Parameters = {"A", "B"}; Parameters.P = {3, "99"};'
    assert (await submit(text)).status_code == 201
    assert [(row["site"], row["user_priority"]) for row in await _rows(db, jobs)] == [("A", 3), ("B", 10)]


async def test_each_parametric_job_may_have_its_own_list_of_files(
    served: Application, submit: Submit, db: Database
) -> None:
    text = PLAIN + 'Parameters.InputData = {{"/voa/a", "/voa/b"}, {"/voa/c"}}; InputData = %(InputData)s;'
    answer = await submit(text)
    assert answer.status_code == 201, answer.text
    first, second = [job["JobID"] for job in answer.json()]
    rows = await _rows(db, jobs)
    assert [row["parameters"]["Parameter.InputData"] for row in rows] == [["/voa/a", "/voa/b"], ["/voa/c"]]
    document, own = (await _rows(db, job_descriptions))[0]["document"], [row["parameters"] for row in rows]
    work = [work_document(document, own[number], job_id) for number, job_id in enumerate((first, second))]
    assert [each["input_data"] for each in work] == [["/voa/a", "/voa/b"], ["/voa/c"]]
    read = await served.client.get(f"/api/jobs/{first}/jdl", headers=served.login())
    assert 'InputData = {"/voa/a", "/voa/b"};' in read.text


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ([], ["empty"]),
        ([PLAIN, "Arguments = 3;"], ["Job 1", "Executable", "is missing"]),
        ([PLAIN, 'Executable = "a'], ["Job 1", "line 1, column 14"]),
        ([PLAIN, PLAIN + "CPUTime = soon;"], ["Job 1", "CPUTime", "whole number"]),
        ([PLAIN + 'Priority = "x";'], ["Job 0", "Priority", "whole number"]),
        ([PLAIN + 'JobType = "Weird";'], ["Job 0", "JobType", "Hospital, Test, User"]),
        ([PLAIN + f'JobName = "{"n" * 129}";'], ["Job 0", "JobName", "129", "128"]),
        ([PLAIN + f'JobGroup = "{"g" * 33}";'], ["Job 0", "JobGroup"]),
        ([PLAIN + f'Site = "{"s" * 101}";'], ["Job 0", "Site"]),
        ([PLAIN + 'VirtualOrganization = "vob";'], ["Job 0", "VirtualOrganization", "'vob'", "'voa'"]),
        ([PLAIN + "InputData = {" + ",".join(['"/voa/f"'] * 101) + "};"], ["Job 0", "InputData", "100"]),
        ([PLAIN + "NumberOfProcessors = 0;"], ["Job 0", "NumberOfProcessors"]),
        ([PLAIN + "MinRAM = 999999999999;"], ["Job 0", "MinRAM"]),
        ([PLAIN + "StopSigNumber = 65;"], ["Job 0", "StopSigNumber", "between 0 and 64"]),
        ([PLAIN + "StopSigFinishSeconds = 99999999999;"], ["Job 0", "StopSigFinishSeconds", "between"]),
        ([PLAIN, PLAIN + "Parameters = 3;"], ["Job 1", "Parameters", "alone"]),
        ([PLAIN + "Parameters = 0;"], ["Job 0", "Parameters"]),
        ([PLAIN + "Parameters = 2001;"], ["Job 0", "Parameters", "2000"]),
        ([PLAIN + 'Priority = %s; Parameters = {1, "x"};'], ["Job 0", "Priority", "whole number"]),
        ([PLAIN + "InputData = %s; Parameters = {{a}, {" + ",".join(['"/voa/f"'] * 101) + "}};"], ["InputData", "100"]),
        (['Executable = %s; Parameters = {{a, b}, {c}};'], ["Job 0", "Executable", "text"]),
        ([PLAIN + 'LogLevel = %s; Parameters = {x, {c}};'], ["Job 0", "LogLevel", "text"]),
        ([PLAIN + 'InputSandbox = {"SB:SandboxSE|/S3/sandboxes/voa/user/alice/sha256:' + "0" * 64 + '.tar.zst"};'],
         ["andbox"]),
        ([PLAIN] * 2001, ["2000", "split it"]),
    ],
)  # fmt: skip
async def test_one_bad_job_refuses_all_and_is_named(
    submit: Submit, db: Database, texts: list[str], words: list[str]
) -> None:
    answer = await submit(*texts)
    assert answer.status_code == 400
    for word in words:
        assert word in answer.json()["detail"]
    assert await _rows(db, jobs) == []
    assert await _rows(db, job_descriptions) == []
    assert await _payloads(db) == []


async def test_owner_and_group_are_those_of_the_token(submit: Submit, db: Database) -> None:
    await submit(PLAIN + 'Owner = "bob"; OwnerGroup = "admin"; VirtualOrganization = "voa";')
    [job] = await _rows(db, jobs)
    assert (job["owner"], job["owner_group"], job["vo"]) == ("alice", "user", "voa")
    [description] = await _rows(db, job_descriptions)
    assert (description["document"]["Owner"], description["document"]["OwnerGroup"]) == ("alice", "user")


async def test_numbers_outside_the_bounds_of_the_vo_are_clamped(submit: Submit, db: Database) -> None:
    await submit(PLAIN + "CPUTime = 1; Priority = 50;", PLAIN + 'CPUTime = "99999999"; Priority = -1;')
    first, second = [row["document"] for row in await _rows(db, job_descriptions)]
    assert (first["CPUTime"], first["Priority"]) == (100, 10)
    assert (second["CPUTime"], second["Priority"]) == (500_000, 0)


async def test_strictly_read_numbers_outside_the_bounds_are_refused_and_warnings_answered(
    served: Application, db: Database
) -> None:
    async def post(text: str) -> Any:
        return await served.client.post("/api/jobs/jdl?strict=true", json=[text], headers=served.login())

    for wrong in ("Priority = 50;", "CPUTime = 1;", 'Arguments = "%(seed)s";'):
        refused = await post(PLAIN + wrong)
        assert (refused.status_code, wrong.split()[0] in refused.text, await _rows(db, jobs)) == (400, True, [])
    [job] = (await post('Executable = "/bin/true"; Arguement = "x";')).json()
    assert "did you mean Arguments?" in job["Warnings"][0]


async def test_input_sandboxes_are_assigned_to_every_job(submit: Submit, db: Database) -> None:
    name = f"/S3/sandboxes/voa/user/alice/sha256:{'0' * 64}.tar.zst"
    async with db.transaction() as tx:
        await tx.execute(
            sa.insert(sandboxes).values(
                pfn=name,
                vo="voa",
                owner_group="user",
                owner="alice",
                size=1,
                sha256=b"0",
                announced_at=utcnow(),
                last_access=utcnow(),
            )
        )
    text = PLAIN + f'InputSandbox = {{"a.sh", "SB:SandboxSE|{name}", "SB:SandboxSE|{name}"}}; Parameters = 3;'
    ids = [job["JobID"] for job in (await submit(text)).json()]
    assert [(row["job_id"], row["kind"]) for row in await _rows(db, sandbox_jobs)] == [(id_, "Input") for id_ in ids]


async def test_a_repeated_key_gets_the_first_answer(submit: Submit, db: Database) -> None:
    first = await submit(PLAIN, key="k1")
    again = await submit(PLAIN, key="k1")
    assert (again.status_code, again.json()) == (201, first.json())
    assert len(await _rows(db, jobs)) == 1


async def test_a_key_with_another_body_is_a_conflict(submit: Submit, db: Database) -> None:
    await submit(PLAIN, key="k1")
    refused = await submit(PLAIN, PLAIN, key="k1")
    assert refused.status_code == 409
    assert "Idempotency-Key" in refused.json()["detail"]
    assert (await submit(PLAIN, key="k1", group="admin")).status_code == 409
    assert len(await _rows(db, jobs)) == 1


async def test_a_key_belongs_to_its_user(submit: Submit, db: Database) -> None:
    for who in ({}, {"user": "bob"}, {"vo": "vob"}):
        assert (await submit(PLAIN, key="k1", **who)).status_code == 201
    assert len(await _rows(db, jobs)) == 3


async def test_a_key_is_forgotten_after_a_day(submit: Submit, db: Database) -> None:
    await submit(PLAIN, key="k1")
    async with db.transaction() as tx:
        await tx.execute(sa.update(submissions).values(submitted_at=utcnow() - timedelta(hours=25)))
    assert (await submit(PLAIN, PLAIN, key="k1")).status_code == 201
    assert len(await _rows(db, jobs)) == 3


async def test_the_same_key_at_one_time_makes_jobs_once(submit: Submit, db: Database) -> None:
    answers = await asyncio.gather(*(submit(PLAIN, key="k1") for _ in range(4)))
    assert len({answer.text for answer in answers}) == 1
    assert len(await _rows(db, jobs)) == 1


@pytest.mark.parametrize("key", ["", "k" * 256])
async def test_a_key_must_be_of_some_length(submit: Submit, key: str) -> None:
    assert (await submit(PLAIN, key=key)).status_code == 400


async def test_a_description_is_read_back_by_who_may_read_the_job(served: Application, submit: Submit) -> None:
    [job] = (await submit(PLAIN)).json()
    path = f"/api/jobs/{job['JobID']}/jdl"
    assert (await served.client.get(path)).status_code == 401
    for stranger in ({"user": "bob"}, {"vo": "vob"}, {"vo": "vob", "group": "admin"}):
        assert (await served.client.get(path, headers=served.login(**stranger))).status_code in {403, 404}
    for reader in ({}, {"user": "bob", "group": "admin"}):
        answer = await served.client.get(path, headers=served.login(**reader))
        assert (answer.status_code, answer.text) == (200, PLAIN)
    unknown = await served.client.get("/api/jobs/999999/jdl", headers=served.login(group="admin"))
    assert unknown.status_code == 404


async def test_a_parametric_job_is_read_back_with_its_own_values(served: Application, submit: Submit) -> None:
    inserted = (await submit(PLAIN + 'Arguments = "%s-%n-%j"; Parameters = {"a", "b"};')).json()
    job_id = inserted[1]["JobID"]
    answer = await served.client.get(f"/api/jobs/{job_id}/jdl", headers=served.login())
    job = parse(answer.text)
    assert (job["Arguments"], job["Parameter"], job["ParameterNumber"]) == (f"b-1-{job_id}", "b", 1)
    assert (await submit(answer.text)).status_code == 201


async def test_requirements_are_shown_as_they_count(served: Application, submit: Submit) -> None:
    [job] = (await submit(PLAIN + 'NumberOfProcessors = 2; Site = "LCG.Alpha.org"; Tags = "x";')).json()
    answer = await served.client.get(f"/api/jobs/{job['JobID']}/requirements", headers=served.login())
    assert answer.json() == {
        "requirements": {
            "cpu": {"num_cores": {"min": 2, "max": 2}},
            "cpu_work_db12": 86_400,
            "system": {"name": "Linux"},
            "tags": "x",
        },
        "sites": ["LCG.Alpha.org"],
        "banned_sites": [],
        "overrides": None,
        "attempts": [],
    }


@pytest.mark.parametrize("text", [PLAIN, PLAIN + 'JobName = "n%n"; Parameters = 2000;'])
async def test_the_number_of_statements_does_not_depend_on_the_number_of_jobs(
    served: Application, submit: Submit, text: str
) -> None:
    await submit(text)
    with served.services[DATABASE].count_statements() as count:
        assert (await submit(text, key="k")).status_code == 201
    # three through SQLAlchemy (two of them for the key), three COPYs and one insert of the tasks beside it
    assert len(count) <= 4


async def test_counters_follow_every_insert_update_and_delete(submit: Submit, db: Database) -> None:
    await submit(PLAIN, PLAIN, PLAIN + 'Site = "A";')

    async def counts() -> dict[tuple[str, str], int]:
        async with db.read() as tx:
            found = await tx.execute(
                sa.select(job_count_deltas.c.status, job_count_deltas.c.site, sa.func.sum(job_count_deltas.c.delta))
                .group_by(job_count_deltas.c.status, job_count_deltas.c.site)
                .having(sa.func.sum(job_count_deltas.c.delta) != 0)
            )
            return {(status, site): int(count) for status, site, count in found}

    assert await counts() == {("Received", "ANY"): 2, ("Received", "A"): 1}
    assert len(await _rows(db, job_count_deltas)) == 2
    async with db.transaction() as tx:
        await tx.execute(sa.update(jobs).where(jobs.c.site == "ANY").values(status="Waiting"))
        await tx.execute(sa.update(jobs).values(heart_beat_time=utcnow()))
    assert await counts() == {("Waiting", "ANY"): 2, ("Received", "A"): 1}
    assert len(await _rows(db, job_count_deltas)) == 4
    async with db.transaction() as tx:
        await tx.execute(sa.delete(jobs))
    assert await counts() == {}
    assert await _rows(db, job_counts) == []


async def test_jobs_in_json_are_stored_as_jdl_and_their_authors_are_told_what_they_should_know(
    served: Application, db: Database
) -> None:
    document = {"executable": "/bin/a", "job_name": "x-%s", "parameters": [0, 1], "requirements": {"wall_time": 60}}
    answer = await served.client.post("/api/jobs/json", json=[document], headers=served.login())
    assert answer.status_code == 201
    first, second = answer.json()
    assert first["Warnings"] == second["Warnings"]
    assert first["Warnings"] == [
        "No architecture is asked for: the job may run on any, such as x86_64 or aarch64",
        "No pilot of voa has asked for work in the last 24 h",
    ]
    assert [row["job_name"] for row in await _rows(db, jobs)] == ["x-0", "x-1"]
    [stored] = await _rows(db, job_descriptions)
    assert parse(stored["jdl"])["Requirements"] == {"wall_time": 60}
    shown = await served.client.get(f"/api/jobs/{first['JobID']}/requirements", headers=served.login())
    assert shown.json()["requirements"] == {"wall_time": 60}


async def test_a_bad_job_in_json_refuses_all_with_every_problem(served: Application, db: Database) -> None:
    good = {"executable": "a"}
    bad = {"executable": "a", "requirements": {"cpu": {"num_cores": {"min": 3, "max": 2}}}}
    answer = await served.client.post("/api/jobs/json", json=[good, bad], headers=served.login())
    assert answer.status_code == 400
    assert answer.json()["index"] == 1
    assert [problem["pointer"] for problem in answer.json()["problems"]] == [
        "/requirements",
        "/requirements/cpu/num_cores",
    ]
    malformed = await served.client.post("/api/jobs/json", json=["no object"], headers=served.login())
    assert malformed.status_code == 422
    huge = await served.client.post("/api/jobs/json", json=[{"Priority": 2**70}], headers=served.login())
    assert huge.status_code == 400
    assert "64-bit" in huge.json()["detail"]
    assert await _rows(db, jobs) == []
