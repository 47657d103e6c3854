"""The commands of `weyl data`, collected."""

import typer

from weyl.storage.cli import change, check, elements, find, look, meta, remove, transfers

app = typer.Typer(
    help="""Puts, finds, describes and fetches files.

Example: weyl data ls
""",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.command("ls")(look.ls)
app.command("find")(find.find)
app.command("stat")(look.stat)
app.command("replicas")(look.replicas)
app.command("put")(transfers.put_files)
app.command("get")(transfers.get_files)
app.command("url")(look.url)
app.add_typer(meta.meta, name="meta")
app.add_typer(meta.fields, name="fields")
app.command("mkdir")(change.mkdir)
app.command("rmdir")(change.rmdir)
app.command("mv")(change.mv)
app.command("chmod")(change.chmod)
app.command("chown")(change.chown)
app.command("rm")(remove.rm)
app.command("restore")(remove.restore)
app.command("du")(look.du)
app.command("register")(transfers.register)
app.command("elements")(elements.elements)
app.command("check")(check.check)
