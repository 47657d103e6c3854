"""Which schema a database has and which this release needs, without Alembic: those who only look can spare it."""

from collections.abc import Collection
from functools import cache
from importlib.resources import files

from sqlalchemy import text

from weyl.kit.db import Database
from weyl.kit.errors import Unavailable
from weyl.migrations import queries
from weyl.migrations.triggers import Applied, judge_triggers, trigger_files


def version_table(extension: str | None) -> str:
    """Return the table that holds the revision of weyl's schema, or of an extension's."""
    return "alembic_version" if extension is None else f"alembic_version_{extension}"


@cache
def known_revisions() -> tuple[str, ...]:
    """Return every revision that this release can migrate from or to, in order: they are called like their files."""
    names = (entry.name for entry in files("weyl.migrations").joinpath("versions").iterdir())
    return tuple(sorted(name.removesuffix(".py") for name in names if name[0].isdigit() and name.endswith(".py")))


def needed_revision() -> str:
    """Return the schema revision that this release needs."""
    return known_revisions()[-1]


async def current_revision(db: Database, extension: str | None = None) -> str | None:
    """Return the revision of weyl's schema in the database, or of an extension's; none if nothing was ever applied."""
    table = version_table(extension)
    async with db.read() as tx:
        if await tx.scalar(text("SELECT to_regclass(:name)"), {"name": f'"{table}"'}) is None:
            return None
        revision: str | None = await tx.scalar(text(f'SELECT version_num FROM "{table}"'))
        return revision


async def applied_triggers(db: Database) -> dict[str, Applied]:
    """Return which file of triggers of each room the database has; its revision must be this release's, or newer."""
    async with db.read() as tx:
        return await queries.select_applied(tx)


async def judge_database(db: Database) -> list[str]:
    """Return warnings about the schema of a database, triggers included; raises if this release cannot work with it."""
    warnings = judge_schema(await current_revision(db), needed_revision(), known_revisions())
    return warnings + judge_triggers(trigger_files(), await applied_triggers(db))


def judge_schema(found: str | None, needed: str, known: Collection[str]) -> list[str]:
    """Return warnings about the schema; raises if this release cannot work with it.

    A revision that we do not know comes from a newer release: during an upgrade servers of both serve, so that is a
    warning. An older one lacks what our statements name.
    """
    if found == needed:
        return []
    if found is None or found in known:
        raise Unavailable(f"The schema is at {found or 'nothing'}, this release needs {needed}: run weyl db migrate")
    return [f"The schema is at {found}, which is newer than this release ({needed}): upgrade this server"]
