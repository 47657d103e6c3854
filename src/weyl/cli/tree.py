"""The tree of commands: names and one line of help each, so that help and completion import no room."""

from typing import Any

from weyl.cli.loader import Entry, Table, lazy_group
from weyl.cli.options import prepare_root

JOBS = "weyl.jobs.cli.app"
AUTH = "weyl.auth.cli"
SERVER = "weyl.commands"
DEMO = "weyl.demo.cli"

ENTRIES: dict[str, Entry] = {
    "login": Entry(AUTH, "Log in to the installation.", "login"),
    "logout": Entry(AUTH, "End the login, here and on the server.", "logout"),
    "whoami": Entry(AUTH, "Show who you are logged in as.", "whoami"),
    "logins": Entry(AUTH, "List and end your logins.", "logins", aliases=("login-list",)),
    "token": Entry(AUTH, "Print an access token, for curl and other programs.", "token"),
    "jobs": Entry(JOBS, "Submit, follow, fetch and manage jobs.", aliases=("job",)),
    "submit": Entry(JOBS, "Short for `jobs submit`.", "submit"),
    "status": Entry(JOBS, "Short for `jobs status`.", "status"),
    "logs": Entry(JOBS, "Short for `jobs logs`.", "logs"),
    "output": Entry(JOBS, "Short for `jobs output`.", "output"),
    "kill": Entry(JOBS, "Short for `jobs kill`.", "kill"),
    "pilots": Entry("weyl.pilots.cli", "Look at pilots and their logs.", aliases=("pilot",)),
    "config": Entry("weyl.config.cli", "Read and check the configuration.", aliases=("configs",)),
    "api": Entry("weyl.cli.api", "Call any route of the API."),
    "doctor": Entry("weyl.cli.doctor", "Check address, certificates, clock and login."),
    "completion": Entry("weyl.cli.completion", "Print the completion script of a shell."),
    "version": Entry("weyl.cli.about", "Print the version."),
    "demo": Entry(DEMO, "Run the whole system on this machine, with a real job.", "demo", extra="demo"),
    "up": Entry(DEMO, "Run the whole system on this machine, and keep its state.", "up", extra="demo"),
    "dev-idp": Entry(DEMO, "Run an identity provider for development.", "dev-idp", extra="server"),
    "serve": Entry(SERVER, "Run the server: API and web page.", "serve", extra="server"),
    "worker": Entry(SERVER, "Run the worker: background work.", "worker", extra="server"),
    "db": Entry(SERVER, "Create and migrate the database.", "db", extra="server"),
    "internal": Entry("weyl.cli.internal", "Commands for installation and development.", hidden=True),
}

HELP = """Sends jobs to the grid, follows them, and fetches what they produced.

Example: weyl jobs submit job.jdl
"""


def root_command() -> Any:
    """Returns the whole program as one command."""
    return prepare_root(lazy_group("weyl", Table(ENTRIES, extension_group="weyl.cli"), HELP))
