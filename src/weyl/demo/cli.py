"""The commands that run the whole system on one machine: demo, up and dev-idp."""

import asyncio
import json
import os
import signal
import socket
import sys
import tempfile
import time
import webbrowser
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from weyl.client.errors import ClientError
from weyl.demo import idp
from weyl.demo.installation import InstallationFiles
from weyl.demo.main_job import run_main_job
from weyl.demo.processes import ComponentFailed
from weyl.demo.stack import Stack, remove_directory

app = typer.Typer(help="Run the whole system on this machine.", no_args_is_help=True, rich_markup_mode=None)

CHECK_EVERY_S = 0.5
STATE_DIRECTORY = Path(os.environ.get("XDG_STATE_HOME", "~/.local/state")) / "weyl"


class Stopped(Exception):
    """Somebody asked us to end: Ctrl-C, or SIGTERM."""


class Stopping:
    """Whether somebody has asked us to end."""

    def __init__(self) -> None:
        self.is_asked = False

    def check(self) -> None:
        """Raise `Stopped` if so: what a handler raises is lost if Python was just calling one of its own callbacks."""
        if self.is_asked:
            raise Stopped


@contextmanager
def stop_signals() -> Iterator[Stopping]:
    """Turn SIGINT, SIGTERM and a lost terminal into `Stopped` for the length of the block; later ones are ignored."""
    stopping = Stopping()

    def stop(number: int, frame: FrameType | None) -> None:
        for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(other, signal.SIG_IGN)
        stopping.is_asked = True
        raise Stopped

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def say(text: str) -> None:
    """Print a line at once, also into a pipe."""
    print(text, flush=True)


@app.command("demo")
def demo(
    events: Annotated[int, typer.Option(help="Collisions that each of the 20 jobs generates.", min=10)] = 5000,
    stay: Annotated[
        bool | None, typer.Option("--stay/--no-stay", help="Stay up after the job; by default on a terminal only.")
    ] = None,
    open_page: Annotated[
        bool, typer.Option("--open", help="Open the web pages in a browser before the jobs run, and stay up.")
    ] = False,
) -> None:
    """Runs the whole system on this machine, and 24 real jobs through it, three of them in CWL; leaves nothing behind.

    Example: weyl demo --events 2000
    """
    directory = Path(tempfile.mkdtemp(prefix="weyl-demo-"))
    directory.chmod(0o755)
    staying = (open_page or sys.stdout.isatty()) if stay is None else stay
    try:
        with stop_signals() as stopping, _stack(directory) as stack:
            say(f"The web pages are at {stack.url}: log in as alice, password {stack.files.passwords()['alice']}")
            if open_page and not webbrowser.open(stack.url):
                say("There is no browser here that could be opened")
            run_main_job(stack, say, events=events)
            if staying:
                _explain(stack, "Ctrl-C ends everything and removes it; `weyl up` keeps what it has.")
                _watch(stack, stopping)
    except Stopped:
        say("Stopped")
    except ComponentFailed as error:
        raise ClientError(f"The demo could not go on: {error}", hint="`weyl up` keeps its logs.") from error
    finally:
        remove_directory(directory)


@app.command("up")
def up(
    directory: Annotated[
        Path, typer.Option("--dir", help="Where everything is kept.", show_default="~/.local/state/weyl")
    ] = STATE_DIRECTORY,
) -> None:
    """Runs the whole system on this machine until it is stopped, and keeps its state in a directory.

    Example: weyl up --dir /srv/weyl
    """
    try:
        with stop_signals() as stopping, _stack(directory.expanduser()) as stack:
            _explain(stack, f"Ctrl-C ends everything; `weyl up --dir {directory}` goes on from there.")
            _watch(stack, stopping)
    except Stopped:
        say(f"Stopped; everything is kept in {directory}")
    except ComponentFailed as error:
        raise ClientError(f"The system could not go on: {error}", hint=f"Its logs are in {directory}/logs.") from error


