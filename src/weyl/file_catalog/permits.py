"""Whose rights count in the file catalogue: what every query and service of the room demands."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a VO, in a group; what it may do with which directory, its mode says (`modes.py`)."""

    vo: str
    username: str
    group: str
    is_manager: bool
    """Administers the files of the VO: above all modes."""


@dataclass(frozen=True, slots=True)
class FieldKeeper:
    """May say what the files of a VO are described with."""

    vo: str
    author: str
    subject: str
