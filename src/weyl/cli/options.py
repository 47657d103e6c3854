"""The options of every command, before and after its name, and how they are put on commands that do not know them."""

from collections.abc import Sequence
from copy import copy
from types import SimpleNamespace
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command as command_of

from weyl.client.command import GlobalOptions
from weyl.client.errors import UsageFault

FORMATS = ("table", "wide", "json", "ndjson", "csv", "tsv", "yaml", "id")
# What the peer's users have in their environment and scripts.
PEER_FORMATS = {"rich": "table"}

_declarations = typer.Typer(add_completion=False, rich_markup_mode=None)


@_declarations.command()
def _declare(
    *,
    output_format: Annotated[
        str | None, typer.Option("--output-format", "-o", metavar="FORMAT", help=f"One of {', '.join(FORMATS)}.")
    ] = None,
    json: Annotated[
        str | None, typer.Option("--json", metavar="FIELDS", help="Print JSON with these fields, as `JobID,Status`.")
    ] = None,
    columns: Annotated[
        str | None, typer.Option("--columns", metavar="A,B", help="Show these columns, in this order.")
    ] = None,
    no_header: Annotated[bool, typer.Option("--no-header", help="Leave out the line of column names.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print ids only, and no messages.")] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=0, help="Stop after N rows; 0: every page, streamed.")
    ] = None,
    url: Annotated[
        str | None, typer.Option("--url", metavar="URL", help="Address of the installation, instead of WEYL_URL.")
    ] = None,
    profile: Annotated[
        str | None, typer.Option("--profile", metavar="NAME", help="Use the login of this name.")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the requests, and where an error came from.")] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="Never use colours.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before harm.")] = False,
    timeout: Annotated[
        float | None, typer.Option("--timeout", metavar="S", min=0.001, help="Give up on an answer after S seconds.")
    ] = None,
    fail_empty: Annotated[bool, typer.Option("--fail-empty", help="Exit 3 if there are no rows.")] = False,
    watch: Annotated[
        float | None,
        typer.Option("--watch", metavar="[S]", min=0.2, help="Run again every S seconds (2 if not said) until Ctrl-C."),
    ] = None,
) -> None:
    """Declares the options; never runs."""


def global_parameters() -> list[Any]:
    """Return the options of every command as Typer's own parameter objects."""
    return [parameter for parameter in command_of(_declarations).params if parameter.name != "help"]


def _store(context: Any, parameter: Any, value: Any) -> Any:
    """Note a given option in the session; what is not given leaves what an outer level said."""
    if value is None or value is False or context.obj is None:
        return value
    note(context.obj.options, parameter.name, value)
    return value


def note(options: GlobalOptions, name: str, value: Any) -> None:
    """Write one given option into the record of them."""
    match name:
        case "output_format":
            options.output = format_name(value, "-o")
        case "json":
            options.output = options.output if options.output in ("ndjson", "json") else "json"
            options.columns = split_names(value)
        case "columns":
            options.columns = split_names(value)
        case "timeout":
            options.timeout_s = value
        case "watch":
            options.watch_s = value
        case _:
            setattr(options, name, value)


def format_name(value: str, origin: str) -> str:
    """Return the name of an output format, in any spelling of case."""
    name = PEER_FORMATS.get(value.lower(), value.lower())
    if name not in FORMATS:
        raise UsageFault(f"{origin}: there is no output format {value!r}.", hint=f"Choose one of {', '.join(FORMATS)}.")
    return name


def split_names(text: str) -> tuple[str, ...]:
    """Split a list of names at commas."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise UsageFault("The list of columns is empty.", hint="Name at least one, as `JobID,Status`.")
    return names


def _ready_parameters() -> tuple[Any, ...]:
    parameters = global_parameters()
    for parameter in parameters:
        parameter.expose_value = False
        parameter.callback = _store
    return tuple(parameters)


PARAMETERS = _ready_parameters()
HELP_OPTION_NAMES = ["-h", "--help"]
_HELP_CONTEXT = SimpleNamespace(help_option_names=HELP_OPTION_NAMES)


def prepare(command: Any, words: Sequence[str] | None = None) -> None:
    """Put the options of the whole program on a command and all commands below it; a command's own options win.

    Typer builds a pydantic adapter for each option of a command, given or not, and importing pydantic costs more than
    all the rest of the program's start; so with the `words` of the command line only what may be among them is added.
    """
    command.rich_markup_mode = None
    if command.help:
        # Keeps an example on its line, to be copied.
        command.help = command.help.replace("\nExample:", "\n\b\nExample:")
    taken = {word for parameter in command.params for word in (*parameter.opts, *parameter.secondary_opts)}
    wanted = [each for each in PARAMETERS if taken.isdisjoint(each.opts) and (words is None or _is_among(each, words))]
    command.params = [*command.params, *(_hidden(parameter) for parameter in wanted)]
    help_option = command.get_help_option(_HELP_CONTEXT)
    if help_option is not None:
        # A flag that is not None needs no adapter either.
        help_option.default = False
    if not command.epilog:
        command.epilog = "Options of every command, such as -o and --url: see `weyl --help`."
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            # `FILE` says enough; `<list[str]>` is for programmers.
            parameter.display_type_rich = _no_type
    if isinstance(command, TyperGroup):
        for child in command.commands.values():
            prepare(child, words)
            child.short_help = child.short_help or _first_sentence(child.help or "")


def _no_type(ctx: Any) -> str:
    return ""


def _first_sentence(text: str) -> str:
    return " ".join(text.partition("\n\n")[0].split())


def _hidden(parameter: Any) -> Any:
    hidden = copy(parameter)
    hidden.hidden = True
    return hidden


def _is_among(parameter: Any, words: Sequence[str]) -> bool:
    """Say whether an option may be given in these words: `--columns`, `--columns=A`, `-oyaml`, `-qy`."""
    for option in parameter.opts:
        if option.startswith("--"):
            if any(word == option or word.startswith(option + "=") for word in words):
                return True
        elif any(word.startswith("-") and not word.startswith("--") and option[1] in word for word in words):
            return True
    return False
