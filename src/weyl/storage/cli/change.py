"""Commands that change names, directories and permissions: mkdir, rmdir, mv, chmod, chown."""

from collections.abc import Callable
from typing import Annotated

import typer

from weyl.client.command import session_of
from weyl.client.errors import UsageFault
from weyl.client.results import Ids, Result
from weyl.file_catalog import calls as files
from weyl.storage.cli.names import CHANGE_BATCH, Failed, Namer, Paths, each, names_of, target_of

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
    session = session_of(context)
    failed: Failed = {}
    done = each(
        session,
        names_of(session, paths),
        lambda batch: files.set_permissions(batch, mode=mode, recursive=recursive),
        failed,
    )
    return Ids((name for name, _ in done), lambda count: f"Changed {count:,}.", id_column="path", failed=failed)


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
    session = session_of(context)
    user, _, group = owner.partition(":")
    if not user and not group:
        raise UsageFault(f"{owner!r} names nobody.", hint="Write OWNER, OWNER:GROUP or :GROUP.")
    failed: Failed = {}
    done = each(
        session,
        names_of(session, paths),
        lambda batch: files.set_permissions(batch, owner=user or None, group=group or None, recursive=recursive),
        failed,
    )
    return Ids((name for name, _ in done), lambda count: f"Changed {count:,}.", id_column="path", failed=failed)


def _sentence(verb: str) -> Callable[[int], str]:
    return lambda count: f"{verb} {count:,} {'directory' if count == 1 else 'directories'}."
