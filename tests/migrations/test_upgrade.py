"""A database that the release before has written: what its triggers have counted stays right, and goes on."""

from collections import Counter

from sqlalchemy import text
from tests.migrations.test_triggers import BEFORE_FILES

from weyl.jobs.service.limits import recount_limits
from weyl.kit.db import Database
from weyl.migrations import migrate

_RULE = """
INSERT INTO match_rule (rule, vo, site, job_type, max_jobs, burst) VALUES ('by site and type', 'voa', '*', '*', 100, 0)
"""
# A third of the jobs fails, a third is done, a third runs; the pilots end, and one job that had failed is deleted.
_LIVES = (
    """
    INSERT INTO jobs (owner, owner_group, vo, job_type, site, submission_time, last_update_time, status, description_id)
    SELECT CASE WHEN n % 2 = 0 THEN 'alice' ELSE 'bob' END, 'user', 'voa', 'user', 'ANY', now(), now(), 'Waiting', n
    FROM generate_series(1, 30) AS n
    """,
    """
    INSERT INTO pilots
      (pilot_stamp, vo, grid_site, destination_site, submission_time, last_update_time, spoke_at, status)
    SELECT md5(clock_timestamp()::text || n), 'voa', 'LCG.A.org', 'ce', now(), now(), now(), 'Running'
    FROM generate_series(1, 3) AS n
    """,
    """
    UPDATE jobs SET status = 'Matched', site = CASE WHEN description_id % 2 = 0 THEN 'LCG.A.org' ELSE 'LCG.B.org' END,
      ce = 'ce', allocated = '{"cores": 2}', pilot_stamp = (SELECT max(pilot_stamp) FROM pilots WHERE ended_at IS NULL)
    WHERE status = 'Waiting'
    """,
    "UPDATE jobs SET status = 'Running', start_exec_time = now() WHERE status = 'Matched'",
    """
    UPDATE jobs SET status = 'Failed', minor_status = 'Application Finished With Errors',
      application_status = 'exit ' || description_id || ' on wn' || description_id || '.example.org of ' || owner
    WHERE status = 'Running' AND description_id <= 10
    """,
    "UPDATE jobs SET status = 'Done' WHERE status = 'Running' AND description_id <= 20",
    "UPDATE jobs SET status = 'Stalled' WHERE status = 'Running' AND description_id <= 25",
    "UPDATE pilots SET status = 'Done', ended_at = now() WHERE ended_at IS NULL",
    "UPDATE jobs SET application_status = 'Unknown' WHERE status = 'Failed' AND description_id = 1",
    "DELETE FROM jobs WHERE status = 'Done' AND description_id = 11",
    # The next ones are told from these by what they were made from.
    "UPDATE jobs SET description_id = description_id + 1000 WHERE status <> 'Deleted'",
)
_FIGURES = {
    "counts": "SELECT owner, site, status, minor_status, sum(delta) FROM job_count_deltas GROUP BY 1, 2, 3, 4",
    "gates": "SELECT key, 'jobs', sum(jobs) FROM match_gate_delta GROUP BY 1",
    "cores": "SELECT key, 'cores', sum(cores) FROM match_gate_delta GROUP BY 1",
    # Before, all exit codes were one kind.
    "failures": """
        SELECT regexp_replace(text, 'exit [0-9]+', 'exit <n>'), site, owner, sum(delta) FROM failure_deltas
        GROUP BY 1, 2, 3
    """,
    "runs": "SELECT owner, site, status, sum(jobs) FROM job_hour_deltas GROUP BY 1, 2, 3",
    "cpu": "SELECT owner, site, status, sum(core_s) FROM job_hour_deltas GROUP BY 1, 2, 3",
    "pilots": "SELECT site, ce, status, sum(pilots) FROM pilot_hour_deltas GROUP BY 1, 2, 3",
    "jobs of pilots": "SELECT site, ce, 'jobs', sum(jobs) FROM pilot_hour_deltas GROUP BY 1, 2",
}


async def live(db: Database) -> None:
    """Let some jobs and pilots live."""
    for statement in _LIVES:
        async with db.transaction() as tx:
            await tx.execute(text(statement))


async def figures(db: Database) -> Counter[tuple[object, ...]]:
    """Return everything that triggers have counted."""
    found: Counter[tuple[object, ...]] = Counter()
    async with db.read() as tx:
        for name, statement in _FIGURES.items():
            for *key, count in await tx.execute(text(statement)):
                found[name, *key] += round(float(count), 3)
    return found


async def test_what_was_counted_before_an_upgrade_is_counted_alike_after_it(bare: Database) -> None:
    await migrate.upgrade(bare, BEFORE_FILES)
    async with bare.transaction() as tx:
        await tx.execute(text(_RULE))
    await live(bare)
    before = await figures(bare)
    assert {name for name, *_ in before} == _FIGURES.keys()
    await migrate.upgrade(bare)
    assert await figures(bare) == before
    await live(bare)
    after = await figures(bare)
    assert after == Counter({key: 2 * count for key, count in before.items()})
    async with bare.transaction() as tx:
        assert await recount_limits(tx) == 0
