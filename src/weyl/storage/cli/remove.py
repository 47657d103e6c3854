"""Commands that put files into the trash and take them out of it: rm, restore."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Annotated, Any

import typer

from weyl.client.command import Session, session_of
from weyl.client.errors import UsageFault
from weyl.client.results import Ids, Result, Rows
from weyl.file_catalog import calls as files
from weyl.storage.cli.names import CHANGE_BATCH, Failed, Lfns, Paths, each, names_of
from weyl.storage.cli.progress import size_text
from weyl.tasks.cli import ended, wait_for

# Up to so many files are deleted directly, and each is answered for; more are one operation of the server.
DIRECT_MAX = CHANGE_BATCH
REASON = "weyl data rm"


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
) -> Result:
    """Puts files into the trash, from where they can be restored for some days.

    With -r, and for more than 1,000 files, you see how many files and bytes it is before anything happens.

    Example: weyl data rm -r /hep/user/a/alice/old --reason "thesis is written"
    """
    session = session_of(context)
    names = names_of(session, paths)
    first = list(islice(names, DIRECT_MAX + 1))
    if recursive or len(first) > DIRECT_MAX:
        rest = [*first, *names]
        action = "rmdir-recursive" if recursive else "delete"
        order = {"action": action, "paths": rest, "fields": {"reason": reason}}
        return _bulk(session, order, dry_run=dry_run, waits=not no_wait)
    failed: Failed = {}
    if dry_run:
        found = each(session, first, lambda batch: files.lookup(batch, parameters=["size", "owner"]), failed)
        rows = ({"lfn": name, **told} for name, told in found)
        return Rows(rows, columns=("lfn", "size", "owner"), id_column="lfn", unit="files", failed=failed)
    session.confirm("put files into the trash:", len(first))
    done = each(session, first, lambda batch: files.delete(batch, reason=reason), failed, size=CHANGE_BATCH)
    return Ids((name for name, _ in done), _sentence("Put", " into the trash"), id_column="lfn", failed=failed)


def _bulk(session: Session, order: Mapping[str, Any], *, dry_run: bool, waits: bool) -> Result:
    """Plan, ask, and follow an operation of the server to its end."""
    plan = session.client.send(files.plan_bulk(order))
    if dry_run:
        return Rows([{key: plan.get(key) for key in ("count", "bytes", "not_allowed", "missing")}], id_column="count")
    for key, what in (("not_allowed", "are not yours to change"), ("missing", "do not exist")):
        if plan.get(key):
            session.say(f"{plan[key]:,} of them {what}.")
    if not plan["count"]:
        raise UsageFault("There is nothing to remove.", hint="")
    session.confirm(f"put {size_text(plan.get('bytes') or 0)} into the trash, files:", plan["count"])
    started = session.client.send(files.confirm_bulk(order, plan["plan_token"]))
    operation_id = str(started.operation_id)
    if not waits:
        sentence = f"Follow it with: weyl operations wait {operation_id}"
        document = started.model_dump(mode="json")
        return Ids([operation_id], sentence, id_column="operation_id", unit="operations", document=document)
    return ended(wait_for(session, operation_id))


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
