"""`weyl workflows`: what is stored on the server, by content."""

import json
from typing import Annotated, Any, Literal

import typer

from weyl.client.command import session_of
from weyl.client.errors import Refused, UsageFault
from weyl.client.results import Document, Ids, Result, Text
from weyl.cwl import calls
from weyl.cwl.cli.sources import STORED, open_source, problem_lines
from weyl.cwl.models.bundles import StoredWorkflow

app = typer.Typer(
    help="""Stores workflows on the server, and shows those that it has.

Example: weyl workflows push reco.cwl
""",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Id = Annotated[str, typer.Argument(metavar="ID", help="64 hexadecimal digits, with #fragment where it holds several.")]
GraphForm = Literal["json", "dot", "mermaid"]


@app.command("push")
def push(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="File in CWL; what it names goes with it.")],
) -> Result:
    """Stores a workflow with all files that it names and prints its id, for `weyl jobs submit cwl ID`.

    Example: weyl workflows push reco.cwl
    """
    session = session_of(context)
    source = open_source(session, file)
    if source.local is None:
        raise UsageFault(f"{file} is the id of a stored workflow.", hint="Name a file.")
    try:
        found = source.push()
    except Refused as refusal:
        raise source.explained(refusal) from refusal
    count = len(source.local.files)
    sentence = f"Stored {file}, {count:,} file{'' if count == 1 else 's'}."
    return Ids([found], sentence, id_column="bundle_id", unit="workflows")


@app.command("show")
def show(
    context: typer.Context,
    workflow: Id,
    *,
    text: Annotated[bool, typer.Option("--text", help="Print the document as it was submitted.")] = False,
) -> Result:
    """Shows what a stored workflow is: its files, inputs and outputs.

    Example: weyl workflows show 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
    """
    session = session_of(context)
    name, fragment = split(workflow)
    if text:
        return Text([session.client.send(calls.get_workflow(name)).cwl])
    found = session.client.send(calls.find_workflow(name, fragment=fragment))
    return Document(found, text=_summary(found), ids=[found.bundle_id])


@app.command("schema")
def schema(context: typer.Context, workflow: Id) -> Result:
    """Prints the JSON Schema of a stored workflow's input object.

    Example: weyl workflows schema 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
    """
    name, fragment = split(workflow)
    content = session_of(context).client.send(calls.get_schema(name, fragment=fragment))
    return Document(content, text=json.dumps(content, indent=2))


@app.command("graph")
def graph(
    context: typer.Context,
    workflow: Id,
    *,
    form: Annotated[GraphForm, typer.Option("--format", metavar="F", help="json, dot or mermaid.")] = "json",
) -> Result:
    """Prints the steps of a stored workflow and what flows between them.

    Example: weyl workflows graph ID --format dot | dot -Tsvg > reco.svg
    """
    name, fragment = split(workflow)
    client = session_of(context).client
    if form == "json":
        content = client.send(calls.get_graph(name, fragment=fragment))
        return Document(content, text=json.dumps(content, indent=2))
    drawn = client.send(calls.draw_graph(name, form, fragment=fragment))
    return Text([drawn if drawn.endswith("\n") else drawn + "\n"])


def split(word: str) -> tuple[str, str | None]:
    """Split what names a stored workflow into its id and its fragment."""
    read = STORED.fullmatch(word)
    if read is None:
        raise UsageFault(f"{word!r} is not the id of a stored workflow.", hint="Get one with: weyl workflows push FILE")
    return read[1], read[2]


def _summary(found: StoredWorkflow) -> str:
    title = f"{found.class_ or 'Workflow'}" + (f": {found.label}" if found.label else "")
    lines = [title, *([found.doc.strip()] if found.doc else []), ""]
    lines += [f"bundle    {found.bundle_id}", f"workflow  {found.workflow_id or 'none: several files have no label'}"]
    lines += ["", "Files"]
    for path, file in found.manifest.files.items():
        lines.append(f"  {path}  {file.size:,} bytes" + ("  (entry)" if path == found.manifest.entry else ""))
    for head, parameters in (("Inputs", found.inputs), ("Outputs", found.outputs)):
        lines += ["", head, *(f"  {each.get('name')}  {type_text(each.get('type'))}" for each in parameters)]
    return "\n".join([*lines, *problem_lines([each.model_dump() for each in found.problems])])


def type_text(kind: Any) -> str:
    """Return a CWL type in a few characters: `int`, `File[]`, `a|b`, `int?`."""
    if isinstance(kind, list):
        others = [type_text(each) for each in kind if each != "null"]
        return "|".join(others) + ("?" if "null" in kind else "")
    if not isinstance(kind, dict):
        return str(kind)
    if kind.get("type") == "array":
        inner = type_text(kind.get("items"))
        return f"({inner})[]" if "|" in inner else f"{inner}[]"
    if kind.get("type") == "enum":
        return "|".join(map(str, kind.get("symbols", ())))
    return str(kind.get("type"))
