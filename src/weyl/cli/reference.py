"""The reference page of the command line, rendered from the tree of commands itself."""

from collections.abc import Iterator
from typing import Any

from typer.core import TyperGroup

from weyl.cli.options import PARAMETERS
from weyl.cli.tree import root_command

INTRODUCTION = """# Commands

Every command below takes the [options of every command](#options-of-every-command), before or after its name. Data goes
to standard output, everything else to standard error. `weyl COMMAND --help` shows the same text in the terminal.
"""

# Exit codes are part of what scripts rely on; the classes of weyl.client.errors carry them.
EXIT_CODES = """## Exit codes

| code | meaning |
|---|---|
| 0 | done |
| 1 | unexpected error |
| 2 | wrong usage: option, file, filter, or no `--yes` where it is needed |
| 3 | not found, or nothing found with `--fail-empty` |
| 4 | not logged in |
| 5 | forbidden |
| 6 | server unreachable, or failing after retries |
| 7 | some of many failed |
| 8 | a wait timed out, or a login is still pending |
| 9 | what was waited for ended in failure |
| 10 | refused by the server |
| 130 | interrupted |
"""


def render_reference() -> str:
    """Return the page as Markdown: options of every command, then each visible command."""
    root = root_command()
    parts = [INTRODUCTION, "## Options of every command\n", _options(PARAMETERS), EXIT_CODES]
    parts += [_section(path, command) for path, command in _commands(root, "weyl")]
    return "\n".join(parts)


def _commands(group: Any, path: str) -> Iterator[tuple[str, Any]]:
    for name in group.list_commands(None):
        command = group.get_command(None, name)
        if command is None or command.hidden:
            continue
        yield f"{path} {name}", command
        if isinstance(command, TyperGroup):
            yield from _commands(command, f"{path} {name}")


def _section(path: str, command: Any) -> str:
    text, _, example = (command.help or "").replace("\b\n", "").partition("Example:")
    level = "##" if path.count(" ") == 1 else "###"
    lines = [f"{level} {path}\n", text.strip() + "\n"]
    usage = _usage(path, command)
    if not isinstance(command, TyperGroup):
        lines.append(f"```text\n{usage}\n```\n")
    own = [each for each in command.params if not getattr(each, "hidden", False)]
    if own:
        lines.append(_options(own))
    if example:
        lines.append(f"```console\n$ {example.strip()}\n```\n")
    return "\n".join(lines)


def _usage(path: str, command: Any) -> str:
    arguments = [_argument(each) for each in command.params if not each.opts[0].startswith("-")]
    return " ".join([path, "[OPTIONS]", *arguments])


def _argument(parameter: Any) -> str:
    name = parameter.metavar or parameter.name.upper()
    name = f"{name}..." if parameter.nargs == -1 and not name.endswith("...") else name
    return name if parameter.required else f"[{name}]"


def _options(parameters: Any) -> str:
    rows = [f"| {_name(each)} | {_cell(getattr(each, 'help', None) or '')} |" for each in parameters]
    return "\n".join(["| option or argument | meaning |", "|---|---|", *rows]) + "\n"


def _name(parameter: Any) -> str:
    words = [*parameter.opts, *parameter.secondary_opts]
    if not words[0].startswith("-"):
        return f"`{parameter.metavar or parameter.name.upper()}`"
    value = "" if getattr(parameter, "is_flag", False) else f" {parameter.metavar or parameter.name.upper()}"
    return ", ".join(f"`{word}{_cell(value)}`" for word in words)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|") if not text.startswith(" ") else " " + _cell(text.strip())
