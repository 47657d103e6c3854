"""`weyl sites`, `ces`, `ses` and `fts`: what may be used now, why not, and what is said of it."""

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

import typer
from pydantic import BaseModel

from weyl.client.command import session_of
from weyl.client.errors import NotFound
from weyl.client.results import Document, Result, Rows
from weyl.kit.call import Call
from weyl.resource_status import calls
from weyl.resource_status.cli.changes import Commands
from weyl.resource_status.models import Kind

COLUMNS = ("Name", "Allowed", "Reason")
STORAGE_COLUMNS = ("Name", "Read", "Write", "Check", "Remove", "Reason")

app = typer.Typer(help="See what may be used.", no_args_is_help=True, rich_markup_mode=None)


def _group(name: str, thing: str, kind: Kind, *, call: Callable[[], Call[Any]], columns: Iterable[str]) -> None:
    """Add the commands for one kind of resource: all differ in what they ask for only."""
    group = typer.Typer(
        help=f"See which {thing}s may be used.\n\nExample: weyl {name} list\n",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    app.add_typer(group, name=name)

    def list_all(context: typer.Context) -> Result:
        statuses = session_of(context).client.send(call())
        rows = [row_of(each, statuses[each]) for each in sorted(statuses)]
        return Rows(rows, columns=tuple(columns), id_column="Name", unit=f"{thing}s")

    def show(
        context: typer.Context, names: Annotated[list[str], typer.Argument(metavar="NAME", help=f"Name of a {thing}.")]
    ) -> Result:
        statuses = session_of(context).client.send(call())
        known = [each for each in names if each in statuses]
        missing = {each: "is not in the configuration of your VO" for each in names if each not in statuses}
        if not known:
            raise NotFound(f"There is no {thing} {names[0]} in your VO.", hint=f"See them all: weyl {name} list")
        rows = [row_of(each, statuses[each]) for each in known]
        text = "\n\n".join("\n".join(f"{key:<7}  {_word(value)}" for key, value in row.items()) for row in rows)
        return Document(rows, text=text, id_column="Name", failed=missing)

    list_all.__doc__ = f"Lists the {thing}s of your VO, and whether they may be used.\n\nExample: weyl {name} list"
    show.__doc__ = f"Shows whether {thing}s may be used, and why not.\n\nExample: weyl {name} show NAME"
    group.command("list")(list_all)
    group.command("show")(show)
    Commands(kind, thing).add(group, name)


def row_of(name: str, status: BaseModel) -> dict[str, Any]:
    """Return the status of one resource as a row: one column for each kind of use, and all that is said about them."""
    uses: Mapping[str, Any] = dict(status)
    words = {kind: getattr(use, "reason", None) or getattr(use, "warnings", None) for kind, use in uses.items()}
    row: dict[str, Any] = {"Name": name}
    if set(uses) == {"all"}:
        return row | {"Allowed": uses["all"].allowed, "Reason": words["all"]}
    row |= {kind.capitalize(): use.allowed for kind, use in uses.items()}
    said = {text: [kind for kind in uses if words[kind] == text] for text in words.values() if text}
    return row | {"Reason": "; ".join(f"{', '.join(kinds)}: {text}" for text, kinds in said.items()) or None}


def _word(value: Any) -> str:
    return {True: "yes", False: "no", None: "-"}.get(value, str(value))


_group("sites", "site", Kind.SITE, call=calls.get_site_status, columns=COLUMNS)
_group("ces", "computing element", Kind.COMPUTE, call=calls.get_compute_status, columns=COLUMNS)
_group("ses", "storage element", Kind.STORAGE, call=calls.get_storage_status, columns=STORAGE_COLUMNS)
_group("fts", "transfer server", Kind.FTS, call=calls.get_fts_status, columns=COLUMNS)
