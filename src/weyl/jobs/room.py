"""What the room of jobs hands in."""

from collections.abc import Sequence

from weyl.config.service import CONFIG
from weyl.file_catalog.drivers.catalog import CATALOGS
from weyl.jobs.additions import (
    JOB_ATTRIBUTES,
    OUTLOOK,
    REFERENCES,
    SUBMISSION_CHECKS,
    SUBMISSION_RULES,
    SubmissionRules,
)
from weyl.jobs.group_views import JOB_GROUPS
from weyl.jobs.routes import (
    bulk,
    data,
    details,
    groups,
    heartbeat,
    metadata,
    outputs,
    peek,
    reschedule,
    sandboxes,
    search,
    status,
    submission,
    task_queues,
)
from weyl.jobs.service.feed import JobFeed, QueueFeed
from weyl.jobs.service.figures import figures
from weyl.jobs.service.holds import Waker
from weyl.jobs.service.input_files import INPUTS, Inputs
from weyl.jobs.service.moves import fail
from weyl.jobs.service.output_data import OUTPUTS, Outputs
from weyl.jobs.service.run_uploads import RunUploads
from weyl.jobs.service.writes import JOB_WRITES, JobWrites
from weyl.jobs.tasks import tasks
from weyl.jobs.views import VIEWS
from weyl.kit.clock import utcnow
from weyl.kit.db import DATABASE, Tx
from weyl.kit.following import FOLLOWERS
from weyl.kit.room import Room
from weyl.kit.services import Services
from weyl.kit.task import BoundTask
from weyl.resource_status.service.board import STATUS_BOARD
from weyl.sandboxes.service import ON_BROKEN
from weyl.settings import SETTINGS
from weyl.storage.additions import JOB_UPLOADS
from weyl.storage.service.reach import STORAGES
from weyl.storage.service.state import UPLOADS


async def _fail_without_sandbox(tx: Tx, job_ids: Sequence[int]) -> None:
    await fail(tx, job_ids, minor_status="Failed Downloading InputSandbox", source="Sandboxes", now=utcnow())


def _state(services: Services) -> None:
    services.hold(ON_BROKEN, _fail_without_sandbox)
    services.hold(JOB_UPLOADS, RunUploads())


def _serving(services: Services) -> None:
    services.hold(JOB_WRITES, JobWrites(services[DATABASE], services[CONFIG]))
    rules = SubmissionRules(
        services[SETTINGS].jobs_per_submission_max,
        services[JOB_ATTRIBUTES],
        services[SUBMISSION_CHECKS],
        outlook=services.later(OUTLOOK),
    )
    services.hold(SUBMISSION_RULES, rules)
    db, catalogs = services[DATABASE], services[CATALOGS]
    services.hold(OUTPUTS, Outputs(db, services[UPLOADS]))
    services.hold(INPUTS, Inputs(db, services[STORAGES], {name: make(db) for name, make in catalogs.items()}))
    services[FOLLOWERS].append(Waker(services[DATABASE], services[STATUS_BOARD]).follower)


def _tasks(services: Services) -> Sequence[BoundTask]:
    settings = services[SETTINGS]
    return tasks(
        services[DATABASE],
        services[CONFIG],
        history_months=settings.job_history_months,
        heartbeat_months=settings.job_heartbeat_months,
        references=services[REFERENCES],
    )


_ROUTES = (
    sandboxes,
    submission,
    search,
    groups,
    status,
    heartbeat,
    metadata,
    reschedule,
    details,
    outputs,
    data,
    peek,
    bulk,
    task_queues,
)

ROOM = Room(
    routers=[module.router for module in _ROUTES],
    state=[_state],
    serving=[_serving],
    tasks=[_tasks],
    views=(*VIEWS, JOB_GROUPS),
    feeds={
        "jobs": lambda services: JobFeed(services[DATABASE], services[CONFIG]),
        "queues": lambda services: QueueFeed(services[DATABASE], services[CONFIG]),
    },
    figures={"jobs": figures},
)
