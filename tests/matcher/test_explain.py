"""Explanations over HTTP: what is told of a job that waits, of one that does not, and to whom."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from tests.infra.app import Application
from tests.matcher.conftest import OFFER, Submit
from tests.matcher.factories import a_class

from weyl.config.operations import MatchLimit
from weyl.descriptions.description import Workflow
from weyl.jobs.permits import Readable
from weyl.jobs.service.limits import apply_limits
from weyl.kit.clock import utcnow
from weyl.kit.db import Database, Tx
from weyl.matcher.models import Offer
from weyl.matcher.offers import registered_form
from weyl.matcher.queries.offers import record_offers
from weyl.matcher.service.explain import EXPLAINER, ORIGINS
from weyl.matcher.service.matcher import MATCHER
from weyl.task_queues.gates import merged, rules_of


async def _ask(application: Application, job_id: int, **who: Any) -> dict[str, Any]:
    answer = await application.client.get(f"/api/jobs/{job_id}/explain", headers=application.login(**who))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def _see(db: Database, *, site: str = "LCG.Alpha.org", hours_ago: int = 0, **changes: Any) -> None:
    """Note that a pilot has asked for work."""
    digest, document = registered_form(Offer.model_validate({**OFFER, **changes}))
    columns = {
        "hash": [digest], "vo": ["voa"], "site": [site], "ce": ["ce.alpha.org"], "queue": ["default"],
        "doc": [json.dumps(document)], "hits": [3], "misses": [5],
    }  # fmt: skip
    async with db.transaction() as tx:
        await record_offers(tx, columns, utcnow() - timedelta(hours=hours_ago))


async def test_a_job_that_nothing_could_run_is_told_what_keeps_it(
    application: Application, db: Database, submit: Submit
) -> None:
    await submit(3, a_class({"cpu": {"ram_mb": {"request": {"overhead": 65_536}}}}))
    [job_id] = await submit(1, a_class({"cpu": {"ram_mb": {"request": {"overhead": 65_536}}}}))
    explained = await _ask(application, job_id)
    assert explained["verdict"] == "No pilot of voa has asked for work in the last 24 h"
    # Nothing is known of its turn where nothing was seen that fits it.
    assert [each["text"].split(".")[0] for each in explained["suggestions"]] == ["Look again in a few minutes"]
    await _see(db)
    await _see(db, hours_ago=25, cpu={**OFFER["cpu"], "ram_mb": 262_144})
    told = await _ask(application, job_id)
    assert told["verdict"].startswith("No pilot of the last 24 h at LCG.Alpha.org offers memory: 65,536 MiB")
    assert (told["position"], told["jobs_in_class"]) == (4, 4)
    [step] = told["steps"]
    assert (step["condition"], step["pilots_left"], step["sites_left"]) == ("ram", 0, 0)
    assert told["nearest"][0]["site"] == "LCG.Alpha.org"


WORKFLOW = {"Workflow": {"Bundle": "ab", "Fragment": None}, "JobName": "reco"}


async def test_a_job_that_runs_a_workflow_is_told_which_requirement_keeps_it(
    application: Application, db: Database, submit: Submit
) -> None:
    async def origins(_tx: Tx, workflow: Workflow) -> Mapping[str, str]:
        assert workflow == Workflow("ab", None)
        return {"ram": "`ramMin` of `reco.cwl`", "hostfeat:cwl": "`cwlVersion` of `main.cwl`"}

    application.put(ORIGINS, origins)
    large = {"cpu": {"ram_mb": {"request": {"overhead": 65_536}}}}
    [heavy] = await submit(1, a_class(large), document=WORKFLOW)
    [tagged] = await submit(1, a_class({"tags": "hostfeat:cwl & os:el9"}), document=WORKFLOW)
    [plain] = await submit(1, a_class(large))
    [old] = await submit(1, a_class(large), document=WORKFLOW | {"Executable": "x"})
    await _see(db)
    told = await _ask(application, heavy)
    assert told["verdict"].endswith("65,536 MiB; the most was 16,384 MiB; asked for by `ramMin` of `reco.cwl`")
    assert [step["origin"] for step in told["steps"]] == ["`ramMin` of `reco.cwl`"]
    told = await _ask(application, tagged)
    assert told["verdict"].endswith("has the tag hostfeat:cwl; asked for by `cwlVersion` of `main.cwl`")
    assert [step["origin"] for step in told["steps"]] == ["`cwlVersion` of `main.cwl`"]
    for job_id in (plain, old):
        told = await _ask(application, job_id)
        assert ("asked for" in told["verdict"], told["steps"][0]["origin"]) == (False, None)


async def test_a_job_that_could_run_waits_for_its_turn(application: Application, db: Database, submit: Submit) -> None:
    [_, job_id] = await submit(2)
    await _see(db)
    told = await _ask(application, job_id)
    assert told["verdict"] == (
        "1 pilot of the last 24 h, at LCG.Alpha.org, could run it: it waits for its turn, behind 1 job of the same kind"
    )
    assert told["steps"] == []


async def test_a_site_that_is_closed_is_named_with_the_reason(
    application: Application, db: Database, submit: Submit
) -> None:
    [job_id] = await submit(1)
    await _see(db, site="LCG.Gone.org")
    assert (await _ask(application, job_id))["verdict"] == "Closed for jobs: LCG.Gone.org is no site of voa"


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ("status = 'Running', site = 'LCG.Alpha.org'", "It is running at LCG.Alpha.org"),
        ("status = 'Matched', site = 'S1'", "A pilot at S1 has taken it and is about to start it"),
        (
            "status = 'Stalled', site = 'S1', heart_beat_time = now() - interval '90 minutes'",
            "Its pilot at S1 has not reported for 1.5 h",
        ),
        (
            "status = 'Completing', site = 'S1'",
            "Its program at S1 has ended, and its outputs are on their way",
        ),
        (
            "status = 'Completed', output_state = 'wanted'",
            "Its program ended well; its output data are being verified and registered",
        ),
        ("status = 'Done'", "It ended well"),
        ("status = 'Killed'", "It was killed"),
        ("status = 'Checking'", "It is being checked; it then waits for a pilot"),
        (
            "status = 'Received', last_update_time = now() - interval '1 hour'",
            "It has waited for 1 h to be checked, which takes seconds when workers run",
        ),
        ("status = 'Staging'", "Its input files are being brought from tape to disk"),
        ("status = 'Scouting'", "It does not wait for a pilot: it is Scouting"),
        ("class_ids = '{}'", "It waits in no task queue: `weyl task-queues rebuild` puts it back"),
    ],
)
async def test_of_a_job_that_does_not_wait_it_is_said_what_it_does(
    application: Application, db: Database, submit: Submit, *, change: str, verdict: str
) -> None:
    [job_id] = await submit(1)
    async with db.transaction() as tx:
        await tx.execute(text(f"UPDATE jobs SET {change}"))
    told = await _ask(application, job_id)
    assert told["verdict"] == verdict
    assert told["waiting_s"] >= 0
    assert {"status", "steps", "suggestions"} <= told.keys()


async def test_a_killed_job_says_who_killed_it(application: Application, submit: Submit) -> None:
    [job_id] = await submit(1)
    killed = await application.client.post("/api/jobs/kill", json={"job_ids": [job_id]}, headers=application.login())
    assert killed.status_code == 200, killed.text
    told = await _ask(application, job_id)
    assert told["verdict"] == "alice killed it"
    assert [step["condition"] for step in told["steps"]] == ["Killed"]


async def test_everything_that_comes_before_a_job_is_counted(
    application: Application, db: Database, submit: Submit
) -> None:
    await _see(db)
    large = {"cpu": {"num_cores": {"min": 2, "max": 2}}}
    await submit(4, a_class(large))  # older, of the same owner
    await submit(2)  # older, of the same kind
    [job_id] = await submit(1)
    await submit(3, a_class({"cpu": {"num_cores": {"min": 3, "max": 3}}}))  # younger
    await submit(5, a_class(large, user_priority=9))
    await submit(6, a_class(large, owner="bob"))
    await submit(7, a_class(large, group="prod"))
    await submit(8, a_class({"cpu": {"ram_mb": {"request": {"overhead": 65_536}}}}))  # nobody could run them
    await submit(9, a_class(vo="vob"))
    matcher = application.services[MATCHER]
    await application.seen()
    await matcher.freshness.queue.seen()
    matcher.usage.ledger.charge("voa", "user", "alice", 1e6)
    told = await _ask(application, job_id)
    assert [(each["jobs"], each["what"]) for each in told["before"]] == [
        (2, "of the same kind"),
        (4, "of its owner, older"),
        (5, "of its owner with a higher priority"),
        (6, "of another owner in its group who used less"),
        (7, "of another group that used less of their share"),
    ]
    assert told["ahead"] == 24
    assert "behind 2 jobs of the same kind, 4 jobs of its owner, older, 5 jobs of its owner with" in told["verdict"]


async def _send(
    db: Database, *, site: str = "LCG.Alpha.org", ce: str = "ce.alpha.org", status: str = "Submitted"
) -> None:
    """Note that a pilot exists."""
    async with db.transaction() as tx:
        await tx.execute(
            text(
                "INSERT INTO pilots (pilot_stamp, vo, grid_site, destination_site, queue, status, submission_time,"
                " last_update_time) VALUES (md5(random()::text), 'voa', :site, :ce, 'default', :status, now(), now())"
            ),
            {"site": site, "ce": ce, "status": status},
        )


async def test_pilots_that_exist_are_told_whether_they_asked_or_not(
    application: Application, db: Database, submit: Submit
) -> None:
    [job_id] = await submit(1)
    [large] = await submit(1, a_class({"cpu": {"ram_mb": {"request": {"overhead": 65_536}}}}))
    await _send(db)
    await _send(db, status="Running")
    await _send(db, site="LCG.Elsewhere.org", ce="unknown")
    told = await _ask(application, job_id)
    assert told["pilots"] == [{"site": "LCG.Alpha.org", "running": 1, "waiting": 1}]
    assert told["verdict"] == (
        "No pilot of voa has asked for work in the last 24 h; "
        "2 pilots at LCG.Alpha.org should fit it, and have not asked yet"
    )
    assert (await _ask(application, large))["pilots"] == []
    await _see(db)
    told = await _ask(application, job_id)
    assert told["facts"][-1] == {
        "condition": "Pilots now",
        "text": "1 running and 1 waiting to start, at LCG.Alpha.org",
        "link": None,
    }


async def test_a_submission_is_told_what_nothing_could_run_and_a_check_tells_it_without_submitting(
    application: Application, db: Database
) -> None:
    big = {"executable": "/bin/a", "requirements": {"wall_time": 60, "cpu": {"num_cores": {"min": 999, "max": 999}}}}
    small = {"executable": "/bin/a", "requirements": {"wall_time": 60, "cpu": {"architecture": {"name": "x86_64"}}}}
    await _see(db)
    headers = application.login()
    sentence = "No pilot of the last 24 h at LCG.Alpha.org offers cores: 999; the most was 8"
    checked = await application.client.post("/api/jobs/check", json={"json": [big, small]}, headers=headers)
    assert [job["Warnings"][-1:] for job in checked.json()] == [[sentence], []]
    jdl = 'Executable = "/bin/a"; NumberOfProcessors = 999; Parameters = 3;'
    [parametric] = (await application.client.post("/api/jobs/check", json={"jdl": [jdl]}, headers=headers)).json()
    assert (parametric["Jobs"], parametric["Warnings"]) == (3, [sentence])
    async with db.read() as tx:
        assert (await tx.execute(text("SELECT count(*) FROM jobs"))).scalar_one() == 0
    submitted = await application.client.post("/api/jobs/json", json=[big, small], headers=headers)
    assert [sentence in job["Warnings"] for job in submitted.json()] == [True, False]
    for body, status in (({}, 422), ({"jdl": [jdl], "json": []}, 422), ({"jdl": ["["]}, 400)):
        answer = await application.client.post("/api/jobs/check", json=body, headers=headers)
        assert answer.status_code == status, body


async def test_a_limit_that_is_reached_is_named_with_its_figures(
    application: Application, db: Database, submit: Submit
) -> None:
    first, second = await submit(2)
    await _see(db)
    rules = merged(rules_of("voa", [MatchLimit(site="LCG.Alpha.org", count=1)]))
    async with db.transaction() as tx:
        await apply_limits(tx, rules, utcnow())
    matcher = application.services[MATCHER]
    await application.seen()
    pilot = application.pilot("a" * 32)
    answer = await application.client.post("/api/matcher/match", json={"offer": OFFER}, headers=pilot)
    assert [job["job_id"] for job in answer.json()["jobs"]] == [first]
    await matcher.limits.follower.seen()
    told = await _ask(application, second)
    assert told["verdict"] == "The limit on site=LCG.Alpha.org is reached: 1 of 1 jobs run"
    assert [(limit["limit"], limit["open"]) for limit in told["limits"]] == [("site=LCG.Alpha.org", False)]
    assert told["share"] == {"group": "user", "rank": 1, "of": 1}


async def test_explaining_takes_six_statements_and_one_more_for_offers_that_are_new(
    application: Application, db: Database, submit: Submit
) -> None:
    for priority in range(5):
        await submit(20, a_class(user_priority=priority))
    [job_id] = await submit(1)
    async with db.transaction() as tx:  # it is one of 10^5, of which only these numbers are looked at
        await tx.execute(
            text(
                "INSERT INTO queue SELECT class_id, -number FROM queue, generate_series(1, 100001) AS number"
                f" WHERE job_id = {job_id}"
            )
        )
    await application.seen()
    await application.services[MATCHER].freshness.queue.seen()
    for cores in (4, 8, 16):
        await _see(db, cpu={**OFFER["cpu"], "num_cores": cores})
    explainer, permit = application.services[EXPLAINER], Readable(frozenset([job_id]), frozenset())
    for at_most in (7, 6):
        with db.count_statements() as statements:
            async with db.read() as tx:
                told = await explainer.explain(tx, permit, job_id, now=utcnow())
        assert "behind more than 100,000 jobs of the same kind and 60 jobs of its owner with" in told.verdict
        assert len(statements) <= at_most


async def test_strangers_are_told_nothing(application: Application, submit: Submit) -> None:
    [job_id] = await submit(1)
    url = f"/api/jobs/{job_id}/explain"
    assert (await application.client.get(url)).status_code == 401
    assert (await application.client.get(url, headers=application.login("bob"))).status_code == 403
    assert (await application.client.get(url, headers=application.login(vo="vob"))).status_code == 403
