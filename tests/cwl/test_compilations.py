"""A document is compiled once: by one request for all that come meanwhile, and by one process for all others."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx2
import sqlalchemy as sa
from tests.cwl.conftest import ECHO, Post, with_compiler
from tests.infra.app import Application

from weyl.cwl.drivers.compiler import Compiler
from weyl.cwl.tables import workflow_compilations
from weyl.kit.clock import utcnow
from weyl.kit.db import Database


async def test_requests_that_come_at_once_share_one_flight(submit: Post, compiled: Callable[[], float]) -> None:
    answers = await asyncio.gather(*(submit({"workflow": ECHO}, user=user) for user in ("alice", "bob") * 3))
    assert {answer.status_code for answer in answers} == {201}
    assert compiled() == 1


async def test_another_process_takes_what_is_in_the_database(
    submit: Post,
    compiled: Callable[[], float],
    start_application: Callable[..., Awaitable[Application]],
    compiler: Compiler,
) -> None:
    bad = ECHO.replace("CommandLineTool", "CommandLineTol")
    for text in (ECHO, bad):
        await submit({"workflow": text})
    assert compiled() == 2
    other = with_compiler(await start_application(), compiler)
    for text, status in ((ECHO, 201), (bad, 400)):
        answer = await other.client.post("/api/jobs/", json={"workflow": text}, headers=other.login())
        assert answer.status_code == status
    assert compiled() == 2


async def test_a_failure_is_looked_at_again_after_an_hour(
    submit: Post, compiled: Callable[[], float], db: Database, served: Application, compiler: Compiler
) -> None:
    bad = ECHO.replace("CommandLineTool", "CommandLineTol")
    assert (await submit({"workflow": bad})).status_code == 400
    async with db.transaction() as tx:
        await tx.execute(sa.update(workflow_compilations).values(at=utcnow() - timedelta(minutes=61)))
    # as another process would, which has not seen it
    with_compiler(served, compiler)
    assert (await submit({"workflow": bad})).status_code == 400
    async with db.read() as tx:
        age = utcnow() - (await tx.execute(sa.select(workflow_compilations.c.at))).scalar_one()
    assert age < timedelta(minutes=30)


async def test_a_dry_run_and_a_check_write_nothing(submit: Post, post: Post, db: Database) -> None:
    answers: list[httpx2.Response] = [
        await submit({"workflow": ECHO, "dry_run": True}),
        await post("/api/workflows/validate", {"workflow": f"{ECHO}# other\n"}),
    ]
    assert [answer.status_code for answer in answers] == [200, 200]
    async with db.read() as tx:
        assert (await tx.execute(sa.select(workflow_compilations.c.at))).all() == []


async def test_hints_of_a_document_that_cannot_be_compiled_are_judged_too(submit: Post) -> None:
    text = '$namespaces: {dirac: "https://diracgrid.org/cwl#"}\nhints: {dirac:Job: {prio: 1}}\n' + ECHO.replace(
        "type: int,", "type: [int, 3],"
    )
    for _ in range(2):
        problems: list[dict[str, Any]] = (await submit({"workflow": text})).json()["problems"]
        assert {each["code"] for each in problems} == {"schema", "invalid"}
