"""Documents, and the application that takes them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from tests.infra.app import Application

from weyl.cwl.drivers.compiler import Compiler
from weyl.cwl.service.compilations import Compilations
from weyl.cwl.service.submission import WORKFLOWS
from weyl.jobs.tables import job_descriptions, jobs
from weyl.kit.db import DATABASE, Database

Post = Callable[..., Awaitable[httpx2.Response]]
OUTCOMES: list[str] = []
"""What the compiler of all tests has said so far, a word a compilation."""

ECHO = """\
cwlVersion: v1.2
class: CommandLineTool
id: echo
inputs:
  seed: {type: int, default: 3, inputBinding: {position: 1}}
  scale: {type: "double?", inputBinding: {position: 2}}
outputs:
  said: {type: stdout}
stdout: said.txt
baseCommand: [echo]
"""


@pytest.fixture(scope="session")
async def compiler() -> AsyncIterator[Compiler]:
    """One compiler for all tests: to start one takes two seconds."""
    compiler = Compiler(count=OUTCOMES.append)
    yield compiler
    await compiler.close()


@pytest.fixture
async def served(start_application: Callable[..., Awaitable[Application]], compiler: Compiler) -> Application:
    """The application, which takes 2,000 jobs at a time."""
    application = await start_application(jobs_per_submission_max=2000)
    return with_compiler(application, compiler)


def with_compiler(application: Application, compiler: Compiler) -> Application:
    """Have an application compile with another compiler; it keeps what was compiled for itself."""
    compilations = Compilations(application.services[DATABASE], compiler)
    held = application.services[WORKFLOWS]
    application.put(WORKFLOWS, replace(held, compiler=compiler, compilations=compilations))
    return application


@pytest.fixture
def compiled(served: Application) -> Callable[[], float]:
    """Return `compiled()` -> how many documents the application has compiled."""
    before = len(OUTCOMES)
    return lambda: len(OUTCOMES) - before


@pytest.fixture
def post(served: Application) -> Post:
    """Return `post(path, body, **who)` -> the answer; text is sent as it is."""

    async def call(path: str, body: Any, *, key: str | None = None, **who: Any) -> httpx2.Response:
        headers = served.login(**who) | ({"Idempotency-Key": key} if key is not None else {})
        if isinstance(body, str):
            headers["Content-Type"] = "application/json"
            return await served.client.post(path, content=body.encode(), headers=headers)
        return await served.client.post(path, json=body, headers=headers)

    return call


@pytest.fixture
def submit(post: Post) -> Post:
    """Return `submit(body, **who)` -> the answer to a submission."""

    async def call(body: Any, **who: Any) -> httpx2.Response:
        return await post("/api/jobs/", body, **who)

    return call


@pytest.fixture
def stored(db: Database) -> Callable[[], Awaitable[list[dict[str, Any]]]]:
    """Return `stored()` -> the rows of all jobs with their descriptions, in the order of ids."""

    async def read() -> list[dict[str, Any]]:
        columns = [*jobs.c, job_descriptions.c.document, sa.cast(jobs.c.inputs, sa.Text).label("inputs_text")]
        statement = sa.select(*columns).join(
            job_descriptions, job_descriptions.c.description_id == jobs.c.description_id
        )
        async with db.read() as tx:
            return [dict(row) for row in (await tx.execute(statement.order_by(jobs.c.job_id))).mappings()]

    return read
