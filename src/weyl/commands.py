"""The commands of an installation's administrator that run in the server's package: serve, worker, db."""

import asyncio
import json
import socket
from typing import Annotated

import typer
from pydantic import ValidationError

from weyl.app import create_app
from weyl.client.errors import ClientError, UsageFault
from weyl.client.results import Done, Result, Text
from weyl.kit.db import Database
from weyl.kit.telemetry import configure_logging
from weyl.migrations import migrate
from weyl.server import listen, run_server
from weyl.settings import Settings
from weyl.worker import run_worker

app = typer.Typer(help="Run an installation.", no_args_is_help=True, rich_markup_mode=None)
db_app = typer.Typer(help="Create and migrate the database.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(db_app, name="db")


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
    try:
        listener = socket.socket(fileno=fd) if fd is not None else listen(host, port)
    except OSError as error:
        raise UsageFault(f"Cannot listen on {host}:{port}: {error.strerror}", hint="choose another --port") from error
    run_server(settings, listener)


@app.command("worker")
def worker(metrics_port: MetricsPort = None) -> None:
    """Runs the worker: checks, pilot submission, cleaning and all other background work.

    Example: weyl worker
    """
    settings = read_settings(metrics_port)
    configure_logging(log_format=settings.log_format, level=settings.log_level)
    asyncio.run(run_worker(settings))


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


async def _migrate(settings: Settings, revision: str) -> Result:
    db = Database(settings.database_url, pool_size=1)
    try:
        before = await migrate.current_revision(db)
        await migrate.upgrade(db, revision)
        after = await migrate.current_revision(db)
    finally:
        await db.close()
    return Done(f"The schema is at {after}" + (f", it was at {before or 'nothing'}" if before != after else ""))


async def _check(settings: Settings) -> Result:
    db = Database(settings.database_url, pool_size=1)
    try:
        found, needed = await migrate.current_revision(db), migrate.head_revision()
    finally:
        await db.close()
    if found != needed:
        raise ClientError(f"The schema is at {found}, this release needs {needed}", hint="run: weyl db migrate")
    return Done(f"The schema is at {found}, as this release needs")
