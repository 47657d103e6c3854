"""What the room of workflows hands in."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from weyl.cwl import tables  # noqa: F401 - no statement is made of them; the metadata of the database must have them
from weyl.cwl.additions import HINTS
from weyl.cwl.drivers.compiler import COMPILER, Compiler
from weyl.cwl.routes import jobs, submission, workflows
from weyl.cwl.service.compilations import Compilations
from weyl.cwl.service.looks import origins
from weyl.cwl.service.submission import WORKFLOWS, Workflows
from weyl.cwl.tasks import tasks
from weyl.cwl.views import VIEWS
from weyl.descriptions.description import Workflow
from weyl.jobs.additions import SUBMISSION_RULES
from weyl.kit.db import DATABASE, Tx
from weyl.kit.metrics import METRICS
from weyl.kit.room import Room
from weyl.kit.services import Services
from weyl.matcher.service.explain import ORIGINS, Origins
from weyl.settings import SETTINGS


@asynccontextmanager
async def _serving(services: Services) -> AsyncIterator[None]:
    meaning = "Documents in CWL that were compiled, by what came of it."
    compiler = Compiler(count=services[METRICS].counter("weyl_cwl_compilations", meaning, "outcome"))
    db = services[DATABASE]
    compilations = Compilations(db, compiler)
    held = Workflows(
        db, compiler, compilations, services[HINTS], services[SETTINGS].sandbox_se, services[SUBMISSION_RULES]
    )
    services.hold(COMPILER, compiler)
    services.hold(WORKFLOWS, held)
    services.hold(ORIGINS, _origins(held))
    try:
        yield
    finally:
        await compiler.close()


def _origins(held: Workflows) -> Origins:
    async def told(tx: Tx, workflow: Workflow) -> Mapping[str, str]:
        return await origins(held, tx, workflow)

    return told


ROOM = Room(
    routers=[submission.router, jobs.router, workflows.router],
    serving=[_serving],
    views=VIEWS,
    tasks=[lambda services: tasks(services[DATABASE])],
)
