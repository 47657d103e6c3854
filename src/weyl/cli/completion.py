"""Completion of commands and options: scripts for the shells, and the answers that they ask for, without network."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from weyl.cli.loader import load
from weyl.cli.options import FORMATS
from weyl.cli.screen import put_clean
from weyl.cli.tree import ENTRIES, JOBS_ENTRIES
from weyl.cli.words import Words, profiles
from weyl.cli.words import load as load_words
from weyl.client.environment import cache_directory, variable
from weyl.client.errors import ClientError, UsageFault
from weyl.client.results import Result, Text
from weyl.kit.plain_text import one_line

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

# What the value of an option is a word of: kinds are columns, or units of rows that commands have shown.
OPTIONS = {
    "--output-format": "formats",
    "--profile": "profiles",
    "--site": "sites|Site|GridSite",
    "--ce": "computing elements",
    "--group": "JobGroup",
    "--job-group": "JobGroup",
    "--for": "Status",
    "--vo": "VO",
    "--se": "storage elements",
}
# The same for the arguments of the commands of a noun.
ARGUMENTS = {
    ("jobs", "ID"): "jobs",
    ("data", "LFN"): "files|entries",
    ("data", "PATH"): "entries|files",
    ("data", "NAME"): "fields",
    ("pilots", "STAMP"): "pilots",
    ("sites", "NAME"): "sites|Site",
    ("ces", "NAME"): "computing elements",
    ("ses", "NAME"): "storage elements",
    ("fts", "NAME"): "transfer servers",
    ("task-queues", "CLASS_ID"): "task queues",
    ("tasks", "ID"): "dead letters",
    ("tasks", "NAME"): "tasks",
    ("login", "VO"): "VO",
    ("logins", "JTI"): "logins",
    ("completion", "SHELL"): "shells",
}
STATUSES = {"jobs": "weyl.jobs.states"}
FIXED: dict[str, Sequence[str]] = {"formats": FORMATS, "shells": ("bash", "zsh", "fish")}

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
        found = candidates(root, words[:-1], words[-1], remembered(words, environ))
    except (ClientError, ImportError):
        # A broken word earlier in the line: the shell shows nothing rather than our error.
        found = {}
    for word, help_text in found.items():
        put_clean(f"{one_line(word)}\t{one_line(help_text)}" if help_text else one_line(word))


def remembered(line: Sequence[str], environ: Mapping[str, str]) -> Words:
    """Return what earlier commands have seen of the installation that the line is about; asks nobody."""
    directory = cache_directory(environ)
    url = variable("URL", environ) or ""
    for i, word in enumerate(line):
        if word == "--url" and i + 1 < len(line):
            url = line[i + 1]
    known = load_words(directory / "words.json", url.rstrip("/"))
    known["profiles"] = dict.fromkeys(profiles(directory), (0.0, ""))
    return known


def candidates(root: Any, before: list[str], incomplete: str, known: Words | None = None) -> dict[str, str]:
    """Return what may stand where `incomplete` is, after the words before it."""
    command, path, rest = _descend(root, before)
    option = _waiting(command, before)
    if option is not None:
        return _values(OPTIONS.get(option.opts[-1]) or OPTIONS.get(option.opts[0]), incomplete, known or {}, path)
    if incomplete.startswith("-"):
        name, equals, value = incomplete.partition("=")
        if equals:
            found = _values(OPTIONS.get(name), value, known or {}, path)
            return {f"{name}={word}": text for word, text in found.items()}
        found = {
            word: (parameter.help or "").partition(".")[0]
            for parameter in command.params
            for word in parameter.opts
            if word.startswith("--") and hasattr(parameter, "help")
        }
    elif isinstance(command, TyperGroup):
        found = _children(command)
    else:
        return _values(_kind_of_argument(command, path, rest), incomplete, known or {}, path)
    return {word: text for word, text in found.items() if word.startswith(incomplete)}


def _descend(root: Any, before: Sequence[str]) -> tuple[Any, str, int]:
    """Follow the words to their command; return it, the noun that it is about, and how many arguments it has got."""
    command, path, rest = root, "", 0
    is_value = False
    for word in before:
        if is_value or word.startswith("-"):
            is_value = not is_value and _takes_value(command, word)
        elif isinstance(command, TyperGroup):
            known = command.list_commands(None)  # type: ignore[arg-type]
            child = command.get_command(None, word) if word in known or _is_lazy(command) else None  # type: ignore[arg-type]
            if child is not None:
                path = path or _noun(word)
                command, rest = child, 0
        else:
            rest += 1
    return command, path, rest


def _noun(word: str) -> str:
    """Return the plural by which a group is known; the short forms at the root are about jobs."""
    if word in JOBS_ENTRIES:
        return "jobs"
    return next((name for name, entry in ENTRIES.items() if word in entry.aliases), word)


def _waiting(command: Any, before: Sequence[str]) -> Any:
    """Return the option that the last word is, if it wants a value."""
    if not before or not _takes_value(command, before[-1]):
        return None
    return _option(command, before[-1])


def _takes_value(command: Any, word: str) -> bool:
    option = _option(command, word)
    return option is not None and not getattr(option, "is_flag", False) and not getattr(option, "count", False)


def _option(command: Any, word: str) -> Any:
    return next((each for each in command.params if word.startswith("-") and word in each.opts), None)


def _kind_of_argument(command: Any, path: str, position: int) -> str | None:
    arguments = [each for each in command.params if not each.opts[0].startswith("-")]
    if not arguments:
        return None
    argument = arguments[min(position, len(arguments) - 1)]
    metavar = (argument.metavar or argument.name.upper()).strip("[].").partition("|")[0]
    return ARGUMENTS.get((path, metavar))


def _values(kind: str | None, incomplete: str, known: Words, path: str) -> dict[str, str]:
    """Return the words of a kind that go on from what is typed, of a list only its last."""
    if kind is None:
        return {}
    done, comma, last = incomplete.rpartition(",")
    words = dict.fromkeys(FIXED[kind], "") if kind in FIXED else {}
    if kind == "Status":
        words = dict.fromkeys(load(STATUSES[path]).JobStatus, "") if path in STATUSES else {}
    words |= {word: about for one in kind.split("|") for word, (_, about) in known.get(one, {}).items()}
    return {f"{done}{comma}{word}": about for word, about in words.items() if word.startswith(last)}


def _is_lazy(command: Any) -> bool:
    return hasattr(command, "table")


def _children(command: Any) -> dict[str, str]:
    if _is_lazy(command):
        return dict(command.table.visible())
    return {name: child.get_short_help_str(80) for name, child in command.commands.items() if not child.hidden}
