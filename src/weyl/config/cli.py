"""`weyl config`: the configuration of the installation, and files that are to become one."""

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
import yaml

from weyl.client.command import Session, session_of
from weyl.client.errors import ClientError, Refused, UsageFault
from weyl.client.results import Document, Done, Result, Rows, Text
from weyl.config import calls
from weyl.config.errors import Problem
from weyl.config.path import find
from weyl.config.revisions import ChangeOrder, FaultShown, clean_text
from weyl.config.source import parse_config
from weyl.kit.errors import WeylError

T = TypeVar("T")

app = typer.Typer(name="config", help="Read and change the configuration of the installation.", no_args_is_help=True)

Message = Annotated[str, typer.Option("--message", "-m", metavar="TEXT", help="Why it is changed.")]
HISTORY_MAX = 1_000

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")]


@app.command()
def dump(context: typer.Context) -> Result:
    """Print the whole configuration, defaults filled in.

    Example: weyl config dump -o json
    """
    session = session_of(context)
    document = session.client.send(calls.get_config())
    return Document(document, text=_for_people(document) if session.output in ("table", "wide") else None)


@app.command()
def show(context: typer.Context, path: Annotated[str, typer.Argument(help="Names separated by dots.")]) -> Result:
    """Print one part of the configuration.

    Example: weyl config show Operations.voa.JobDescription
    """
    session = session_of(context)
    document = session.client.send(calls.get_config())
    part = locally(lambda: find(document, path))
    if isinstance(part, dict):
        return Document(part, text=_for_people(part) if session.output in ("table", "wide") else None)
    return Document(part, text=json.dumps(part))


@app.command()
def validate(file: Annotated[Path, typer.Argument(help="A default.yml.")]) -> Result:
    """Check a file without a server; every fault is told with its line.

    Example: weyl config validate default.yml
    """
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageFault(f"{file} cannot be read: {error}") from error
    config = locally(lambda: parse_config(text))
    return Done(f"{file} is a valid configuration", document={"valid": True, "vos": sorted(config.registry)})


@app.command()
def history(
    context: typer.Context,
    number: Annotated[
        int | None, typer.Option("--number", "-n", min=1, help="How many; 20 on a terminal, else all.")
    ] = None,
    before: Annotated[str | None, typer.Option("--before", metavar="REV", help="Only changes before this one.")] = None,
) -> Result:
    """List the newest changes: revision, time, author, message.

    Example: weyl config history -n 5
    """
    session = session_of(context)
    changes = _History(session, number or session.rows_wanted(20) or 0, before)
    columns = ("Revision", "Time", "Author", "Message")
    return Rows(
        changes.rows(), columns=columns, id_column="Revision", unit="revisions", has_more=lambda: changes.has_more
    )


