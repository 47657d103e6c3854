"""One run of the program: its options, its client, and what it says to and asks of the person."""

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from weyl.cli.options import format_name
from weyl.cli.screen import replace_line, tell
from weyl.cli.words import Learner
from weyl.client import environment
from weyl.client.command import GlobalOptions
from weyl.client.credentials import CredentialFile
from weyl.client.errors import UsageFault
from weyl.client.sync import TIMEOUT_S, Client, default_store

# Above this many, the number has to be typed.
TYPED_ABOVE = 1_000


def words_path() -> Path:
    """Return the file of what completion may offer."""
    return environment.cache_directory() / "words.json"


class CommandSession:
    """What commands get as their context's object."""

    def __init__(self, words: Sequence[str] = ()) -> None:
        self.words = words
        self.options = GlobalOptions()
        self.learner = Learner()
        self._progress = ""

    @cached_property
    def client(self) -> Client:
        """The client for the installation; made, and its address asked for, at first use."""
        return Client(
            self.options.url,
            default_store(self.options.profile),
            timeout_s=self.options.timeout_s or TIMEOUT_S,
            observe=self._observe if self.options.debug else None,
        )

    @cached_property
    def credentials(self) -> CredentialFile:
        """The file that holds the login of this profile."""
        return CredentialFile(environment.credentials_path(self.options.profile))

    @property
    def stdout_is_terminal(self) -> bool:
        """Whether somebody looks at the output."""
        return sys.stdout.isatty()

    @property
    def stderr_is_terminal(self) -> bool:
        """Whether somebody looks at what is said beside the output."""
        return sys.stderr.isatty()

    @property
    def stdin_is_terminal(self) -> bool:
        """Whether somebody can answer a question."""
        return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()

    @property
    def output(self) -> str:
        """The name of the output format: what was asked for, else a table."""
        return "id" if self.options.quiet else self.asked_output or "table"

    @property
    def has_asked_format(self) -> bool:
        """Whether an option or the environment asks for a format."""
        return self.options.quiet or self.asked_output is not None

    @property
    def is_for_people(self) -> bool:
        """Whether the output is a table that somebody looks at: cut to the terminal, in colour, with a footer."""
        return self.stdout_is_terminal and self.output in ("table", "wide")

    def rows_wanted(self, default: int | None = None) -> int | None:
        """Return how many rows a list is to have; 0: all of them, None: one page of a search."""
        if self.options.limit is not None:
            return self.options.limit
        is_page = self.is_for_people or (default is None and self.output == "json")
        return default if is_page else 0

    @property
    def asked_output(self) -> str | None:
        """The format that an option or the environment names."""
        if self.options.output is not None:
            return self.options.output
        value = environment.variable("OUTPUT_FORMAT")
        return format_name(value, "WEYL_OUTPUT_FORMAT") if value else None

    @property
    def has_color(self) -> bool:
        """Whether the output may be coloured."""
        return self.is_for_people and not self.options.no_color and not os.environ.get("NO_COLOR")

    def say(self, message: str) -> None:
        """Write a line for the person to stderr; silent with --quiet."""
        if not self.options.quiet and message:
            self.progress("")
            tell(message)

    def progress(self, line: str) -> None:
        """Show how far something is: on a terminal in the place of the line before; silent with --quiet."""
        if self.options.quiet or line == self._progress:
            return
        if self.stderr_is_terminal:
            replace_line(line)
        elif line:
            tell(line)
        self._progress = line

    def confirm(self, action: str, count: int, *, unit: str = "", breakdown: Mapping[str, int] | None = None) -> None:
        """Ask once before harm; raises UsageFault if refused or if nobody can be asked."""
        if self.options.yes or count == 0:
            return
        parts = ", ".join(f"{number:,} {name}" for name, number in (breakdown or {}).items())
        what = f"{action} {count:,}" + (f" {unit}" if unit else "") + (f" ({parts})" if parts else "")
        if not self.stdin_is_terminal:
            raise UsageFault(f"This would {what}; nothing was done.", hint="Add --yes, or try --dry-run first.")
        expected = str(count) if count > TYPED_ABOVE else "y"
        question = f"About to {what}. " + (f"Type {count} to go on: " if count > TYPED_ABOVE else "Go on? [y/N] ")
        tell(question, end="")
        reply = sys.stdin.readline().strip().replace(",", "").lower()
        if reply != expected and not (expected == "y" and reply == "yes"):
            raise UsageFault("Nothing was done.", hint="")

    def read_ids(self, arguments: list[str]) -> list[str]:
        """Return the ids given, with a single `-` replaced by the words of stdin."""
        return list(self.stream_ids(arguments))

    def stream_ids(self, arguments: list[str]) -> Iterator[str]:
        """Yield the same ids, those of stdin while they are read."""
        if arguments != ["-"]:
            yield from arguments
            return
        for line in sys.stdin:
            yield from line.split()

    def stream_lines(self, arguments: list[str]) -> Iterator[str]:
        """Yield the words given, with a single `-` replaced by the lines of stdin."""
        if arguments != ["-"]:
            yield from arguments
            return
        for line in sys.stdin:
            if name := line.rstrip("\r\n"):
                yield name

    def close(self) -> None:
        """End the connections, if there are any, and keep for completion what a person has seen."""
        self.progress("")
        if "client" not in self.__dict__:
            return
        self.client.close()
        if sys.stderr.isatty():
            # Scripts complete nothing, and may be many at once.
            self.learner.save(words_path(), self.client.url)

    def _observe(self, send: Any, outcome: Any, seconds: float) -> None:
        """Show one request; tokens travel in headers, forms and queries of presigned addresses, never shown."""
        address = urlsplit(send.url)
        query = "&".join(f"{key}={value}" for key, value in send.query.items())
        text = f"{address.scheme}://{address.netloc}{address.path}" + ("?..." if address.query else "")
        result = (
            f"{outcome.status}, {len(outcome.content)} bytes" if hasattr(outcome, "status") else f"no answer: {outcome}"
        )
        stamp = time.strftime("%H:%M:%S")
        tell(f"{stamp} {send.method} {text}{'?' + query if query else ''} -> {result} ({seconds:.3f} s)")
