"""The `weyl internal` commands that write a configuration repository; they need no server."""

import asyncio
import getpass
import re
import socket
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypeVar

import typer

from weyl.client.errors import UsageFault
from weyl.client.results import Done, Result
from weyl.config import administration
from weyl.config.drivers.git import Author
from weyl.kit.errors import WeylError

T = TypeVar("T")

app = typer.Typer(help="Write a configuration repository.", no_args_is_help=True)

Repository = Annotated[str, typer.Argument(metavar="CONFIG_REPO", help="git+file:///PATH of a local clone.")]
AuthorOption = Annotated[str | None, typer.Option("--author", help='Who changes it: "Name <address>".')]


@app.command("generate-cs")
def generate_cs(config_repo: Repository, author: AuthorOption = None) -> Result:
    """Make a repository with an empty configuration.

    Example: weyl internal generate-cs git+file:///srv/config
    """
    revision = _run(administration.create_repository(config_repo, author=_author(author)))
    return Done(f"Made {config_repo}", document={"revision": revision})


@app.command("add-vo")
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


@app.command("add-group")
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


@app.command("add-user")
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
    try:
        return asyncio.run(work)
    except WeylError as error:
        raise UsageFault(str(error.detail)) from error
