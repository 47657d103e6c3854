"""Partitions: they are there before they are needed, and they go as a whole."""

from datetime import UTC, datetime, timedelta

from weyl.auth.tasks import MONTHS_AHEAD, tasks
from weyl.kit.db import Database
from weyl.kit.partitions import month_start


async def partitions(db: Database, table: str) -> list[str]:
    async with db.read() as tx:
        found = await tx.exec_driver_sql(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = $1::text::regclass ORDER BY 1", (table,)
        )
        return [name for (name,) in found]


def name(table: str, months: int) -> str:
    return f"{table}_{month_start(datetime.now(UTC), months):%Y_%m}"


async def test_a_new_installation_has_room_for_every_login_that_can_begin_now(db: Database) -> None:
    for table, ahead in MONTHS_AHEAD.items():
        assert await partitions(db, table) == [name(table, month) for month in range(ahead + 1)]
    assert month_start(datetime.now(UTC), MONTHS_AHEAD["refresh_tokens"]) > datetime.now(UTC) + timedelta(days=365)


async def test_the_task_adds_what_is_missing_and_drops_what_is_over(db: Database) -> None:
    async with db.transaction() as tx:
        for table, ahead in MONTHS_AHEAD.items():
            await tx.exec_driver_sql(f"DROP TABLE {name(table, ahead)}")
            for months in (-3, -2):
                start, end = (month_start(datetime.now(UTC), each) for each in (months, months + 1))
                await tx.exec_driver_sql(
                    f"CREATE TABLE {name(table, months)} PARTITION OF {table} FOR VALUES FROM ('{start}') TO ('{end}')"
                )
        ended = month_start(datetime.now(UTC), -2) + timedelta(days=3)
        await tx.exec_driver_sql(
            "INSERT INTO refresh_tokens VALUES"
            f" (gen_random_uuid(), '{ended}', '{ended}', gen_random_uuid(), 'voa', 's', 'vo:voa', 'REVOKED', false)"
        )
    bound = next(bound for bound in tasks(db, session_idle_minutes=60) if bound.task.name == "auth.partitions")
    for _ in range(2):
        await bound.handler(None)
        for table, ahead in MONTHS_AHEAD.items():
            assert await partitions(db, table) == [name(table, month) for month in range(ahead + 1)]
    async with db.read() as tx:
        assert (await tx.exec_driver_sql("SELECT count(*) FROM refresh_tokens")).scalar_one() == 0
