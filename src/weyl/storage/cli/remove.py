"""Commands that put files into the trash and take them out of it: rm, restore."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any

import typer

from weyl.client.command import Session, session_of
from weyl.client.errors import UsageFault
from weyl.client.results import Document, Ids, Result, Rows
from weyl.file_catalog import calls as files
from weyl.file_catalog.models.bulk import UNDO_S, UNDO_S_MAX, FileAction
from weyl.file_catalog.models.files import FILES_MAX
from weyl.storage.cli import orders
from weyl.storage.cli.names import CHANGE_BATCH, Failed, Lfns, Paths, each, names_of, no_such
from weyl.storage.cli.names import reason as reason_of
from weyl.tasks.cli import ended, wait_for

# Up to so many files are deleted directly, and each is answered for; more are one operation of the server.
DIRECT_MAX = CHANGE_BATCH
REASON = "weyl data rm"
PLAN_COLUMNS = ("count", "bytes", "directories", "sample")


def rm(
    context: typer.Context,
    paths: Paths,
    *,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Directories, too, with all that is below.")
    ] = False,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept.")] = REASON,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what it would be, and change nothing.")] = False,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Print the id of the operation, if it is one, and do not wait for it.")
    ] = False,
    undo: Annotated[
        int,
        typer.Option(
            "--undo",
            metavar="S",
            min=0,
            max=UNDO_S_MAX,
            help="With -r, or above 1,000 files: seconds in which it can be cancelled before it begins.",
        ),
    ] = UNDO_S,
) -> Result:
    """Puts files into the trash, from where they can be restored for some days.

    With -r, and for more than 1,000 files, you see how many files and bytes it is before anything happens.

    Example: weyl data rm -r /hep/user/a/alice/old --reason "thesis is written"
    """
    session = session_of(context)
    names = list(dict.fromkeys(names_of(session, paths)))
    if recursive or DIRECT_MAX < len(names) <= FILES_MAX:
        action = FileAction.REMOVE if recursive else FileAction.DELETE
        order = {"action": action, "paths": names, "fields": {"reason": reason}, "undo_s": undo}
        return _bulk(session, order, dry_run=dry_run, waits=not no_wait)
    failed: Failed = {}
    if dry_run:
        found = each(session, names, lambda batch: files.lookup(batch, parameters=["size", "owner"]), failed)
        rows = ({"lfn": name, **told} for name, told in found)
        return Rows(rows, columns=("lfn", "size", "owner"), id_column="lfn", unit="files", failed=failed)
    session.confirm("trash", len(names), unit="file" if len(names) == 1 else "files")
    done = each(session, names, lambda batch: files.delete(batch, reason=reason), failed, size=CHANGE_BATCH)
    return Ids((name for name, _ in done), _sentence("Put", " into the trash"), id_column="lfn", failed=failed)


def _bulk(session: Session, order: orders.Order, *, dry_run: bool, waits: bool) -> Result:
    """Plan, ask, and follow an operation of the server to its end."""
    planned = orders.plan(session, order)
    failed = {name: reason_of(told) for name, told in planned["failed"].items()}
    if dry_run:
        row = {key: planned[key] for key in PLAN_COLUMNS}
        return Rows([row], columns=PLAN_COLUMNS, id_column="count", failed=failed)
    if not planned["count"] and not planned["directories"]:
        raise no_such(failed) if failed else UsageFault("There is nothing to remove.", hint="")
    operation_id = orders.confirm(session, order, planned, verb="trash")
    if not waits:
        begins = f"The operation begins in {planned['undo_s']} s; follow it with: weyl operations wait {operation_id}"
        return Ids([operation_id], begins, id_column="operation_id", unit="operations", failed=failed)
    result = ended(wait_for(session, operation_id))
    return replace(result, failed={**failed, **result.failed}) if isinstance(result, Document) else result


def restore(context: typer.Context, lfns: Lfns) -> Result:
    """Takes files out of the trash, under the names that they had; of several of one name the latest.

    Example: weyl data ls --trash /hep/mc -q | weyl data restore -
    """
    session = session_of(context)
    failed: Failed = {}
    done: Iterator[Any] = each(session, names_of(session, lfns), files.restore, failed, size=CHANGE_BATCH)
    return Ids((name for name, _ in done), _sentence("Restored", ""), id_column="lfn", failed=failed)


def _sentence(verb: str, more: str) -> Any:
    return lambda count: f"{verb} {count:,} {'file' if count == 1 else 'files'}{more}."
