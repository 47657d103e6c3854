"""Somebody of every kind at home in one application: a job that runs on a pilot, and a token for each who may ask."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import text

from tests.infra.app import Application
from tests.infra.samples import STAMP
from weyl.kit.db import Database


@dataclass(frozen=True)
class Household:
    """A job of alice's that runs on the pilot STAMP, and the headers of everybody."""

    job_id: int
    tokens: Mapping[str, dict[str, str]]


async def settle(application: Application, db: Database) -> Household:
    """Give alice a job that runs on a pilot, tell of a task, and give everybody a token."""
    client = application.client
    submitted = await client.post("/api/jobs/jdl", json=['Executable = "x";'], headers=application.login())
    assert submitted.status_code == 201, submitted.text
    job_id = submitted.json()[0]["JobID"]
    registered = await client.post(
        "/api/pilots/", json={"pilot_stamp": STAMP, "vo": "voa"}, headers=application.login(group="pilot")
    )
    assert registered.status_code == 201, registered.text
    async with db.transaction() as tx:
        await tx.execute(text("UPDATE jobs SET status = 'Running', pilot_stamp = :s"), {"s": STAMP})
        await tx.execute(text("INSERT INTO job_pilots SELECT job_id, :s, now() FROM jobs"), {"s": STAMP})
        await tx.execute(text("INSERT INTO task_kinds VALUES ('a.task', 'small', 0, 1, NULL, false, now())"))
    tokens = {
        "nobody": {},
        "user": application.login(),
        "admin": application.login(group="admin", properties=["Operator"]),
        "service": application.login(group="service"),
        "pilot": application.pilot(STAMP),
        "payload": application.payload(job_id, stamp=STAMP),
    }
    return Household(job_id, tokens)
