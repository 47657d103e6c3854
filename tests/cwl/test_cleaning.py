"""What nobody uses is removed; what a description names is kept."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from tests.cwl.conftest import ECHO, Post
from tests.cwl.test_workflows import FILES, sent
from tests.infra.app import Application

from weyl.cwl import tables
from weyl.cwl.queries.bundles import LOCK
from weyl.cwl.service.cleaning import clean
from weyl.jobs.tables import job_descriptions
from weyl.kit.clock import utcnow
from weyl.kit.db import Database

TABLES = [value for value in vars(tables).values() if isinstance(value, sa.Table)]
Stored = Callable[[], Awaitable[list[dict[str, Any]]]]


async def counts(db: Database) -> dict[str, int]:
    async with db.read() as tx:
        return {
            table.name.removeprefix("workflow_"): (
                await tx.execute(sa.select(sa.func.count()).select_from(table))
            ).scalar_one()
            for table in TABLES
        }


async def test_an_unused_bundle_goes_with_all_that_is_its_own(db: Database, served: Application, submit: Post) -> None:
    now = utcnow()
    made, document = sent(FILES)
    for vo in ("voa", "vob"):
        answer = await served.client.put(f"/api/workflows/{made}", json=document, headers=served.login(vo=vo))
        assert answer.status_code == 201
    # the job's document is one of the bundle's files
    assert (await submit({"workflow": ECHO})).status_code == 201
    assert await clean(db, now=now + timedelta(days=89)) == 0
    assert await clean(db, now=now + timedelta(days=91)) == 2
    assert await counts(db) == {
        "blobs": 1, "blob_access": 1, "bundles": 1, "access": 1, "labels": 1, "compilations": 1
    }  # fmt: skip
    async with db.transaction() as tx:
        await tx.execute(sa.delete(job_descriptions))
    assert await clean(db, now=now + timedelta(days=91)) == 1
    assert set((await counts(db)).values()) == {0}


async def test_what_is_used_again_stays(db: Database, submit: Post) -> None:
    assert (await submit({"workflow": ECHO})).status_code == 201
    async with db.transaction() as tx:
        await tx.execute(sa.delete(job_descriptions))
        old = utcnow() - timedelta(days=100)
        await tx.execute(sa.update(tables.workflow_access).values(last_used=old, first_used=old))
    assert (await submit({"workflow": ECHO})).status_code == 201
    async with db.transaction() as tx:
        await tx.execute(sa.delete(job_descriptions))
    assert await clean(db, now=utcnow()) == 0


async def test_failed_compilations_are_forgotten_after_an_hour(db: Database, submit: Post) -> None:
    assert (await submit({"workflow": "class: x"})).status_code == 400
    assert (await counts(db))["compilations"] == 1
    await clean(db, now=utcnow() + timedelta(minutes=50))
    assert (await counts(db))["compilations"] == 1
    await clean(db, now=utcnow() + timedelta(minutes=70))
    assert (await counts(db))["compilations"] == 0


async def test_nothing_is_removed_while_a_bundle_is_being_stored(db: Database) -> None:
    async with db.transaction(opening=LOCK), db.read() as tx:
        free = (await tx.execute(sa.text("SELECT pg_try_advisory_lock(724512037)"))).scalar_one()
        assert free is False
