"""The commands of `weyl jobs`, collected; but `submit`, to which the room `cwl` adds a kind."""

import typer

from weyl.jobs.cli import edit, fetch, follow, groups, look, manage, sandbox, why

app = typer.Typer(
    help="""Submits, follows, fetches and manages jobs.

Example: weyl jobs search --mine
""",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.command("search")(look.search)
app.command("summary")(look.summary)
app.command("groups")(groups.groups)
app.command("show")(look.show)
app.command("status")(look.status)
app.command("logs")(follow.logs)
app.command("peek")(follow.peek)
app.command("output")(fetch.output)
app.command("input")(fetch.fetch_input)
app.add_typer(sandbox.app, name="sandbox")
app.command("kill")(manage.kill)
app.command("delete")(manage.delete)
app.command("reschedule")(manage.reschedule)
app.command("edit")(edit.edit)
app.command("wait")(follow.wait)
app.command("watch")(follow.watch)
app.command("why")(why.why)
