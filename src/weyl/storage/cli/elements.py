"""`weyl data elements`: the storage elements of the VO."""

from collections.abc import Mapping
from typing import Any

import typer

from weyl.client.command import session_of
from weyl.client.results import Result, Rows
from weyl.storage import calls

COLUMNS = ("name", "medium", "sites", "read", "write", "free", "total", "files", "bytes", "not_purged", "reason")
ACCESSES = ("read", "write", "check", "remove")


def elements(context: typer.Context) -> Result:
    """Lists the storage elements of your VO: what they allow now, and how much room they have.

    Example: weyl data elements
    """
    rows = [row_of(each) for each in session_of(context).client.send(calls.elements())]
    return Rows(rows, columns=COLUMNS, id_column="name", unit="storage elements")


def row_of(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return a storage element as a row: each access a column, and the reasons against them in one."""
    status = told.get("status") or {}
    row = {"name": told["name"], "medium": told.get("medium"), "sites": told.get("sites"), "vos": told.get("vos")}
    row |= {access: (status.get(access) or {}).get("allowed") for access in ACCESSES}
    row |= {key: told.get(key) for key in ("free", "total")}
    row |= {key: (told.get("usage") or {}).get(key) for key in ("files", "bytes")}
    # Nothing, where all is well: a column that says nothing is not shown.
    row["not_purged"] = (told.get("usage") or {}).get("not_purged") or None
    said: dict[str, list[str]] = {}
    for access in ACCESSES:
        if reason := (status.get(access) or {}).get("reason"):
            said.setdefault(reason, []).append(access)
    row["reason"] = "; ".join(f"{', '.join(kinds)}: {text}" for text, kinds in said.items()) or None
    return row | {"endpoints": told.get("endpoints")}
