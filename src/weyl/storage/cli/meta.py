"""`weyl data meta` and `weyl data fields`: what is said about files, and what may be said."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import typer

from weyl.client.command import session_of
from weyl.client.errors import NotFound, UsageFault
from weyl.client.results import Done, Ids, Result, Rows
from weyl.file_catalog import calls as files
from weyl.storage.cli.names import Failed, Paths, each, names_of, pairs, typed

META_COLUMNS = ("path", "field", "value", "from")
FIELD_COLUMNS = ("name", "type", "on", "indexed", "unit", "values", "help")

meta = typer.Typer(
    help="""Reads and sets metadata of files and directories.

Example: weyl data meta get /hep/mc
""",
    no_args_is_help=True,
    rich_markup_mode=None,
)
fields = typer.Typer(
    help="""Shows and declares the metadata fields of your VO.

Example: weyl data fields list
""",
    no_args_is_help=True,
    rich_markup_mode=None,
)

FieldName = Annotated[str, typer.Argument(metavar="NAME", help="Name of a field.")]
Unit = Annotated[str | None, typer.Option("--unit", metavar="U", help="What its numbers count, as GeV.")]
Values = Annotated[str | None, typer.Option("--values", metavar="A,B", help="The only values that it may have.")]
Description = Annotated[str | None, typer.Option("--description", metavar="TEXT", help="What it says of a file.")]


@meta.command("get")
def meta_get(
    context: typer.Context,
    paths: Paths,
    *,
    own: Annotated[bool, typer.Option("--own", help="Leave out what comes from directories above.")] = False,
) -> Result:
    """Shows the metadata of files and directories, and which directory each value comes from.

    Example: weyl data meta get /hep/mc/zmumu-1.json
    """
    session = session_of(context)
    failed: Failed = {}
    found = each(session, names_of(session, paths), lambda batch: files.metadata(batch, inherited=not own), failed)
    return Rows(_values(found), columns=META_COLUMNS, id_column="field", unit="values", failed=failed)


def _values(found: Iterator[tuple[str, Any]]) -> Iterator[dict[str, Any]]:
    for path, values in found:
        for field, told in values.items():
            yield {"path": path, "field": field, "value": told["value"], "from": told["from"]}


@meta.command("set")
def meta_set(
    context: typer.Context,
    path: Annotated[str, typer.Argument(metavar="PATH", help="Name of a file or directory, or - for stdin.")],
    values: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="What to set; of a directory it holds for all below."),
    ] = None,
    *,
    unset: Annotated[
        list[str] | None, typer.Option("--unset", metavar="KEY", help="Take this value away; may be repeated.")
    ] = None,
) -> Result:
    """Sets metadata of a file, or of a directory and all that is below it.

    Example: weyl data meta set /hep/mc/run7 Run=1207 Particle=gamma
    """
    session = session_of(context)
    given = pairs(values or (), "KEY=VALUE")
    if not given and not unset:
        raise UsageFault("Nothing to set.", hint="Write values as Run=1207, or take one away with --unset Run.")
    known = session.client.send(files.fields()) if given else []
    wanted = {**typed(given, known), **dict.fromkeys(unset or ())}
    failed: Failed = {}
    names = names_of(session, [path])
    done = each(session, names, lambda batch: files.set_metadata(dict.fromkeys(batch, wanted)), failed)
    changed = (name for name, _ in done)
    return Ids(changed, lambda count: f"Set metadata of {count:,}.", id_column="path", failed=failed)


@fields.command("list")
def fields_list(context: typer.Context) -> Result:
    """Lists the metadata fields of your VO.

    Example: weyl data fields list
    """
    rows = session_of(context).client.send(files.fields())
    return Rows(rows, columns=FIELD_COLUMNS, id_column="name", unit="fields")


@fields.command("add")
def fields_add(
    context: typer.Context,
    name: FieldName,
    *,
    kind: Annotated[
        Literal["int", "float", "text", "bool", "date", "time"], typer.Option("--type", help="What its values are.")
    ],
    on: Annotated[
        Literal["file", "directory", "both"],
        typer.Option("--on", help="What may have it; of a directory it holds for all below."),
    ] = "both",
    indexed: Annotated[
        bool, typer.Option("--indexed/--not-indexed", help="Whether files are found by it quickly.")
    ] = True,
    unit: Unit = None,
    values: Values = None,
    description: Description = None,
) -> Result:
    """Declares a metadata field; files and directories can have values of declared fields only.

    Example: weyl data fields add Run --type int
    """
    field = {"name": name, "type": kind, "on": on, "indexed": indexed}
    field |= _said(unit, _choices(values, kind), description)
    made = session_of(context).client.send(files.declare_field(field))
    return Ids([name], f"Declared the field {name}.", id_column="name", document=made)


@fields.command("edit")
def fields_edit(
    context: typer.Context,
    name: FieldName,
    *,
    indexed: Annotated[
        bool | None, typer.Option("--indexed/--not-indexed", help="Whether files are found by it quickly.")
    ] = None,
    unit: Unit = None,
    values: Values = None,
    description: Description = None,
) -> Result:
    """Changes what is said of a metadata field; its type stays.

    Example: weyl data fields edit Energy --unit GeV
    """
    session = session_of(context)
    choices = None
    if values is not None:
        known = {field["name"]: field["type"] for field in session.client.send(files.fields())}
        if name not in known:
            raise NotFound(f"There is no field {name}.", hint="See them: weyl data fields list")
        choices = _choices(values, known[name])
    changes = _said(unit, choices, description) | ({} if indexed is None else {"indexed": indexed})
    if not changes:
        raise UsageFault("Nothing to change.", hint="As: weyl data fields edit Energy --unit GeV")
    made = session.client.send(files.change_field(name, changes))
    return Ids([name], f"Changed the field {name}.", id_column="name", document=made)


@fields.command("remove")
def fields_remove(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="Names of fields.")],
    *,
    force: Annotated[bool, typer.Option("--force", help="Remove all values of it, too.")] = False,
) -> Result:
    """Removes metadata fields that nothing has a value of.

    Example: weyl data fields remove Energy --yes
    """
    session = session_of(context)
    session.confirm("remove fields, and with --force all values:" if force else "remove fields:", len(names))
    for name in names:
        session.client.send(files.remove_field(name, force=force))
    return Done(f"Removed {', '.join(names)}.", document={"removed": names})


def _said(unit: str | None, values: Any, description: str | None) -> dict[str, Any]:
    said = {"unit": unit, "values": values, "help": description}
    return {name: value for name, value in said.items() if value is not None}


def _choices(text: str | None, kind: str) -> list[Any] | None:
    if text is None:
        return None
    words = [word.strip() for word in text.split(",") if word.strip()]
    return [typed({"": word}, [{"name": "", "type": kind}])[""] for word in words]
