"""Why a job has failed, for its page: the failure elsewhere, the exit code, the host, and why it was not run again."""

import hashlib
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from tests.infra.app import Application

from weyl.config.retries import Retry
from weyl.descriptions.overrides import Overrides
from weyl.failures.exits import meaning_of
from weyl.jobs.retries import ErrorClass, FailedRun, why_not
from weyl.jobs.tables import job_descriptions, job_parameters, jobs
from weyl.kit.clock import utcnow
from weyl.kit.db import Database

MINOR, APPLICATION = "Application Finished With Errors", "Exited With Status 137"


async def failed(db: Database, *, parameters: dict[str, Any] | None = None, **columns: Any) -> int:
    """Make a failed job, with what its wrapper has told."""
    now = utcnow() - timedelta(minutes=5)
    values = {"owner": "alice", "owner_group": "user", "vo": "voa", "submission_time": now, "last_update_time": now}
    values |= {"status": "Failed", "minor_status": MINOR, "application_status": APPLICATION, "site": "LCG.Alpha.org"}
    async with db.transaction() as tx:
        described = sa.insert(job_descriptions).values(jdl="", document={}).returning(job_descriptions.c.description_id)
        values["description_id"] = (await tx.execute(described)).scalar_one()
        job_id: int = (await tx.execute(sa.insert(jobs).values(values | columns).returning(jobs.c.job_id))).scalar_one()
        for name, value in (parameters or {}).items():
            await tx.execute(sa.insert(job_parameters).values(job_id=job_id, name=name, value=value))
    return job_id


async def explain(application: Application, job_id: int, headers: dict[str, str] | None = None) -> dict[str, Any]:
    answer = await application.client.get(f"/api/jobs/{job_id}/explain", headers=headers or application.login())
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_failure_is_told_with_all_that_is_known(application: Application, db: Database) -> None:
    told = {"PayloadExitCode": 137, "ErrorClass": "payload"}
    job_id = await failed(db, parameters=told, allocated={"host": "wn1", "ram_mb": 1000, "cores": 1})
    await failed(db, owner="bob", site="LCG.Beta.org")
    await failed(db, vo="vob", owner="eve")
    async with db.transaction() as tx:
        health = "INSERT INTO host_health VALUES ('LCG.Alpha.org', 'wn1', 0.1, now(), 3, '', 'five quick failures')"
        await tx.execute(sa.text(health))
    found = await explain(application, job_id)
    failure = found["failure"]
    assert failure["text"] == "application finished with errors: exited with status 137"
    assert failure["signature"] == hashlib.sha256(failure["text"].encode()).hexdigest()[:16]
    assert failure["elsewhere"]["count"] == 2
    assert failure["elsewhere"]["sites"] == {"LCG.Alpha.org": 1, "LCG.Beta.org": 1}
    assert failure["elsewhere"]["users"] == {"alice": 1, "bob": 1}
    assert (failure["exit_code"], failure["error_class"]) == (137, "payload")
    assert "SIGKILL" in failure["exit_meaning"]
    assert (failure["host"]["host"], failure["host"]["standing"]) == ("wn1", "no jobs")
    assert failure["retry"] == "Program errors are not retried automatically"
    assert found["verdict"].startswith(f"It failed: {MINOR}: {APPLICATION}. The program ended by the signal SIGKILL: ")
    assert found["waiting_s"] >= 300
    steps = {step["condition"]: step["text"] for step in found["steps"]}
    assert list(steps) == ["Kind of failure", "Exit code", "Same failure in the last day", "Worker node", "Retry"]
    assert steps["Exit code"] == "137"
    assert steps["Same failure in the last day"].startswith(
        "2 jobs at LCG.Alpha.org (1) and LCG.Beta.org (1), of alice (1) and bob (1); first seen 20"
    )
    assert steps["Worker node"] == "wn1 at LCG.Alpha.org gets no jobs: five quick failures"
    assert found["steps"][0]["link"] == f"/failures/{failure['signature']}"
    assert found["suggestions"][-1]["text"] == failure["cure"].replace("ID", str(job_id))
    texts = [each["text"] for each in found["suggestions"]]
    assert "2 users have this failure at 2 sites: it need not be the fault of your program" in texts


async def test_a_failure_from_before_failures_were_signed_is_told_like_any_other(
    application: Application, db: Database
) -> None:
    signed = (await explain(application, await failed(db)))["failure"]
    async with db.transaction() as tx:
        await tx.execute(sa.text("ALTER TABLE jobs DISABLE TRIGGER USER"))
    unsigned = (await explain(application, await failed(db)))["failure"]
    assert (unsigned["signature"], unsigned["text"]) == (signed["signature"], signed["text"])
    assert unsigned["elsewhere"] == signed["elsewhere"]