class _History:
    """The newest changes, page by page: so many, or all of them."""

    def __init__(self, session: Session, wanted: int, before: str | None) -> None:
        self.has_more = False
        self._session = session
        self._left = wanted or None
        self._before = before

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the changes; afterwards `has_more` says whether there are older ones."""
        while True:
            size = min((self._left or HISTORY_MAX) + 1, HISTORY_MAX)
            page = self._session.client.send(calls.get_history(limit=size, before=self._before))
            shown = page[: self._left]
            yield from shown
            self._left = None if self._left is None else self._left - len(shown)
            self.has_more = len(page) > len(shown) or (self._left == 0 and len(page) == size)
            if self._left == 0 or len(page) < size:
                return
            self._before = shown[-1]["Revision"]


@app.command()
def diff(
    context: typer.Context,
    old: Annotated[str | None, typer.Argument(help="Older revision; by default the one before NEW.")] = None,
    new: Annotated[str | None, typer.Argument(help="Newer revision; by default the newest.")] = None,
) -> Result:
    """Print what changed between two revisions.

    Example: weyl config diff 1f2e3d4
    """
    return Text([session_of(context).client.send(calls.get_diff(old, new))["diff"]])


@app.command()
def apply(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The whole new document.")],
    *,
    message: Message,
    base: Annotated[str | None, typer.Option("--base", metavar="REV", help="Only if this is still the newest.")] = None,
    dry_run: DryRun = False,
) -> Result:
    """Commit a file as the new configuration, after showing what it changes.

    Example: weyl config apply default.yml -m "Open the site LCG.Example.org"
    """
    session = session_of(context)
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageFault(f"{file} cannot be read: {error}") from error
    base = base or session.client.send(calls.get_revision()).revision
    return _commit(session, ChangeOrder(base=base, document=text, message=message), dry_run=dry_run)


@app.command()
def revert(
    context: typer.Context,
    revision: Annotated[str, typer.Argument(metavar="REV", help="The revision whose document is to hold again.")],
    *,
    message: Annotated[str | None, typer.Option("--message", "-m", metavar="TEXT", help="Why.")] = None,
    dry_run: DryRun = False,
) -> Result:
    """Commit the document of an older revision as the new configuration.

    Example: weyl config revert 1f2e3d4c5b6a
    """
    session = session_of(context)
    old, newest = session.client.send(calls.get_revision(revision)), session.client.send(calls.get_revision())
    said = message or f"Revert to {old.revision[:12]} of {old.time:%Y-%m-%d} ({old.message})"
    order = ChangeOrder(base=newest.revision, document=old.text, message=said)
    return _commit(session, order, dry_run=dry_run)


@app.command()
def edit(
    context: typer.Context,
    *,
    message: Annotated[
        str | None, typer.Option("--message", "-m", metavar="TEXT", help="Why; asked if left out.")
    ] = None,
    draft: Annotated[
        Path | None, typer.Option("--draft", metavar="FILE", help="Go on with a text that was kept.")
    ] = None,
) -> Result:
    """Change the configuration in your editor ($VISUAL, $EDITOR); faults are told by line, and nothing is lost.

    Example: EDITOR=nano weyl config edit -m "Give bob the group admin"
    """
    session = session_of(context)
    newest = session.client.send(calls.get_revision())
    file = draft or new_draft(clean_text(newest.text))
    with kept(file):
        while True:
            text = edited(file)
            if text == clean_text(newest.text):
                file.unlink()
                return Done("Nothing was changed.")
            order = ChangeOrder(base=newest.revision, document=text, message=message or "")
            trial = session.client.send(calls.change_config(order.model_copy(update={"dry_run": True})))
            if not trial.problems:
                break
            session.say(told(trial.problems))
            if asked(session, "Edit again? [Y/n] ", otherwise="n").lower() in ("n", "no"):
                raise Refused("The configuration was not changed: it has the faults above.")
        said = message or asked(session, "Why is it changed? ", otherwise="")
        done = _commit(session, order.model_copy(update={"message": said}), dry_run=False)
        file.unlink()
        return done


def _commit(session: Session, order: ChangeOrder, *, dry_run: bool) -> Result:
    """Show what a change would do, ask, and make it."""
    trial = session.client.send(calls.change_config(order.model_copy(update={"dry_run": True})))
    if trial.problems:
        raise Refused(f"The configuration was not changed, it would have faults:\n{told(trial.problems)}")
    if not trial.is_current:
        raise Refused(
            f"The configuration was not changed: {order.base[:12]} is no longer its newest revision.",
            hint=f"See what others have changed: weyl config diff {order.base[:12]} {trial.newest[:12]}",
        )
    if not trial.diff:
        return Done("Nothing was changed: the configuration says this already.", document=trial.model_dump())
    if dry_run:
        return Document(trial.model_dump(), text=trial.diff.rstrip())
    session.say(trial.diff.rstrip())
    session.confirm("commit this change of the configuration", 1)
    made = session.client.send(calls.change_config(order))
    return Done(f"Committed as {(made.revision or made.newest)[:12]}.", document=made.model_dump())


def _for_people(part: object) -> str:
    """Return a part of the configuration as it is written: in YAML."""
    return yaml.safe_dump(part, sort_keys=False, allow_unicode=True).rstrip()


def locally(work: Callable[[], T]) -> T:
    """Tell a fault found on this side as one of the command line."""
    try:
        return work()
    except WeylError as error:
        raise UsageFault(str(error.detail)) from error


def told(problems: Sequence[FaultShown]) -> str:
    """Return the faults of a document as people look for them: by line."""
    return "\n".join(str(Problem(each.message, each.path, each.line)) for each in problems)


def asked(session: Session, question: str, *, otherwise: str) -> str:
    """Ask the person, if there is one."""
    if not session.stdin_is_terminal:
        return otherwise
    print(question, end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    return line.strip() if line else otherwise


def new_draft(text: str) -> Path:
    """Write a text to a file that only its owner may read, to be edited there."""
    descriptor, name = tempfile.mkstemp(prefix="weyl-config-", suffix=".yml")
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    return Path(name)


def edited(file: Path) -> str:
    """Return what a person has made of a file in the editor of their choice."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        status = subprocess.run([*shlex.split(editor), str(file)], check=False).returncode
        text = file.read_text()
    except (OSError, ValueError) as error:
        raise UsageFault(f"The editor {editor} cannot be used: {error}", hint="Name another one in EDITOR.") from error
    if status != 0:
        raise UsageFault(f"The editor {editor} ended with {status}: nothing was changed.", hint="")
    return text


@contextmanager
def kept(draft: Path) -> Iterator[None]:
    """Tell with any failure where the person's text is, and how to go on with it."""
    try:
        yield
    except ClientError as error:
        error.hint = f"{error.hint} Your text is in {draft}; go on with: weyl config edit --draft {draft}".strip()
        raise
    except BaseException:
        print(f"Your text is in {draft}", file=sys.stderr)
        raise
