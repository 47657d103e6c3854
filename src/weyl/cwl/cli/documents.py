"""`weyl cwl`: what the server says of local documents, and of the hints that they may have."""

import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from weyl.client.command import Session, session_of
from weyl.client.errors import Refused
from weyl.client.results import Document, Done, Parts, Result, Rows
from weyl.cwl import calls
from weyl.cwl.cli.objects import InputObject, found, has_files, read_objects
from weyl.cwl.cli.overrides import hint_values
from weyl.cwl.cli.sources import Source, open_source, problem_lines
from weyl.cwl.cli.words import Hint
from weyl.cwl.models.bundles import Validated

app = typer.Typer(
    help="""Checks and explains documents in CWL.

Example: weyl cwl validate reco.cwl inputs.yml
""",
    no_args_is_help=True,
    rich_markup_mode=None,
)

File = Annotated[str, typer.Argument(metavar="FILE", help="File in CWL, with #fragment where it holds several.")]
# Input objects in one request.
CHECKED_MAX = 1_000


@app.command("validate")
def validate(
    context: typer.Context,
    file: File,
    inputs: Annotated[
        list[str] | None, typer.Argument(metavar="INPUTS", help="Files with input objects to check as well.")
    ] = None,
    *,
    hint: Hint = None,
) -> Result:
    """Checks a document, and inputs for it, as a submission does, and exits with 10 if something is wrong.

    Example: weyl cwl validate reco.cwl inputs.yml
    """
    session = session_of(context)
    source = open_source(session, file)
    objects = read_objects(inputs or [])
    if not objects and not hint:
        return Parts(_verdict(source, source.checked))
    has_any = any(has_files(each.value) for each in objects)
    schema = source.checked.schema_ or {} if has_any else {}
    answer: Validated | None = None
    for start in range(0, max(len(objects), 1), CHECKED_MAX):
        part = objects[start : start + CHECKED_MAX]
        values = [found(each, schema).emptied() for each in part]
        answer = _asked(session, source, values, hint or [])
        if answer.problems:
            break
    assert answer is not None
    return Parts(_verdict(source, answer, part))


def _asked(session: Session, source: Source, values: list[Any], hint: list[str]) -> Validated:
    hints = hint_values(hint)
    more: dict[str, Any] = {"inputs": values or None, "hints": hints or None}
    if source.local is None:
        return session.client.send(calls.validate_workflow(workflow_id=source.name, **more))
    manifest = calls.sent(source.manifest, source.local.files)
    return session.client.send(calls.validate_workflow(manifest=manifest, **more))


def _verdict(source: Source, answer: Validated, objects: list[InputObject] | None = None) -> Iterator[Result]:
    file, problems = source.name, source.located(answer.problems)
    for each in problems:
        if objects and each.get("index") is not None:
            each["origin"] = objects[each["index"]].origin
    errors = [each for each in problems if each["severity"] == "error"]
    what = f"{file} is a valid {answer.class_ or 'document'}"
    if not problems:
        yield Done(f"{what}.", document=[])
        return
    text = "\n".join(line.strip() for line in problem_lines(problems, file))
    yield Document(problems, text=text, id_column="code")
    if errors:
        count = len(errors)
        raise Refused(f"{file} has {count} error{'' if count == 1 else 's'}.", hint="", details={"problems": problems})
    yield Done(f"{what}.")


@app.command("explain")
def explain(context: typer.Context, file: File, *, hint: Hint = None) -> Result:
    """Shows every value that hints give to a job of a document, and the layer that it comes from.

    Example: weyl cwl explain reco.cwl --hint priority=5
    """
    session = session_of(context)
    source = open_source(session, file)
    answer = _asked(session, source, [], hint or [])
    source.refuse_errors(answer.problems)
    source.tell_warnings(source.located(answer.problems))
    rows = [{"Hint": each.name, "Value": _shown(each.value, session), "From": each.layer} for each in answer.hints]
    return Rows(rows, columns=("Hint", "Value", "From"), id_column="Hint", unit="hints")


def _shown(value: Any, session: Session) -> Any:
    """Return a value for a cell of a table; other formats get it as it is."""
    is_table = session.output in ("table", "wide")
    return json.dumps(value) if is_table and isinstance(value, (dict, list)) else value


@app.command("schema")
def schema(context: typer.Context) -> Result:
    """Prints the JSON Schema of the hints that this installation knows, for editors and other programs.

    Example: weyl cwl schema > hints.json
    """
    content = session_of(context).client.send(calls.hints_schema())
    return Document(content, text=json.dumps(content, indent=2))
