"""Indexes that came after the first catalogue: what each upload and each repeated call asks uses them."""

import re
from typing import Any

from sqlalchemy import text

from weyl.file_catalog.queries import directories, moves, trash
from weyl.kit.db import Database, Tx, driver_connection
from weyl.kit.sql import Sql
from weyl.migrations import migrate
from weyl.storage.queries import uploads

_BEFORE = "0040_job_files"
_ROWS = (
    """
    INSERT INTO uploads (vo, owner, owner_group, is_atomic, state, created_at, expires_at, requests_until, document)
    SELECT 'voa', 'user' || n, 'user', false, 'open', now(), now(), now(), '{}'
    FROM generate_series(1, 300) AS n
    """,
    "CREATE TABLE file_log_of_the_test PARTITION OF file_log FOR VALUES FROM ('2001-01-01') TO ('2001-02-01')",
    """
    INSERT INTO file_log (at, vo_id, author, action, file_ids)
    SELECT '2001-01-02', 1, 'alice', CASE WHEN n = 1 THEN 'rmdir' ELSE 'trusted' END, ARRAY[n]
    FROM generate_series(1, 300) AS n
    """,
)
ASKED: list[tuple[Sql[Any], str]] = [
    (uploads._COUNT_OPEN, "Scan using ix_uploads_live"),
    (directories._REMOVED, "Index Cond: .*action"),
    (moves._MOVED_BEFORE, "Index Cond: .*action"),
    (trash._DONE_BEFORE, "Index Cond: .*action"),
]


async def plan_of(tx: Tx, statement: Sql[Any]) -> str:
    """Return the plan for any values, since a time."""
    driver = await driver_connection(tx)
    await driver.execute(f"SET plan_cache_mode = force_generic_plan; PREPARE asked AS {statement.text}")
    # Without a time no partition is looked at.
    values = ", ".join("'2001-01-01'" if name == "since" else "NULL" for name in statement.names)
    rows = await driver.fetch(f"EXPLAIN EXECUTE asked({values})")
    await driver.execute("DEALLOCATE asked; RESET plan_cache_mode")
    return "\n".join(row[0] for row in rows)


async def test_rows_of_the_revision_before_are_found_by_the_new_indexes(bare: Database) -> None:
    await migrate.upgrade(bare, _BEFORE)
    async with bare.transaction() as tx:
        for statement in _ROWS:
            await tx.execute(text(statement))
    await migrate.upgrade(bare)
    async with bare.read() as tx:
        await (await driver_connection(tx)).execute("ANALYZE uploads, file_log; SET enable_seqscan = off")
        for statement, index in ASKED:
            plan = await plan_of(tx, statement)
            assert re.search(index, plan), plan
    await migrate.downgrade(bare, _BEFORE)
    async with bare.read() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM file_log")) == 300
        assert await tx.scalar(text("SELECT to_regclass('ix_uploads_live')")) is None
