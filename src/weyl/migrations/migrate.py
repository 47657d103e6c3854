"""Bring a database to the schema of this release, and tell which schema it has."""

from collections.abc import Mapping

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from weyl.kit.db import Database

# Two processes that start together must not migrate at the same time; the number is arbitrary but fixed.
_LOCK = 0x7765796C


# Where the migrations of extensions are, by name: what `Extension.migrations` says.
Branches = Mapping[str, str]


def _config(connection: Connection | None = None, branch: tuple[str, str] | None = None) -> Config:
    """Return the settings of weyl's own migrations, or of one extension's."""
    config = Config()
    config.set_main_option("script_location", "weyl:migrations")
    if branch is not None:
        config.set_main_option("version_locations", branch[1])
        config.set_main_option("path_separator", "newline")
    config.attributes["connection"] = connection
    config.attributes["version_table"] = version_table(branch[0] if branch is not None else None)
    return config


def version_table(extension: str | None) -> str:
    """Return the table that holds the revision of weyl's schema, or of an extension's."""
    return "alembic_version" if extension is None else f"alembic_version_{extension}"


async def upgrade(db: Database, revision: str = "head", *, branches: Branches | None = None) -> None:
    """Apply every migration that is missing, in one transaction; a second caller waits and finds nothing to do.

    Extensions follow when weyl's own schema is complete: their tables may refer to it.
    """

    def run(connection: Connection) -> None:
        command.upgrade(_config(connection), revision)
        if revision == "head":
            for branch in sorted((branches or {}).items()):
                command.upgrade(_config(connection, branch), "head")

    async with db.transaction() as tx:
        await tx.execute(text("SET LOCAL statement_timeout = 0"))
        await tx.execute(text("SET LOCAL lock_timeout = '60s'"))
        await tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        await tx.run_sync(run)


async def downgrade(db: Database, revision: str, *, branch: tuple[str, str] | None = None) -> None:
    """Take migrations back down to `revision` (`base` removes everything), weyl's own or one extension's."""

    def run(connection: Connection) -> None:
        command.downgrade(_config(connection, branch), revision)

    async with db.transaction() as tx:
        await tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        await tx.run_sync(run)


def head_revision(branch: tuple[str, str] | None = None) -> str:
    """Return the schema revision that this release, or one extension of it, needs."""
    head = ScriptDirectory.from_config(_config(branch=branch)).get_current_head()
    if head is None:
        raise LookupError(f"There is no migration in {branch[1] if branch else 'weyl:migrations'}")
    return head


def known_revisions() -> frozenset[str]:
    """Return every revision that this release can migrate from or to."""
    return frozenset(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


async def current_revision(db: Database, extension: str | None = None) -> str | None:
    """Return the revision of weyl's schema in the database, or of an extension's; none if nothing was ever applied."""
    options = {"version_table": version_table(extension)}
    async with db.read() as tx:
        return await tx.run_sync(
            lambda connection: MigrationContext.configure(connection, opts=options).get_current_revision()
        )


async def branches_behind(db: Database, branches: Branches) -> list[str]:
    """Return the extensions whose tables in the database are not those that they need."""
    found = {name: await current_revision(db, name) for name in branches}
    return sorted(name for name, location in branches.items() if found[name] != head_revision((name, location)))
