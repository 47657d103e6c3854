"""Who may do what with a directory or a file, by owner, group and mode: pure.

Reading is listing and looking up; writing is making, removing, moving and describing. Who owns something changes its
mode; a manager of the VO's files stands above all modes. The bit of execution says nothing here.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from weyl.file_catalog.permits import Member


class Wish(IntEnum):
    """What somebody wants to do, as the bit of a mode."""

    READ = 4
    WRITE = 2


READ, WRITE = Wish.READ, Wish.WRITE
Rule = Literal["directory", "posix", "open"]
"""What `DataManagement.Permissions` says: what decides for a file."""

ROOT_MODE = 0o755
HOME_MODE = 0o755
FILE_BITS = 0o666
"""What of the mode of its directory a new file has: all but the bits of execution."""


@dataclass(frozen=True, slots=True)
class Rights:
    """Whose a directory or a file is, and what others may do."""

    owner: str | None
    group: str | None
    mode: int


NOBODYS = Rights(None, None, ROOT_MODE)
"""Those of the root of a VO, also before there is a row for it."""


def allows(rights: Rights, member: Member, wish: Wish) -> bool:
    """Tell whether a member may read or write: the first of owner, group and others that it is decides alone."""
    if member.is_manager:
        return True
    is_group = rights.group == member.group
    shift = 6 if rights.owner == member.username else 3 * is_group
    return bool(rights.mode >> shift & wish)


def allows_in(rule: Rule, directory: Rights, member: Member, wish: Wish, *, file: Rights | None = None) -> bool:
    """Tell whether a member may do something in a directory, or with a file in it.

    By the rule `directory` the directory alone decides, by `posix` the file as well; by `open` every member may.
    """
    if rule == "open":
        return True
    if not allows(directory, member, wish):
        return False
    return file is None or rule == "directory" or allows(file, member, wish)


def may_change(rights: Rights, member: Member, *, owner: str | None, group: str | None) -> str | None:
    """Return why a member may not change mode, owner or group of something, or None if it may.

    The owner may change the mode, and give it to the group in which it acts; a manager may do everything.
    """
    if member.is_manager:
        return None
    if rights.owner != member.username:
        return "only its owner, or FileCatalogManagement, may change its permissions"
    if owner not in (None, rights.owner):
        return "giving it to somebody else needs FileCatalogManagement"
    if group not in (None, rights.group, member.group):
        return f"you may give it to the group {member.group}, in which you act; another one needs FileCatalogManagement"
    return None


def mode_text(mode: int) -> str:
    """Return a mode as four octal digits."""
    return f"{mode:04o}"


def mode_of(text: str) -> int:
    """Return the mode that octal digits say."""
    return int(text, 8)
