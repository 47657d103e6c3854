"""What the program says when it fails, and the exit code that scripts see."""

import json
import traceback
from typing import Any

import typer

from weyl.cli.screen import tell
from weyl.cli.session import CommandSession
from weyl.client.errors import ClientError, Unreachable

EXIT_INTERRUPTED = 130
# Typer's name for "no arguments at all"; the class itself is private to it.
NO_ARGUMENTS = "NoArgsIsHelpError"


def report(error: BaseException, session: CommandSession) -> int:
    """Print an error to stderr, as JSON if that format was asked for, and return the exit code."""
    session.progress("")
    if isinstance(error, KeyboardInterrupt):
        tell("\nInterrupted.")
        return EXIT_INTERRUPTED
    if type(error).__name__ == NO_ARGUMENTS and not _wants_json(session):
        # Somebody who types a bare `weyl jobs` asks what there is.
        tell(str(error))
        return exit_code(error)
    document = describe(error)
    if session.options.debug and not isinstance(error, typer.TyperException):
        tell("".join(traceback.format_exception(error)), end="")
    if _wants_json(session):
        tell(json.dumps({"error": document}, default=str))
    else:
        for line in _lines(document):
            tell(line)
    return exit_code(error)


def exit_code(error: BaseException) -> int:
    """Return the exit code of an error; what nobody foresaw is 1."""
    if isinstance(error, (ClientError, typer.TyperException)):
        return error.exit_code
    if isinstance(error, ConnectionError):
        return Unreachable.exit_code
    return EXIT_INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1


def describe(error: BaseException) -> dict[str, Any]:
    """Return an error as the document that `-o json` prints."""
    if isinstance(error, ClientError):
        return {
            "code": error.code,
            "message": error.message,
            "hint": error.hint,
            "request_id": error.request_id,
            "details": error.details,
        }
    if isinstance(error, typer.TyperException):
        context = getattr(error, "ctx", None)
        path = context.command_path if context is not None else "weyl"
        return {"code": "usage", "message": error.format_message(), "hint": f"See: {path} --help"} | _NOTHING_MORE
    if isinstance(error, ConnectionError):
        # Of the commands that need no server of weyl, but a database or an object store.
        message = f"Cannot connect: {error.strerror or error}."
        return {"code": "unreachable", "message": message, "hint": _CHECK_ADDRESSES} | _NOTHING_MORE
    if isinstance(error, OSError) and error.filename is not None:
        return {"code": "file", "message": f"{error.filename}: {error.strerror}.", "hint": ""} | _NOTHING_MORE
    hint = "This is a bug of weyl. Please report it with the output of the same command with --debug."
    return {"code": "bug", "message": f"{type(error).__name__}: {error}", "hint": hint} | _NOTHING_MORE


_CHECK_ADDRESSES = "Is it running there, and are the addresses in WEYL_DATABASE_URL and the other settings right?"
_NOTHING_MORE = {"request_id": None, "details": None}


def _lines(document: dict[str, Any]) -> list[str]:
    lines = [f"Error: {document['message']}"]
    details = document["details"]
    if document["code"] == "partly_failed" and isinstance(details, dict):
        lines += [f"  {key} {value}" for key, value in details.items()]
    if document["hint"]:
        lines.append(document["hint"])
    if document["request_id"]:
        lines.append(f"Request id: {document['request_id']}")
    return lines


def _wants_json(session: CommandSession) -> bool:
    try:
        return session.asked_output in ("json", "ndjson")
    except ClientError:
        # The error to report may be just this one: an unknown format in the environment.
        return False
