"""Kinds of failures that are known: each says what it means and what may be done, whoever shows it."""

import re
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.infra.app import Application
from tests.jobs.conftest import MakeJobs

from weyl.failures.cures import KNOWN, cure_of
from weyl.jobs.attempts import MINOR_EXHAUSTED
from weyl.jobs.service.stalled import MINOR_GIVEN_UP
from weyl.jobs.starts import NOT_HEARD_OF
from weyl.jobs.states import OUTPUTS_LOST
from weyl.jobs.tables import jobs
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.matcher.service.expiry import MINOR_EXPIRED
from weyl.pilots.service.registry import NOT_RUNNING
from weyl.preparation.verdicts import NO_DATA, NO_SITES

ERROR = "Application Finished With Errors"
PILOT = Path(__file__).resolve().parents[2] / "src" / "weyl_pilot"
# What pilots and the server say of jobs that they fail.
SAID = re.compile(r'(?:StageFailure|Verdict|Outcome)\((?:"Failed", )?"([A-Z][^"%]+)"')
MINORS = {
    *(MINOR_EXHAUSTED, MINOR_GIVEN_UP, NOT_HEARD_OF, OUTPUTS_LOST[0], MINOR_EXPIRED, NOT_RUNNING, NO_DATA, NO_SITES),
    *("Illegal Job JDL", "Uploading Output Sandbox", "Job has exceeded its memory limit"),
}


def said_by_pilots() -> set[str]:
    found = {minor for path in PILOT.glob("*.py") for minor in SAID.findall(path.read_text())}
    return found - {"Completed", "Done", "Failed"}


def test_whatever_pilots_and_the_server_fail_jobs_for_has_a_cure() -> None:
    found = said_by_pilots()
    assert {"Application not found", "Failed Downloading InputSandbox"} <= found
    assert [minor for minor in MINORS | found if cure_of(minor.lower()) is None] == []


def test_no_cure_is_hidden_by_one_before_it() -> None:
    for place, kind in enumerate(KNOWN):
        earlier = [each.begins for each in KNOWN[:place] if kind.begins.startswith(each.begins)]
        assert earlier == [], kind.begins
        assert kind.begins == kind.begins.lower()


@pytest.mark.parametrize(
    ("text", "cause", "cure"),
    [
        ("exited with status 1", "error of its own", "logs --stderr"),
        ("exited with status 2", "refused its arguments", "Arguments"),
        ("exited with status 126", "cannot be executed", "chmod"),
        ("exited with status 127", "did not find", "InputSandbox"),
        ("exited with status 137", "SIGKILL", "more memory"),
        ("exited with status 139", "SIGSEGV", "debugger"),
        ("exit code: 143", "SIGTERM", "more time"),
        ("returned code -9", "SIGKILL", "more memory"),
    ],
)
def test_exit_codes_have_cures_of_their_own(text: str, cause: str, cure: str) -> None:
    known = cure_of(f"application finished with errors: {text}")
    assert known is not None
    assert cause in known.cause
    assert cure in known.cure


def test_what_nobody_knows_has_no_cure() -> None:
    assert cure_of("something odd with <n> files") is None
    assert cure_of("something odd", exit_code=0) is None
    told = cure_of("something odd", exit_code=3)
    assert told is not None
    assert "error of its own" in told.cause


def test_the_engine_of_workflows_has_exit_codes_of_its_own() -> None:
    for code, word in ((1, "step"), (33, "feature of CWL"), (137, "SIGKILL")):
        known = cure_of("application finished with errors: step reco", exit_code=code, is_workflow=True)
        assert known is not None
        assert word in known.cause


async def test_the_list_of_failures_keeps_exit_codes_apart_and_says_the_cure(
    application: Application, make_jobs: MakeJobs, db: Database
) -> None:
    said = [(ERROR, f"Exited With Status {code}") for code in (1, 127, 137)]
    for number, (minor, text) in enumerate([*said, ("Application not found", "run.sh not found")]):
        values: dict[str, Any] = {"status": "Failed", "minor_status": minor, "application_status": text}
        job_ids = await make_jobs(number + 1)
        async with db.transaction() as tx:
            await tx.execute(
                sa.update(jobs).where(jobs.c.job_id.in_(job_ids)).values(last_update_time=utcnow(), **values)
            )
    answer = await application.client.get("/api/jobs/failures", headers=application.login())
    found = {each["count"]: each for each in answer.json()["clusters"]}
    assert [found[count]["text"][-3:] for count in (1, 2, 3)] == ["s 1", "127", "137"]
    assert "input sandbox" in found[4]["cure"]
    assert "SIGKILL" in found[3]["cause"]
