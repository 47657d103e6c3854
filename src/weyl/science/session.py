"""What a program in Python is to the code that commands share: a client, and a person who reads what is said."""

import sys
import threading
from collections.abc import Iterator, Mapping
from functools import cached_property

from weyl.client import environment
from weyl.client.command import GlobalOptions
from weyl.client.credentials import CredentialFile
from weyl.client.sync import Client

_lock = threading.Lock()
_default: dict[tuple[str, ...], "ProgramSession"] = {}


class ProgramSession:
    """A session of the client's kind (`weyl.client.command.Session`); nobody is asked, nothing is read from stdin."""

    def __init__(self, client: Client) -> None:
        self.client = client
        # A program that calls a function has decided.
        self.options = GlobalOptions(yes=True)

    @cached_property
    def credentials(self) -> CredentialFile:
        """The file that holds the login."""
        return CredentialFile(environment.credentials_path())

    @property
    def output(self) -> str:
        """The format of the output: rows, as they come."""
        return "ndjson"

    @property
    def has_asked_format(self) -> bool:
        """Whether a format is asked for; programs print nothing."""
        return True

    def rows_wanted(self, default: int | None = None) -> int | None:
        """Return how many rows a list is to have: all of them, unless the program says how many."""
        return self.options.limit or 0

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
        return False

    def say(self, message: str) -> None:
        """Write a line for the person to stderr."""
        if message:
            print(message, file=sys.stderr, flush=True)

    def progress(self, line: str) -> None:
        """Show how far something is: on a terminal in the place of the line before, else not at all."""
        if self.stderr_is_terminal:
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()

    def confirm(self, action: str, count: int, *, unit: str = "", breakdown: Mapping[str, int] | None = None) -> None:
        """Ask nobody."""

    def read_ids(self, arguments: list[str]) -> list[str]:
        """Return the ids given."""
        return list(arguments)

    def stream_ids(self, arguments: list[str]) -> Iterator[str]:
        """Yield the ids given."""
        yield from arguments

    def stream_lines(self, arguments: list[str]) -> Iterator[str]:
        """Yield the words given."""
        yield from arguments


def session_of(client: Client | None = None) -> ProgramSession:
    """Return the session of a client, or the one of the login that the command line uses, made when it is needed.

    A program that sets WEYL_URL or logs in elsewhere meanwhile gets a new one.
    """
    if client is not None:
        return ProgramSession(client)
    key = (
        environment.server_url(),
        str(environment.credentials_path()),
        environment.variable("TOKEN_FILE") or "",
    )
    with _lock:
        if key not in _default:
            _default[key] = ProgramSession(Client())
        return _default[key]
