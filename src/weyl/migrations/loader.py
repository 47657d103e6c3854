"""Loads what changes a schema where it is needed: whoever only looks at revisions spares the 5 MB of Alembic."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from weyl.kit.db import Database


def load_migrate() -> Any:
    """Return the module `weyl.migrations.migrate`."""
    return import_module("weyl.migrations.migrate")


async def branches_behind(db: Database, branches: Mapping[str, str]) -> list[str]:
    """Return the extensions whose tables are not up to date; `branches` says where each has its migrations.

    Alembic knows the order of an extension's revisions; without such an extension nobody needs it here.
    """
    behind: list[str] = await load_migrate().branches_behind(db, branches) if branches else []
    return behind
