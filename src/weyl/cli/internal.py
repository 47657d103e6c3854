"""`weyl internal`: commands for those who set up an installation or develop weyl; hidden from the help of users."""

import typer

from weyl.cli.loader import Entry, Table, lazy_group

CONFIG = "weyl.config.internal_cli"
AUTH = "weyl.auth.internal_cli"
PILOTS = "weyl.pilots.internal_cli"
STORAGE = "weyl.storage.internal_cli"
SERVER = "weyl.commands"

ENTRIES: dict[str, Entry] = {
    "openapi": Entry(SERVER, "Print the OpenAPI document of the server.", "openapi", extra="server"),
    "generate-cs": Entry(CONFIG, "Create a configuration repository.", "generate-cs", extra="server"),
    "add-vo": Entry(CONFIG, "Add a VO to a configuration repository.", "add-vo", extra="server"),
    "add-group": Entry(CONFIG, "Add a group to a VO.", "add-group", extra="server"),
    "add-user": Entry(CONFIG, "Add a user to groups of a VO.", "add-user", extra="server"),
    "generate-keys": Entry(AUTH, "Create the keys that sign tokens.", "generate-keys", extra="server"),
    "rotate-keys": Entry(
        AUTH, "Put a new signing key in front, and keep the old ones for checking.", "rotate-keys", extra="server"
    ),
    "generate-storage-keys": Entry(
        STORAGE, "Create the keys that sign tokens for storage elements.", "generate-storage-keys", extra="server"
    ),
    "rotate-storage-keys": Entry(
        STORAGE, "Let the next key sign tokens for storage elements.", "rotate-storage-keys", extra="server"
    ),
    "pack-engine": Entry(
        PILOTS, "Pack the engine that runs CWL on nodes, for the Python in use.", "pack-engine", extra="cwl"
    ),
}

# The lazy loader takes a finished command as well as a Typer app.
app: typer.Typer = lazy_group("internal", Table(ENTRIES), "Commands for installation and development.")
