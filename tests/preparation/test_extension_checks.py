"""Checks of extensions between submission and waiting: once a batch, in order, and never in the way when they break."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from tests.preparation.grids import ALPHA, BETA, PLAIN, STATIC, Recording, grid

from weyl.activation import activate
from weyl.builtin import BUILTIN
from weyl.extension import Extension, ExtensionConflict
from weyl.file_catalog.drivers.static import StaticCatalog
from weyl.jobs.ranges import to_ranges
from weyl.jobs.tables import job_holds, jobs
from weyl.kit.clock import utcnow
from weyl.kit.db import Database
from weyl.preparation.additions import (
    Decision,
    Held,
    Narrowed,
    PreparationContext,
    PreparationRules,
    Preparing,
    Rejected,
)
from weyl.preparation.service.checks import check_jobs
from weyl.task_queues.tables import queue, requirement_class

Flow = Callable[..., Awaitable[list[int]]]


class Check:
    """A check that says the same of all, or what a function says, and remembers what it was asked."""

    def __init__(self, say: Callable[[Preparing], Decision | None] = lambda _: None) -> None:
        self.say = say
        self.asked: list[list[Preparing]] = []

    async def __call__(self, asked: Sequence[Preparing], context: PreparationContext) -> Mapping[int, Decision]:
        """Decide."""
        self.asked.append(list(asked))
        async with context.db.read() as tx:
            assert await tx.scalar(sa.text("SELECT 1")) == 1
        said = {index: self.say(each) for index, each in enumerate(asked)}
        return {index: decision for index, decision in said.items() if decision is not None}


async def _check(db: Database, job_ids: list[int], rules: PreparationRules) -> dict[int, tuple[str, str, str]]:
    await check_jobs(db, to_ranges(sorted(job_ids)), config=grid(), now=utcnow(), rules=rules)
    columns = (jobs.c.job_id, jobs.c.status, jobs.c.minor_status, jobs.c.application_status)
    async with db.read() as tx:
        return {row[0]: tuple(row[1:]) for row in await tx.execute(sa.select(*columns))}


async def _sites(db: Database) -> set[Any]:
    wanted = sa.select(requirement_class.c.document).join(queue, queue.c.class_id == requirement_class.c.class_id)
    async with db.read() as tx:
        return {tuple(document.get("sites") or ()) for document in (await tx.execute(wanted)).scalars()}


async def test_thousands_of_jobs_are_one_question(db: Database, submitted: Flow) -> None:
    check = Check()
    job_ids = await submitted(PLAIN + "Parameters = 5000;")
    await _check(db, job_ids, replace(STATIC, checks={"example": check}))
    [[asked]] = check.asked
    assert list(asked.job_ids) == job_ids
    assert (asked.vo, asked.group, asked.owner, asked.description.executable) == ("voa", "user", "alice", "/bin/date")


async def test_what_differs_among_jobs_in_attributes_of_extensions_is_told_apart(db: Database, submitted: Flow) -> None:
    check = Check(lambda job: Rejected("odd", "Not Now") if job.description.extra["Campaign"] == "1" else None)
    job_ids = await submitted(PLAIN + 'Campaign = "%s"; Arguments = "%n"; Parameters = {0, 1, 0};')
    found = await _check(db, job_ids, replace(STATIC, checks={"example": check}, attributes=("Campaign",)))
    assert [len(asked.job_ids) for asked in check.asked[0]] == [2, 1]
    assert found[job_ids[1]] == ("Failed", "Not Now", "odd")
    assert found[job_ids[0]][0] == found[job_ids[2]][0] == "Waiting"


async def test_sanity_comes_first_then_each_extension_then_the_files(db: Database, submitted: Flow) -> None:
    first = Check(lambda job: Rejected("no") if job.description.executable == "refuse" else None)
    second = Check(
        lambda job: Held("wait for it", 30, (ALPHA,), ("ALPHA-DISK",)) if job.description.executable == "hold" else None
    )
    catalog = Recording()
    rules = PreparationRules(catalogs={"static": catalog}, checks={"first": first, "second": second})
    texts = ["insane", "refuse", "hold", "good"]
    lfns = {"insane": "/vob/alpha"}
    job_ids = await submitted(
        *(f'Executable = "{text}"; InputData = "{lfns.get(text, "/voa/alpha")}";' for text in texts)
    )
    found = await _check(db, job_ids, rules)
    assert [each.description.executable for each in first.asked[0]] == ["refuse", "hold", "good"]
    assert [each.description.executable for each in second.asked[0]] == ["hold", "good"]
    assert catalog.questions == [("voa", ["/voa/alpha"])]
    assert [found[job_id][:2] for job_id in job_ids] == [
        ("Failed", "Illegal Job JDL"),
        ("Failed", "Illegal Job JDL"),
        ("Checking", "On Hold: wait for it"),
        ("Waiting", "Pilot Agent Submission"),
    ]
    async with db.read() as tx:
        [hold] = (await tx.execute(sa.select(job_holds))).mappings()
    assert (hold["reason"], hold["names"]) == ("extension", [f"site:{ALPHA}", "se:ALPHA-DISK"])


async def test_extensions_narrow_sites_together_with_the_data(db: Database, submitted: Flow) -> None:
    checks = {
        "one": Check(lambda _: Narrowed(frozenset({ALPHA, BETA}))),
        "two": Check(lambda _: Narrowed(frozenset({BETA}))),
    }
    plain, both, alpha = await submitted(PLAIN, PLAIN + 'InputData = "/voa/both";', PLAIN + 'InputData = "/voa/alpha";')
    found = await _check(db, [plain, both, alpha], replace(STATIC, checks=checks))
    assert [found[job_id][0] for job_id in (plain, both, alpha)] == ["Waiting", "Waiting", "Failed"]
    assert found[alpha][1] == "No candidate sites available"
    assert await _sites(db) == {(BETA,)}


async def test_a_check_that_breaks_holds_the_jobs_and_says_whose_it_is(db: Database, submitted: Flow) -> None:
    def broken(_: Preparing) -> Decision:
        raise ZeroDivisionError

    [job_id] = await submitted(PLAIN)
    lost: Any = {"example": lambda asked, _: {7: Rejected("nobody")}}
    for checks in ({"example": Check(broken)}, lost):
        async with db.transaction() as tx:
            await tx.execute(sa.delete(job_holds))
        found = await _check(db, [job_id], replace(STATIC, checks=checks))
        assert found[job_id][:2] == (
            "Checking",
            "On Hold: The check of the extension example does not work; the operators of this installation can see why",
        )


def test_two_extensions_cannot_have_the_same_catalogue_and_all_checks_count() -> None:
    one = Extension(name="one", catalogs={"mine": lambda _: StaticCatalog()}, preparation_checks={"one": Check()})
    merged = activate([BUILTIN, one, Extension(name="two", preparation_checks={"two": Check()})])
    assert (set(merged.catalogs), list(merged.preparation_checks)) == ({"weyl", "static", "mine"}, ["one", "two"])
    with pytest.raises(ExtensionConflict, match="The file catalogue mine is claimed by one and by two"):
        activate([BUILTIN, one, Extension(name="two", catalogs={"mine": lambda _: StaticCatalog()})])
