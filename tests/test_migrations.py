"""Migrations lead to the schema that the tables declare, and back to nothing."""

import re

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

import weyl.builtin  # noqa: F401 - imports every room, so that its tables are declared
from weyl.kit.db import Database, metadata
from weyl.migrations import migrate

_PARTITION = re.compile(r".+_(\d{4}_\d\d|default)")


def _ours(name: str | None, kind: str) -> bool:
    """Leave out the engine's tables, Alembic's own, and the partitions that tasks make."""
    return not (kind == "table" and name and (name.startswith(("pgqueuer", "alembic")) or _PARTITION.fullmatch(name)))


def _differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(
        connection,
        opts={
            "compare_type": True,
            "include_name": lambda name, kind, parents: _ours(name, kind),
        },
    )
    return list(compare_metadata(context, metadata))


async def test_migrations_and_tables_agree(db: Database) -> None:
    async with db.read() as tx:
        assert await tx.run_sync(_differences) == []


async def test_the_database_is_at_the_newest_revision(db: Database) -> None:
    assert await migrate.current_revision(db) == migrate.head_revision()


async def test_upgrading_twice_changes_nothing(db: Database) -> None:
    await migrate.upgrade(db)
    assert await migrate.current_revision(db) == migrate.head_revision()


async def test_every_migration_can_be_taken_back_and_applied_again(db: Database) -> None:
    await migrate.downgrade(db, "base")
    async with db.read() as tx:
        left = await tx.run_sync(lambda connection: sa.inspect(connection).get_table_names())
        functions = await tx.scalar(text("SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace"))
    assert left == ["alembic_version"]
    assert functions == 0
    await migrate.upgrade(db)
    assert await migrate.current_revision(db) == migrate.head_revision()
