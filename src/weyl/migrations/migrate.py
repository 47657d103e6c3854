"""Bring a database to the schema of this release, or back."""

from collections.abc import Mapping

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text

from weyl.kit.db import Database
from weyl.migrations import queries
from weyl.migrations.revisions import current_revision, needed_revision, version_table
from weyl.migrations.tables import room_triggers
from weyl.migrations.triggers import missing, trigger_files

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


async def upgrade(db: Database, revision: str = "head", *, branches: Branches | None = None) -> list[str]:
    """Apply what is missing, in one transaction: revisions, then the triggers of the rooms, then extensions' revisions.

    A second caller waits and finds nothing to do. Triggers follow the last revision only, and extensions a schema that
    is complete: theirs may refer to it. Returns the rooms whose triggers were applied.
    """

    def run(connection: Connection) -> None:
        command.upgrade(_config(connection), revision)

    def run_branches(connection: Connection) -> None:
        for branch in sorted((branches or {}).items()):
            command.upgrade(_config(connection, branch), "head")

    applied: list[str] = []
    async with db.transaction() as tx:
        await tx.execute(text("SET LOCAL statement_timeout = 0"))
        await tx.execute(text("SET LOCAL lock_timeout = '60s'"))
        await tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        await tx.run_sync(run)
        if revision in ("head", needed_revision()):
            for file in missing(trigger_files(), await queries.select_applied(tx)):
                await queries.apply_file(tx, file)
                applied.append(file.room)
        if revision == "head":
            await tx.run_sync(run_branches)
    return applied


async def downgrade(db: Database, revision: str, *, branch: tuple[str, str] | None = None) -> None:
    """Take migrations back down to `revision` (`base` removes everything), weyl's own or one extension's.

    Triggers stay as the rooms' files have them, but for those that a revision drops or makes anew on the way.
    """

    def run(connection: Connection) -> None:
        command.downgrade(_config(connection, branch), revision)

    async with db.transaction() as tx:
        await tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        await tx.run_sync(run)
        if await tx.scalar(text("SELECT to_regclass(:name)"), {"name": room_triggers.name}) is not None:
            await queries.forget_applied(tx)


def head_revision(branch: tuple[str, str] | None = None) -> str:
    """Return the schema revision that this release, or one extension of it, needs."""
    try:
        head = ScriptDirectory.from_config(_config(branch=branch)).get_current_head()
    except CommandError as error:
        raise LookupError(str(error)) from error
    if head is None:
        raise LookupError(f"There is no migration in {branch[1] if branch else 'weyl:migrations'}")
    return head


async def branches_behind(db: Database, branches: Branches) -> list[str]:
    """Return the extensions whose tables in the database are not those that they need."""
    found = {name: await current_revision(db, name) for name in branches}
    return sorted(name for name, location in branches.items() if found[name] != head_revision((name, location)))
