"""The output object of a workflow: its Files and Directories, wherever they stand, and where they are."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

PATH_LENGTH_MAX = 4_096
KEPT = "sandbox:"
"""How the location of a file begins that is in a sandbox."""
ON_GRID = "LFN:"
"""How the location of a file begins that is in the file catalogue."""
_URL = re.compile(r"(?!file:)[a-z][a-z0-9+.-]*://[^\x00-\x20\x7f]+", re.ASCII)


def files_in(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every File and Directory in an output object, those inside of others too."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if one.get("class") in ("File", "Directory"):
                yield one
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


def is_elsewhere(location: str) -> bool:
    """Tell whether a location is none below the job's sandbox: a file of the grid, or an input that was passed on."""
    return location.startswith((f"{KEPT}/S3/", f"{ON_GRID}/")) or _URL.fullmatch(location) is not None


def lfns_in(outputs: Mapping[str, Any]) -> Iterator[str]:
    """Yield the files and directories of the grid that an output object names."""
    for each in files_in(outputs):
        location = each.get("location")
        if isinstance(location, str) and location.startswith(ON_GRID):
            yield location.removeprefix(ON_GRID)


def fault_of_path(path: str) -> str | None:
    """Say what is wrong with a path below a sandbox; None if nothing is."""
    if not path or len(path) > PATH_LENGTH_MAX:
        return f"has 1 to {PATH_LENGTH_MAX} characters"
    if any(part in ("", ".", "..") for part in path.split("/")):
        return "is relative, and none of its parts is empty, `.` or `..`"
    if any(ord(character) < 32 or character == "\x7f" for character in path):
        return "has no control characters"
    return None


def located(outputs: Mapping[str, Any], sandbox: str | None) -> Mapping[str, Any]:
    """Return an output object whose files say where they are: relative locations become members of the sandbox."""
    for each in files_in(outputs):
        location = each.get("location")
        if isinstance(location, str) and not is_elsewhere(location):
            each["location"] = f"{KEPT}{sandbox}#{quote(location)}"
    return outputs
