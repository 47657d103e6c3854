"""`weyl config`: the configuration of the installation, and files that are to become one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer
import yaml

from weyl.client.command import session_of
from weyl.client.errors import UsageFault
from weyl.client.results import Document, Done, Result, Rows, Text
from weyl.config import calls
from weyl.config.path import find
from weyl.config.source import parse_config
from weyl.kit.errors import WeylError

T = TypeVar("T")

app = typer.Typer(name="config", help="Read the configuration of the installation.", no_args_is_help=True)


@app.command()
def dump(context: typer.Context) -> Result:
    """Print the whole configuration, defaults filled in.

    Example: weyl config dump -o json
    """
    session = session_of(context)
    document = session.client.send(calls.get_config())
    return Document(document, text=_for_people(document) if session.stdout_is_terminal else None)


@app.command()
def show(context: typer.Context, path: Annotated[str, typer.Argument(help="Names separated by dots.")]) -> Result:
    """Print one part of the configuration.

    Example: weyl config show Operations.voa.JobDescription
    """
    session = session_of(context)
    document = session.client.send(calls.get_config())
    part = locally(lambda: find(document, path))
    if isinstance(part, dict):
        return Document(part, text=_for_people(part) if session.stdout_is_terminal else None)
    return Document(part, text=json.dumps(part))


@app.command()
def validate(file: Annotated[Path, typer.Argument(help="A default.yml.")]) -> Result:
    """Check a file without a server; every fault is told with its line.

    Example: weyl config validate default.yml
    """
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageFault(f"{file} cannot be read: {error}") from error
    config = locally(lambda: parse_config(text))
    return Done(f"{file} is a valid configuration", document={"valid": True, "vos": sorted(config.registry)})


@app.command()
def history(
    context: typer.Context,
    number: Annotated[int, typer.Option("--number", "-n", min=1, max=1000, help="How many.")] = 20,
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


def _for_people(part: object) -> str:
    """Return a part of the configuration as it is written: in YAML."""
    return yaml.safe_dump(part, sort_keys=False, allow_unicode=True).rstrip()


def locally(work: Callable[[], T]) -> T:
    """Tell a fault found on this side as one of the command line."""
    try:
        return work()
    except WeylError as error:
        raise UsageFault(str(error.detail)) from error
