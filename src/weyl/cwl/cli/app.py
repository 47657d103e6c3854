"""The commands for CWL, collected: a kind of `jobs submit`, and what is at the root."""

import typer

from weyl.cwl.cli import documents, runner, submit, workflows

app = typer.Typer(rich_markup_mode=None)
app.add_typer(submit.app, name="submit")
app.add_typer(documents.app, name="cwl")
app.add_typer(workflows.app, name="workflows")
app.registered_commands += runner.app.registered_commands
