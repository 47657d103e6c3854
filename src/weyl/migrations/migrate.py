"""Bring a database to the schema of this release, and tell which schema it has."""

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from weyl.kit.db import Database

# Two processes that start together must not migrate at the same time; the number is arbitrary but fixed.
_LOCK = 0x7765796C


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "weyl:migrations")
    return config


async def upgrade(db: Database, revision: str = "head") -> None:
    """Apply every migration that is missing, in one transaction; a second caller waits and finds nothing to do."""

    def run(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    async with db.transaction() as tx:
        await tx.execute(text("SET LOCAL statement_timeout = 0"))
        await tx.execute(text("SET LOCAL lock_timeout = '60s'"))
        await tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        await tx.run_sync(run)


async def downgrade(db: Database, revision: str) -> None:
    """Take migrations back down to `revision` (`base` removes everything)."""

    def run(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        command.downgrade(config, revision)

    async with db.transaction() as tx:
        await tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        await tx.run_sync(run)


def head_revision() -> str:
    """Return the schema revision that this release needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def known_revisions() -> frozenset[str]:
    """Return every revision that this release can migrate from or to."""
    return frozenset(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


async def current_revision(db: Database) -> str | None:
    """Return the schema revision of the database; none if nothing was ever applied."""
    async with db.read() as tx:
        return await tx.run_sync(lambda connection: MigrationContext.configure(connection).get_current_revision())
