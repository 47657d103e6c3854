"""Commands that change names, directories and permissions: mkdir, rmdir, mv, chmod, chown."""

from collections.abc import Callable, Iterator
from typing import Annotated

import typer

from weyl.client.command import Session, session_of
from weyl.client.errors import UsageFault
from weyl.client.results import Ids, Result
from weyl.file_catalog import calls as files
from weyl.file_catalog.models.bulk import FileAction
from weyl.file_catalog.models.files import Code
from weyl.storage.cli import orders
from weyl.storage.cli.names import CHANGE_BATCH, Failed, Namer, Paths, batches, each, names_of, reason, target_of

Recursive = Annotated[bool, typer.Option("--recursive", "-R", help="Also what is below directories.")]


def mkdir(
    context: typer.Context,
    paths: Paths,
    *,
    mode: Annotated[str | None, typer.Option("--mode", "-m", metavar="MODE", help="Permissions, as 0750.")] = None,
) -> Result:
    """Makes directories, and those above them.

    Example: weyl data mkdir /hep/mc/run7
    """
    session = session_of(context)
    failed: Failed = {}
    done = each(session, names_of(session, paths), lambda batch: files.make_directories(batch, mode=mode), failed)
    return Ids((name for name, _ in done), _sentence("Made"), id_column="path", failed=failed)


def rmdir(context: typer.Context, paths: Paths) -> Result:
    """Removes directories that are empty.

    Example: weyl data rmdir /hep/mc/run7
    """
    session = session_of(context)
    failed: Failed = {}
    done = each(session, names_of(session, paths), files.remove_directories, failed)
    return Ids((name for name, _ in done), _sentence("Removed"), id_column="path", failed=failed)


def mv(
    context: typer.Context,
    names: Annotated[
        list[str], typer.Argument(metavar="FROM… TO", help="Files or directories; then the new name, or a directory/.")
    ],
) -> Result:
    """Gives files and directories another name; nothing moves on storage.

    Several are moved into a directory; one is, if the new name ends with a slash.

    Example: weyl data mv mu.root /hep/user/a/alice/2026/
    """
    session = session_of(context)
    if len(names) < 2:
        raise UsageFault("The new name is missing.", hint="As: weyl data mv mu.root muons.root")
    *sources, target = names
    namer = Namer(session)
    new = namer(target)
    into = len(sources) > 1 or target.endswith("/")
    moves = {old: target_of(old, new, is_directory=into) for old in map(namer, sources)}
    failed: Failed = {}
    done = each(
        session,
        moves,
        lambda batch: files.move({old: moves[old] for old in batch}),
        failed,
        size=CHANGE_BATCH,
    )
    moved = (moves[old] for old, _ in done)
    return Ids(moved, lambda count: f"Moved {count:,}.", id_column="path", failed=failed)


def chmod(
    context: typer.Context,
    mode: Annotated[str, typer.Argument(metavar="MODE", help="Permissions of owner, group and others, as 0750.")],
    paths: Paths,
    *,
    recursive: Recursive = False,
) -> Result:
    """Changes who may read and write files and directories.

    Example: weyl data chmod -R 0750 /hep/user/a/alice/thesis
    """
    return _permissions(session_of(context), paths, {"mode": mode}, recursive=recursive)


def chown(
    context: typer.Context,
    owner: Annotated[str, typer.Argument(metavar="OWNER[:GROUP]", help="New owner, group, or both, as alice:prod.")],
    paths: Paths,
    *,
    recursive: Recursive = False,
) -> Result:
    """Changes whom files and directories belong to.

    Example: weyl data chown -R :production /hep/mc/run7
    """
    user, _, group = owner.partition(":")
    if not user and not group:
        raise UsageFault(f"{owner!r} names nobody.", hint="Write OWNER, OWNER:GROUP or :GROUP.")
    wanted = {"owner": user, "group": group}
    return _permissions(session_of(context), paths, {k: v for k, v in wanted.items() if v}, recursive=recursive)


def _permissions(session: Session, paths: list[str], wanted: dict[str, str], *, recursive: bool) -> Result:
    failed: Failed = {}
    changed = _changed(session, paths, wanted, failed, recursive=recursive)
    return Ids(changed, lambda count: f"Changed {count:,}.", id_column="path", failed=failed)


def _changed(
    session: Session, paths: list[str], wanted: dict[str, str], failed: Failed, *, recursive: bool
) -> Iterator[str]:
    """Yield what was changed; directories with too much below them for one request become operations."""
    large: list[str] = []
    for batch in batches(names_of(session, paths)):
        answer = session.client.send(files.set_permissions(batch, recursive=recursive, **wanted))
        yield from answer["success"]
        for name, told in answer["failed"].items():
            if recursive and told["code"] == Code.BUSY:
                large.append(name)
            else:
                failed[name] = reason(told)
    for name in large:
        order = {"action": FileAction.PERMISSIONS, "paths": [name], "fields": wanted, "undo_s": 0}
        why = orders.carry_out(session, order, verb="change")
        if why is None:
            yield name
        else:
            failed[name] = why


def _sentence(verb: str) -> Callable[[int], str]:
    return lambda count: f"{verb} {count:,} {'directory' if count == 1 else 'directories'}."
