"""The commands of an installation's administrator that run in the server's package: serve, worker, db, extensions."""

import asyncio
import dataclasses
import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from weyl.activation import activate, problems
from weyl.app import create_app
from weyl.backup import SKIPPED_IDS, read_backup, write_backup
from weyl.builtin import BUILTIN, Installed, active_extensions, installed_extensions
from weyl.cli.tree import ENTRIES
from weyl.client.errors import ClientError, UsageFault
from weyl.client.results import Done, Result, Rows, Text
from weyl.config.errors import InvalidConfig
from weyl.config.models import with_sections
from weyl.config.source import parse_config
from weyl.extension import Extension, ExtensionConflict
from weyl.kit.db import Database
from weyl.kit.points import claim
from weyl.kit.task import SIZES, Size
from weyl.kit.telemetry import configure_logging
from weyl.migrations import revisions
from weyl.migrations.loader import load_migrate
from weyl.migrations.triggers import missing, outdated, trigger_files
from weyl.server import cookie_problem, listen, run_server
from weyl.settings import Settings
from weyl.tasks.cli import parse_payload
from weyl.tasks.errors import TaskNotFound
from weyl.tasks.locks import NotTaken
from weyl.worker import run_task, run_worker

app = typer.Typer(help="Run an installation.", no_args_is_help=True, rich_markup_mode=None)
db_app = typer.Typer(help="Create and migrate the database.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(db_app, name="db")
extensions_app = typer.Typer(help="Look at installed extensions.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(extensions_app, name="extensions")


MetricsPort = Annotated[
    int | None, typer.Option(help="Port of /metrics, in the place of WEYL_METRICS_PORT: one a process.")
]


def read_settings(metrics_port: int | None = None) -> Settings:
    """Return the settings of the environment; a wrong one is named in a sentence."""
    try:
        return Settings() if metrics_port is None else Settings(metrics_port=metrics_port)
    except ValidationError as error:
        problems = "; ".join(f"WEYL_{'_'.join(map(str, p['loc'])).upper()}: {p['msg']}" for p in error.errors())
        raise UsageFault(f"The settings are not valid: {problems}", hint="see docs/admin/settings") from error


def check_keys(settings: Settings) -> None:
    """Say how to make the signing keys if there are none yet."""
    source = settings.keys.get_secret_value()
    if not source.lstrip().startswith("{") and not Path(source.removeprefix("file://")).is_file():
        raise UsageFault(
            f"There are no signing keys at {source} (WEYL_KEYS)",
            hint=f"make them: weyl internal generate-keys {source}",
        )


def merged_extensions() -> Extension:
    """Return weyl's own extension and the installed ones, merged; raises `UsageFault` with everything that is wrong."""
    try:
        return active_extensions()
    except ExtensionConflict as error:
        raise UsageFault(str(error), hint="weyl extensions check") from error


@app.command("serve")
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8000,
    fd: Annotated[int | None, typer.Option(help="Listen on this open descriptor instead (socket activation).")] = None,
    metrics_port: MetricsPort = None,
) -> None:
    """Runs the server: the API, until a signal asks to stop.

    Example: weyl serve --host 127.0.0.1 --port 8000
    """
    settings = read_settings(metrics_port)
    configure_logging(log_format=settings.log_format, level=settings.log_level)
    extension = merged_extensions()
    check_keys(settings)
    try:
        listener = socket.socket(fileno=fd) if fd is not None else listen(host, port)
    except OSError as error:
        raise UsageFault(f"Cannot listen on {host}:{port}: {error.strerror}", hint="choose another --port") from error
    if problem := cookie_problem(settings, listener):
        listener.close()
        raise UsageFault(problem, hint="leave it out, and serve browsers over https")
    run_server(settings, listener, extension)


@app.command("worker")
def worker(
    sizes: Annotated[
        list[str] | None, typer.Option("--size", help="Run tasks of this size only; may be given more than once.")
    ] = None,
    name: Annotated[str | None, typer.Option("--run", help="Run this task once, here, and end.")] = None,
    payload: Annotated[str | None, typer.Option(help="What the task gets with --run, as JSON.")] = None,
    vo: Annotated[str | None, typer.Option("--vo", help="VO that the task runs for with --run.")] = None,
    metrics_port: MetricsPort = None,
) -> None:
    """Runs the worker: checks, pilot submission, cleaning and all other background work.

    Example: weyl worker --size small --size medium
    """
    settings = read_settings(metrics_port)
    configure_logging(log_format=settings.log_format, level=settings.log_level)
    extension = merged_extensions()
    check_keys(settings)
    if name is None:
        asyncio.run(run_worker(settings, extension, sizes=_sizes(sizes)))
        return
    document = parse_payload(payload)
    if document is None and vo is not None:
        document = {"vo": vo}
    try:
        asyncio.run(run_task(settings, name, payload=document, vo=vo, extension=extension))
    except TaskNotFound as error:
        raise UsageFault(str(error.detail), hint="weyl tasks list") from error
    except NotTaken as error:
        raise ClientError(f"Somebody else has {error.key}", hint="look at: weyl tasks locks") from error


def _sizes(words: Sequence[str] | None) -> Sequence[Size]:
    """Return the sizes that the words name; all of them without words."""
    if wrong := sorted(set(words or ()) - set(SIZES)):
        raise UsageFault(f"There is no size {', '.join(wrong)}", hint=f"sizes are {', '.join(SIZES)}")
    return [size for size in SIZES if not words or size in words]


@app.command("openapi", hidden=True)
def openapi() -> Result:
    """Prints the OpenAPI document of the routes that this installation serves.

    Example: weyl internal openapi > openapi.json
    """
    return Text([json.dumps(create_app(Settings()).openapi(), indent=2, sort_keys=True), "\n"])


@db_app.command("migrate")
def db_migrate(
    revision: Annotated[str, typer.Option(help="Revision to go up to.")] = "head",
) -> Result:
    """Brings the database to the schema of this release.

    Example: weyl db migrate
    """
    return asyncio.run(_migrate(read_settings(), revision))


@db_app.command("check")
def db_check() -> Result:
    """Tells whether the database has the schema that this release needs.

    Example: weyl db check
    """
    return asyncio.run(_check(read_settings()))


@db_app.command("backup")
def db_backup(file: Annotated[Path, typer.Argument(help="File to write; it must not exist.")]) -> Result:
    """Writes the whole database into a file, as it is at one moment, while servers and workers go on.

    Example: weyl db backup weyl.dump
    """
    size = write_backup(read_settings().database_url, file)
    return Done(f"Wrote {file}, {size} bytes")


@db_app.command("restore")
def db_restore(
    file: Annotated[Path, typer.Argument(help="File that `weyl db backup` wrote.")],
    replace: Annotated[bool, typer.Option("--replace", help="Lose what is in the database now.")] = False,
    *,
    skip_ids: Annotated[
        int,
        typer.Option(
            "--skip-ids",
            min=0,
            max=10**12,
            help="Ids to leave unused after the restore; more than were given since the backup.",
        ),
    ] = SKIPPED_IDS,
) -> Result:
    """Reads a backup into an empty database; servers and workers must not run.

    Example: weyl db restore weyl.dump
    """
    read_backup(read_settings().database_url, file, is_replacing=replace, skipped_ids=skip_ids)
    return Done(f"Restored {file}; run: weyl db migrate")


async def _migrate(settings: Settings, revision: str) -> Result:
    # A statement may wait for a lock for a minute, and build the index of a large table for many.
    db = Database(settings.database_url, pool_size=1, statement_timeout_s=0)
    branches = merged_extensions().migrations
    try:
        before = await revisions.current_revision(db)
        _refuse_newer(before)
        rooms = await load_migrate().upgrade(db, revision, branches=branches)
        after = await revisions.current_revision(db)
    finally:
        await db.close()
    said = f"The schema is at {after}" + (f", it was at {before or 'nothing'}" if before != after else "")
    return Done(said + (f"; new triggers: {', '.join(rooms)}" if rooms else ""))


async def _check(settings: Settings) -> Result:
    db = Database(settings.database_url, pool_size=1)
    branches = merged_extensions().migrations
    try:
        found, needed = await revisions.current_revision(db), revisions.needed_revision()
        _refuse_newer(found)
        if found != needed:
            raise ClientError(f"The schema is at {found}, this release needs {needed}", hint="run: weyl db migrate")
        applied = await revisions.applied_triggers(db)
        behind = await load_migrate().branches_behind(db, branches)
    finally:
        await db.close()
    if rooms := ", ".join(file.room for file in missing(trigger_files(), applied)):
        raise ClientError(f"The triggers of {rooms} are not those of this release", hint="run: weyl db migrate")
    if rooms := ", ".join(file.room for file in outdated(trigger_files(), applied)):
        raise ClientError(f"The triggers of {rooms} are newer than this release", hint=_INSTALL_NEWER)
    if behind:
        raise ClientError(f"The tables of {', '.join(behind)} are not up to date", hint="run: weyl db migrate")
    return Done(f"The schema is at {found}, as this release needs")


def _refuse_newer(found: str | None) -> None:
    if found is not None and found not in revisions.known_revisions():
        needed = revisions.needed_revision()
        raise ClientError(f"The schema is at {found}, newer than this release ({needed})", hint=_INSTALL_NEWER)


_INSTALL_NEWER = "install the newer release on this machine"


@extensions_app.command("list")
def extensions_list() -> Result:
    """Lists the installed extensions, the packages that they come with, and what each of them adds.

    Example: weyl extensions list
    """
    rows = [
        {
            "Extension": each.extension.name,
            "Package": each.package,
            "Version": each.version,
            "Adds": ", ".join(_additions(each)),
        }
        for each in _installed()
    ]
    return Rows(rows, columns=("Extension", "Package", "Version", "Adds"), id_column="Extension", unit="extensions")


@extensions_app.command("check")
def extensions_check(
    config: Annotated[
        Path | None, typer.Option(help="Check this default.yml as well, sections of the extensions included.")
    ] = None,
) -> Result:
    """Tells whether the installed extensions work together: what is wrong, with the names of those concerned.

    Example: weyl extensions check --config default.yml
    """
    extensions = [BUILTIN, *(each.extension for each in _installed())]
    found = [*problems(extensions), *_migration_problems(extensions), *_command_problems()]
    if not found and config is not None:
        found = _config_problems(config, extensions)
    if found:
        raise ClientError("\n".join(found), hint="docs/developer/extensions.md has what each field demands")
    names = [each.name for each in extensions[1:]]
    return Done(f"Extensions that work together: {', '.join(names) or 'none is installed'}", document={"valid": names})


def _installed() -> list[Installed]:
    try:
        return installed_extensions()
    except ExtensionConflict as error:
        raise ClientError(str(error), hint="mend the package, or remove it") from error


def _additions(installed: Installed) -> Iterator[str]:
    """Name what an extension adds, field by field, and the commands of its package."""
    for field in dataclasses.fields(Extension):
        value = getattr(installed.extension, field.name)
        if field.name != "name" and value:
            yield f"{field.name} ({len(value)})" if isinstance(value, list | tuple | Mapping) else field.name
    commands = [each for each in entry_points(group="weyl.cli") if each.dist and each.dist.name == installed.package]
    if commands:
        yield f"commands ({len(commands)})"


def _migration_problems(extensions: Sequence[Extension]) -> Iterator[str]:
    for each in extensions:
        for branch, place in each.migrations.items():
            try:
                load_migrate().head_revision((branch, place))
            except (ImportError, LookupError) as error:
                yield f"{each.name}: the migrations in {place} cannot be used: {error}"


def _command_problems() -> Iterator[str]:
    owners: dict[str, str] = {}
    for each in entry_points(group="weyl.cli"):
        package = each.dist.name if each.dist is not None else each.value
        if each.name in ENTRIES:
            yield f"{package}: weyl {each.name} is a command of weyl itself; choose another name"
        yield from claim(owners, each.name, package, f"The command weyl {each.name}")
        try:
            each.load()
        except (ImportError, AttributeError) as error:
            yield f"{package}: the command weyl {each.name} cannot be loaded: {error}"


def _config_problems(file: Path, extensions: Sequence[Extension]) -> list[str]:
    try:
        whole = activate(extensions)
        parse_config(file.read_text(), with_sections(whole.sections, whole.payload_commands, whole.storage))
    except InvalidConfig as error:
        return [f"{file}: {problem}" for problem in error.problems]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageFault(f"{file} cannot be read: {error}") from error
    return []
