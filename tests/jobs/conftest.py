"""Jobs as a test needs them: in any status, of any owner, on any pilot."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.infra.app import Installation, config_document, running_application
from tests.jobs import files_world

from weyl.config.models import Config
from weyl.demo.seaweedfs import RunningStore
from weyl.descriptions.described import Prepared, described
from weyl.descriptions.description import Owner
from weyl.descriptions.requirements import Limits
from weyl.descriptions.rows import Rows as RowsOfJobs
from weyl.descriptions.texts import Form
from weyl.jobs.additions import SubmissionRules
from weyl.jobs.policy import Submitter
from weyl.jobs.service.storing import NewJobs, store
from weyl.jobs.service.submission import Submission, submit
from weyl.jobs.tables import job_commands, job_descriptions, job_history, job_pilots, jobs
from weyl.kit.clock import utcnow
from weyl.kit.db import Database

JDL = 'Executable = "/bin/date";'
DOCUMENT = {"Executable": "/bin/date", "CPUTime": 86400, "Priority": 1, "Owner": "alice", "OwnerGroup": "user"}

MakeJobs = Callable[..., Awaitable[list[int]]]
Rows = Callable[..., Awaitable[Any]]


@pytest.fixture
def make_jobs(db: Database) -> MakeJobs:
    """Return `make_jobs(count, pilot=stamp, at=time, **columns)` -> ids; alice's, Received, without further ado."""

    async def make(
        count: int = 1, *, pilot: str | None = None, at: datetime | None = None, **columns: Any
    ) -> list[int]:
        now = at or utcnow() - timedelta(minutes=5)
        values = {
            "owner": "alice",
            "owner_group": "user",
            "vo": "voa",
            "submission_time": now,
            "last_update_time": now,
            "status": "Received",
            "minor_status": "Job accepted",
            "pilot_stamp": pilot,
            "user_priority": 1,
            **columns,
        }
        async with db.transaction() as tx:
            description = sa.insert(job_descriptions).values(jdl=JDL, document=DOCUMENT)
            values["description_id"] = (
                await tx.execute(description.returning(job_descriptions.c.description_id))
            ).scalar_one()
            inserted = sa.insert(jobs).values([values] * count).returning(jobs.c.job_id)
            job_ids = sorted((await tx.execute(inserted)).scalars())
            await tx.execute(
                sa.insert(job_history).values(
                    [
                        {
                            "job_id": job_id,
                            "at": now,
                            "status": values["status"],
                            "minor_status": values["minor_status"],
                            "application_status": "Unknown",
                            "source": "JobManager",
                        }
                        for job_id in job_ids
                    ]
                )
            )
            if pilot is not None:
                await tx.execute(
                    sa.insert(job_pilots).values(
                        [{"job_id": job_id, "pilot_stamp": pilot, "at": now} for job_id in job_ids]
                    )
                )
        return job_ids

    return make


@pytest.fixture
def submitted(db: Database) -> Callable[..., Awaitable[list[int]]]:
    """Return `submitted(*texts)` -> ids of alice's jobs that are Received."""
    alice = Submitter(vo="voa", group="user", owner="alice", subject="voa:alice-sub")

    async def call(*texts: str, form: Form = "jdl") -> list[int]:
        rules, config = SubmissionRules(100_000), Config.model_validate(config_document())
        async with db.transaction() as tx:
            asked = Submission(texts, form=form)
            answer = await submit(tx, asked, submitter=alice, config=config, now=utcnow(), rules=rules)
        return list(answer.job_ids)

    return call


@pytest.fixture
def workflow_jobs(db: Database) -> Callable[..., Awaitable[list[int]]]:
    """Return `workflow_jobs(*rows, **attributes)` -> ids of alice's jobs of one workflow, Received, one a row."""
    alice = Submitter(vo="voa", group="user", owner="alice", subject="voa:alice-sub")

    async def call(*rows: Mapping[str, Any], **attributes: Any) -> list[int]:
        rules, config = SubmissionRules(100_000), Config.model_validate(config_document())
        document = {"Workflow": {"Bundle": "ab" * 32, "Fragment": None}, "JobName": "reco", **attributes}
        made = described(
            document, Owner("voa", "user", "alice"), Limits(), expansion=RowsOfJobs(rows, ['{"x": 1.0E5}'] * len(rows))
        )
        async with db.transaction() as tx:
            wanted = NewJobs(Prepared.of(made), alice, workflow_id="ef" * 32)
            answer = await store(tx, wanted, config=config, now=utcnow(), rules=rules)
        return list(answer.job_ids)

    return call


@pytest.fixture
def row(db: Database) -> Rows:
    """Return `row(job_id)` -> the job's row, and `row(job_id, "status")` -> one column."""

    async def read(job_id: int, column: str | None = None) -> Any:
        async with db.read() as tx:
            found = (await tx.execute(sa.select(jobs).where(jobs.c.job_id == job_id))).mappings().one()
        return found[column] if column else found

    return read


@pytest.fixture
def history(db: Database) -> Rows:
    """Return `history(job_id)` -> (status, minor, application, source) as stored, in the order of arrival."""

    async def read(job_id: int) -> list[tuple[str, ...]]:
        columns = [job_history.c[name] for name in ("status", "minor_status", "application_status", "source")]
        async with db.read() as tx:
            statement = sa.select(*columns).where(job_history.c.job_id == job_id).order_by(job_history.c.history_id)
            return [tuple(found) for found in await tx.execute(statement)]

    return read


@pytest.fixture
def commands(db: Database) -> Rows:
    """Return `commands(job_id)` -> what was ordered for the job, delivered or not."""

    async def read(job_id: int) -> list[str]:
        async with db.read() as tx:
            statement = sa.select(job_commands.c.command).where(job_commands.c.job_id == job_id)
            return list((await tx.execute(statement)).scalars())

    return read


def iso(at: datetime) -> str:
    """Return a time as a client writes it."""
    return at.isoformat()


@pytest.fixture
async def world(
    database_url: str, tmp_path: Path, object_store: RunningStore, db: Database, make_jobs: MakeJobs
) -> AsyncIterator[files_world.FilesWorld]:
    """An application with two directories as storage elements."""
    installation = Installation.create(tmp_path / "installation")
    for name in ("ALPHA", "BETA"):
        (tmp_path / "disk" / name).mkdir(parents=True)
    installation.commit_config(files_world.storage_document(tmp_path / "disk"), "Storage")
    async with running_application(installation, database_url, object_store) as application:
        yield files_world.FilesWorld(application, installation, db, make_jobs, tmp_path / "disk")
