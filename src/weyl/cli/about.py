"""`weyl version`."""

from importlib.metadata import version as version_of
from platform import python_version

import typer

from weyl.client.results import Document, Result

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def version() -> Result:
    """Prints the version of weyl, and of the Python that runs it.

    Example: weyl version
    """
    installed = version_of("weyl")
    return Document({"weyl": installed, "python": python_version()}, text=f"weyl {installed}", ids=[installed])
