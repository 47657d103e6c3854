"""How files are named: `/vo/directory/file`, everywhere; what is wrong with a name, and what follows from it.

A hard rule holds always. A soft one holds for names that somebody makes; names that are there already, and those that
are imported, may break it. Nothing here repairs a name: one that breaks a rule is refused with the rule.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

BYTES_MAX = 2_048
COMPONENT_BYTES_MAX = 255
DEPTH_MAX = 64
NEW_DEPTH_MAX = 32
PATTERN_DEFAULT = r"[A-Za-z0-9._+=:,@-]+"
"""Letters of a component of a new name; `%` is decoded twice by some storage, `~` marks storage paths of our own."""
HOME_DEFAULT = "/{vo}/user/{initial}/{user}"
STORED_MARK = "~"
"""Stands between a storage path that was taken and the id of the upload that is stored beside it."""

_PREFIX = "lfn:"
# Most names are of these characters, and no component begins with a dot: such a name breaks no rule of shape.
_PLAIN = re.compile(r"(?:/[A-Za-z0-9_+=:,@-][A-Za-z0-9_+=:,@.-]*)+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def bare(name: str) -> str:
    """Return a name without the prefix `LFN:` or `lfn:`; nothing else of it changes."""
    return name[len(_PREFIX) :] if name[: len(_PREFIX)].lower() == _PREFIX else name


def fault_of(lfn: str) -> str | None:
    """Return which hard rule the name of a file breaks, or None."""
    if len(lfn) <= COMPONENT_BYTES_MAX and _PLAIN.fullmatch(lfn) and 2 <= lfn.count("/") <= DEPTH_MAX:
        return None
    if lfn.endswith("/") and lfn != "/":
        return _shape_fault(lfn) or "is the name of a directory: it ends with /"
    return directory_fault_of(lfn) or ("names a VO and no file" if lfn.count("/") < 2 else None)


def directory_fault_of(path: str) -> str | None:
    """Return which hard rule the name of a directory breaks, or None; roots of VOs are directories."""
    if (fault := _shape_fault(path)) is not None:
        return fault
    if path.endswith("/"):
        return "ends with /"
    length = len(path.encode())
    if length > BYTES_MAX:
        return f"has {length} bytes, and {BYTES_MAX:,} are allowed"
    components = path[1:].split("/")
    if len(components) > DEPTH_MAX:
        return f"lies {len(components)} levels deep, and {DEPTH_MAX} are allowed"
    if length > COMPONENT_BYTES_MAX and any(len(each.encode()) > COMPONENT_BYTES_MAX for each in components):
        return f"has a component of more than {COMPONENT_BYTES_MAX} bytes"
    if "." in components or ".." in components:
        return "has . or .. as a directory"
    return None if unicodedata.is_normalized("NFC", path) else "is not in the Unicode form NFC"


def _shape_fault(path: str) -> str | None:
    if not path.startswith("/"):
        return "does not begin with /"
    if _CONTROL.search(path):
        return "has characters that no name has"
    try:
        path.encode()
    except UnicodeEncodeError:
        return "is not valid UTF-8"
    return "has // in it" if "//" in path else None


def new_fault_of(path: str, pattern: str = PATTERN_DEFAULT) -> str | None:
    """Return which soft rule a name breaks that somebody wants to make, of a file or a directory, or None."""
    components = path[1:].split("/")
    if len(components) > NEW_DEPTH_MAX:
        return f"lies {len(components)} levels deep, and {NEW_DEPTH_MAX} are allowed for new names"
    if STORED_MARK in path:
        return f"has {STORED_MARK} in it, which marks storage paths"
    matches = _compiled(pattern).fullmatch
    wrong = next((component for component in components if not matches(component)), None)
    if wrong is None:
        return None
    return f"has the component {wrong[:60]!r}; new names consist of {pattern}"


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def parent_of(path: str) -> str:
    """Return the directory that a file or a directory lies in; of a top directory this is empty."""
    return path.rpartition("/")[0]


def name_of(path: str) -> str:
    """Return the last component."""
    return path.rpartition("/")[2]


def join(directory: str, *names: str) -> str:
    """Return the name of what lies in a directory; nothing is looked at but the slashes between the two."""
    return "/".join([directory.rstrip("/"), *(name.strip("/") for name in names)])


def lies_below(path: str, directory: str) -> bool:
    """Tell whether a path is a directory, or lies below it."""
    return path == directory or path.startswith(f"{directory}/")


def root_of(path: str, roots: Iterable[str]) -> str | None:
    """Return the root that a path lies below, or is; None: the path is not of this VO."""
    for root in roots:
        if path.startswith(root) and path[len(root) : len(root) + 1] in ("", "/"):
            return root
    return None


def levels_of(path: str, root: str) -> list[str]:
    """Return the directories from a root down to `path`, which lies below it, both among them."""
    below = path[len(root) :].split("/")[1:]
    return [root, *(f"{root}/{'/'.join(below[: number + 1])}" for number in range(len(below)))]


def home_of(template: str, *, vo: str, user: str) -> str | None:
    """Return the home of a user; None if the name of the user cannot be part of a path."""
    home = template.format(vo=vo, initial=user[:1], user=user)
    is_one = bool(user) and "/" not in user
    return home if is_one and directory_fault_of(home) is None else None


def storage_path(directory: str, name: str, pfn: str | None) -> str:
    """Return where a replica lies on its storage element, below the path of the endpoint.

    `directory` is where the files of its directory are stored: the origin of one that was moved, else its path.
    """
    return pfn if pfn is not None else f"{directory}/{name}"


def path_below(base: str, path: str) -> str:
    """Return the path of a file at an endpoint: what the endpoint says, then the storage path.

    Raises `ValueError` if that would not lie below the endpoint's path.
    """
    if (fault := directory_fault_of(path)) is not None:
        raise ValueError(f"The storage path {path[:100]!r} {fault}")
    return f"{base.rstrip('/')}{path}"


def overlap(one: Sequence[str], other: Sequence[str]) -> tuple[str, str] | None:
    """Return two roots of which one lies below the other, if there are such."""
    pairs = ((mine, theirs) for mine in one for theirs in other)
    return next((pair for pair in pairs if lies_below(*pair) or lies_below(*reversed(pair))), None)
