"""Jobs that no text describes go in by the same door: columns, values, history, keys, and checks of extensions."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import sqlalchemy as sa
from tests.infra.app import config_document

from weyl.config.models import Config
from weyl.descriptions import jdl
from weyl.descriptions.described import Described, Prepared, described
from weyl.descriptions.description import Owner
from weyl.descriptions.errors import BadAttribute, BadSubmission
from weyl.descriptions.requirements import Limits
from weyl.descriptions.rows import Rows
from weyl.jobs.additions import Candidate, SubmissionRules, Submitting
from weyl.jobs.errors import KeyReused
from weyl.jobs.policy import Submitter
from weyl.jobs.service.storing import NewJobs, RequestKey, Submitted, replayed, store
from weyl.jobs.tables import job_descriptions, job_history, jobs
from weyl.kit.clock import utcnow
from weyl.kit.db import Database

ALICE = Submitter(vo="voa", group="user", owner="alice", subject="voa:alice-sub")
CONFIG = Config.model_validate(config_document())
RULES = SubmissionRules(100_000)
# Spelled as no JSON library would: a float that must not come back as an int.
INPUTS = '{"b": 1.0E5,  "a": "%j"}'
DOCUMENT: dict[str, Any] = {"Workflow": {"Bundle": "ab"}, "JobName": "step", "Requirements": {"wall_time": 60}}


def a_description(count: int | None = None, **more: Any) -> Described:
    """Return a description without `Executable`; with a count, of as many jobs that differ in their site."""
    rows = None
    if count is not None:
        rows = Rows([{"Site": f"S{number % 3}"} for number in range(count)], [INPUTS] * count)
    return described(DOCUMENT | more, Owner("voa", "user", "alice"), Limits(), expansion=rows)


async def stored(
    db: Database, *descriptions: Described, key: RequestKey | None = None, rules: SubmissionRules = RULES
) -> Submitted:
    """Store jobs that run workflows."""
    wanted = NewJobs(Prepared.of(*descriptions), ALICE, key, workflow_id="ef" * 32)
    async with db.transaction() as tx:
        return await store(tx, wanted, config=CONFIG, now=utcnow(), rules=rules)


async def test_a_document_becomes_jobs_without_a_text(db: Database) -> None:
    submitted = await stored(db, a_description(), a_description(3))
    async with db.read() as tx:
        rows = (await tx.execute(sa.select(jobs).order_by(jobs.c.job_id))).mappings().all()
        kept = (await tx.execute(sa.select(job_descriptions).order_by(job_descriptions.c.description_id))).all()
        history = (await tx.execute(sa.select(job_history.c.job_id, job_history.c.status))).all()
        [checks] = (await tx.execute(sa.text("SELECT payload FROM pgqueuer"))).scalars()
    assert [row["job_id"] for row in rows] == list(submitted.job_ids)
    assert [(row["status"], row["owner"], row["job_name"]) for row in rows] == [("Received", "alice", "step")] * 4
    assert [row["site"] for row in rows] == ["ANY", "S0", "S1", "S2"]
    assert [row["parameters"] for row in rows[:2]] == [None, {"Site": "S0"}]
    assert {row["workflow_id"] for row in rows} == {"ef" * 32}
    assert [each.jobs for each in kept] == [1, 3]
    assert jdl.parse(kept[0].jdl)["Workflow"] == {"Bundle": "ab"}
    assert kept[0].document["Owner"] == "alice"
    assert sorted(history) == [(job_id, "Received") for job_id in submitted.job_ids]
    assert str(submitted.job_ids[0]).encode() in bytes(checks)


async def test_input_objects_are_kept_as_they_were_sent_and_texts_of_workflows_too(db: Database) -> None:
    rows = Rows([{}, {}], [INPUTS, None], names=["sum (a=%j)", "n" * 200])
    document = DOCUMENT | {"JobGroup": "%j of %n"}
    submitted = await stored(db, described(document, Owner("voa", "user", "alice"), Limits(), expansion=rows))
    statement = sa.text("SELECT inputs::text, job_name, job_group, parameters FROM jobs ORDER BY job_id")
    async with db.read() as tx:
        first, second = await tx.execute(statement)
    assert tuple(first) == (INPUTS, "sum (a=%j)", "%j of %n", None)
    assert tuple(second) == (None, "n" * 128, "%j of %n", None)
    assert len(submitted.job_ids) == 2


async def test_thousands_take_as_many_statements_as_a_few(db: Database) -> None:
    counts = []
    for count in (3, 3_000):
        with db.count_statements() as statements:
            await stored(db, a_description(count))
        counts.append(len(statements))
    assert counts[0] == counts[1]


async def test_a_key_that_comes_again_gets_its_answer_and_stores_nothing(db: Database) -> None:
    key = RequestKey("one", b"body")
    first = await stored(db, a_description(2), key=key)
    async with db.transaction() as tx:
        known = await replayed(tx, key, ALICE, utcnow())
        assert await replayed(tx, None, ALICE, utcnow()) is None
        with pytest.raises(KeyReused):
            await replayed(tx, RequestKey("one", b"another"), ALICE, utcnow())
    assert known is not None
    assert list(known.job_ids) == list(first.job_ids)
    again = await stored(db, a_description(2), key=key)
    assert list(again.job_ids) == list(first.job_ids)
    async with db.read() as tx:
        assert await tx.scalar(sa.select(sa.func.count()).select_from(jobs)) == 2


async def test_extensions_are_asked_and_one_refusal_stores_nothing(db: Database) -> None:
    def refuse(asked: Sequence[Candidate], submitting: Submitting) -> Mapping[int, str]:
        assert (submitting.owner, submitting.group) == ("alice", "user")
        return {each.index: "no workflows today" for each in asked if each.count > 1}

    rules = SubmissionRules(100_000, checks={"example": refuse})
    with pytest.raises(BadSubmission, match="Job 1: no workflows today"):
        await stored(db, a_description(), a_description(2), rules=rules)
    async with db.read() as tx:
        assert await tx.scalar(sa.select(sa.func.count()).select_from(jobs)) == 0


def test_what_makes_jobs_without_a_text_is_held_to_the_same_rules() -> None:
    with pytest.raises(BadAttribute, match="JobType"):
        a_description(JobType="Odd")
    with pytest.raises(BadAttribute, match="VirtualOrganization"):
        a_description(VirtualOrganization="vob")
    with pytest.raises(BadAttribute, match="StopSigNumber"):
        a_description(StopSigNumber=65)
