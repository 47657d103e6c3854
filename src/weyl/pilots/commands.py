"""Payload commands: programs of extensions that run before and after payloads, and how their files are packed. Pure."""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Literal

from weyl.kit.services import Key
from weyl.pilots.tarballs import sha256_of, write_tarball

ARCHIVE = "{archive}"
"""Stands, in the words of a command, for the directory that holds its files on the node."""
WORDS_MAX, WORD_LENGTH_MAX = 100, 4_096
BYTES_MAX = 16 << 20
"""Most that the files of a command may have, all together, unpacked."""
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_PLACE = re.compile(r"\w[\w.]*:\w[\w.-]*(?:/\w[\w.-]*)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadCommand:
    """A program that runs before or after payloads, as their user and behind their walls."""

    archive: str
    """The folder with its files, such as `package:folder`; it travels to the node with the job."""
    command: Sequence[str]
    """The program and its arguments. `{archive}` in any of them is the directory of these files on the node."""
    stage: Literal["pre", "post"] = "post"
    """`pre`: before the payload, which is not started if the command fails. `post`: after it."""
    always: bool = False
    """With `post`: also after a payload that failed."""


PAYLOAD_COMMANDS: Key[Mapping[str, PayloadCommand]] = Key("the payload commands")


@dataclass(frozen=True, slots=True)
class CommandFiles:
    """The files of a command as one archive, and the digest that names it."""

    content: bytes
    sha256: str


def command_problems(commands: Mapping[str, PayloadCommand]) -> Iterator[str]:
    """Yield what is wrong with the payload commands of an extension."""
    for name, command in commands.items():
        for problem in _problems(name, command):
            yield f"the payload command {name} {problem}"


def _problems(name: str, command: PayloadCommand) -> Iterator[str]:
    if not _NAME.fullmatch(name):
        yield "has a name that no configuration can have; use at most 64 letters, digits, '_', '-' and '.'"
    if not isinstance(command, PayloadCommand):
        yield "must be a weyl.pilots.commands.PayloadCommand"
        return
    if command.stage not in ("pre", "post"):
        yield f"has the stage {command.stage!r}; there are pre and post"
    if command.always and command.stage != "post":
        yield "has always=True, which only commands of the stage post can have"
    if isinstance(command.command, str) or not command.command or not all(map(_is_word, command.command)):
        yield "needs a command of one or more words, each of them text"
    elif len(command.command) > WORDS_MAX:
        yield f"has {len(command.command)} words; {WORDS_MAX} are allowed"
    yield from _archive_problems(command.archive)


def _is_word(word: object) -> bool:
    return isinstance(word, str) and bool(word) and "\0" not in word and len(word) <= WORD_LENGTH_MAX


def _archive_problems(archive: str) -> Iterator[str]:
    if not isinstance(archive, str) or not _PLACE.fullmatch(archive):
        yield f"has the archive {archive!r}, which is not a package and a folder in it, such as package:folder"
        return
    try:
        size = sum(len(entry.read_bytes()) for _, entry in _files(archive))
    except (ImportError, OSError):
        size = 0
    if size == 0:
        yield f"has the archive {archive}, but there are no files"
    elif size > BYTES_MAX:
        yield f"has {size} bytes in its archive; {BYTES_MAX} are allowed"


def _files(archive: str) -> list[tuple[str, Traversable]]:
    package, _, folder = archive.partition(":")
    root = files(package).joinpath(*folder.split("/"))
    return sorted(_walk(root, ""), key=lambda found: found[0]) if root.is_dir() else []


def _walk(folder: Traversable, before: str) -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.name == "__pycache__":
            continue
        if entry.is_dir():
            yield from _walk(entry, f"{before}{entry.name}/")
        else:
            yield f"{before}{entry.name}", entry


def packed_files(command: PayloadCommand) -> CommandFiles:
    """Return the archive of a command."""
    stream = io.BytesIO()
    write_tarball(stream, ((name, entry.read_bytes) for name, entry in _files(command.archive)))
    stream.seek(0)
    return CommandFiles(stream.getvalue(), sha256_of(stream)[0])


def told(name: str, command: PayloadCommand, archive: CommandFiles) -> dict[str, Any]:
    """Return a command as the work of a job names it."""
    return {
        "name": name,
        "stage": command.stage,
        "always": command.always,
        "command": list(command.command),
        "archive": {"sha256": archive.sha256, "size": len(archive.content)},
    }