async def test_a_note_is_told_where_it_helps(application: Application, db: Database) -> None:
    job_id = await failed(db)
    name = (await explain(application, job_id))["failure"]["signature"]
    note = {"note": "The disk is full", "link": "https://a.b/7"}
    url, admin = f"/api/jobs/failures/{name}/note", application.login("bob", group="admin")
    assert (await application.client.put(url, json=note, headers=admin)).status_code == 204
    found = await explain(application, job_id)
    assert found["failure"]["note"]["note"] == "The disk is full"
    assert found["suggestions"][0]["text"] == "bob says of such failures: The disk is full (https://a.b/7)"


async def test_a_lost_job_may_be_run_again(application: Application, db: Database) -> None:
    job_id = await failed(db, minor_status="Job stalled: pilot not running", application_status="Unknown")
    found = await explain(application, job_id)
    assert found["failure"]["error_class"] == "pilot"
    cure = "The program is not to blame: run the job again"
    assert found["suggestions"][-1] == {"text": cure, "action": "reschedule"}


async def test_a_job_of_which_nobody_told_anything(application: Application, db: Database) -> None:
    found = await explain(application, await failed(db, minor_status="Illegal Job JDL", application_status="x"))
    failure = found["failure"]
    assert (failure["exit_code"], failure["exit_meaning"], failure["host"]) == (None, None, None)
    assert failure["retry"] == "The cause is not known, so it was not retried"


async def test_a_payload_learns_of_no_other_job(application: Application, db: Database) -> None:
    stamp = "d" * 32
    job_id = await failed(db, pilot_stamp=stamp)
    async with db.transaction() as tx:
        await tx.execute(sa.text(f"INSERT INTO job_pilots (job_id, pilot_stamp) VALUES ({job_id}, '{stamp}')"))
    await failed(db, owner="bob")
    found = await explain(application, job_id, application.payload(job_id, stamp=stamp))
    assert found["failure"]["elsewhere"] is None
    refused = await application.client.get(f"/api/jobs/{job_id}/explain", headers=application.login(vo="vob"))
    assert refused.status_code == 403


@pytest.mark.parametrize(
    ("exit_code", "word"),
    [
        (0, "well"),
        (1, "own"),
        (127, "did not find"),
        (126, "executed"),
        (139, "SIGSEGV"),
        (-9, "SIGKILL"),
        (77, "author"),
    ],
)
def test_exit_codes_have_meanings(exit_code: int, word: str) -> None:
    assert word in meaning_of(exit_code).cause


@pytest.mark.parametrize("exit_code", [*range(-130, 300), 2**31])
def test_every_exit_code_has_one(exit_code: int) -> None:
    assert all(meaning_of(exit_code))


def run(error_class: ErrorClass, *, counter: int = 0, **retries: int) -> FailedRun:
    return FailedRun(error_class, job_type="User", counter=counter, overrides=Overrides(retries=retries), exit_code=3)


def test_why_a_job_stays_failed() -> None:
    retry = Retry()

    def why(failed_run: FailedRun) -> str:
        return why_not(failed_run, retry, reschedulings_max=3)

    assert (
        why(run(ErrorClass.OUTPUT_UPLOAD))
        == "Errors of class output_upload are not retried: another run would end the same way"
    )
    assert "exit code 3" in why(run(ErrorClass.PAYLOAD)) or "not retried" in why(run(ErrorClass.PAYLOAD))
    assert "retried 2 times after errors of class memory" in why(run(ErrorClass.MEMORY, memory=2))
    assert "rescheduled 3 times" in why(run(ErrorClass.MEMORY, counter=3))
    assert "today's rules allow it" in why(run(ErrorClass.HOST))


async def check(application: Application, body: Any) -> Any:
    answer = await application.client.post("/api/jobs/check", json=body, headers=application.login())
    return answer.status_code, answer.json()


async def test_a_check_shows_the_first_jobs_as_they_would_be(application: Application) -> None:
    text = 'Executable = "/bin/echo";\nArguments = "%s of %n, %j";\nParameters = 25;\nParameterStart = 5;'
    status, [found] = await check(application, {"jdl": [text]})
    assert (status, found["Jobs"], len(found["Preview"])) == (200, 25, 10)
    assert '"0 of 00, %j"' in found["Preview"][0] or '"5 of 00, %j"' in found["Preview"][0]
    plain = 'Executable = "/bin/true";'
    status, two = await check(application, {"jdl": [plain, plain]})
    assert [each["Preview"] for each in two] == [[plain], [plain]]
    status, [described] = await check(application, {"json": [{"executable": "/bin/true"}]})
    assert "/bin/true" in described["Preview"][0]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('Executable = "x";\nArguments = {1, ;', {"index": 0, "line": 2, "column": 17}),
        (
            '# CPUTime = 1\nExecutable = "CPUTime = 2";\n  maxcputime = "soon";',
            {"index": 0, "line": 3, "column": 3, "attribute": "CPUTime"},
        ),
        ("Arguments = 1;", {"index": 0, "attribute": "Executable"}),
    ],
)
async def test_what_is_wrong_is_told_with_its_place(application: Application, text: str, place: dict[str, Any]) -> None:
    status, refused = await check(application, {"jdl": [text]})
    assert status == 400
    assert {name: refused.get(name) for name in place} == place
    assert ("line" in refused) == ("line" in place)
