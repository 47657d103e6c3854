"""Migrations lead to the schema that the tables declare, and back to nothing."""

import re
import subprocess
import sys

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

import weyl.builtin  # noqa: F401 - imports every room, so that its tables are declared
from weyl.kit.db import Database, metadata
from weyl.migrations import migrate, revisions

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
    assert await revisions.current_revision(db) == revisions.needed_revision()


async def test_upgrading_twice_changes_nothing(db: Database) -> None:
    await migrate.upgrade(db)
    assert await revisions.current_revision(db) == revisions.needed_revision()


async def test_every_migration_can_be_taken_back_and_applied_again(db: Database) -> None:
    await migrate.downgrade(db, "base")
    async with db.read() as tx:
        left = await tx.run_sync(lambda connection: sa.inspect(connection).get_table_names())
        functions = await tx.scalar(text("SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace"))
    assert left == ["alembic_version"]
    assert functions == 0
    await migrate.upgrade(db)
    assert await revisions.current_revision(db) == revisions.needed_revision()


def test_revisions_are_called_like_their_files_and_follow_each_other_by_name() -> None:
    """So that whoever only asks which schema is needed does without Alembic."""
    config = Config()
    config.set_main_option("script_location", "weyl:migrations")
    walked = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert list(revisions.known_revisions()) == walked[::-1]


@pytest.mark.system
def test_a_server_and_a_worker_do_without_alembic() -> None:
    """It is 5 MB in each of their processes."""
    code = "import sys, weyl.commands, weyl.worker, weyl.server; sys.exit('alembic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
