"""`weyl api`: any route of the API by hand, with the login and the retries of every other command."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from weyl.client.command import session_of
from weyl.client.errors import UsageFault
from weyl.client.results import Document, Result, Rows, Text
from weyl.kit.call import Call

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def api(
    context: typer.Context,
    method: Annotated[str, typer.Argument(help="GET, POST, PUT, PATCH, DELETE or HEAD.")],
    path: Annotated[str, typer.Argument(help="Path of the route, as in /api/docs, with its query.")],
    *,
    data: Annotated[
        str | None, typer.Option("-d", "--data", metavar="JSON|@FILE", help="Body: JSON, or @ and a file of it.")
    ] = None,
    paginate: Annotated[bool, typer.Option("--paginate", help="Fetch all pages of a search.")] = False,
) -> Result:
    """Calls a route of the API and prints its answer.

    Example: weyl api POST /api/jobs/summary -d '{"grouping": ["Status"], "search": []}'
    """
    if method.upper() not in METHODS:
        raise UsageFault(f"{method!r} is not a method of HTTP.", hint=f"Choose one of {', '.join(METHODS)}.")
    session = session_of(context)
    call: Call[Any] = Call(method.upper(), "/" + path.lstrip("/"), str, body=_body(data))
    if not paginate:
        text = session.client.send(call)
        return _document(text)
    stream = session.client.rows(
        Call(call.method, call.path, list[dict[str, Any]], body=call.body, unit="rows"),
        limit=session.options.limit or 0,
    )
    return Rows(_checked(iter(stream)), total=stream.total, has_more=stream.has_more, form="json")


def _body(data: str | None) -> Any:
    if data is None:
        return None
    if data.startswith("@"):
        try:
            data = Path(data[1:]).read_text(encoding="utf-8")
        except OSError as error:
            raise UsageFault(f"Cannot read {data[1:]}: {error.strerror}.", hint="Name a readable file.") from error
    try:
        return json.loads(data)
    except ValueError as error:
        raise UsageFault(f"The body is not JSON: {error}.", hint="Quote it for the shell: -d '{\"a\": 1}'") from error


def _document(text: str) -> Result:
    if not text:
        return None
    try:
        return Document(json.loads(text), form="json")
    except ValueError:
        return Text([text if text.endswith("\n") else f"{text}\n"])


def _checked(rows: Iterator[Any]) -> Iterator[Any]:
    for row in rows:
        if not isinstance(row, dict):
            raise UsageFault("This route does not answer with a list of rows.", hint="Leave --paginate out.")
        yield row