def _stack(directory: Path) -> Stack:
    return Stack(InstallationFiles(directory.resolve()), say=say, database_url=os.environ.get("WEYL_DATABASE_URL"))


def _watch(stack: Stack, stopping: Stopping) -> None:
    while True:
        time.sleep(CHECK_EVERY_S)
        stopping.check()
        stack.check()


def guide(url: str, logs: Path, *, passwords: Mapping[str, str], ending: str, on_path: bool) -> str:
    """Return what to try next, in words to be copied into another terminal."""
    path = "" if on_path else f"\n  export PATH={sys.prefix}/bin:$PATH"
    people = "\n".join(
        f"  {user.name:<8}{passwords[user.name]:<18}{', '.join(user.groups) or 'no group'}" for user in idp.USERS
    )
    return f"""
weyl is up at {url}; its logs are in {logs}.
The web pages are there: log in as alice, password {passwords["alice"]}. Or in another terminal:
{path}
  export WEYL_URL={url}
  weyl login hep                              log in as alice
  weyl jobs submit cmd --wait -- /bin/hostname
  weyl jobs search --mine                     your jobs, and what became of them
  weyl jobs logs ID                           what a job wrote, by its number
  weyl data put FILE ./                       a file into your directory of the catalogue
  weyl data ls                                what is there; `weyl data get NAME` fetches it
  weyl login hep --group admin                as ada: an administrator of the VO
  weyl --help                                 everything else

Users, with passwords and groups:
{people}

The client of DiracX works too, with DIRACX_URL={url}
The API's documentation: {url}/api/docs
{ending}"""


def _explain(stack: Stack, ending: str) -> None:
    here = Path(sys.prefix) / "bin"
    on_path = any(Path(entry) == here for entry in os.environ.get("PATH", "").split(os.pathsep))
    say(guide(stack.url, stack.files.logs, passwords=stack.files.passwords(), ending=ending, on_path=on_path))


async def _provide(
    bound: socket.socket,
    redirects: Collection[str],
    *,
    client_id: str,
    issuer: str | None,
    passwords: Mapping[str, str],
    shows: bool,
) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with idp.running_provider(
        bound, redirects=redirects, passwords=passwords, client_id=client_id, issuer=issuer
    ) as provider:
        users = {user.name: user.subject for user in idp.USERS}
        shown = {"passwords": dict(passwords)} if shows else {}
        typer.echo(json.dumps({"issuer": provider.issuer, "pid": os.getpid(), "users": users, **shown}))
        await stopped.wait()


@app.command("dev-idp")
def dev_idp(
    redirect_uri: Annotated[list[str], typer.Option(help="Redirect URI to accept, compared as text; repeat for more.")],
    *,
    host: Annotated[str, typer.Option(help="Loopback address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 0,
    fd: Annotated[
        int | None, typer.Option(help="Number of a listening socket to take over in place of a port.")
    ] = None,
    client_id: Annotated[str, typer.Option(help="The client that may log in.")] = idp.CLIENT_ID,
    issuer: Annotated[
        str | None, typer.Option(help="Its own URL, if a proxy stands before it; else the address it listens on.")
    ] = None,
    passwords: Annotated[
        Path | None,
        typer.Option(help="JSON file of passwords by user; without it, new ones are made and printed.", dir_okay=False),
    ] = None,
) -> None:
    """Run a small identity provider for development, with a few users."""
    try:
        known = json.loads(passwords.read_text()) if passwords else idp.make_passwords()
        bound = idp.open_socket(host, port=port, fd=fd)
    except (idp.NotLoopback, OSError, ValueError) as error:
        typer.echo(f"weyl dev-idp: {error}", err=True)
        raise typer.Exit(2) from error
    asyncio.run(
        _provide(bound, redirect_uri, client_id=client_id, issuer=issuer, passwords=known, shows=passwords is None)
    )
