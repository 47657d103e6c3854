"""The tree of commands: names and one line of help each, so that help and completion import no room."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from weyl.cli.loader import Entry, Table, lazy_group
from weyl.cli.options import PARAMETERS, prepare

JOBS = "weyl.jobs.cli.app"
DATA = "weyl.storage.cli.app"
RSS = "weyl.resource_status.cli.app"
CWL_SUBMIT = "weyl.cwl.cli.submit"
AUTH = "weyl.auth.cli"
SERVER = "weyl.commands"
DEMO = "weyl.demo.cli"

JOBS_HELP = """Submit, follow, fetch and manage jobs.

Example: weyl jobs search --mine
"""

JOBS_ENTRIES: dict[str, Entry] = {
    "submit": Entry(CWL_SUBMIT, "Submit jobs described in files, in JDL or CWL, or a command line."),
    "search": Entry(JOBS, "List the jobs that meet all conditions.", "search", aliases=("list",)),
    "summary": Entry(JOBS, "Count jobs by one or more columns.", "summary"),
    "groups": Entry(JOBS, "List job groups with how far each is.", "groups"),
    "show": Entry(JOBS, "Show jobs with all their columns, history, parameters or description.", "show"),
    "status": Entry(JOBS, "Show the status of jobs, of yours if none are named.", "status"),
    "logs": Entry(JOBS, "Print the output of a job.", "logs"),
    "peek": Entry(JOBS, "Print the last lines that a running job has shown.", "peek"),
    "output": Entry(JOBS, "Fetch what jobs have put in their output sandboxes.", "output"),
    "input": Entry(JOBS, "Fetch what was sent along with jobs.", "input"),
    "sandbox": Entry(JOBS, "List, read, fetch and change the sandboxes of jobs.", "sandbox"),
    "kill": Entry(JOBS, "End jobs, wherever they are.", "kill"),
    "delete": Entry(JOBS, "Remove jobs and their sandboxes.", "delete"),
    "reschedule": Entry(JOBS, "Run jobs again.", "reschedule"),
    "edit": Entry(JOBS, "Set parameters of jobs.", "edit"),
    "wait": Entry(JOBS, "Wait until jobs have ended.", "wait"),
    "watch": Entry(JOBS, "Show how jobs move, until all have ended.", "watch"),
    "why": Entry(JOBS, "Explain why jobs wait.", "why"),
    "failures": Entry("weyl.failures.cli", "Show which failures are alike, and what is known of them."),
}

DATA_HELP = """Put, find, describe and fetch files.

