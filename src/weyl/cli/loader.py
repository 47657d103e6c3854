"""The lazy part of the program: a command's module is imported when it runs (the documented late import of the CLI)."""

import gc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from types import ModuleType
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command as command_of

from weyl.cli.options import HELP_OPTION_NAMES, prepare
from weyl.client.errors import UsageFault
from weyl.client.spelling import suggestion

EXTENSIONS = "Of extensions"


@dataclass(frozen=True, slots=True)
class Entry:
    """One name of the tree: the module, the Typer app in it, and the command of that app (none: the whole app)."""

    module: str
    help: str
    command: str | None = None
    attribute: str = "app"
    aliases: tuple[str, ...] = ()
    hidden: bool = False
    # The extra without which the module cannot be imported.
    extra: str | None = None
    # Under which heading the help of its group lists it.
    heading: str = "Commands"
    # Commands of a group that are known here too, so that its help imports nothing.
    children: "Mapping[str, Entry] | None" = None


def load(name: str) -> ModuleType:
    """Import a module by name; what it brings stays, and the garbage collector never looks through it."""
    gc.disable()
    try:
        return import_module(name)
    finally:
        gc.freeze()
        gc.enable()


def load_command(name: str, entry: Entry, words: Sequence[str] | None = None) -> Any:
    """Import the module of an entry and return its command, ready to run with the `words` of the command line."""
    if entry.children is not None:
        group = lazy_group(name, Table(entry.children), entry.help)
        prepare(group, words)
        return group
    try:
        module = load(entry.module)
    except ModuleNotFoundError as error:
        raise _missing(name, entry, error) from error
    app = getattr(module, entry.attribute)
    command = command_of(app) if isinstance(app, typer.Typer) else app
    # Typer's own completion would import every room to answer; ours does not.
    command.params = [each for each in command.params if each.name not in ("install_completion", "show_completion")]
    if entry.command is not None and isinstance(command, TyperGroup):
        command = command.commands[entry.command]
    prepare(command, words)
    return command


def _missing(name: str, entry: Entry, error: ModuleNotFoundError) -> UsageFault:
    missing = error.name or "a module"
    if entry.extra is not None and not missing.startswith("weyl"):
        return UsageFault(
            f"`weyl {name}` needs {missing}, which the light installation does not bring.",
            hint=f"Install it with: pip install 'weyl[{entry.extra}]'",
        )
    return UsageFault(f"`weyl {name}` is not part of this installation: {missing} is missing.", hint="Reinstall weyl.")


@dataclass(frozen=True)
class Table:
    """The commands of one lazy group, and those that extensions add to it."""

    entries: Mapping[str, Entry]
    # Entry-point group whose entries are further commands, one Typer app each.
    extension_group: str | None = None

    @cached_property
    def extensions(self) -> Mapping[str, Entry]:
        """The commands of extensions, read from the metadata of installed packages without importing them."""
        if self.extension_group is None:
            return {}
        points = load("importlib.metadata").entry_points(group=self.extension_group)
        return {
            point.name: Entry(point.module, f"Commands of the extension {point.name}.", attribute=point.attr or "app")
            for point in points
            if point.name not in self.entries
        }

    def find(self, name: str) -> Entry | None:
        """Return the entry of a name or alias."""
        entry = self.entries.get(name)
        if entry is None:
            entry = next((found for found in self.entries.values() if name in found.aliases), None)
        return entry or self.extensions.get(name)

    def visible(self) -> dict[str, str]:
        """Return the names that help and completion show, each with its one line."""
        shown = {name: entry.help.partition("\n")[0] for name, entry in self.entries.items() if not entry.hidden}
        return {**shown, **{name: entry.help for name, entry in self.extensions.items()}}

    def sections(self) -> dict[str, dict[str, str]]:
        """Return the same names by their headings, in the order in which these come first."""
        found: dict[str, dict[str, str]] = {}
        for name, line in self.visible().items():
            entry = self.entries.get(name)
            found.setdefault(entry.heading if entry else EXTENSIONS, {})[name] = line
        return found


class LazyGroup(TyperGroup):
    """A group of commands that imports the one that runs, and none to show its help."""

    table = Table({})
    # Options that help shows, whether or not they are among the words of this run.
    shown_parameters: Sequence[Any] = ()

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names, without importing anything."""
        return list(self.table.visible())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import and return one command."""
        entry = self.table.find(cmd_name)
        if entry is not None:
            session = ctx.obj if ctx is not None else None
            return load_command(cmd_name, entry, getattr(session, "words", None))
        if not cmd_name.startswith("-"):
            hint = suggestion(cmd_name, self.table.visible(), otherwise="See: weyl --help")
            raise UsageFault(f"There is no command `{cmd_name}`.", hint=hint)
        return None

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the commands, then the options, those of the whole program among them if this is its root."""
        self._write_commands(formatter)
        own = self.params
        self.params = [*(each for each in own if not getattr(each, "hidden", False)), *self.shown_parameters]
        try:
            super().format_options(ctx, formatter)
        finally:
            self.params = own

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write nothing: the commands stand before the options."""

    def _write_commands(self, formatter: Any) -> None:
        sections = self.table.sections()
        longest = max((len(name) for lines in sections.values() for name in lines), default=0)
        for heading, lines in sections.items():
            with formatter.section(heading):
                # Padded, so that the lines of all headings begin in one column.
                formatter.write_dl([(name.ljust(longest), line) for name, line in lines.items()])


def lazy_group(name: str, table: Table, summary: str, shown_parameters: Sequence[Any] = ()) -> Any:
    """Return a group whose commands are those of the table."""
    kind = type("_Group", (LazyGroup,), {"table": table, "shown_parameters": shown_parameters})
    app = typer.Typer(
        name=name,
        cls=kind,
        help=summary,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": HELP_OPTION_NAMES},
    )
    app.callback()(_nothing)
    return command_of(app)


def _nothing() -> None:
    """Stand where Typer wants a function: the group itself does nothing."""
