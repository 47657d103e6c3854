"""Command lines as DIRAC's programs take them: `--Option=value`, `-X value` and `/Option=value`, names in any case."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from weyl.client.errors import UsageFault


@dataclass(frozen=True, slots=True)
class Option:
    """One option of an old program."""

    name: str
    letter: str = ""
    help: str = ""
    takes_value: bool = True


# What every DIRAC program takes and weyl has no use for.
IGNORED = (
    Option("option", "o"),
    Option("cfg"),
    Option("section", "s"),
    Option("cert", "c"),
    *(Option("d" * count, "", takes_value=False) for count in (1, 2, 3)),
    Option("debug", "d", takes_value=False),
)


@dataclass(slots=True)
class Given:
    """What was typed: values by the option's name in lower case, and the other words."""

    options: dict[str, list[str]] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)
    wants_help: bool = False

    def one(self, name: str, otherwise: str = "") -> str:
        """Return the last value of an option."""
        return self.options.get(name.lower(), [otherwise])[-1]

    def has(self, name: str) -> bool:
        """Say whether an option was given."""
        return name.lower() in self.options

    def many(self, name: str) -> list[str]:
        """Return all values of an option, lists at commas cut apart."""
        return [part for value in self.options.get(name.lower(), []) for part in value.split(",") if part]


@dataclass(frozen=True, slots=True)
class Alias:
    """One old program: which words of `weyl` it stands for, and how what they return was printed."""

    name: str
    summary: str
    usage: str
    words: Callable[[Given], list[str]]
    # Turns the result of the command into lines; none: printed as `weyl` does.
    show: Callable[[Any, Given], Iterable[str]] | None = None
    options: tuple[Option, ...] = ()
    # What follows the first word that is no option belongs to another program.
    ends_at_word: bool = False

    @property
    def family(self) -> str:
        """Return the family by which aliases are installed."""
        return "dirac" if self.name.startswith("dirac-") else "short"


def parse(alias: Alias, arguments: Sequence[str]) -> Given:
    """Read a command line; raises UsageFault for an option that the old program had not, or that weyl lacks."""
    given = Given()
    rest = list(arguments)
    known = {each.name.lower(): each for each in (*IGNORED, *alias.options)}
    letters = {each.letter: each for each in (*IGNORED, *alias.options) if each.letter}
    while rest:
        word = rest.pop(0)
        if word in ("-h", "--help", "/help"):
            given.wants_help = True
        elif word == "--" or (alias.ends_at_word and not word.startswith("-")):
            given.words += rest if word == "--" else [word, *rest]
            break
        elif (found := _option(word, known, letters)) is not None:
            option, value = found
            if option.takes_value and value is None:
                if not rest:
                    raise UsageFault(f"{word} wants a value.", hint=f"See: {alias.name} --help")
                value = rest.pop(0)
            given.options.setdefault(option.name.lower(), []).append(value or "")
        elif word.startswith("-") and word != "-":
            raise UsageFault(f"{alias.name} of weyl has no option {word}.", hint=f"See: {alias.name} --help")
        else:
            given.words.append(word)
    return given


def _option(word: str, known: dict[str, Option], letters: dict[str, Option]) -> tuple[Option, str | None] | None:
    name, equals, value = word.partition("=")
    text = value if equals else None
    if name.startswith("--"):
        found = known.get(name[2:].lower())
    elif name.startswith("/"):
        # A path begins so, too: only a name that is known is an option.
        found = known.get(name[1:].lower())
    elif name.startswith("-") and len(name) > 1:
        found = letters.get(name[1]) if len(name) == 2 else known.get(name[1:].lower())
        if found is None and len(name) > 2 and name[1] in letters and letters[name[1]].takes_value:
            return letters[name[1]], word[2:]
    else:
        found = None
    return None if found is None else (found, text)


def help_text(alias: Alias) -> str:
    """Return what `--help` of an old name prints."""
    lines = [alias.summary, "", f"Usage: {alias.name} {alias.usage}", ""]
    for option in alias.options:
        shown = f"--{option.name}{'=' if option.takes_value else ''}"
        lines.append(f"  {'-' + option.letter + ', ' if option.letter else '    '}{shown:<20} {option.help}")
    return "\n".join([*lines, "", "This is an old name, kept by `weyl legacy-aliases`."]).replace("\n\n\n", "\n\n")