Example: weyl data ls
"""

DATA_ENTRIES: dict[str, Entry] = {
    "ls": Entry(DATA, "List directories.", "ls"),
    "find": Entry(DATA, "Find files by metadata, name, size, place or owner.", "find"),
    "stat": Entry(DATA, "Show all that is known of files.", "stat"),
    "replicas": Entry(DATA, "Show where files lie.", "replicas"),
    "put": Entry(DATA, "Put files on storage and into the catalogue.", "put"),
    "get": Entry(DATA, "Fetch files.", "get"),
    "url": Entry(DATA, "Print addresses to read files from.", "url"),
    "meta": Entry(DATA, "Read and set metadata.", "meta"),
    "fields": Entry(DATA, "Show and declare metadata fields.", "fields"),
    "mkdir": Entry(DATA, "Make directories.", "mkdir"),
    "rmdir": Entry(DATA, "Remove empty directories.", "rmdir"),
    "mv": Entry(DATA, "Give files and directories another name.", "mv"),
    "chmod": Entry(DATA, "Change who may read and write.", "chmod"),
    "chown": Entry(DATA, "Change owner and group.", "chown"),
    "rm": Entry(DATA, "Put files into the trash.", "rm"),
    "restore": Entry(DATA, "Take files out of the trash.", "restore"),
    "du": Entry(DATA, "Show how many files and bytes there are.", "du"),
    "register": Entry(DATA, "Take files that lie on storage into the catalogue.", "register"),
    "elements": Entry(DATA, "List storage elements, with their space.", "elements"),
    "check": Entry(DATA, "Compare the catalogue with what lies on storage.", "check"),
}

# In the order of the help. The reference page goes by it too.
_SECTIONS: dict[str, dict[str, Entry]] = {
    "Account": {
        "login": Entry(AUTH, "Log in to the installation.", "login"),
        "logout": Entry(AUTH, "End the login, here and on the server.", "logout"),
        "whoami": Entry(AUTH, "Show who you are logged in as.", "whoami"),
        "logins": Entry(AUTH, "List and end your logins.", "logins", aliases=("login-list",)),
        "token": Entry(AUTH, "Print an access token, for curl and other programs.", "token"),
    },
    "Jobs": {
        "jobs": Entry(JOBS, JOBS_HELP, aliases=("job",), children=JOBS_ENTRIES),
        "submit": Entry(CWL_SUBMIT, "Short for `jobs submit`."),
        "status": Entry(JOBS, "Short for `jobs status`.", "status"),
        "logs": Entry(JOBS, "Short for `jobs logs`.", "logs"),
        "output": Entry(JOBS, "Short for `jobs output`.", "output"),
        "kill": Entry(JOBS, "Short for `jobs kill`.", "kill"),
    },
    "Data": {
        "data": Entry(DATA, DATA_HELP, children=DATA_ENTRIES),
    },
    "Workflows": {
        "cwl": Entry("weyl.cwl.cli.documents", "Check and explain documents in CWL."),
        "cwl-runner": Entry("weyl.cwl.cli.runner", "Run a document in CWL as a job, and print its output object."),
        "workflows": Entry(
            "weyl.cwl.cli.workflows", "Store workflows on the server, and show them.", aliases=("workflow",)
        ),
    },
    "Resources": {
        "pilots": Entry("weyl.pilots.cli", "Look at pilots and their logs.", aliases=("pilot",)),
        "task-queues": Entry(
            "weyl.task_queues.cli", "Look at what waits, by what it needs.", aliases=("task-queue", "queues")
        ),
        "sites": Entry(RSS, "Show, ban and drain sites.", "sites", aliases=("site",)),
        "ces": Entry(RSS, "Show, ban and drain computing elements.", "ces", aliases=("ce",)),
        "ses": Entry(RSS, "Show, ban and drain storage elements.", "ses", aliases=("se",)),
        "fts": Entry(RSS, "Show, ban and drain transfer servers.", "fts"),
    },
    "Administration": {
        "accounting": Entry("weyl.accounting.cli", "Sum up what jobs and pilots have used."),
        "tasks": Entry("weyl.tasks.cli", "Look after background work.", aliases=("task",)),
        "operations": Entry(
            "weyl.tasks.cli",
            "Follow and cancel bulk operations.",
            attribute="operations",
            aliases=("operation",),
        ),
        "config": Entry("weyl.config.cli", "Read and check the configuration.", aliases=("configs",)),
    },
    "This program": {
        "api": Entry("weyl.cli.api", "Call any route of the API."),
        "doctor": Entry("weyl.cli.doctor", "Check address, certificates, clock and login."),
        "certify": Entry("weyl.certify.cli", "Try whether everything works that users of an installation do."),
        "completion": Entry("weyl.cli.completion", "Print the completion script of a shell."),
        "legacy-aliases": Entry("weyl.cli.legacy.scripts", "Write programs with DIRAC's old names."),
        "version": Entry("weyl.cli.about", "Print the version."),
    },
    "Run a system": {
        "demo": Entry(DEMO, "Run the whole system on this machine, with a real job.", "demo", extra="demo"),
        "up": Entry(DEMO, "Run the whole system on this machine, and keep its state.", "up", extra="demo"),
        "dev-idp": Entry(DEMO, "Run an identity provider for development.", "dev-idp", extra="server"),
        "serve": Entry(SERVER, "Run the server: API and web page.", "serve", extra="server"),
        "worker": Entry(SERVER, "Run the worker: background work.", "worker", extra="server"),
        "db": Entry(SERVER, "Create and migrate the database.", "db", extra="server"),
        "extensions": Entry(
            SERVER, "Look at installed extensions.", "extensions", aliases=("extension",), extra="server"
        ),
    },
}
ENTRIES: dict[str, Entry] = {
    name: replace(entry, heading=heading) for heading, entries in _SECTIONS.items() for name, entry in entries.items()
}
ENTRIES["internal"] = Entry("weyl.cli.internal", "Commands for installation and development.", hidden=True)

HELP = """Sends jobs to the grid, follows them, and fetches what they produced.

Example: weyl jobs submit job.jdl
"""


def root_command(words: Sequence[str] | None = None) -> Any:
    """Return the whole program as one command, with the options that may be among the words (none: all of them)."""
    root = lazy_group("weyl", Table(ENTRIES, extension_group="weyl.cli"), HELP, PARAMETERS)
    prepare(root, words)
    root.epilog = None
    return root
