"""Jobs of before there were workflows: they stay as they are, and the schema can go back."""

from sqlalchemy import text

from weyl.kit.db import Database
from weyl.migrations import migrate

_BEFORE = "0035_room_triggers"
_JOB = """
INSERT INTO jobs (owner, owner_group, vo, submission_time, last_update_time, status, description_id)
VALUES ('alice', 'user', 'voa', now(), now(), 'Waiting', 1) RETURNING job_id
"""


async def test_jobs_of_the_revision_before_have_no_workflow(bare: Database) -> None:
    await migrate.upgrade(bare, _BEFORE)
    async with bare.transaction() as tx:
        old = await tx.scalar(text(_JOB))
    await migrate.upgrade(bare)
    async with bare.transaction() as tx:
        late = await tx.scalar(text(_JOB))  # a server of the release before is still there
        rows = (await tx.execute(text("SELECT job_id, inputs, workflow_id FROM jobs ORDER BY job_id"))).all()
    assert [tuple(row) for row in rows] == [(old, None, None), (late, None, None)]
    async with bare.transaction() as tx:
        await tx.execute(text("""UPDATE jobs SET inputs = '{"x": 1.0E5}', workflow_id = 'ab'"""))
        await tx.execute(text("INSERT INTO job_outputs (job_id, manifest, at) VALUES (1, '{}', now())"))
    await migrate.downgrade(bare, _BEFORE)
    async with bare.read() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM jobs")) == 2
