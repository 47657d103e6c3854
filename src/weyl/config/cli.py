"""`weyl config`, and those of the `weyl internal` commands that write a configuration repository."""

import asyncio
import getpass
import json
import re
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from weyl.client.command import session_of
from weyl.client.errors import UsageFault
from weyl.client.results import Document, Done, Result, Rows, Text
from weyl.config import administration, calls
from weyl.config.drivers.git import Author
from weyl.config.path import find
from weyl.config.source import parse_config
from weyl.kit.errors import WeylError

T = TypeVar("T")

app = typer.Typer(name="config", help="Read the configuration of the installation.", no_args_is_help=True)
internal_app = typer.Typer(help="Write a configuration repository.", no_args_is_help=True)


@app.command()
def dump(context: typer.Context) -> Result:
    """Print the whole configuration, defaults filled in.

    Example: weyl config dump -o json
    """
    return Document(session_of(context).client.send(calls.get_config()))


@app.command()
def show(context: typer.Context, path: Annotated[str, typer.Argument(help="Names separated by dots.")]) -> Result:
    """Print one part of the configuration.

    Example: weyl config show Operations.voa.JobDescription
    """
    document = session_of(context).client.send(calls.get_config())
    part = _local(lambda: find(document, path))
    return Document(part, text=None if isinstance(part, dict) else json.dumps(part))


@app.command()
def validate(file: Annotated[Path, typer.Argument(help="A default.yml.")]) -> Result:
    """Check a file without a server; every fault is told with its line.

    Example: weyl config validate default.yml
    """
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageFault(f"{file} cannot be read: {error}") from error
    config = _local(lambda: parse_config(text))
    return Done(f"{file} is a valid configuration", document={"valid": True, "vos": sorted(config.registry)})


@app.command()
def history(
    context: typer.Context, number: Annotated[int, typer.Option("--number", "-n", min=1, max=1000)] = 20
) -> Result:
    """List the newest changes: revision, time, author, message.

    Example: weyl config history -n 5
    """
    rows = session_of(context).client.send(calls.get_history(limit=number))
    return Rows(rows, columns=("Revision", "Time", "Author", "Message"), id_column="Revision", unit="revisions")


@app.command()
def diff(
    context: typer.Context,
    old: Annotated[str | None, typer.Argument(help="Older revision; by default the one before NEW.")] = None,
    new: Annotated[str | None, typer.Argument(help="Newer revision; by default the newest.")] = None,
) -> Result:
    """Print what changed between two revisions.

    Example: weyl config diff 1f2e3d4
    """
    return Text([session_of(context).client.send(calls.get_diff(old, new))["diff"]])


Repository = Annotated[str, typer.Argument(metavar="CONFIG_REPO", help="git+file:///PATH of a local clone.")]
AuthorOption = Annotated[str | None, typer.Option("--author", help='Who changes it: "Name <address>".')]


@internal_app.command("generate-cs")
def generate_cs(config_repo: Repository, author: AuthorOption = None) -> Result:
    """Make a repository with an empty configuration.

    Example: weyl internal generate-cs git+file:///srv/config
    """
    revision = _run(administration.create_repository(config_repo, author=_author(author)))
    return Done(f"Made {config_repo}", document={"revision": revision})


@internal_app.command("add-vo")
def add_vo(
    config_repo: Repository,
    *,
    vo: Annotated[str, typer.Option(help="Name of the VO.")],
    idp_url: Annotated[str, typer.Option(help="Issuer of the identity provider.")],
    idp_client_id: Annotated[str, typer.Option(help="Our client id there.")],
    default_group: Annotated[str, typer.Option(help="Group of members who name none.")] = "user",
    author: AuthorOption = None,
) -> Result:
    """Add a virtual organisation with its default group.

    Example: weyl internal add-vo git+file:///srv/config --vo voa --idp-url https://idp.example.org --idp-client-id weyl
    """
    return _change(
        config_repo,
        lambda document: administration.with_vo(
            document, vo, default_group=default_group, idp_url=idp_url, idp_client_id=idp_client_id
        ),
        message=f"Add the VO {vo}",
        author=author,
    )


@internal_app.command("add-group")
def add_group(
    config_repo: Repository,
    *,
    vo: Annotated[str, typer.Option(help="Name of the VO.")],
    group: Annotated[str, typer.Option(help="Name of the new group.")],
    properties: Annotated[list[str] | None, typer.Option("--properties", "--property", help="May be repeated.")] = None,
    author: AuthorOption = None,
) -> Result:
    """Add a group to a virtual organisation.

    Example: weyl internal add-group git+file:///srv/config --vo voa --group admin --property JobAdministrator
    """
    return _change(
        config_repo,
        lambda document: administration.with_group(document, vo, group=group, properties=properties or ["NormalUser"]),
        message=f"Add the group {group} to {vo}",
        author=author,
    )


@internal_app.command("add-user")
def add_user(
    config_repo: Repository,
    *,
    vo: Annotated[str, typer.Option(help="Name of the VO.")],
    sub: Annotated[str, typer.Option(help="Subject of the user at the identity provider.")],
    preferred_username: Annotated[str, typer.Option(help="Name by which the user is known here.")],
    groups: Annotated[list[str] | None, typer.Option("--groups", "--group", help="May be repeated.")] = None,
    author: AuthorOption = None,
) -> Result:
    """Add a user to a virtual organisation.

    Example: weyl internal add-user git+file:///srv/config --vo voa --sub 1f2 --preferred-username alice --group user
    """
    return _change(
        config_repo,
        lambda document: administration.with_user(
            document, vo, subject=sub, preferred_username=preferred_username, groups=groups or ()
        ),
        message=f"Add {preferred_username} to {vo}",
        author=author,
    )


def _change(
    config_repo: str,
    change: Callable[[administration.Document], administration.Document],
    *,
    message: str,
    author: str | None,
) -> Result:
    revision = _run(administration.change_repository(config_repo, change, message=message, author=_author(author)))
    return Done(f"{message}: committed as {revision[:12]}", document={"revision": revision})


def _author(text: str | None) -> Author:
    if text is None:
        user = getpass.getuser()
        return Author(user, f"{user}@{socket.gethostname()}")
    match = re.fullmatch(r"\s*([^<>\n]+?)\s*<([^<>\s]+)>\s*", text)
    if match is None:
        raise UsageFault(f'{text!r} is no author: write "Name <address>"')
    return Author(match[1], match[2])


def _run(work: Coroutine[Any, Any, T]) -> T:
    return _local(lambda: asyncio.run(work))


def _local(work: Callable[[], T]) -> T:
    """Tell a fault found on this side as one of the command line."""
    try:
        return work()
    except WeylError as error:
        raise UsageFault(str(error.detail)) from error
