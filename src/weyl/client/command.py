"""What a room's command is given: the client, the program's options, the terminal, the question before harm."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, cast

import typer

from weyl.client.credentials import CredentialFile
from weyl.client.sync import Client


@dataclass(slots=True)
class GlobalOptions:
    """The options that every command understands, before and after its name."""

    output: str | None = None
    columns: tuple[str, ...] | None = None
    no_header: bool = False
    quiet: bool = False
    # Rows wanted; None: the command's own default, 0: all of them, page by page.
    limit: int | None = None
    url: str | None = None
    profile: str | None = None
    debug: bool = False
    no_color: bool = False
    yes: bool = False
    timeout_s: float | None = None
    fail_empty: bool = False
    watch_s: float | None = None


class Session(Protocol):
    """One run of the program."""

    @property
    def options(self) -> GlobalOptions:
        """The options of the whole program."""

    @property
    def client(self) -> Client:
        """The client for the installation; made, and its address asked for, at first use."""

    @property
    def credentials(self) -> CredentialFile:
        """The file that holds the login of this profile."""

    @property
    def output(self) -> str:
        """The format of the output: what an option or the environment asks for, else a table."""

    @property
    def has_asked_format(self) -> bool:
        """Whether an option or the environment asks for a format."""

    def rows_wanted(self, default: int | None = None) -> int | None:
        """Return how many rows a list is to have; 0: all of them, page by page.

        What `--limit` says; else all, but `default` in a table on a terminal. Without a default that is one page of a
        search (None), which JSON has too, as DiracX's own command prints it.
        """

    @property
    def stdout_is_terminal(self) -> bool:
        """Whether somebody looks at the output."""

    @property
    def stderr_is_terminal(self) -> bool:
        """Whether somebody looks at what is said beside the output."""

    @property
    def stdin_is_terminal(self) -> bool:
        """Whether somebody can answer a question."""

    def say(self, message: str) -> None:
        """Write a line for the person to stderr; silent with --quiet."""

    def progress(self, line: str) -> None:
        """Show how far something is: on a terminal in the place of the line before, else on a line of its own.

        An empty line ends it.
        """

    def confirm(self, action: str, count: int, *, unit: str = "", breakdown: Mapping[str, int] | None = None) -> None:
        """Ask once before harm (`kill`, 12, `jobs`); raises UsageFault if refused, or if nobody can be asked."""

    def read_ids(self, arguments: list[str]) -> list[str]:
        """Return the ids given, with a single `-` replaced by the words of stdin."""

    def stream_ids(self, arguments: list[str]) -> Iterator[str]:
        """Yield the same ids, those of stdin while they are read."""

    def stream_lines(self, arguments: list[str]) -> Iterator[str]:
        """Yield the words given, with a single `-` replaced by the lines of stdin: names may have blanks."""


def session_of(context: typer.Context) -> Session:
    """Return the session of the run that this command belongs to."""
    return cast(Session, context.obj)
