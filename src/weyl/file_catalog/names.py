"""The names of one call: which a VO may mean, which break a rule, and what a path is found by; pure."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from weyl.config.lfns import (
    NEW_DEPTH_MAX,
    bare,
    directory_fault_of,
    fault_of,
    home_of,
    levels_of,
    lies_below,
    new_fault_of,
    root_of,
)
from weyl.config.models import Config
from weyl.file_catalog.models.files import Code, Failure
from weyl.file_catalog.modes import Rule
from weyl.file_catalog.permits import Member

HASH_BYTES = 16
SHOWN = 200
NO_SUCH = "No such file or directory"


def path_hash(path: str) -> bytes:
    """Return what a directory is found by; `triggers.sql` and moves compute the same."""
    return hashlib.sha256(path.encode()).digest()[:HASH_BYTES]


@dataclass(frozen=True, slots=True)
class Space:
    """Where in the space of names a member acts: the roots of its VO, the rules of new names, its home."""

    vo: str
    roots: Sequence[str]
    pattern: str
    home: str | None
    rule: Rule

    @classmethod
    def of(cls, config: Config, member: Member) -> "Space":
        """Return what the configuration says for a member."""
        options = config.operations[member.vo].data_management
        home = home_of(options.user_home, vo=member.vo, user=member.username)
        return cls(member.vo, options.roots_of(member.vo), options.lfn_pattern, home, options.permissions)

    def levels(self, path: str) -> list[str]:
        """Return the directories from the root down to `path`; none for what lies below no root."""
        root = root_of(path, self.roots)
        return [] if root is None else levels_of(path, root)

    def is_at_home(self, path: str) -> bool:
        """Tell whether a path is the member's home, or lies below it."""
        return self.home is not None and lies_below(path, self.home)

    def leads_home(self, path: str) -> bool:
        """Tell whether a path is above the member's home."""
        return self.home is not None and path != self.home and lies_below(self.home, path)

    def new_fault(self, path: str) -> str | None:
        """Return which rule of new names a path breaks, of a file or a directory."""
        if root_of(path, self.roots) is None:
            return f"lies below no root of your VO; those are {', '.join(self.roots)}"
        return new_fault_of(path, self.pattern)

    def new_name_fault(self, lfn: str) -> str | None:
        """Return which rule of new names the last component breaks, of a file in a directory that exists."""
        if lfn.count("/") > NEW_DEPTH_MAX:
            return new_fault_of(lfn, self.pattern)
        return new_fault_of(lfn[lfn.rindex("/") :], self.pattern)


@dataclass(slots=True)
class Sorted:
    """Names that may be meant, without prefix and each once, and why the others cannot be."""

    good: list[str]
    failed: dict[str, Failure]


def known_files(names: Iterable[str], space: Space) -> Sorted:
    """Sort names of files that may exist; what lies below no root of the VO does not exist for it."""
    return _sorted(names, space, fault_of)


def known_paths(names: Iterable[str], space: Space) -> Sorted:
    """Sort names of files or directories that may exist."""
    return _sorted(names, space, directory_fault_of)


def _sorted(names: Iterable[str], space: Space, fault: Callable[[str], str | None]) -> Sorted:
    good: dict[str, None] = {}
    failed: dict[str, Failure] = {}
    for name in map(bare, names):
        if (wrong := fault(name)) is not None:
            failed[printable(name)] = bad_name(wrong)
        elif root_of(name, space.roots) is None:
            failed[name] = not_found()
        else:
            good[name] = None
    return Sorted(list(good), failed)


def bad_name(fault: str, *, of: str | None = None) -> Failure:
    """Return why the name that an answer stands under cannot be, or that of something else (`of`)."""
    return Failure(Code.BAD_NAME, f"{'The name' if of is None else printable(of)[:SHOWN]} {fault}")


def not_found() -> Failure:
    """Return that nothing of this name exists, as far as the caller can tell."""
    return Failure(Code.NOT_FOUND, NO_SUCH)


def printable(name: str) -> str:
    """Return a name as an answer can hold it: half of a surrogate pair is no text."""
    return name.encode("utf-8", "replace").decode()
