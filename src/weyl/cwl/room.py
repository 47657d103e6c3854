"""What the room of workflows hands in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from weyl.cwl.additions import HINTS
from weyl.cwl.drivers.compiler import COMPILER, Compiler
from weyl.cwl.routes import jobs, submission, workflows
from weyl.cwl.service.compilations import Compilations
from weyl.cwl.service.submission import WORKFLOWS, Workflows
from weyl.cwl.tasks import tasks
from weyl.jobs.additions import SUBMISSION_RULES
from weyl.kit.db import DATABASE
from weyl.kit.metrics import METRICS
from weyl.kit.room import Room
from weyl.kit.services import Services
from weyl.settings import SETTINGS


@asynccontextmanager
async def _serving(services: Services) -> AsyncIterator[None]:
    db, compiler = services[DATABASE], Compiler()
    count = services[METRICS].counter("weyl_cwl_compilations", "Documents in CWL that were compiled, well or not.")
    compilations = Compilations(db, compiler, count=count)
    services.hold(COMPILER, compiler)
    services.hold(
        WORKFLOWS,
        Workflows(
            db,
            compiler,
            compilations,
            services[HINTS],
            services[SETTINGS].sandbox_se,
            services[SUBMISSION_RULES],
        ),
    )
    try:
        yield
    finally:
        await compiler.close()


ROOM = Room(
    routers=[submission.router, jobs.router, workflows.router],
    serving=[_serving],
    tasks=[lambda services: tasks(services[DATABASE])],
)
