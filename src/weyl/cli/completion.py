"""Completion of commands and options: scripts for the shells, and the answers that they ask for, without network."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from weyl.client.errors import ClientError, UsageFault
from weyl.client.results import Result, Text

VARIABLE = "_WEYL_COMPLETE"

BASH = """_weyl_complete() {
    local IFS=$'\\n'
    COMPREPLY=($(_WEYL_COMPLETE=1 _WEYL_WORDS="${COMP_WORDS[*]:1:$COMP_CWORD}" weyl 2>/dev/null | cut -f1))
}
complete -o default -o nosort -F _weyl_complete weyl
"""

ZSH = """#compdef weyl
_weyl_complete() {
    local -a found
    local IFS=$'\\n'
    found=($(_WEYL_COMPLETE=1 _WEYL_WORDS="${(F)words[2,$CURRENT]}" weyl 2>/dev/null | sed 's/:/\\\\:/g; s/\\t/:/'))
    if (( ${#found} )); then _describe 'weyl' found; else _files; fi
}
compdef _weyl_complete weyl
"""

FISH = """function __weyl_complete
    set -lx _WEYL_COMPLETE 1
    set -lx _WEYL_WORDS (string join \\n -- (commandline -opc)[2..] (commandline -ct) | string collect -N)
    weyl 2>/dev/null
end
complete -c weyl -a '(__weyl_complete)'
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def completion(shell: Annotated[str, typer.Argument(help="bash, zsh or fish.")]) -> Result:
    """Prints the completion script of a shell, to be read by it at its start.

    Example: weyl completion bash > ~/.local/share/bash-completion/completions/weyl
    """
    if shell not in SCRIPTS:
        raise UsageFault(f"There is no completion for {shell!r}.", hint=f"Choose one of {', '.join(SCRIPTS)}.")
    return Text([SCRIPTS[shell]])


def is_asked(environ: Mapping[str, str]) -> bool:
    """Say whether a shell is asking what may come next."""
    return VARIABLE in environ


def answer(root: Any, environ: Mapping[str, str]) -> None:
    """Print what may come next, one candidate a line, with its help after a tab."""
    words = environ.get("_WEYL_WORDS", "").split("\n")
    try:
        found = candidates(root, words[:-1], words[-1])
    except (ClientError, ImportError):
        # A broken word earlier in the line: the shell shows nothing rather than our error.
        found = {}
    for word, help_text in found.items():
        print(f"{word}\t{help_text}" if help_text else word)


def candidates(root: Any, before: list[str], incomplete: str) -> dict[str, str]:
    """Return what may stand where `incomplete` is, after the words before it."""
    command = root
    for word in before:
        if isinstance(command, TyperGroup) and not word.startswith("-"):
            known = command.list_commands(None)  # type: ignore[arg-type]
            child = command.get_command(None, word) if word in known or _is_lazy(command) else None  # type: ignore[arg-type]
            command = child or command
    if incomplete.startswith("-"):
        found = {
            word: (parameter.help or "").partition(".")[0]
            for parameter in command.params
            for word in parameter.opts
            if word.startswith("--") and hasattr(parameter, "help")
        }
    elif isinstance(command, TyperGroup):
        found = _children(command)
    else:
        found = {}
    return {word: text for word, text in found.items() if word.startswith(incomplete)}


def _is_lazy(command: Any) -> bool:
    return hasattr(command, "table")


def _children(command: Any) -> dict[str, str]:
    if _is_lazy(command):
        return dict(command.table.visible())
    return {name: child.get_short_help_str(80) for name, child in command.commands.items() if not child.hidden}
