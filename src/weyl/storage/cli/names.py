"""Which files and directories a command is about: names as they are typed, or come on stdin; and batches of them."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import PurePosixPath
from typing import Annotated, Any

import typer

from weyl.client import environment
from weyl.client.command import Session
from weyl.client.credentials import claims_of
from weyl.client.errors import NotFound, UsageFault
from weyl.config import lfns
from weyl.config.calls import get_config
from weyl.kit.call import Call

# Names in one request; and where a request changes files.
BATCH = 10_000
CHANGE_BATCH = 1_000
VARIABLE = "DATA_DIRECTORY"

Lfns = Annotated[list[str], typer.Argument(metavar="LFN", help="Names of files, or - for stdin.")]
Paths = Annotated[list[str], typer.Argument(metavar="PATH", help="Names of files and directories, or - for stdin.")]
Site = Annotated[str | None, typer.Option("--site", metavar="SITE", help="Begin with what is near to this site.")]

Failed = dict[str, str]


class Namer:
    """Turns what was typed into names: those that do not begin with a slash lie below one's working directory."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._base: str | None = None

    def __call__(self, word: str) -> str:
        """Return the name that a word means; `LFN:` before it is dropped, and so are `.` and `..`."""
        name = lfns.bare(word)
        if name.startswith("/"):
            return name if name == "/" else name.rstrip("/")
        parts: list[str] = []
        for part in [*self.base().split("/"), *name.split("/")]:
            if part == "..":
                parts = parts[:-1]
            elif part not in ("", "."):
                parts.append(part)
        return "/" + "/".join(parts)

    def base(self) -> str:
        """Return the working directory: WEYL_DATA_DIRECTORY, else one's home."""
        if self._base is None:
            self._base = environment.variable(VARIABLE) or self._home()
        return self._base

    def _home(self) -> str:
        claims = claims_of(self._session.client.token())
        vo, user = str(claims.get("vo", "")), str(claims.get("preferred_username", ""))
        operations = self._session.client.send(get_config()).get("Operations", {})
        template = next(
            (
                told
                for section in (vo, "Defaults")
                if (told := operations.get(section, {}).get("DataManagement", {}).get("UserHome"))
            ),
            lfns.HOME_DEFAULT,
        )
        home = lfns.home_of(template, vo=vo, user=user)
        if home is None:
            raise UsageFault(
                "You have no home directory.", hint="Write names from the slash on, or set WEYL_DATA_DIRECTORY."
            )
        return home


def names_of(session: Session, words: Sequence[str]) -> Iterator[str]:
    """Yield the names that were typed, or come on stdin for `-`, one on a line there: names may have blanks."""
    namer = Namer(session)
    is_any = False
    for word in session.stream_lines(list(words)):
        is_any = True
        yield namer(word)
    if not is_any:
        raise UsageFault("No file is named.", hint="Give names, or `-` to read them from stdin.")


def batches(names: Iterable[str], size: int = BATCH) -> Iterator[list[str]]:
    """Cut many names into pieces that fit in a request, each name once in a piece."""
    source = iter(names)
    while batch := list(islice(source, size)):
        yield list(dict.fromkeys(batch))


def each(
    session: Session,
    names: Iterable[str],
    call: Callable[[list[str]], Call[dict[str, Any]]],
    failed: Failed,
    *,
    size: int = BATCH,
) -> Iterator[tuple[str, Any]]:
    """Send a call for names in batches; yields what came of each, and notes the failed.

    Raises `NotFound` if that is all of them and there is nothing of any.
    """
    is_any, reasons = False, set()
    for batch in batches(names, size):
        answer = session.client.send(call(batch))
        for name, told in answer["failed"].items():
            failed[name] = reason(told)
            reasons.add(told.get("code") if isinstance(told, Mapping) else None)
        for name, told in answer["success"].items():
            is_any = True
            yield name, told
    if not is_any and reasons == {"not_found"}:
        raise no_such(failed)


def no_such(failed: Failed) -> NotFound:
    """Return the error that files do not exist for this user."""
    name, *others = failed
    more = f" (and {len(others):,} more)" if others else ""
    return NotFound(f"{name}{more} does not exist, or is not yours to see.", hint="Look around with: weyl data ls")


def reason(told: Any) -> str:
    """Return why something failed, as a person is told."""
    return str(told.get("detail", told)) if isinstance(told, Mapping) else str(told)


def target_of(name: str, target: str, *, is_directory: bool) -> str:
    """Return the new name of what is moved: the target itself, or its own name below it."""
    return lfns.join(target, PurePosixPath(name).name) if is_directory else target


def pairs(words: Iterable[str], option: str) -> dict[str, str]:
    """Read `KEY=VALUE`."""
    found: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise UsageFault(f"{option} {word!r} is not a name and a value.", hint=f"Write it as: {option} Run=1200")
        found[key] = value
    return found


def typed(values: Mapping[str, str], fields: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return metadata values as their fields want them; what cannot be read so is the server's to refuse."""
    types = {field["name"]: field["type"] for field in fields}
    return {name: _typed(value, types.get(name, "text")) for name, value in values.items()}


def _typed(value: str, kind: str) -> Any:
    if kind not in ("int", "float", "bool"):
        return value
    try:
        found = json.loads(value.lower() if kind == "bool" else value)
    except ValueError:
        return value
    if kind == "bool" or isinstance(found, bool):
        return found if kind == "bool" and isinstance(found, bool) else value
    return found if isinstance(found, int) or (kind == "float" and isinstance(found, float)) else value
